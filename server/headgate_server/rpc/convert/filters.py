"""Filters: conditions on flows, runs and what belongs to them, as a request gives them.

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
from headgate_server.model.states import StateType
from headgate_server.model.work_commands import WorkerFilter, WorkerStatusFilter
from headgate_server.model.work_pools import WorkerStatus
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


WORKER_STATUSES: Final[Mapping[int, WorkerStatus]] = {
    pb.WorkerStatus.Value(f"WORKER_STATUS_{each}"): each for each in WorkerStatus
}
"""What the numbers on the wire mean."""


def read_run_query(request: Message, checks: Checks) -> RunQuery:
    """Read which entities a request means: from those of the fields named as the six filters that it has and that are set."""
    given = {
        field.name: _FILTERS[field.name](message, field.name, checks)
        for field, message in request.ListFields()
        if field.name in _FILTERS
    }
    return RunQuery(**given)


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


def _worker_statuses(
    message: pb.WorkerStatusList, path: str, checks: Checks
) -> tuple[WorkerStatus, ...]:
    return tuple(
        checks.choice(number, WORKER_STATUSES, f"{path}.values[{index}]")
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
_STATE: Final = _members(StateFilter, operator=_operator, type_any=_state_types, name_any=_texts)
_TEXT: Final = _members(AnyFilter, any=_texts)
_EQUAL: Final = _members(EqualFilter, eq=_fact)
_TIME: Final = _members(TimeFilter, before=_time, after=_time, is_null=_fact)

_FILTERS: Final[Mapping[str, Reader[Any]]] = {
    "flows": _members(
        FlowFilter,
        operator=_operator,
        id=_ID,
        name=_NAME,
        tags=_TAGS,
        deployment=_members(PresenceFilter, is_null=_fact),
    ),
    "flow_runs": _members(
        FlowRunFilter,
        operator=_operator,
        id=_ID,
        name=_NAME,
        tags=_TAGS,
        deployment_id=_REFERENCE,
        work_queue_name=_members(ReferenceFilter, operator=_operator, any=_texts, is_null=_fact),
        state=_STATE,
        flow_version=_TEXT,
        start_time=_TIME,
        expected_start_time=_TIME,
        next_scheduled_start_time=_TIME,
        parent_flow_run_id=_members(AnyFilter, any=_ids),
        parent_task_run_id=_REFERENCE,
        idempotency_key=_members(KeyFilter, any=_texts, not_any=_texts),
    ),
    "task_runs": _members(
        TaskRunFilter,
        operator=_operator,
        id=_ID,
        name=_NAME,
        tags=_TAGS,
        state=_STATE,
        start_time=_TIME,
        subflow_runs=_members(ExistsFilter, exists=_fact),
        flow_run_id=_REFERENCE,
    ),
    "deployments": _members(
        DeploymentFilter,
        operator=_operator,
        id=_ID,
        name=_NAME,
        paused=_EQUAL,
        is_schedule_active=_EQUAL,
        tags=_TAGS,
        work_queue_name=_TEXT,
    ),
    "work_pools": _members(WorkPoolFilter, operator=_operator, id=_ID, name=_TEXT, type=_TEXT),
    "work_queues": _members(
        WorkQueueFilter,
        operator=_operator,
        id=_ID,
        name=_members(QueueNameFilter, any=_texts, startswith=_texts),
    ),
}
"""How the filters are read, by the names that they have in every request."""

read_worker_filter: Final = _members(
    WorkerFilter,
    operator=_operator,
    last_heartbeat_time=_TIME,
    status=_members(WorkerStatusFilter, any=_worker_statuses, not_any=_worker_statuses),
)
"""Reads conditions on workers."""
