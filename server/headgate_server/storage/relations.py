"""Relations of runs, read for many runs at once, as filters ask for them."""

from collections.abc import Iterable

from msgspec.structs import replace
from sqlalchemy import Column, Connection, select

from headgate_server.model.filters import RunQuery
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.relations import (
    FlowRunRelations,
    TaskRunRelations,
    asks_for_deployed_flows,
    asks_for_flow_runs,
    asks_for_parents,
    asks_for_subflows,
)
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage.filters import (
    deployment_conditions,
    flow_run_conditions,
    task_run_conditions,
    work_queue_conditions,
)
from headgate_server.storage.filters.members import Clause
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import DEPLOYMENT, FLOW_RUN, TASK_RUN, WORK_QUEUE

__all__ = ["of_flow_runs", "of_task_runs"]


def of_flow_runs(conn: Connection, query: RunQuery, runs: Iterable[FlowRun]) -> FlowRunRelations:
    """Return what a query asks of the relations that these runs name. The runs themselves need not exist any more."""
    given = list(runs)
    queues = RunQuery(work_pools=query.work_pools, work_queues=query.work_queues)
    return FlowRunRelations(
        parents=_parents(conn, given) if asks_for_parents(query) else {},
        deployed_flow_ids=_among(conn, DEPLOYMENT.c.flow_id, (run.flow_id for run in given))
        if asks_for_deployed_flows(query)
        else frozenset(),
        deployment_ids=None
        if query.deployments is None
        else _among(
            conn,
            DEPLOYMENT.c.id,
            (run.deployment_id for run in given),
            deployment_conditions(RunQuery(deployments=query.deployments)),
        ),
        work_queue_ids=None
        if queues == RunQuery()
        else _among(
            conn,
            WORK_QUEUE.c.id,
            (run.work_queue_id for run in given),
            work_queue_conditions(queues),
        ),
        ids_with_task_runs=None
        if query.task_runs is None
        else _among(
            conn,
            TASK_RUN.c.flow_run_id,
            (run.id for run in given),
            task_run_conditions(RunQuery(task_runs=query.task_runs)),
        ),
    )


def of_task_runs(
    conn: Connection, query: RunQuery, task_runs: Iterable[TaskRun]
) -> TaskRunRelations:
    """Return what a query asks of the relations of these task runs."""
    given = list(task_runs)
    of_flow_runs = replace(query, task_runs=None)
    return TaskRunRelations(
        flow_run_ids=_among(
            conn,
            FLOW_RUN.c.id,
            (task_run.flow_run_id for task_run in given),
            flow_run_conditions(of_flow_runs),
        )
        if asks_for_flow_runs(query)
        else None,
        ids_with_subflows=_among(
            conn, FLOW_RUN.c.parent_task_run_id, (task_run.id for task_run in given)
        )
        if asks_for_subflows(query)
        else frozenset(),
    )


def _parents(conn: Connection, runs: Iterable[FlowRun]) -> dict[str, str]:
    """Return the flow runs that started these ones, by the task runs that stand for them."""
    ids = {run.parent_task_run_id for run in runs if run.parent_task_run_id is not None}
    if not ids:
        return {}
    task_runs = TASK_RUN.c
    statement = select(task_runs.id, task_runs.flow_run_id).where(is_one_of(task_runs.id, ids))
    return {row.id: row.flow_run_id for row in conn.execute(statement)}


def _among(
    conn: Connection,
    column: Column[str],
    values: Iterable[str | None],
    conditions: Iterable[Clause] = (),
) -> frozenset[str]:
    """Return which of these values stand in a column of rows that meet the conditions."""
    given = {value for value in values if value is not None}
    if not given:
        return frozenset()
    statement = select(column).distinct().where(is_one_of(column, given), *conditions)
    return frozenset(conn.execute(statement).scalars())
