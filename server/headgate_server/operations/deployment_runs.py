"""Runs of deployments: parameters are put together, filled in and held against their schema, then the run is created.

That is done outside the writer's transaction, for a template or a schema may take long. The run is made of the deployment as it
was read; which queue it gets is found out when it is written.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from headgate_server.forms.hydrate import HydrationError, variables_needed
from headgate_server.forms.job_variables import JobVariablesRefusedError, check_job_variables
from headgate_server.forms.parameters import filled_in, may_hold_placeholders, overlaid, parsed
from headgate_server.forms.schema import (
    AnswerRefusedError,
    CircularSchemaError,
    SchemaInvalidError,
    ValidationTooLongError,
    check_answer,
)
from headgate_server.model.commands import CreateFlowRun
from headgate_server.model.conflicts import ParameterSchemaRequiredError, WorkPoolRequiredError
from headgate_server.model.deployment_commands import CreateDeploymentRun, DeploymentRun
from headgate_server.model.deployments import Deployment
from headgate_server.model.errors import (
    DeploymentNotFoundError,
    HeadgateError,
    JobVariablesInvalidError,
    ParameterSchemaInvalidError,
    ParametersInvalidError,
    ParametersNotHydratedError,
)
from headgate_server.operations.creation import CreatedFlowRun, create_all
from headgate_server.operations.queue_choice import QueueChoice
from headgate_server.storage import deployments, queue_names, requests, variables, work_pools
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Outcome, Work, Writer, Written

TOO_LARGE: Final = "The parameters are too large once their placeholders are filled in."


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a request for a run finds."""

    deployment: Deployment | None = None
    template_json: str = "{}"
    """The base job template of the work pool."""
    variables: Mapping[str, str] = {}
    answered: CreatedFlowRun | None = None
    """What was answered to this very request before."""


