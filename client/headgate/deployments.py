"""Deployments: flows with the parameters, the schedules and the work queue that their runs get."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import from_datetime, from_proposed_state, from_timedelta, to_flow_run
from headgate._convert_deployments import from_schedule, to_deployment
from headgate._deployment_lists import DeploymentLists
from headgate._deployment_update import deployment_update
from headgate._json import to_object_text, to_text
from headgate.deployment_models import CreatedDeployment, Deployment, DeploymentSchedule
from headgate.enums import DeploymentView
from headgate.models import UNSET, CreatedFlowRun, Id, Unset
from headgate.states import Json, JsonObject, ProposedState


class Deployments(DeploymentLists):
    """Keeps deployments, makes flow runs of them, and lets the server schedule them.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    async def create(
        self,
        flow_id: Id,
        name: str,
        *,
        version: str | None = None,
        description: str | None = None,
        paused: bool | None = None,
        schedules: Iterable[DeploymentSchedule] = (),
        tags: Iterable[str] = (),
        parameters: JsonObject | None = None,
        parameter_schema: JsonObject | None = None,
        enforce_parameter_schema: bool = False,
        job_variables: JsonObject | None = None,
        pull_steps: Json = None,
        entrypoint: str | None = None,
        path: str | None = None,
        work_pool_name: str | None = None,
        work_queue_name: str | None = None,
        timeout: timedelta | None = None,
    ) -> CreatedDeployment:
        """Create a deployment, or replace the one of the flow that has the name.

        What is replaced keeps its id; its runs that the server has scheduled and that have not
        begun are deleted, and made anew.

        Args:
            flow_id: The flow that is run.
            name: The name, unique within the flow, without `/`, `%`, `&`, `<` and `>`.
            version: The version that its runs are marked with.
            description: Free text for people.
            paused: Whether the schedules are at rest. None: as before; a new one is at work.
            schedules: When to run it without being asked, at most 100.
            tags: Labels for finding deployments, which its runs get too.
            parameters: The parameters of its runs. None: `{}`.
            parameter_schema: The JSON schema of the parameters. None: none.
            enforce_parameter_schema: Whether the parameters of a run that is asked for must fit.
            job_variables: What its runs tell the infrastructure. None: `{}`.
            pull_steps: What to do to fetch the code of the flow.
            entrypoint: Where the flow is within its code.
            path: Where the code of the flow is.
            work_pool_name: The work pool that runs it. None: none.
            work_queue_name: The queue of the pool, made if missing. None: its default queue.
            timeout: How long the call may take.

        Returns:
            The deployment in FULL view, and whether it is new.

        Raises:
            FlowNotFoundError: There is no such flow.
            WorkPoolNotFoundError: There is no such work pool.
            ValueError: Something is not JSON, or a schedule cannot be sent.
        """
        request = pb.CreateDeploymentRequest(
            flow_id=str(flow_id),
            name=name,
            version=version,
            description=description,
            paused=paused,
            schedules=map(from_schedule, schedules),
            tags=tags,
            parameters_json=_object_text(parameters, "parameters"),
            parameter_schema_json=_object_text(parameter_schema, "parameter_schema"),
            enforce_parameter_schema=enforce_parameter_schema,
            job_variables_json=_object_text(job_variables, "job_variables"),
            pull_steps_json=None if pull_steps is None else to_text(pull_steps, "pull_steps"),
            entrypoint=entrypoint,
            path=path,
            work_pool_name=work_pool_name,
            work_queue_name=work_queue_name,
        )
        answer = await self._transport.call(self._stub.CreateDeployment, request, timeout)
        return CreatedDeployment(
            deployment=to_deployment(answer.deployment), created=answer.created
        )

    async def get(
        self,
        deployment_id: Id,
        *,
        view: DeploymentView = DeploymentView.FULL,
        timeout: timedelta | None = None,
    ) -> Deployment:
        """Read one deployment.

        Args:
            deployment_id: The deployment.
            view: How much to read.
            timeout: How long the call may take.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        request = pb.GetDeploymentRequest(
            deployment_id=str(deployment_id),
            view=pb.DeploymentView.Value(f"DEPLOYMENT_VIEW_{view}"),
        )
        answer = await self._transport.call(self._stub.GetDeployment, request, timeout)
        return to_deployment(answer.deployment)

    async def get_by_name(
        self,
        flow_name: str,
        deployment_name: str,
        *,
        view: DeploymentView = DeploymentView.FULL,
        timeout: timedelta | None = None,
    ) -> Deployment:
        """Read one deployment by the names of its flow and of itself.

        Args:
            flow_name: The name of the flow.
            deployment_name: The name of the deployment.
            view: How much to read.
            timeout: How long the call may take.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        request = pb.GetDeploymentRequest(
            name=pb.DeploymentName(flow_name=flow_name, deployment_name=deployment_name),
            view=pb.DeploymentView.Value(f"DEPLOYMENT_VIEW_{view}"),
        )
        answer = await self._transport.call(self._stub.GetDeployment, request, timeout)
        return to_deployment(answer.deployment)

    async def update(
        self,
        deployment_id: Id,
        *,
        version: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        paused: bool | Unset = UNSET,
        schedules: Iterable[DeploymentSchedule] | Unset = UNSET,
        tags: Iterable[str] | Unset = UNSET,
        parameters: JsonObject | Unset = UNSET,
        parameter_schema: JsonObject | Unset | None = UNSET,
        enforce_parameter_schema: bool | Unset = UNSET,
        job_variables: JsonObject | Unset = UNSET,
        pull_steps: Json | Unset = UNSET,
        entrypoint: str | Unset | None = UNSET,
        path: str | Unset | None = UNSET,
        work_queue: tuple[str, str | None] | Unset | None = UNSET,
        timeout: timedelta | None = None,
    ) -> Deployment:
        """Change fields of a deployment. What is not given stays; None clears.

        Its runs that the server has scheduled and that have not begun are deleted, and made anew
        unless it is paused.

        Args:
            deployment_id: The deployment.
            version: The version that its runs are marked with.
            description: Free text for people.
            paused: Whether the schedules are at rest.
            schedules: When to run it without being asked. Those with an id keep it.
            tags: Labels for finding deployments, which its runs get too.
            parameters: The parameters of its runs.
            parameter_schema: The JSON schema of the parameters.
            enforce_parameter_schema: Whether the parameters of a run that is asked for must fit.
            job_variables: What its runs tell the infrastructure.
            pull_steps: What to do to fetch the code of the flow.
            entrypoint: Where the flow is within its code.
            path: Where the code of the flow is.
            work_queue: The names of a work pool and of a queue of it, made if missing; None for
                the queue means the default one.
            timeout: How long the call may take.

        Returns:
            The deployment as it now stands, in FULL view.

        Raises:
            DeploymentNotFoundError: There is none.
            WorkPoolNotFoundError: There is no such work pool.
            InvalidRequestError: Nothing is to be changed, or a value is not allowed.
            ValueError: Something is not JSON, or a schedule cannot be sent.
        """
        request = deployment_update(
            deployment_id,
            version=version,
            description=description,
            paused=paused,
            schedules=schedules,
            tags=tags,
            parameters=parameters,
            parameter_schema=parameter_schema,
            enforce_parameter_schema=enforce_parameter_schema,
            job_variables=job_variables,
            pull_steps=pull_steps,
            entrypoint=entrypoint,
            path=path,
            work_queue=work_queue,
        )
        answer = await self._transport.call(self._stub.UpdateDeployment, request, timeout)
        return to_deployment(answer.deployment)

    async def delete(self, deployment_id: Id, *, timeout: timedelta | None = None) -> int:
        """Delete a deployment with its schedules and its SCHEDULED runs. Its other runs stay.

        The runs go first, some hundred at a time: a call that fails may have deleted some of them, and the next goes on
        from there.

        Args:
            deployment_id: The deployment.
            timeout: How long the call may take.

        Returns:
            How many runs were deleted with it.

        Raises:
            DeploymentNotFoundError: There is none.
        """
        request = pb.DeleteDeploymentRequest(deployment_id=str(deployment_id))
        answer = await self._transport.call(self._stub.DeleteDeployment, request, timeout)
        return answer.deleted_flow_runs

    async def create_flow_run(
        self,
        deployment_id: Id,
        *,
        name: str = "",
        state: ProposedState | None = None,
        parameters: JsonObject | None = None,
        enforce_parameter_schema: bool | None = None,
        context: JsonObject | None = None,
        tags: Iterable[str] = (),
        job_variables: JsonObject | None = None,
        work_queue_name: str | None = None,
        parent_task_run_id: Id | None = None,
        idempotency_key: str = "",
        idempotency_ttl: timedelta | None = None,
        retries: int | None = None,
        retry_delay: timedelta | None = None,
        timeout: timedelta | None = None,
    ) -> CreatedFlowRun:
        """Create a flow run of a deployment, or return the one that holds the idempotency key.

        Args:
            deployment_id: The deployment.
            name: The name. Empty: two random words.
            state: The first state, which is written without rules. None: SCHEDULED, due at once.
            parameters: Replace those of the deployment one by one. None: none of them.
            enforce_parameter_schema: Whether the parameters must fit the schema. None: as the
                deployment says.
            context: Free facts about the run. None: `{}`.
            tags: Labels beyond those of the deployment.
            job_variables: What the run tells the infrastructure beyond its deployment.
            work_queue_name: Another queue of the work pool, made if missing.
            parent_task_run_id: For a subflow run: the task run that stands for it in the parent.
            idempotency_key: A key, unique within the flow. Empty: none.
            idempotency_ttl: How long the key is held. None: until the run is deleted.
            retries: How often a failure is answered by a retry. None: never.
            retry_delay: The time between a failure and the next attempt.
            timeout: How long the call may take.

        Returns:
            The run in FULL view, and whether it is new.

        Raises:
            DeploymentNotFoundError: There is no such deployment.
            TaskRunNotFoundError: There is no such parent.
            ParametersNotHydratedError: A placeholder cannot be filled in.
            ParametersInvalidError: The parameters do not fit the schema that is enforced.
            ParameterSchemaInvalidError: The schema cannot be used.
            ParameterSchemaRequiredError: A schema is to be enforced, and there is none.
            JobVariablesInvalidError: The job variables do not fit the work pool.
            WorkPoolRequiredError: A queue is asked for, and the deployment has no work pool.
            ValueError: Something is not JSON, or a time has no time zone.
        """
        request = pb.CreateDeploymentFlowRunRequest(
            deployment_id=str(deployment_id),
            name=name,
            state=None if state is None else from_proposed_state(state),
            parameters_json=_object_text(parameters, "parameters"),
            enforce_parameter_schema=enforce_parameter_schema,
            context_json=_object_text(context, "context"),
            tags=tags,
            job_variables_json=_object_text(job_variables, "job_variables"),
            work_queue_name=work_queue_name,
            parent_task_run_id=None if parent_task_run_id is None else str(parent_task_run_id),
            idempotency_key=idempotency_key,
            idempotency_ttl=None if idempotency_ttl is None else from_timedelta(idempotency_ttl),
            retries=retries,
            retry_delay=None if retry_delay is None else from_timedelta(retry_delay),
        )
        answer = await self._transport.call(self._stub.CreateDeploymentFlowRun, request, timeout)
        return CreatedFlowRun(
            flow_run=to_flow_run(answer.flow_run),
            created=answer.created,
            revision=answer.revision,
        )

    async def schedule(
        self,
        deployment_id: Id,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        min_time: timedelta | None = None,
        min_runs: int | None = None,
        max_runs: int | None = None,
        timeout: timedelta | None = None,
    ) -> tuple[UUID, ...]:
        """Make the runs that the active schedules of a deployment name, also in the past.

        What is None is as the scheduler of the server does by itself. A date that has a run gets
        no other. A deployment that does not exist has no schedules.

        Args:
            deployment_id: The deployment, paused or not.
            start_time: The first date there may be. None: now.
            end_time: The last date there may be.
            min_time: How far the dates shall at least reach beyond the start.
            min_runs: How many dates of each schedule shall at least be taken.
            max_runs: How many dates of each schedule are taken at most, up to 1,000.
            timeout: How long the call may take.

        Returns:
            The ids of the runs that were made, in the order of their dates.

        Raises:
            ValueError: A time has no time zone.
        """
        request = pb.ScheduleDeploymentRequest(
            deployment_id=str(deployment_id),
            start_time=None if start_time is None else from_datetime(start_time, "start_time"),
            end_time=None if end_time is None else from_datetime(end_time, "end_time"),
            min_time=None if min_time is None else from_timedelta(min_time),
            min_runs=min_runs,
            max_runs=max_runs,
        )
        answer = await self._transport.call(self._stub.ScheduleDeployment, request, timeout)
        return tuple(map(UUID, answer.flow_run_ids))


def _object_text(value: JsonObject | None, field: str) -> str | None:
    return None if value is None else to_object_text(value, field)
