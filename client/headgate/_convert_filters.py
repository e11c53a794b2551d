"""Filters to stubs. A filter has the names of its message, so one walk serves them all."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TypedDict, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate._convert import from_datetime, from_state_type
from headgate.enums import WorkerStatus
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    Operator,
    TaskRunFilter,
    WorkerFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.states import StateType

MessageT = TypeVar("MessageT", bound=Message)


class FilterMessages(TypedDict):
    """The messages of the six filters, under the names that they have in every request."""

    flows: pb.FlowFilter | None
    flow_runs: pb.FlowRunFilter | None
    task_runs: pb.TaskRunFilter | None
    deployments: pb.DeploymentFilter | None
    work_pools: pb.WorkPoolFilter | None
    work_queues: pb.WorkQueueFilter | None


def from_filters(
    flows: FlowFilter | None,
    flow_runs: FlowRunFilter | None,
    task_runs: TaskRunFilter | None,
    deployments: DeploymentFilter | None,
    work_pools: WorkPoolFilter | None,
    work_queues: WorkQueueFilter | None,
) -> FilterMessages:
    """Return the messages of the six filters, to be spread into a request.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return {
        "flows": _message(pb.FlowFilter, flows, "flows"),
        "flow_runs": _message(pb.FlowRunFilter, flow_runs, "flow_runs"),
        "task_runs": _message(pb.TaskRunFilter, task_runs, "task_runs"),
        "deployments": _message(pb.DeploymentFilter, deployments, "deployments"),
        "work_pools": from_work_pool_filter(work_pools),
        "work_queues": from_work_queue_filter(work_queues),
    }


def from_work_pool_filter(conditions: WorkPoolFilter | None) -> pb.WorkPoolFilter | None:
    """Return the message of conditions on work pools.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return _message(pb.WorkPoolFilter, conditions, "work_pools")


def from_work_queue_filter(conditions: WorkQueueFilter | None) -> pb.WorkQueueFilter | None:
    """Return the message of conditions on work queues.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return _message(pb.WorkQueueFilter, conditions, "work_queues")


def from_worker_filter(conditions: WorkerFilter | None) -> pb.WorkerFilter | None:
    """Return the message of conditions on workers.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a status is unknown.
    """
    return _message(pb.WorkerFilter, conditions, "workers")


def _message(kind: type[MessageT], conditions: object, path: str) -> MessageT | None:
    return None if conditions is None else _filled(kind(), conditions, path)


def _filled(message: MessageT, conditions: object, path: str) -> MessageT:
    """Set every member of a message that the conditions of the same shape have."""
    if not is_dataclass(conditions) or isinstance(conditions, type):
        raise _wrong(path, conditions)
    message.SetInParent()
    for member in fields(conditions):
        value = getattr(conditions, member.name)
        if value is not None:
            if member.name not in message.DESCRIPTOR.fields_by_name:
                raise _wrong(path, conditions)
            _fill(message, member.name, value, f"{path}.{member.name}")
    return message


def _fill(message: Message, name: str, value: object, path: str) -> None:
    match getattr(message, name), value:
        case pb.StringList() as target, [*values]:
            target.SetInParent()
            target.values.extend(str(each) for each in values)
        case pb.StateTypeList() as target, [*values]:
            target.SetInParent()
            target.values.extend(from_state_type(StateType(str(each)), path) for each in values)
        case pb.WorkerStatusList() as target, [*values]:
            target.SetInParent()
            target.values.extend(
                pb.WorkerStatus.Value(f"WORKER_STATUS_{WorkerStatus(str(each))}") for each in values
            )
        case pb.StringList() | pb.StateTypeList() | pb.WorkerStatusList(), _:
            raise _wrong(path, value)
        case Timestamp() as target, datetime():
            target.CopyFrom(from_datetime(value, path))
        case Message() as target, _:
            _filled(target, value, path)
        case _, Operator():
            setattr(message, name, pb.Operator.Value(f"OPERATOR_{value}"))
        case _:
            setattr(message, name, value)


def _wrong(path: str, value: object) -> TypeError:
    return TypeError(f"{path} cannot be of type {type(value).__name__}.")
