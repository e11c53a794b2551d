"""Puts into the database what no method of the contract makes: runs without a state, task runs, deployments."""

from typing import Any

from sqlalchemy import Connection, insert

from headgate_server.app import App
from headgate_server.model.ids import new_id
from headgate_server.storage import flow_runs, flows
from headgate_server.storage.tables import DEPLOYMENT, TASK_RUN
from tests.builders import a_flow_run


async def run_without_state(app: App, flow_id: str, **fields: Any) -> str:
    """Store a run that never had a state, and return its id."""

    def write(conn: Connection) -> str:
        flow = flows.get(conn, flow_id)
        assert flow is not None
        run = a_flow_run(flow, **fields)
        flow_runs.insert(conn, [run])
        return run.id

    return await app.database.write(write)


async def task_run_of(app: App, flow_run_id: str) -> str:
    """Store a task run of a flow run, and return its id."""
    task_run_id = new_id()
    values = {"id": task_run_id, "flow_run_id": flow_run_id}
    await app.database.write(lambda conn: conn.execute(insert(TASK_RUN).values(values)))
    return task_run_id


async def deployment_of(app: App, flow_id: str) -> str:
    """Store a deployment of a flow, and return its id."""
    deployment_id = new_id()
    values = {"id": deployment_id, "flow_id": flow_id}
    await app.database.write(lambda conn: conn.execute(insert(DEPLOYMENT).values(values)))
    return deployment_id
