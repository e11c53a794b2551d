"""Conditions on flows, runs and what belongs to them, for lists, counts and watches.

Every member may be left out (None). An empty tuple is not the same: `any=()` matches nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from headgate.enums import WorkerStatus
from headgate.states import StateType

Ids: TypeAlias = Sequence[UUID | str]
"""Ids, as UUIDs or as their text."""


class Operator(StrEnum):
    """How the conditions of one filter are joined."""

    AND = "AND"
    """Every condition must hold."""
    OR = "OR"
    """One condition must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFilter:
    """Conditions on an id. All that are set must hold."""

    any: Ids | None = None
    """The id is one of these."""
    not_any: Ids | None = None
    """The id is none of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFilter:
    """Conditions on a reference that may be missing."""

    operator: Operator = Operator.AND
    """How the conditions are joined."""
    any: Ids | None = None
    """The reference is one of these ids."""
    is_null: bool | None = None
    """Whether the reference is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFilter:
    """Conditions on a name. All that are set must hold."""

    any: Sequence[str] | None = None
    """The name is one of these, exactly."""
    like: str | None = None
    """The name contains this text, in any case; `%` is any text and `_` any character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFilter:
    """Conditions on a text that may be missing."""

    operator: Operator = Operator.AND
    """How the conditions are joined."""
    any: Sequence[str] | None = None
    """The text is one of these, exactly."""
    is_null: bool | None = None
    """Whether the text is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsFilter:
    """Conditions on tags."""

    operator: Operator = Operator.AND
    """How the conditions are joined."""
    all: Sequence[str] | None = None
    """Each of these is among the tags."""
    is_null: bool | None = None
    """Whether there are no tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKeyFilter:
    """Conditions on an idempotency key. All that are set must hold."""

    any: Sequence[str] | None = None
    """The key is one of these."""
    not_any: Sequence[str] | None = None
    """The key is none of these, or there is no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowVersionFilter:
    """Conditions on the version of a flow's code."""

    any: Sequence[str] | None = None
    """The version is one of these, exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFilter:
    """Conditions on a time that may be missing. All that are set must hold."""

    before: datetime | None = None
    """The time is at or before this one."""
    after: datetime | None = None
    """The time is at or after this one."""
    is_null: bool | None = None
    """Whether the time is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFilter:
    """Conditions on the current state. A run without a state matches none."""

    operator: Operator = Operator.AND
    """How the conditions are joined."""
    type_any: Sequence[StateType] | None = None
    """The type is one of these."""
    name_any: Sequence[str] | None = None
    """The name is one of these, exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentFlowRunFilter:
    """Conditions on the parent of a subflow run."""

    any: Ids | None = None
    """The run was started by a task run of one of these flow runs, directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunFilter:
    """Conditions on flow runs. An empty filter matches every run."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the run."""
    name: NameFilter | None = None
    """The name of the run."""
    tags: TagsFilter | None = None
    """The tags of the run."""
    deployment_id: ReferenceFilter | None = None
    """The deployment of the run."""
    work_queue_name: TextFilter | None = None
    """The work queue name kept on the run."""
    state: StateFilter | None = None
    """The current state of the run."""
    flow_version: FlowVersionFilter | None = None
    """The version of the flow's code."""
    start_time: TimeFilter | None = None
    """When the run first entered RUNNING."""
    expected_start_time: TimeFilter | None = None
    """When the run was first expected to start."""
    next_scheduled_start_time: TimeFilter | None = None
    """When the run is due."""
    parent_flow_run_id: ParentFlowRunFilter | None = None
    """The run that started this one as a subflow."""
    parent_task_run_id: ReferenceFilter | None = None
    """The task run that stands for this run in its parent."""
    idempotency_key: IdempotencyKeyFilter | None = None
    """The key that makes creating the run idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDeploymentFilter:
    """Conditions on whether a flow is deployed."""

    is_null: bool | None = None
    """Whether no deployment belongs to the flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFilter:
    """Conditions on flows. An empty filter matches every flow."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the flow."""
    name: NameFilter | None = None
    """The name of the flow."""
    tags: TagsFilter | None = None
    """The tags of the flow."""
    deployment: FlowDeploymentFilter | None = None
    """Whether the flow is deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistsFilter:
    """Whether there are any."""

    exists: bool | None = None
    """Whether there is at least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunFilter:
    """Conditions on task runs. An empty filter matches every task run."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the task run."""
    name: NameFilter | None = None
    """The name of the task run."""
    tags: TagsFilter | None = None
    """The tags of the task run."""
    state: StateFilter | None = None
    """The current state of the task run."""
    start_time: TimeFilter | None = None
    """When the task run first entered RUNNING."""
    subflow_runs: ExistsFilter | None = None
    """The flow runs that the task run stands for in its flow run."""
    flow_run_id: ReferenceFilter | None = None
    """The flow run of the task run. Every task run has one: `is_null=True` matches nothing, False says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualFilter:
    """Conditions on a fact."""

    eq: bool | None = None
    """The fact is this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyFilter:
    """Conditions on a text that may be missing."""

    any: Sequence[str] | None = None
    """The text is one of these, exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFilter:
    """Conditions on deployments. An empty filter matches every deployment."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the deployment."""
    name: NameFilter | None = None
    """The name of the deployment."""
    paused: EqualFilter | None = None
    """Whether the deployment is paused."""
    is_schedule_active: EqualFilter | None = None
    """Whether the deployment is not paused: the older way to say `paused`."""
    tags: TagsFilter | None = None
    """The tags of the deployment."""
    work_queue_name: AnyFilter | None = None
    """The work queue name kept on the deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPoolFilter:
    """Conditions on work pools. An empty filter matches every work pool."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the work pool."""
    name: AnyFilter | None = None
    """The name of the work pool."""
    type: AnyFilter | None = None
    """The type of the work pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueueNameFilter:
    """Conditions on the name of a work queue. All that are set must hold."""

    any: Sequence[str] | None = None
    """The name is one of these, exactly."""
    startswith: Sequence[str] | None = None
    """The name begins with one of these, in any case; `%` is any text and `_` any character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueueFilter:
    """Conditions on work queues. An empty filter matches every work queue."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    id: IdFilter | None = None
    """The id of the work queue."""
    name: WorkQueueNameFilter | None = None
    """The name of the work queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatusFilter:
    """Conditions on the status of a worker that holds now. All that are set must hold."""

    any: Sequence[WorkerStatus] | None = None
    """The status is one of these."""
    not_any: Sequence[WorkerStatus] | None = None
    """The status is none of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFilter:
    """Conditions on workers. An empty filter matches every worker."""

    operator: Operator = Operator.AND
    """How the members are joined."""
    last_heartbeat_time: TimeFilter | None = None
    """When the worker last reported."""
    status: WorkerStatusFilter | None = None
    """Whether the worker reports."""
