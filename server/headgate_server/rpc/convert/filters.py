"""Filters: conditions on flows and flow runs, as a request gives them.

A list that was not given is None and an empty one is an empty tuple, for the two differ. The members bear the same names here as
in the contract, so each filter is told by how its members are read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
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
    RunQuery,
    StateFilter,
    TagsFilter,
    TimeFilter,
)
from headgate_server.model.states import StateType
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.states import STATE_TYPES
from headgate_server.rpc.convert.times import read_time

F = TypeVar("F")
Reader: TypeAlias = Callable[[Any, str, Checks], F]
"""Reads what stands in a field: given its value, its path and where to note what is wrong."""

OPERATORS: Final[Mapping[int, Operator]] = {
    pb.OPERATOR_UNSPECIFIED: Operator.AND,
    pb.OPERATOR_AND: Operator.AND,
    pb.OPERATOR_OR: Operator.OR,
}
"""What the numbers on the wire mean."""


Filtered: TypeAlias = (
    pb.ListFlowsRequest
    | pb.CountFlowsRequest
    | pb.ListFlowRunsRequest
    | pb.CountFlowRunsRequest
    | pb.WatchFlowRunsRequest
)
"""The requests with filters."""


def read_run_query(request: Filtered, checks: Checks) -> RunQuery:
    """Read which flow runs a request means."""
    return RunQuery(
        flows=read_flow_filter(request, checks), flow_runs=read_flow_run_filter(request, checks)
    )


def read_flow_filter(request: Filtered, checks: Checks) -> FlowFilter | None:
    """Read the conditions on flows, if any are given."""
    return _FLOWS(request.flows, "flows", checks) if request.HasField("flows") else None


def read_flow_run_filter(request: Filtered, checks: Checks) -> FlowRunFilter | None:
    """Read the conditions on flow runs, if any are given."""
    if not request.HasField("flow_runs"):
        return None
    return _FLOW_RUNS(request.flow_runs, "flow_runs", checks)


def _members(kind: type[F], **readers: Reader[Any]) -> Reader[F]:
    """Make the reader of a filter from those of its members."""

    def read(message: Message, path: str, checks: Checks) -> F:
        given = {
            field.name: readers[field.name](value, f"{path}.{field.name}", checks)
            for field, value in message.ListFields()
        }
        return kind(**given)

    return read


def _ids(message: pb.StringList, path: str, checks: Checks) -> tuple[str, ...]:
    return checks.ids(message.values, f"{path}.values")


def _texts(message: pb.StringList, path: str, checks: Checks) -> tuple[str, ...]:
    return checks.texts(message.values, f"{path}.values")


def _state_types(message: pb.StateTypeList, path: str, checks: Checks) -> tuple[StateType, ...]:
    return tuple(
        checks.choice(number, STATE_TYPES, f"{path}.values[{index}]")
        for index, number in enumerate(checks.members(message.values, f"{path}.values"))
    )


def _text(value: str, path: str, checks: Checks) -> str:
    return checks.text(value, path)


def _fact(value: bool, _path: str, _checks: Checks) -> bool:  # noqa: FBT001 - a reader's form
    return value


def _operator(number: int, path: str, checks: Checks) -> Operator:
    return checks.choice(number, OPERATORS, path)


def _time(message: Timestamp, path: str, checks: Checks) -> datetime:
    return read_time(message, path, checks)


_ID: Final = _members(IdFilter, any=_ids, not_any=_ids)
_NAME: Final = _members(NameFilter, any=_texts, like=_text)
_TAGS: Final = _members(TagsFilter, operator=_operator, all=_texts, is_null=_fact)
_REFERENCE: Final = _members(ReferenceFilter, operator=_operator, any=_ids, is_null=_fact)
_TIME: Final = _members(TimeFilter, before=_time, after=_time, is_null=_fact)

_FLOWS: Final = _members(
    FlowFilter,
    operator=_operator,
    id=_ID,
    name=_NAME,
    tags=_TAGS,
    deployment=_members(PresenceFilter, is_null=_fact),
)
_FLOW_RUNS: Final = _members(
    FlowRunFilter,
    operator=_operator,
    id=_ID,
    name=_NAME,
    tags=_TAGS,
    deployment_id=_REFERENCE,
    work_queue_name=_members(ReferenceFilter, operator=_operator, any=_texts, is_null=_fact),
    state=_members(StateFilter, operator=_operator, type_any=_state_types, name_any=_texts),
    flow_version=_members(AnyFilter, any=_texts),
    start_time=_TIME,
    expected_start_time=_TIME,
    next_scheduled_start_time=_TIME,
    parent_flow_run_id=_members(AnyFilter, any=_ids),
    parent_task_run_id=_REFERENCE,
    idempotency_key=_members(KeyFilter, any=_texts, not_any=_texts),
)
