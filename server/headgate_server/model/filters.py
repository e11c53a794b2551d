"""Filters: conditions on flows, runs and what belongs to them, as values.

None means that a member was not given, an empty tuple that it was given and is empty; the two differ. A member that is
given without a condition holds always. `matches` in `headgate_server.model.matching` and the SQL in `headgate_server.storage.filters` give them the same meaning.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from headgate_server.model.states import StateType


class Operator(StrEnum):
    """How the conditions of one filter are joined."""

    AND = "AND"
    OR = "OR"


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The common form of all filters: a value that can be compared and hashed."""


class IdFilter(Filter, frozen=True, kw_only=True):
    """Conditions on an id, all of which must hold."""

    any: tuple[str, ...] | None = None
    not_any: tuple[str, ...] | None = None


class AnyFilter(Filter, frozen=True, kw_only=True):
    """The value is one of these."""

    any: tuple[str, ...] | None = None


class PresenceFilter(Filter, frozen=True, kw_only=True):
    """Whether there is any."""

    is_null: bool | None = None


class ReferenceFilter(Filter, frozen=True, kw_only=True):
    """Conditions on an id or a text that may be missing."""

    operator: Operator = Operator.AND
    any: tuple[str, ...] | None = None
    is_null: bool | None = None


class NameFilter(Filter, frozen=True, kw_only=True):
    """Conditions on a name, all of which must hold. `like` ignores case; `%` and `_` are wildcards."""

    any: tuple[str, ...] | None = None
    like: str | None = None


class TagsFilter(Filter, frozen=True, kw_only=True):
    """Conditions on tags. `is_null` asks for no tags at all."""

    operator: Operator = Operator.AND
    all: tuple[str, ...] | None = None
    is_null: bool | None = None


class KeyFilter(Filter, frozen=True, kw_only=True):
    """Conditions on a key that may be missing. A missing key is not among `not_any`."""

    any: tuple[str, ...] | None = None
    not_any: tuple[str, ...] | None = None


class TimeFilter(Filter, frozen=True, kw_only=True):
    """Conditions on a time that may be missing, all of which must hold. Both bounds are inclusive."""

    before: datetime | None = None
    after: datetime | None = None
    is_null: bool | None = None


class StateFilter(Filter, frozen=True, kw_only=True):
    """Conditions on the current state. A run without a state matches neither."""

    operator: Operator = Operator.AND
    type_any: tuple[StateType, ...] | None = None
    name_any: tuple[str, ...] | None = None


class FlowRunFilter(Filter, frozen=True, kw_only=True):
    """Conditions on flow runs."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: NameFilter | None = None
    tags: TagsFilter | None = None
    deployment_id: ReferenceFilter | None = None
    work_queue_name: ReferenceFilter | None = None
    state: StateFilter | None = None
    flow_version: AnyFilter | None = None
    start_time: TimeFilter | None = None
    expected_start_time: TimeFilter | None = None
    next_scheduled_start_time: TimeFilter | None = None
    parent_flow_run_id: AnyFilter | None = None
    parent_task_run_id: ReferenceFilter | None = None
    idempotency_key: KeyFilter | None = None


class FlowFilter(Filter, frozen=True, kw_only=True):
    """Conditions on flows."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: NameFilter | None = None
    tags: TagsFilter | None = None
    deployment: PresenceFilter | None = None


class ExistsFilter(Filter, frozen=True, kw_only=True):
    """Whether there are any."""

    exists: bool | None = None


class TaskRunFilter(Filter, frozen=True, kw_only=True):
    """Conditions on task runs."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: NameFilter | None = None
    tags: TagsFilter | None = None
    state: StateFilter | None = None
    start_time: TimeFilter | None = None
    subflow_runs: ExistsFilter | None = None
    """Whether the task run stands for a subflow run."""
    flow_run_id: ReferenceFilter | None = None
    """`is_null` true matches no task run, for each has a flow run; false says nothing."""


class EqualFilter(Filter, frozen=True, kw_only=True):
    """The fact is this one."""

    eq: bool | None = None


class DeploymentFilter(Filter, frozen=True, kw_only=True):
    """Conditions on deployments."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: NameFilter | None = None
    paused: EqualFilter | None = None
    is_schedule_active: EqualFilter | None = None
    """Whether it is not paused."""
    tags: TagsFilter | None = None
    work_queue_name: AnyFilter | None = None


class WorkPoolFilter(Filter, frozen=True, kw_only=True):
    """Conditions on work pools."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: AnyFilter | None = None
    type: AnyFilter | None = None


class QueueNameFilter(Filter, frozen=True, kw_only=True):
    """Conditions on the name of a queue, all of which must hold. `startswith` ignores case; `%` and `_` are wildcards."""

    any: tuple[str, ...] | None = None
    startswith: tuple[str, ...] | None = None
    """The name begins with one of these."""


class WorkQueueFilter(Filter, frozen=True, kw_only=True):
    """Conditions on work queues."""

    operator: Operator = Operator.AND
    id: IdFilter | None = None
    name: QueueNameFilter | None = None


class RunQuery(Filter, frozen=True, kw_only=True):
    """Which entities are meant: those that match every filter that is given.

    The filter of the kind that is asked for applies to it directly; the others ask for related entities, as far as their kind
    is related. A given filter without conditions on a related kind still asks that there is such an entity.
    """

    flows: FlowFilter | None = None
    flow_runs: FlowRunFilter | None = None
    task_runs: TaskRunFilter | None = None
    deployments: DeploymentFilter | None = None
    work_pools: WorkPoolFilter | None = None
    work_queues: WorkQueueFilter | None = None


class FlowRunSort(StrEnum):
    """The orders of a list of flow runs; missing values come last, ties are broken by id in the same direction."""

    ID_DESC = "ID_DESC"
    START_TIME_ASC = "START_TIME_ASC"
    START_TIME_DESC = "START_TIME_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"
