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
    DeploymentFilter,
    EqualFilter,
    ExistsFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    KeyFilter,
    NameFilter,
    Operator,
    PresenceFilter,
    QueueNameFilter,
    ReferenceFilter,
    RunQuery,
    StateFilter,
    TagsFilter,
    TaskRunFilter,
    TimeFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate_server.model.server_info import Limits
from headgate_server.model.states import StateType
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import OPERATORS, read_run_query
from tests.asking import asking


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
STATE = joined(StateFilter, type_any=TYPES, name_any=TEXTS)
ANY_TEXT = one_of(AnyFilter, any=TEXTS)
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
    state=STATE,
    flow_version=ANY_TEXT,
    start_time=TIME_RANGE,
    expected_start_time=TIME_RANGE,
    next_scheduled_start_time=TIME_RANGE,
    parent_flow_run_id=one_of(AnyFilter, any=IDS),
    parent_task_run_id=REFERENCE,
    idempotency_key=one_of(KeyFilter, any=TEXTS, not_any=TEXTS),
)
TASK_RUNS = joined(
    TaskRunFilter,
    id=ID,
    name=NAME,
    tags=TAGS,
    state=STATE,
    start_time=TIME_RANGE,
    subflow_runs=one_of(ExistsFilter, exists=FACT),
    flow_run_id=REFERENCE,
)
DEPLOYMENTS = joined(
    DeploymentFilter,
    id=ID,
    name=NAME,
    paused=one_of(EqualFilter, eq=FACT),
    is_schedule_active=one_of(EqualFilter, eq=FACT),
    tags=TAGS,
    work_queue_name=ANY_TEXT,
)
WORK_POOLS = joined(WorkPoolFilter, id=ID, name=ANY_TEXT, type=ANY_TEXT)
WORK_QUEUES = joined(
    WorkQueueFilter, id=ID, name=one_of(QueueNameFilter, any=TEXTS, startswith=TEXTS)
)
QUERIES = one_of(
    RunQuery,
    flows=FLOWS,
    flow_runs=FLOW_RUNS,
    task_runs=TASK_RUNS,
    deployments=DEPLOYMENTS,
    work_pools=WORK_POOLS,
    work_queues=WORK_QUEUES,
)


def read(request: Message) -> Any:
    checks = Checks(Limits())
    return checks.passed(read_run_query(request, checks))


@pytest.mark.parametrize("kind", [pb.CountFlowRunsRequest, pb.ListFlowsRequest])
@given(query=QUERIES)
def test_a_filter_survives_the_trip(kind: type[Message], query: RunQuery) -> None:
    request = asking(kind, query)

    assert read(kind.FromString(request.SerializeToString())) == query


def filters_in(message: type[Message]) -> list[str]:
    return [field.name for field in message.DESCRIPTOR.fields]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (FlowFilter, pb.FlowFilter),
        (FlowRunFilter, pb.FlowRunFilter),
        (TaskRunFilter, pb.TaskRunFilter),
        (DeploymentFilter, pb.DeploymentFilter),
        (WorkPoolFilter, pb.WorkPoolFilter),
        (WorkQueueFilter, pb.WorkQueueFilter),
        (RunQuery, pb.CountFlowRunsRequest),
        (RunQuery, pb.CountFlowsRequest),
    ],
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
        task_runs=pb.TaskRunFilter(flow_run_id=pb.ReferenceFilter(any=pb.StringList(values=["x"]))),
        deployments=pb.DeploymentFilter(
            work_queue_name=pb.AnyFilter(any=pb.StringList(values=["\0"]))
        ),
        work_pools=pb.WorkPoolFilter(operator=-1),  # type: ignore[arg-type]
        work_queues=pb.WorkQueueFilter(
            name=pb.WorkQueueNameFilter(startswith=pb.StringList(values=["x" * 256]))
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
        "task_runs.flow_run_id.any.values[0]",
        "deployments.work_queue_name.any.values[0]",
        "work_pools.operator",
        "work_queues.name.startswith.values[0]",
    }


def test_times_in_a_filter_keep_their_microseconds() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    request = pb.CountFlowRunsRequest()
    request.flow_runs.start_time.after.FromDatetime(moment)

    assert read(request).flow_runs.start_time == TimeFilter(after=moment)
