"""Rows that stand for task runs and deployments where only that they exist matters."""

from datetime import UTC, datetime

import msgspec
from sqlalchemy import Insert, insert

from headgate_server.model.task_runs import TaskRun
from headgate_server.storage.tables import DEPLOYMENT, TASK_RUN


def insert_task_run(task_run_id: str, flow_run_id: str) -> Insert:
    """Return the statement that inserts a task run of a flow run, without a state."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    task_run = TaskRun(
        id=task_run_id,
        flow_run_id=flow_run_id,
        task_key="task",
        dynamic_key=task_run_id,
        name="",
        create_time=epoch,
        update_time=epoch,
    )
    return insert(TASK_RUN).values(
        id=task_run_id,
        flow_run_id=flow_run_id,
        task_key="task",
        dynamic_key=task_run_id,
        version=0,
        edition=1,
        name="",
        has_tags=0,
        total_run_time=0,
        body=msgspec.json.encode(task_run),
    )


def insert_deployment(deployment_id: str, flow_id: str) -> Insert:
    """Return the statement that inserts a deployment of a flow."""
    return insert(DEPLOYMENT).values(
        id=deployment_id,
        flow_id=flow_id,
        name=deployment_id,
        is_paused=0,
        is_scheduled=0,
        status="NOT_READY",
        has_tags=0,
        create_time=0,
        update_time=0,
        body=b"",
    )
