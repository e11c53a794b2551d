"""Commands about work pools, their queues and their workers."""

from datetime import datetime, timedelta
from enum import StrEnum

from headgate_server.model.commands import Command
from headgate_server.model.filters import Filter, Operator, TimeFilter
from headgate_server.model.work_pools import UNREPORTED_TYPE, WorkerStatus


class CreateWorkPool(Command, frozen=True, kw_only=True):
    """Create a work pool with its default queue."""

    name: str
    type: str = UNREPORTED_TYPE
    description: str | None = None
    base_job_template_json: str = "{}"
    is_paused: bool = False
    concurrency_limit: int | None = None
    request_id: str | None = None


class WorkPoolField(StrEnum):
    """The fields of a work pool that callers may change."""

    DESCRIPTION = "description"
    BASE_JOB_TEMPLATE_JSON = "base_job_template_json"
    PAUSED = "paused"
    CONCURRENCY_LIMIT = "concurrency_limit"


class UpdateWorkPool(Command, frozen=True, kw_only=True):
    """Replace fields of a work pool. Only the fields named in `fields` are looked at."""

    name: str
    fields: frozenset[WorkPoolField]
    description: str | None = None
    base_job_template_json: str = "{}"
    is_paused: bool = False
    concurrency_limit: int | None = None


class DeleteWorkPool(Command, frozen=True, kw_only=True):
    """Delete a work pool with its queues and workers."""

    name: str
    request_id: str | None = None


class QueueKey(Command, frozen=True, kw_only=True):
    """What names a queue: its id, or else its name within its work pool."""

    id: str | None = None
    work_pool_name: str = ""
    name: str = ""


class CreateWorkQueue(Command, frozen=True, kw_only=True):
    """Create a queue in a work pool."""

    work_pool_name: str
    name: str
    description: str = ""
    is_paused: bool = False
    concurrency_limit: int | None = None
    priority: int | None = None
    """None takes the lowest that is free."""
    request_id: str | None = None


class WorkQueueField(StrEnum):
    """The fields of a queue that callers may change."""

    NAME = "name"
    DESCRIPTION = "description"
    PAUSED = "paused"
    CONCURRENCY_LIMIT = "concurrency_limit"
    PRIORITY = "priority"


class UpdateWorkQueue(Command, frozen=True, kw_only=True):
    """Replace fields of a queue. Only the fields named in `fields` are looked at."""

    key: QueueKey
    fields: frozenset[WorkQueueField]
    name: str = ""
    description: str = ""
    is_paused: bool = False
    concurrency_limit: int | None = None
    priority: int = 1


class DeleteWorkQueue(Command, frozen=True, kw_only=True):
    """Delete a queue."""

    key: QueueKey
    request_id: str | None = None


class Heartbeat(Command, frozen=True, kw_only=True):
    """Note that a worker is there."""

    work_pool_name: str
    name: str
    interval: timedelta | None = None
    """How often the worker reports; None leaves what it said before."""


class WorkerStatusFilter(Filter, frozen=True, kw_only=True):
    """Conditions on the status of a worker that holds now, all of which must hold."""

    any: tuple[WorkerStatus, ...] | None = None
    not_any: tuple[WorkerStatus, ...] | None = None


class WorkerFilter(Filter, frozen=True, kw_only=True):
    """Conditions on workers."""

    operator: Operator = Operator.AND
    last_heartbeat_time: TimeFilter | None = None
    status: WorkerStatusFilter | None = None


class Poll(Command, frozen=True, kw_only=True):
    """Ask for the runs that a worker of a work pool may start."""

    work_pool_name: str
    work_queue_names: tuple[str, ...] = ()
    """Empty means all queues of the work pool."""
    scheduled_before: datetime | None = None
    scheduled_after: datetime | None = None
    limit: int = 200
    is_full: bool = False


class WatchDue(Command, frozen=True, kw_only=True):
    """Ask for the runs that a worker of a work pool may start, as they become due."""

    work_pool_name: str
    work_queue_names: tuple[str, ...] = ()
    """Empty means all queues of the work pool."""
    prefetch: timedelta = timedelta()
    """How long before it is due a run is told."""
    progress_interval: timedelta = timedelta(seconds=15)
    is_full: bool = False
