"""Commands about deployments and their schedules."""

from datetime import datetime, timedelta
from enum import StrEnum

from headgate_server.model.commands import Command, CreateFlowRun
from headgate_server.model.deployments import DeploymentSchedule
from headgate_server.model.states import ProposedState


class CreateDeployment(Command, frozen=True, kw_only=True):
    """Create a deployment, or replace the one of the flow that has the name."""

    flow_id: str
    name: str
    version: str | None = None
    description: str | None = None
    is_paused: bool | None = None
    """None leaves an existing deployment as it is, and a new one at work."""
    schedules: tuple[DeploymentSchedule, ...] = ()
    tags: tuple[str, ...] = ()
    parameters_json: str = "{}"
    parameter_schema_json: str | None = None
    enforce_parameter_schema: bool = False
    job_variables_json: str = "{}"
    pull_steps_json: str | None = None
    entrypoint: str | None = None
    path: str | None = None
    work_pool_name: str | None = None
    """None for a deployment whose runs wait for no worker."""
    work_queue_name: str | None = None
    """None stands for the default queue of the pool."""


class DeploymentField(StrEnum):
    """The fields of a deployment that callers may change."""

    VERSION = "version"
    DESCRIPTION = "description"
    PAUSED = "paused"
    SCHEDULES = "schedules"
    TAGS = "tags"
    PARAMETERS_JSON = "parameters_json"
    PARAMETER_SCHEMA_JSON = "parameter_schema_json"
    ENFORCE_PARAMETER_SCHEMA = "enforce_parameter_schema"
    JOB_VARIABLES_JSON = "job_variables_json"
    PULL_STEPS_JSON = "pull_steps_json"
    ENTRYPOINT = "entrypoint"
    PATH = "path"
    WORK_QUEUE = "work_queue"


class UpdateDeployment(Command, frozen=True, kw_only=True):
    """Replace fields of a deployment. Only the fields named in `fields` are looked at."""

    deployment_id: str
    fields: frozenset[DeploymentField]
    version: str | None = None
    description: str | None = None
    is_paused: bool = False
    schedules: tuple[DeploymentSchedule, ...] = ()
    """Those with an id take the place of the schedule that has it."""
    tags: tuple[str, ...] = ()
    parameters_json: str = "{}"
    parameter_schema_json: str | None = None
    enforce_parameter_schema: bool = False
    job_variables_json: str = "{}"
    pull_steps_json: str | None = None
    entrypoint: str | None = None
    path: str | None = None
    work_pool_name: str | None = None
    """None takes the queue away."""
    work_queue_name: str | None = None
    """None stands for the default queue of the pool."""
    request_id: str | None = None


class DeleteDeployment(Command, frozen=True, kw_only=True):
    """Delete a deployment with its schedules and its SCHEDULED runs."""

    deployment_id: str
    request_id: str | None = None


class CreateDeploymentRun(Command, frozen=True, kw_only=True):
    """Create a flow run of a deployment, or return the one that holds the idempotency key."""

    deployment_id: str
    state: ProposedState
    name: str = ""
    """Empty draws a random one."""
    parameters_json: str = "{}"
    """Replace those of the deployment, one by one."""
    enforce_parameter_schema: bool | None = None
    """None does as the deployment says."""
    context_json: str = "{}"
    tags: tuple[str, ...] = ()
    job_variables_json: str = "{}"
    work_queue_name: str | None = None
    """None takes the queue of the deployment."""
    parent_task_run_id: str | None = None
    idempotency_key: str | None = None
    idempotency_ttl: timedelta | None = None
    """None holds the key while the run lives."""
    retries: int | None = None
    retry_delay: timedelta | None = None
    request_id: str | None = None


class DeploymentRun(Command, frozen=True, kw_only=True):
    """A run of a deployment whose parameters and job variables were found good."""

    request: CreateDeploymentRun
    run: CreateFlowRun
    """Without a queue: which it is shows when it is written."""

    @property
    def request_id(self) -> str | None:
        """The id of the request, by which a repeat is known."""
        return self.request.request_id


class ScheduleDeployment(Command, frozen=True, kw_only=True):
    """Make the runs that the active schedules of a deployment name. None does as the scheduler does by itself."""

    deployment_id: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    min_time: timedelta | None = None
    min_runs: int | None = None
    max_runs: int | None = None


class ScheduleRuns(Command, frozen=True, kw_only=True):
    """Make the runs of a deployment for some dates, unless it has changed since they were worked out."""

    deployment_id: str
    update_time: datetime
    """When the deployment had last changed."""
    dates: tuple[datetime, ...]
