from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.filters import (
    AnyFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.server_info import Limits
from headgate_server.model.states import StateType
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import OPERATORS, read_run_query
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS

NUMBERS: dict[Any, int] = {
    Operator.AND: pb.OPERATOR_AND,
    Operator.OR: pb.OPERATOR_OR,
    **STATE_TYPE_NUMBERS,
}


def write(conditions: msgspec.Struct, message: Any) -> None:
    """Write a filter as a client would: what was given is set, what was not is left out."""
    message.SetInParent()
    for name in conditions.__struct_fields__:
        value = getattr(conditions, name)
        match value:
            case None:
                pass
            case msgspec.Struct():
                write(value, getattr(message, name))
            case tuple():
                getattr(message, name).SetInParent()
                getattr(message, name).values.extend(NUMBERS.get(each, each) for each in value)
            case datetime():
                getattr(message, name).FromDatetime(value)
            case _:
                setattr(message, name, NUMBERS.get(value, value))


def one_of(kind: type[msgspec.Struct], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return filters of a kind, each member given or not."""
    return st.builds(kind, **{name: st.none() | member for name, member in members.items()})


def joined(kind: type[msgspec.Struct], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return filters of a kind that can join their members by AND or by OR."""
    given_or_not = {name: st.none() | member for name, member in members.items()}
    return st.builds(kind, operator=st.sampled_from(Operator), **given_or_not)


IDS = st.lists(st.uuids().map(str), max_size=2).map(tuple)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
TEXTS = st.lists(TEXT, max_size=2).map(tuple)
TYPES = st.lists(st.sampled_from(StateType), max_size=2).map(tuple)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
FACT = st.booleans()

ID = one_of(IdFilter, any=IDS, not_any=IDS)
NAME = one_of(NameFilter, any=TEXTS, like=TEXT)
TAGS = joined(TagsFilter, all=TEXTS, is_null=FACT)
REFERENCE = joined(ReferenceFilter, any=IDS, is_null=FACT)
TIME_RANGE = one_of(TimeFilter, before=TIME, after=TIME, is_null=FACT)
FLOWS = joined(
    FlowFilter, id=ID, name=NAME, tags=TAGS, deployment=one_of(PresenceFilter, is_null=FACT)
)
FLOW_RUNS = joined(
    FlowRunFilter,
    id=ID,
    name=NAME,
    tags=TAGS,
    deployment_id=REFERENCE,
    work_queue_name=joined(ReferenceFilter, any=TEXTS, is_null=FACT),
    state=joined(StateFilter, type_any=TYPES, name_any=TEXTS),
    flow_version=one_of(AnyFilter, any=TEXTS),
    start_time=TIME_RANGE,
    expected_start_time=TIME_RANGE,
    next_scheduled_start_time=TIME_RANGE,
    parent_flow_run_id=one_of(AnyFilter, any=IDS),
    parent_task_run_id=REFERENCE,
    idempotency_key=one_of(KeyFilter, any=TEXTS, not_any=TEXTS),
)


def read(request: pb.CountFlowRunsRequest) -> Any:
    checks = Checks(Limits())
    return checks.passed(read_run_query(request, checks))


@given(flows=st.none() | FLOWS, flow_runs=st.none() | FLOW_RUNS)
def test_a_filter_survives_the_trip(
    flows: FlowFilter | None, flow_runs: FlowRunFilter | None
) -> None:
    request = pb.CountFlowRunsRequest()
    if flows is not None:
        write(flows, request.flows)
    if flow_runs is not None:
        write(flow_runs, request.flow_runs)

    query = read(pb.CountFlowRunsRequest.FromString(request.SerializeToString()))

    assert query.flows == flows
    assert query.flow_runs == flow_runs


def filters_in(message: type[Message]) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.fields]


@pytest.mark.parametrize(
    ("kind", "message"), [(FlowFilter, pb.FlowFilter), (FlowRunFilter, pb.FlowRunFilter)]
)
def test_every_member_of_the_contract_has_its_place(
    kind: type[msgspec.Struct], message: type[Message]
) -> None:
    assert sorted(kind.__struct_fields__) == sorted(filters_in(message))


def test_every_operator_of_the_contract_has_a_meaning() -> None:
    assert sorted(OPERATORS) == sorted(pb.Operator.values())


def test_an_operator_that_is_not_given_means_and() -> None:
    request = pb.CountFlowRunsRequest(flow_runs=pb.FlowRunFilter(tags=pb.TagsFilter()))

    assert read(request).flow_runs == FlowRunFilter(tags=TagsFilter(operator=Operator.AND))


def test_everything_wrong_in_a_filter_is_named_by_its_path() -> None:
    request = pb.CountFlowRunsRequest(
        flows=pb.FlowFilter(name=pb.NameFilter(like="x" * 256)),
        flow_runs=pb.FlowRunFilter(
            operator=7,  # type: ignore[arg-type]
            id=pb.IdFilter(not_any=pb.StringList(values=["x"])),
            state=pb.StateFilter(
                type_any=pb.StateTypeList(values=[pb.STATE_TYPE_RUNNING, 0, 77])  # type: ignore[list-item]
            ),
            name=pb.NameFilter(any=pb.StringList(values=["a", "\0"])),
            deployment_id=pb.ReferenceFilter(operator=9),  # type: ignore[arg-type]
            flow_version=pb.FlowVersionFilter(any=pb.StringList(values=[""] * 1001)),
        ),
    )
    request.flow_runs.start_time.before.seconds = 2**62

    with pytest.raises(InvalidRequestError) as caught:
        read(request)

    assert {each.field for each in caught.value.violations} == {
        "flows.name.like",
        "flow_runs.operator",
        "flow_runs.id.not_any.values[0]",
        "flow_runs.state.type_any.values[1]",
        "flow_runs.state.type_any.values[2]",
        "flow_runs.name.any.values[1]",
        "flow_runs.deployment_id.operator",
        "flow_runs.flow_version.any.values",
        "flow_runs.start_time.before",
    }


def test_times_in_a_filter_keep_their_microseconds() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    request = pb.CountFlowRunsRequest()
    request.flow_runs.start_time.after.FromDatetime(moment)

    assert read(request).flow_runs.start_time == TimeFilter(after=moment)
