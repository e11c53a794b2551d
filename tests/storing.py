"""Puts what a test begins with straight into a database."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, func, select

from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.variables import Variable
from headgate_server.storage import (
    concurrency_limits,
    flow_runs,
    inputs,
    task_runs,
    variables,
)
from headgate_server.storage import flows as stored_flows
from headgate_server.storage.database import Database


async def store(
    database: Database,
    *,
    flows: Sequence[Flow] = (),
    runs: Sequence[FlowRun] = (),
    tasks: Sequence[TaskRun] = (),
    limits: Sequence[ConcurrencyLimit] = (),
    run_inputs: Sequence[FlowRunInput] = (),
    named: Sequence[Variable] = (),
) -> None:
    """Store flows, flow runs and task runs with their current states, and more. Nothing is noted in the log."""

    def write(conn: Connection) -> None:
        stored_flows.insert_or_get(conn, {flow.name: flow for flow in flows})
        flow_runs.insert(conn, runs)
        flow_runs.insert_states(conn, [(run.id, run.state) for run in runs if run.state])
        task_runs.insert(conn, tasks)
        task_runs.insert_states(conn, [(each.id, each.state) for each in tasks if each.state])
        concurrency_limits.insert_where_free(conn, limits)
        inputs.insert(conn, run_inputs)
        variables.insert(conn, named)

    await database.write(write)


async def count_rows(database: Database, *tables: Table) -> dict[str, int]:
    """Return how many rows tables have, by name; empty ones are left out."""

    def count(conn: Connection) -> dict[str, int]:
        counted = {
            table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        }
        return {name: number for name, number in counted.items() if number}

    return await database.read(count)
