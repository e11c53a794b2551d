"""Commands: what callers ask the service to do, as values."""

from datetime import timedelta
from enum import StrEnum

import msgspec

from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.states import ProposedState


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something a caller asks for."""


class CreateFlow(Command, frozen=True, kw_only=True):
    """Create a flow, or return the one that has the name."""

    name: str
    tags: tuple[str, ...] = ()


class CreateFlowRun(Command, frozen=True, gc=False, kw_only=True):
    """Create a flow run, or return the one that holds the idempotency key."""

    flow_id: str
    state: ProposedState
    name: str = ""
    """Empty draws a random one."""
    parameters_json: str = "{}"
    context_json: str = "{}"
    tags: tuple[str, ...] = ()
    flow_version: str | None = None
    deployment_id: str | None = None
    deployment_version: str | None = None
    work_queue_id: str | None = None
    work_queue_name: str | None = None
    job_variables_json: str = "{}"
    auto_scheduled: bool = False
    parent_task_run_id: str | None = None
    idempotency_key: str | None = None
    idempotency_ttl: timedelta | None = None
    """None holds the key while the run lives."""
    retries: int | None = None
    retry_delay: timedelta | None = None
    request_id: str | None = None


class Proposal(Command, frozen=True, gc=False, kw_only=True):
    """A state proposed for a flow run."""

    flow_run_id: str
    state: ProposedState
    force: bool = False
    expected_version: int | None = None
    inputs: tuple[NewFlowRunInput, ...] = ()
    """Created if and only if the proposed state itself is written."""


class Resume(Command, frozen=True, kw_only=True):
    """Resume a paused run with the answer it waits for."""

    flow_run_id: str
    run_input_json: str | None = None
    expected_version: int | None = None
    request_id: str | None = None


class FlowRunField(StrEnum):
    """The fields of a flow run that callers may change."""

    NAME = "name"
    FLOW_VERSION = "flow_version"
    PARAMETERS_JSON = "parameters_json"
    TAGS = "tags"
    INFRASTRUCTURE_PID = "infrastructure_pid"
    JOB_VARIABLES_JSON = "job_variables_json"
    RETRIES = "policy.retries"
    RETRY_DELAY = "policy.retry_delay"


class UpdateFlowRun(Command, frozen=True, kw_only=True):
    """Replace fields of a flow run. Only the fields named in `fields` are looked at."""

    flow_run_id: str
    fields: frozenset[FlowRunField]
    name: str = ""
    """Empty draws a random one."""
    flow_version: str | None = None
    parameters_json: str = "{}"
    tags: tuple[str, ...] = ()
    infrastructure_pid: str | None = None
    job_variables_json: str | None = None
    """None clears them, which needs neither a state nor a deployment."""
    retries: int | None = None
    retry_delay: timedelta | None = None
    expected_version: int | None = None
    request_id: str | None = None


class DeleteFlowRun(Command, frozen=True, kw_only=True):
    """Delete a flow run with its states, inputs and task runs."""

    flow_run_id: str
    expected_version: int | None = None
    request_id: str | None = None


class DeleteFlow(Command, frozen=True, kw_only=True):
    """Delete a flow with its runs."""

    flow_id: str
    request_id: str | None = None


class CreateInput(Command, frozen=True, kw_only=True):
    """Leave an input with a run."""

    flow_run_id: str
    input: NewFlowRunInput
    request_id: str | None = None


class DeleteInput(Command, frozen=True, kw_only=True):
    """Delete an input of a run by its exact key."""

    flow_run_id: str
    key: str
    request_id: str | None = None


class CreateVariable(Command, frozen=True, kw_only=True):
    """Create a variable."""

    name: str
    value: str = ""
    tags: tuple[str, ...] = ()
    request_id: str | None = None


class UpdateVariable(Command, frozen=True, kw_only=True):
    """Replace the value, the tags or both of a variable; None leaves them."""

    name: str
    value: str | None = None
    tags: tuple[str, ...] | None = None


class DeleteVariable(Command, frozen=True, kw_only=True):
    """Delete a variable."""

    name: str
    request_id: str | None = None
