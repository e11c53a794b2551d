"""Filters to stubs. A filter has the names of its message, so one walk serves them all."""

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TypeVar

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


def from_flow_filter(conditions: FlowFilter | None) -> pb.FlowFilter | None:
    """Return the message of conditions on flows.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.FlowFilter(), conditions, "flows")


def from_flow_run_filter(conditions: FlowRunFilter | None) -> pb.FlowRunFilter | None:
    """Return the message of conditions on flow runs.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.FlowRunFilter(), conditions, "flow_runs")


def from_task_run_filter(conditions: TaskRunFilter | None) -> pb.TaskRunFilter | None:
    """Return the message of conditions on task runs.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.TaskRunFilter(), conditions, "task_runs")


def from_deployment_filter(conditions: DeploymentFilter | None) -> pb.DeploymentFilter | None:
    """Return the message of conditions on deployments.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.DeploymentFilter(), conditions, "deployments")


def from_work_pool_filter(conditions: WorkPoolFilter | None) -> pb.WorkPoolFilter | None:
    """Return the message of conditions on work pools.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.WorkPoolFilter(), conditions, "work_pools")


def from_work_queue_filter(conditions: WorkQueueFilter | None) -> pb.WorkQueueFilter | None:
    """Return the message of conditions on work queues.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a state type is unknown.
    """
    return None if conditions is None else _filled(pb.WorkQueueFilter(), conditions, "work_queues")


def from_worker_filter(conditions: WorkerFilter | None) -> pb.WorkerFilter | None:
    """Return the message of conditions on workers.

    Raises:
        TypeError: A member is not of its type.
        ValueError: A time has no time zone, or a status is unknown.
    """
    return None if conditions is None else _filled(pb.WorkerFilter(), conditions, "workers")


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
