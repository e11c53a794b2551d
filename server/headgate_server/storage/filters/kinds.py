"""One filter of each kind as SQL: what it says of the rows of that kind themselves."""

from collections.abc import Collection

from sqlalchemy import false, not_, select, true

from headgate_server.model.filters import (
    AnyFilter,
    DeploymentFilter,
    ExistsFilter,
    FlowFilter,
    FlowRunFilter,
    Operator,
    PresenceFilter,
    ReferenceFilter,
    TaskRunFilter,
    TimeFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate_server.storage.filters.members import (
    Clause,
    has_any,
    is_equal,
    is_within,
    joined,
    of_key,
    of_name,
    of_queue_name,
    of_reference,
    of_state,
    of_tags,
    of_text,
    of_time,
)
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import (
    DEPLOYMENT,
    DEPLOYMENT_TAG,
    FLOW,
    FLOW_RUN,
    FLOW_RUN_TAG,
    FLOW_TAG,
    TASK_RUN,
    TASK_RUN_TAG,
    WORK_POOL,
    WORK_QUEUE,
)

__all__ = [
    "is_child_of",
    "of_deployment",
    "of_flow",
    "of_pool",
    "of_queue",
    "of_run",
    "of_task_run",
]


def of_flow(given: FlowFilter) -> Clause:
    """Return a filter of flows as one condition on FLOW."""
    return joined(
        given.operator,
        of_key(FLOW.c.id, given.id),
        of_name(FLOW.c.name, given.name),
        of_tags(FLOW_TAG.c.tag, FLOW_TAG.c.flow_id, given.tags),
        _of_deployments(given.deployment),
    )


def of_run(given: FlowRunFilter) -> Clause:
    """Return a filter of flow runs as one condition on FLOW_RUN."""
    runs = FLOW_RUN.c
    return joined(
        given.operator,
        of_key(runs.id, given.id),
        of_name(runs.name, given.name),
        of_tags(FLOW_RUN_TAG.c.tag, FLOW_RUN_TAG.c.flow_run_id, given.tags),
        of_reference(runs.deployment_id, given.deployment_id),
        of_reference(runs.work_queue_name, given.work_queue_name),
        of_state(runs.state_type, runs.state_name, given.state),
        of_text(runs.flow_version, given.flow_version),
        _of_start_time(given.start_time),
        of_time(runs.expected_start_time, given.expected_start_time),
        of_time(runs.next_scheduled_start_time, given.next_scheduled_start_time),
        _of_parent(given.parent_flow_run_id),
        of_reference(runs.parent_task_run_id, given.parent_task_run_id),
        of_key(runs.idempotency_key, given.idempotency_key),
    )


def of_task_run(given: TaskRunFilter) -> Clause:
    """Return a filter of task runs as one condition on TASK_RUN."""
    task_runs = TASK_RUN.c
    return joined(
        given.operator,
        of_key(task_runs.id, given.id),
        of_name(task_runs.name, given.name),
        of_tags(TASK_RUN_TAG.c.tag, TASK_RUN_TAG.c.task_run_id, given.tags),
        of_state(task_runs.state_type, task_runs.state_name, given.state),
        of_time(task_runs.start_time, given.start_time),
        _of_subflows(given.subflow_runs),
        _of_flow_run(given.flow_run_id),
    )


def of_deployment(given: DeploymentFilter) -> Clause:
    """Return a filter of deployments as one condition on DEPLOYMENT."""
    deployments = DEPLOYMENT.c
    return joined(
        given.operator,
        of_key(deployments.id, given.id),
        of_name(deployments.name, given.name),
        is_equal(deployments.is_paused, given.paused, to=1),
        is_equal(deployments.is_paused, given.is_schedule_active, to=0),
        of_tags(DEPLOYMENT_TAG.c.tag, DEPLOYMENT_TAG.c.deployment_id, given.tags),
        of_text(deployments.work_queue_name, given.work_queue_name),
    )


def of_pool(given: WorkPoolFilter) -> Clause:
    """Return a filter of work pools as one condition on WORK_POOL."""
    return joined(
        given.operator,
        of_key(WORK_POOL.c.id, given.id),
        of_text(WORK_POOL.c.name, given.name),
        of_text(WORK_POOL.c.type, given.type),
    )


def of_queue(given: WorkQueueFilter) -> Clause:
    """Return a filter of work queues as one condition on WORK_QUEUE."""
    return joined(
        given.operator,
        of_key(WORK_QUEUE.c.id, given.id),
        of_queue_name(WORK_QUEUE.c.name, given.name),
    )


def is_child_of(flow_run_ids: Collection[str]) -> Clause:
    """Return the condition that a run was started by a task run of one of these runs."""
    task_runs = select(TASK_RUN.c.id).where(is_one_of(TASK_RUN.c.flow_run_id, flow_run_ids))
    return FLOW_RUN.c.parent_task_run_id.in_(task_runs.correlate(None))


def _of_start_time(given: TimeFilter | None) -> Clause | None:
    if given is None:
        return None
    # A start time is the effective start time, too, and that one has an index.
    return joined(
        Operator.AND,
        of_time(FLOW_RUN.c.start_time, given),
        is_within(FLOW_RUN.c.effective_start_time, given),
    )


def _of_parent(given: AnyFilter | None) -> Clause | None:
    if given is None:
        return None
    return true() if given.any is None else is_child_of(given.any)


def _of_deployments(given: PresenceFilter | None) -> Clause | None:
    if given is None:
        return None
    is_deployed = has_any(FLOW, DEPLOYMENT.c.flow_id == FLOW.c.id)
    return true() if given.is_null is None else not_(is_deployed) if given.is_null else is_deployed


def _of_subflows(given: ExistsFilter | None) -> Clause | None:
    if given is None:
        return None
    has_subflow = has_any(TASK_RUN, FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id)
    return true() if given.exists is None else has_subflow if given.exists else not_(has_subflow)


def _of_flow_run(given: ReferenceFilter | None) -> Clause | None:
    if given is None:
        return None
    # No task run is without a flow run, and there is nothing to say against that.
    return false() if given.is_null else of_text(TASK_RUN.c.flow_run_id, AnyFilter(any=given.any))
