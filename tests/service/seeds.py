"""Puts into the database what no method of the contract makes: runs without a state, task runs, deployments."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from headgate_server.app import App
from headgate_server.model.ids import new_id
from headgate_server.storage import flow_runs, flows
from headgate_server.storage.database import Database
from tests.builders import a_flow_run
from tests.rows import insert_deployment, insert_task_run

T = TypeVar("T")


async def write(app: App, function: Callable[[Connection], T]) -> T:
    """Run a function in a transaction beside those of the server, whose connection is its own."""
    database = Database.open(app._settings.database)
    try:
        return await database.write(function)
    finally:
        await database.close()


async def run_without_state(app: App, flow_id: str, **fields: Any) -> str:
    """Store a run that never had a state, and return its id."""

    def insert_run(conn: Connection) -> str:
        flow = flows.get(conn, flow_id)
        assert flow is not None
        run = a_flow_run(flow, **fields)
        flow_runs.insert(conn, [run])
        return run.id

    return await write(app, insert_run)


async def task_run_of(app: App, flow_run_id: str) -> str:
    """Store a task run of a flow run, and return its id."""
    task_run_id = new_id()
    await write(app, lambda conn: conn.execute(insert_task_run(task_run_id, flow_run_id)))
    return task_run_id


async def deployment_of(app: App, flow_id: str) -> str:
    """Store a deployment of a flow, and return its id."""
    deployment_id = new_id()
    await write(app, lambda conn: conn.execute(insert_deployment(deployment_id, flow_id)))
    return deployment_id
