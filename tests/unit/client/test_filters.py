"""Filters to stubs: three-valued members, every field, and nothing of a wrong type."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from google.protobuf.message import Message

import headgate
from headgate import Operator, StateType
from headgate import v1 as pb
from headgate._convert import from_datetime
from headgate._convert_filters import FilterMessages, from_filters

MessageT = TypeVar("MessageT", bound=Message)


def of(kind: type[MessageT], **fields: Any) -> MessageT:
    """Return a message of these fields, nested ones as dicts."""
    return kind(**fields)


def sent(**filters: Any) -> FilterMessages:
    """Return the messages of these filters, and of no others."""
    return from_filters(**{name: filters.get(name) for name in FilterMessages.__annotations__})


def test_no_filter_is_not_an_empty_filter() -> None:
    messages = sent(flows=headgate.FlowFilter())

    assert messages["flows"] is not None
    assert messages["flow_runs"] is None


def test_an_empty_list_is_not_an_unset_one() -> None:
    conditions = headgate.FlowRunFilter(
        id=headgate.IdFilter(any=()), state=headgate.StateFilter(type_any=[])
    )

    message = sent(flow_runs=conditions)["flow_runs"]

    assert message is not None
    assert message.id.HasField("any")
    assert not message.id.HasField("not_any")
    assert message.state.HasField("type_any")
    assert not message.state.HasField("name_any")
    assert not message.HasField("name")


def test_every_member_of_a_filter_reaches_its_field() -> None:
    some_id, other_id = uuid4(), uuid4()
    time = datetime(2030, 1, 1, tzinfo=UTC)
    between = headgate.TimeFilter(before=time, after=time, is_null=False)
    conditions = headgate.FlowRunFilter(
        operator=Operator.OR,
        id=headgate.IdFilter(any=[some_id], not_any=[str(other_id)]),
        name=headgate.NameFilter(any=["a"], like="%b_"),
        tags=headgate.TagsFilter(operator=Operator.OR, all=["x", "y"], is_null=True),
        deployment_id=headgate.ReferenceFilter(any=[some_id], is_null=True),
        work_queue_name=headgate.TextFilter(any=["q"], is_null=False),
        state=headgate.StateFilter(type_any=[StateType.PAUSED], name_any=["Suspended"]),
        flow_version=headgate.FlowVersionFilter(any=["1"]),
        start_time=between,
        expected_start_time=between,
        next_scheduled_start_time=between,
        parent_flow_run_id=headgate.ParentFlowRunFilter(any=[other_id]),
        parent_task_run_id=headgate.ReferenceFilter(operator=Operator.AND, is_null=True),
        idempotency_key=headgate.IdempotencyKeyFilter(any=["k"], not_any=[]),
    )
    between_sent = {
        "before": from_datetime(time, ""),
        "after": from_datetime(time, ""),
        "is_null": False,
    }

    assert sent(flow_runs=conditions)["flow_runs"] == of(
        pb.FlowRunFilter,
        operator=pb.OPERATOR_OR,
        id={"any": {"values": [str(some_id)]}, "not_any": {"values": [str(other_id)]}},
        name={"any": {"values": ["a"]}, "like": "%b_"},
        tags={"operator": pb.OPERATOR_OR, "all": {"values": ["x", "y"]}, "is_null": True},
        deployment_id={
            "operator": pb.OPERATOR_AND,
            "any": {"values": [str(some_id)]},
            "is_null": True,
        },
        work_queue_name={
            "operator": pb.OPERATOR_AND,
            "any": {"values": ["q"]},
            "is_null": False,
        },
        state={
            "operator": pb.OPERATOR_AND,
            "type_any": {"values": [pb.STATE_TYPE_PAUSED]},
            "name_any": {"values": ["Suspended"]},
        },
        flow_version={"any": {"values": ["1"]}},
        start_time=between_sent,
        expected_start_time=between_sent,
        next_scheduled_start_time=between_sent,
        parent_flow_run_id={"any": {"values": [str(other_id)]}},
        parent_task_run_id={"operator": pb.OPERATOR_AND, "is_null": True},
        idempotency_key={"any": {"values": ["k"]}, "not_any": {"values": []}},
    )


def test_filters_on_flows_reach_their_fields() -> None:
    conditions = headgate.FlowFilter(deployment=headgate.FlowDeploymentFilter(is_null=True))

    assert sent(flows=conditions)["flows"] == of(
        pb.FlowFilter, operator=pb.OPERATOR_AND, deployment={"is_null": True}
    )


def test_filters_on_task_runs_reach_their_fields() -> None:
    some_id = uuid4()
    conditions = headgate.TaskRunFilter(
        operator=Operator.OR,
        id=headgate.IdFilter(any=[some_id]),
        name=headgate.NameFilter(like="a"),
        tags=headgate.TagsFilter(all=["x"]),
        state=headgate.StateFilter(type_any=[StateType.RUNNING]),
        start_time=headgate.TimeFilter(is_null=True),
        subflow_runs=headgate.ExistsFilter(exists=False),
        flow_run_id=headgate.ReferenceFilter(any=[some_id], is_null=False),
    )

    assert sent(task_runs=conditions)["task_runs"] == of(
        pb.TaskRunFilter,
        operator=pb.OPERATOR_OR,
        id={"any": {"values": [str(some_id)]}},
        name={"like": "a"},
        tags={"operator": pb.OPERATOR_AND, "all": {"values": ["x"]}},
        state={"operator": pb.OPERATOR_AND, "type_any": {"values": [pb.STATE_TYPE_RUNNING]}},
        start_time={"is_null": True},
        subflow_runs={"exists": False},
        flow_run_id={
            "operator": pb.OPERATOR_AND,
            "any": {"values": [str(some_id)]},
            "is_null": False,
        },
    )


def test_filters_on_deployments_reach_their_fields() -> None:
    conditions = headgate.DeploymentFilter(
        id=headgate.IdFilter(any=[]),
        name=headgate.NameFilter(any=["a"]),
        paused=headgate.EqualFilter(eq=False),
        is_schedule_active=headgate.EqualFilter(),
        tags=headgate.TagsFilter(is_null=False),
        work_queue_name=headgate.AnyFilter(any=["q"]),
    )

    assert sent(deployments=conditions)["deployments"] == of(
        pb.DeploymentFilter,
        operator=pb.OPERATOR_AND,
        id={"any": {"values": []}},
        name={"any": {"values": ["a"]}},
        paused={"eq": False},
        is_schedule_active={},
        tags={"operator": pb.OPERATOR_AND, "is_null": False},
        work_queue_name={"any": {"values": ["q"]}},
    )


def test_filters_on_pools_and_queues_reach_their_fields() -> None:
    pools = headgate.WorkPoolFilter(
        name=headgate.AnyFilter(any=["a"]), type=headgate.AnyFilter(any=["process"])
    )
    queues = headgate.WorkQueueFilter(
        operator=Operator.OR, name=headgate.WorkQueueNameFilter(any=["a"], startswith=[])
    )

    assert sent(work_pools=pools)["work_pools"] == of(
        pb.WorkPoolFilter,
        operator=pb.OPERATOR_AND,
        name={"any": {"values": ["a"]}},
        type={"any": {"values": ["process"]}},
    )
    assert sent(work_queues=queues)["work_queues"] == of(
        pb.WorkQueueFilter,
        operator=pb.OPERATOR_OR,
        name={"any": {"values": ["a"]}, "startswith": {"values": []}},
    )


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (headgate.FlowFilter(), pb.FlowFilter),
        (headgate.FlowRunFilter(), pb.FlowRunFilter),
        (headgate.TaskRunFilter(), pb.TaskRunFilter),
        (headgate.DeploymentFilter(), pb.DeploymentFilter),
        (headgate.WorkPoolFilter(), pb.WorkPoolFilter),
        (headgate.WorkQueueFilter(), pb.WorkQueueFilter),
    ],
    ids=["flows", "flow runs", "task runs", "deployments", "work pools", "work queues"],
)
def test_every_member_of_the_contract_has_its_place(
    conditions: object, message: type[Message]
) -> None:
    members = {each.name for each in fields(conditions)}  # type: ignore[arg-type]

    assert members == set(message.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize(
    "conditions",
    [
        headgate.FlowRunFilter(name=headgate.NameFilter(any="a text is not a list of texts")),
        headgate.FlowRunFilter(id=headgate.NameFilter(like="x")),  # type: ignore[arg-type]
        headgate.FlowRunFilter(id="x"),  # type: ignore[arg-type]
        headgate.FlowRunFilter(start_time=headgate.TimeFilter(before="x")),  # type: ignore[arg-type]
        headgate.FlowRunFilter(name=headgate.NameFilter(like=5)),  # type: ignore[arg-type]
    ],
    ids=["text for list", "other filter", "text for filter", "text for time", "number for text"],
)
def test_members_of_a_wrong_type_are_refused(conditions: headgate.FlowRunFilter) -> None:
    with pytest.raises(TypeError):
        sent(flow_runs=conditions)


@pytest.mark.parametrize("name", FilterMessages.__annotations__)
def test_a_refusal_names_the_filter_that_is_wrong(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} cannot be of type str"):
        sent(**{name: "x"})