class DeploymentRuns:
    """Creates runs of deployments."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        parameters_bytes: int,
    ) -> None:
        """Make the operation; parameters of more than `parameters_bytes` are refused."""
        self._database = database
        self._writer = writer
        self._clock = clock
        self._parameters_bytes = parameters_bytes
        self._create = Work(_create_all, CreatedFlowRun)

    async def create(self, command: CreateDeploymentRun) -> CreatedFlowRun:
        """Create a run of a deployment, or find the one that holds the idempotency key.

        Raises:
            DeploymentNotFoundError: There is no such deployment.
            ParametersNotHydratedError: A placeholder cannot be filled in.
            ParameterSchemaRequiredError: A schema is to be enforced, and there is none.
            ParametersInvalidError: The parameters do not fit the schema.
            ParameterSchemaInvalidError: The schema cannot be used.
            JobVariablesInvalidError: The job variables do not fit the template of the work pool.
            WorkPoolRequiredError: A queue is asked for, and the deployment has no work pool.
            TaskRunNotFoundError: There is no such parent.
            RequestIdReusedError: The request id belongs to another request.
        """
        look = await self._database.read(_look, command, self._clock())
        if look.answered is not None:
            return look.answered
        if look.deployment is None:
            raise DeploymentNotFoundError(command.deployment_id)
        run = await asyncio.to_thread(
            _checked_run, command, look.deployment, look, self._parameters_bytes
        )
        return await self._writer.write(self._create, DeploymentRun(request=command, run=run))


def _look(conn: Connection, command: CreateDeploymentRun, now: datetime) -> _Look:
    """Load what it takes to check a request."""
    answered = requests.recall(conn, now, command, CreatedFlowRun)
    if answered is not None:
        return _Look(answered=answered)
    deployment = deployments.get(conn, command.deployment_id)
    if deployment is None:
        return _Look()
    pool = deployment.work_pool_name and work_pools.get_pool(conn, deployment.work_pool_name)
    parameters = overlaid(deployment.parameters_json, command.parameters_json)
    return _Look(
        deployment=deployment,
        template_json=pool.base_job_template_json if pool else "{}",
        variables=variables.get_values(conn) if _needs_variables(parameters) else {},
    )


def _needs_variables(parameters: str) -> bool:
    if not may_hold_placeholders(parameters):
        return False
    try:
        return variables_needed(parsed(parameters))
    except HydrationError:
        return False  # the parameters are refused before any would be looked up


def _checked_run(
    command: CreateDeploymentRun, deployment: Deployment, look: _Look, parameters_bytes: int
) -> CreateFlowRun:
    """Return what run to create, without its queue.

    Raises:
        HeadgateError: The request does not fit the deployment.
    """
    try:
        parameters = filled_in(
            overlaid(deployment.parameters_json, command.parameters_json), look.variables
        )
    except HydrationError as error:
        raise ParametersNotHydratedError(
            deployment.id, f"Error hydrating flow run parameters: {error}"
        ) from error
    if len(parameters.encode()) > parameters_bytes:
        raise ParametersNotHydratedError(
            deployment.id, f"Error hydrating flow run parameters: {TOO_LARGE}"
        )
    is_enforced = command.enforce_parameter_schema
    if deployment.enforce_parameter_schema if is_enforced is None else is_enforced:
        _check_parameters(deployment, parameters)
    try:
        check_job_variables(
            json.loads(look.template_json),
            json.loads(deployment.job_variables_json),
            json.loads(command.job_variables_json),
        )
    except (JobVariablesRefusedError, ValueError) as error:
        raise JobVariablesInvalidError(
            deployment.id, f"Error creating flow run: {error}"
        ) from error
    return CreateFlowRun(
        flow_id=deployment.flow_id,
        state=command.state,
        name=command.name,
        parameters_json=parameters,
        context_json=command.context_json,
        tags=tuple(dict.fromkeys((*deployment.tags, *command.tags))),
        deployment_id=deployment.id,
        deployment_version=deployment.version,
        job_variables_json=command.job_variables_json,
        parent_task_run_id=command.parent_task_run_id,
        idempotency_key=command.idempotency_key,
        idempotency_ttl=command.idempotency_ttl,
        retries=command.retries,
        retry_delay=command.retry_delay,
    )


def _check_parameters(deployment: Deployment, parameters: str) -> None:
    """Hold parameters against the schema of their deployment.

    Raises:
        HeadgateError: They do not fit, or there is no schema that could be used.
    """
    if deployment.parameter_schema_json is None:
        raise ParameterSchemaRequiredError(deployment.id)
    try:
        check_answer(json.loads(deployment.parameter_schema_json), json.loads(parameters))
    except (AnswerRefusedError, ValidationTooLongError, ValueError) as error:
        raise ParametersInvalidError(deployment.id, f"Error creating flow run: {error}") from error
    except (CircularSchemaError, SchemaInvalidError) as error:
        raise ParameterSchemaInvalidError(deployment.id, str(error)) from error


def _create_all(
    conn: Connection, now: datetime, commands: Sequence[DeploymentRun]
) -> list[Outcome[CreatedFlowRun]]:
    """Create runs in the queues that their deployments now have, or in those asked for."""
    standing = deployments.get_many(conn, list({each.request.deployment_id for each in commands}))
    choice = QueueChoice(conn, now)
    placed = [_placed(each, standing, choice) for each in commands]
    created = iter(
        create_all(conn, now, [each for each in placed if isinstance(each, CreateFlowRun)])
    )
    outcomes = [next(created) if isinstance(each, CreateFlowRun) else each for each in placed]
    return _named(conn, outcomes)


def _placed(
    command: DeploymentRun, standing: Mapping[str, Deployment], choice: QueueChoice
) -> CreateFlowRun | HeadgateError:
    """Return the run to create with its queue, or why there is none."""
    request, run = command.request, command.run
    deployment = standing.get(request.deployment_id)
    if deployment is None:
        return DeploymentNotFoundError(request.deployment_id)
    if request.work_queue_name is None:
        return replace(
            run,
            work_queue_id=deployment.work_queue_id,
            work_queue_name=deployment.work_queue_name,
        )
    if deployment.work_pool_name is None:
        return WorkPoolRequiredError(deployment.id)
    try:
        queue = choice.choose(deployment.work_pool_name, request.work_queue_name)
    except HeadgateError as error:
        return error
    return replace(run, work_queue_id=queue.id, work_queue_name=queue.name)


def _named(
    conn: Connection, outcomes: Sequence[Outcome[CreatedFlowRun]]
) -> list[Outcome[CreatedFlowRun]]:
    """Give the runs in answers the names that their queues and pools have."""
    runs = iter(
        queue_names.with_queue_names(
            conn, [each.value.run for each in outcomes if isinstance(each, Written)]
        )
    )
    return [
        replace(each, value=replace(each.value, run=next(runs)))
        if isinstance(each, Written)
        else each
        for each in outcomes
    ]
