"""Flow runs: executions of a flow. Knows nothing of rules, storage or the wire."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from headgate_server.model.states import State


class RetryType(StrEnum):
    """Who brings a run back to RUNNING after a retry was granted."""

    IN_PROCESS = "IN_PROCESS"
    """The process that ran it waits and tries again by itself."""
    RESCHEDULE = "RESCHEDULE"
    """A worker picks the run up once it is due."""


class FlowRunPolicy(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Retries of a run, and what the server remembers of its pauses."""

    retries: int | None = None
    """How often a FAILED proposal is answered by AwaitingRetry; None means never."""
    retry_delay: timedelta | None = None
    """Time between a failure and the next attempt; None means none."""
    pause_keys: frozenset[str] = frozenset()
    """Pauses that have fired in this attempt. Kept by the server."""
    resuming: bool = False
    """Whether the next RUNNING continues a paused run. Kept by the server."""
    retry_type: RetryType | None = None
    """How the retry in progress comes back. Kept by the server."""


class FlowRun(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One execution of a flow, with its current state."""

    id: str
    flow_id: str
    name: str
    create_time: datetime
    update_time: datetime
    version: int = 0
    """How many states were written."""
    state: State | None = None
    flow_version: str | None = None
    deployment_id: str | None = None
    deployment_version: str | None = None
    work_queue_id: str | None = None
    """Kept in its column: a deleted queue is forgotten."""
    work_queue_name: str | None = None
    """The name that the queue has, or had when it was deleted."""
    work_pool_name: str | None = None
    """The name that the pool of the queue has, when the run is read."""
    parent_task_run_id: str | None = None
    idempotency_key: str | None = None
    tags: tuple[str, ...] = ()
    policy: FlowRunPolicy = FlowRunPolicy()
    run_count: int = 0
    """How often the run entered RUNNING; resuming does not count."""
    expected_start_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: timedelta = timedelta()
    """Time spent in RUNNING states that have ended."""
    auto_scheduled: bool = False
    infrastructure_pid: str | None = None
    parameters_json: str | None = None
    """JSON object text; None where the view leaves it out."""
    context_json: str | None = None
    """JSON object text; None where the view leaves it out."""
    job_variables_json: str | None = None
    """JSON object text; None where the view leaves it out."""
