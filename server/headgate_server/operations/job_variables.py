"""Job variables of runs, held against the template of the work pool of their deployment before they are written.

That is done outside the writer's transaction, for a schema may take long. What stands in the way besides, the writer finds out.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime

import msgspec

from headgate_server.forms.job_variables import JobVariablesRefusedError, check_job_variables
from headgate_server.model.commands import UpdateFlowRun
from headgate_server.model.deployments import Deployment
from headgate_server.model.errors import JobVariablesInvalidError
from headgate_server.model.flow_runs import FlowRun
from headgate_server.operations.updates import (
    ChangedFlowRun,
    gives_job_variables,
    refusal_of_job_variables,
)
from headgate_server.storage import deployments, flow_runs, requests, work_pools
from headgate_server.storage.database import Connection, Database


class _Look(msgspec.Struct, frozen=True):
    """What new job variables are held against."""

    deployment: Deployment
    template_json: str


class JobVariables:
    """Judges job variables that runs are to get."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def check(self, command: UpdateFlowRun) -> None:
        """Pass in silence if an update gives a run no job variables, good ones, or cannot be made anyway.

        Raises:
            JobVariablesInvalidError: They do not fit the template of the work pool.
            RequestIdReusedError: The request id belongs to another request.
        """
        given = command.job_variables_json
        if given is None or not gives_job_variables(command):
            return
        look = await self._database.read(_look, command, self._clock())
        if look is not None:
            await asyncio.to_thread(_check, look, given)


def _look(conn: Connection, command: UpdateFlowRun, now: datetime) -> _Look | None:
    """Load what it takes to judge; None if there is nothing to judge."""
    if requests.recall(conn, now, command, ChangedFlowRun) is not None:
        return None
    run = flow_runs.load_basic(conn, [command.flow_run_id]).get(command.flow_run_id)
    deployment = _deployment_of(conn, run)
    if run is None or deployment is None or deployment.work_pool_name is None:
        return None
    is_elsewhere = command.expected_version not in {None, run.version}
    if is_elsewhere or refusal_of_job_variables(run, {deployment.id}):
        return None
    pool = work_pools.get_pool(conn, deployment.work_pool_name)
    return None if pool is None else _Look(deployment, pool.base_job_template_json)


def _deployment_of(conn: Connection, run: FlowRun | None) -> Deployment | None:
    if run is None or run.deployment_id is None:
        return None
    return deployments.get(conn, run.deployment_id)


def _check(look: _Look, given: str) -> None:
    """Judge job variables.

    Raises:
        JobVariablesInvalidError: They do not fit.
    """
    try:
        check_job_variables(
            json.loads(look.template_json),
            json.loads(look.deployment.job_variables_json),
            json.loads(given),
        )
    except (JobVariablesRefusedError, ValueError) as error:
        raise JobVariablesInvalidError(
            look.deployment.id, f"Error updating flow run: {error}"
        ) from error
