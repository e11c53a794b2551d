"""Puts what a test begins with straight into a database."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, func, select

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.variables import Variable
from headgate_server.storage import flow_runs, inputs, variables
from headgate_server.storage import flows as stored_flows
from headgate_server.storage.database import Database


async def store(
    database: Database,
    *,
    flows: Sequence[Flow] = (),
    runs: Sequence[FlowRun] = (),
    run_inputs: Sequence[FlowRunInput] = (),
    named: Sequence[Variable] = (),
) -> None:
    """Store flows, runs with their current states, inputs and variables. Nothing is noted in the log."""

    def write(conn: Connection) -> None:
        stored_flows.insert_or_get(conn, {flow.name: flow for flow in flows})
        flow_runs.insert(conn, runs)
        flow_runs.insert_states(conn, [(run.id, run.state) for run in runs if run.state])
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
