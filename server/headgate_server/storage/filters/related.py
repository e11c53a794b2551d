"""The filters of all kinds as conditions on the rows of one kind.

The filter of the kind that is asked for is said of its rows; the others are said of rows that belong to these. A filter without
conditions still asks that there is such a row, wherever there might be none.
"""

from msgspec.structs import replace
from sqlalchemy import Column, Select, select
from sqlalchemy.sql.elements import True_

from headgate_server.model.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    IdFilter,
    RunQuery,
    WorkPoolFilter,
)
from headgate_server.storage.filters.kinds import (
    of_deployment,
    of_flow,
    of_pool,
    of_queue,
    of_run,
    of_task_run,
)
from headgate_server.storage.filters.members import Clause, aside, has_any, of_key, without_trivial
from headgate_server.storage.tables import (
    DEPLOYMENT,
    FLOW,
    FLOW_RUN,
    TASK_RUN,
    WORK_POOL,
    WORK_QUEUE,
)

__all__ = [
    "deployment_conditions",
    "flow_conditions",
    "flow_run_conditions",
    "is_deployed_as",
    "is_in_queues",
    "is_of_flows",
    "task_run_conditions",
    "work_pool_conditions",
    "work_queue_conditions",
]


def flow_run_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN that a run must meet to match; none if every run does."""
    return without_trivial(
        (
            None if query.flows is None else is_of_flows(FLOW_RUN.c.flow_id, query.flows),
            None if query.flow_runs is None else of_run(query.flow_runs),
            None if query.deployments is None else is_deployed_as(query.deployments),
            is_in_queues(FLOW_RUN.c.work_queue_id, query),
            None
            if query.task_runs is None
            else has_any(
                FLOW_RUN,
                TASK_RUN.c.flow_run_id == FLOW_RUN.c.id,
                aside(*without_trivial([of_task_run(query.task_runs)])),
            ),
        )
    )


def task_run_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on TASK_RUN that a task run must meet to match; none if every one does."""
    own = without_trivial([None if query.task_runs is None else of_task_run(query.task_runs)])
    rest = replace(query, task_runs=None)
    ids = (query.flow_runs or FlowRunFilter()).id
    if ids is not None and rest == RunQuery(flow_runs=FlowRunFilter(id=IdFilter(any=ids.any))):
        return [*own, *without_trivial([of_key(TASK_RUN.c.flow_run_id, ids)])]
    of_run = flow_run_conditions(rest)
    if not of_run:
        return own
    return [*own, has_any(TASK_RUN, FLOW_RUN.c.id == TASK_RUN.c.flow_run_id, aside(*of_run))]


def flow_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW that a flow must meet to match; none if every flow does."""
    deployments = _deployments_in_queues(query)
    return without_trivial(
        (
            None if query.flows is None else of_flow(query.flows),
            None
            if deployments is None
            else has_any(FLOW, DEPLOYMENT.c.flow_id == FLOW.c.id, aside(*deployments)),
            None
            if query.flow_runs is None and query.task_runs is None
            else has_any(
                FLOW,
                FLOW_RUN.c.flow_id == FLOW.c.id,
                aside(*_of_runs_with_tasks(query)),
            ),
        )
    )


def deployment_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on DEPLOYMENT that a deployment must meet to match; none if every one does."""
    return without_trivial(
        (
            None if query.flows is None else is_of_flows(DEPLOYMENT.c.flow_id, query.flows),
            None if query.deployments is None else of_deployment(query.deployments),
            is_in_queues(DEPLOYMENT.c.work_queue_id, query),
            None
            if query.flow_runs is None and query.task_runs is None
            else has_any(
                DEPLOYMENT,
                FLOW_RUN.c.deployment_id == DEPLOYMENT.c.id,
                aside(*_of_runs_with_tasks(query)),
            ),
        )
    )


def work_pool_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on WORK_POOL that a pool must meet to match; none if every pool does.

    Asked for are the pool and its queues; the other filters say nothing of pools.
    """
    return without_trivial(
        (
            None if query.work_pools is None else of_pool(query.work_pools),
            None
            if query.work_queues is None
            else has_any(
                WORK_POOL,
                WORK_QUEUE.c.work_pool_id == WORK_POOL.c.id,
                aside(*without_trivial([of_queue(query.work_queues)])),
            ),
        )
    )


def work_queue_conditions(query: RunQuery) -> list[Clause]:
    """Return the conditions on WORK_QUEUE that a queue must meet to match; none if every queue does.

    Asked for are the queue and its pool; the other filters say nothing of queues.
    """
    return without_trivial(
        (
            None if query.work_queues is None else of_queue(query.work_queues),
            None if query.work_pools is None else _is_of_pools(query.work_pools),
        )
    )


def is_of_flows(column: Column[str], given: FlowFilter) -> Clause:
    """Return the condition that a column has the id of a flow that matches; it always has that of some flow."""
    return _refers(column, select(FLOW.c.id), of_flow(given))


def is_deployed_as(given: DeploymentFilter) -> Clause:
    """Return the condition that a run is of a deployment that exists and matches."""
    deployments = select(DEPLOYMENT.c.id).where(*without_trivial([of_deployment(given)]))
    return FLOW_RUN.c.deployment_id.in_(deployments.correlate(None))


def is_in_queues(column: Column[str], query: RunQuery) -> Clause | None:
    """Return the condition that a column has the id of a queue that exists and matches, and whose pool does; None if nothing is asked."""
    if query.work_pools is None and query.work_queues is None:
        return None
    queues = select(WORK_QUEUE.c.id).where(*work_queue_conditions(query))
    return column.in_(queues.correlate(None))


def _of_runs_with_tasks(query: RunQuery) -> list[Clause]:
    """Return the conditions on FLOW_RUN that its own filter and that of task runs set."""
    return flow_run_conditions(RunQuery(flow_runs=query.flow_runs, task_runs=query.task_runs))


def _deployments_in_queues(query: RunQuery) -> list[Clause] | None:
    """Return the conditions on DEPLOYMENT that its own filter and those of queues and pools set; None if there is no such filter."""
    if query.deployments is None and query.work_pools is None and query.work_queues is None:
        return None
    return deployment_conditions(replace(query, flows=None, flow_runs=None, task_runs=None))


def _is_of_pools(given: WorkPoolFilter) -> Clause:
    return _refers(WORK_QUEUE.c.work_pool_id, select(WORK_POOL.c.id), of_pool(given))


def _refers(column: Column[str], ids: Select[tuple[str]], condition: Clause) -> Clause:
    """Return the condition that a column, which always has one of these ids, has one for which a condition holds."""
    if isinstance(condition, True_):
        return condition
    return column.in_(ids.where(condition).correlate(None))
