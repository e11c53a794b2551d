"""Work pools, their queues and their workers: who runs what, and how much of it at once."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from headgate_server.model.flow_runs import FlowRun

DEFAULT_QUEUE_NAME = "default"
"""The queue that every pool has."""
UNREPORTED_TYPE = "prefect-agent"
"""The type of pools whose work nobody reports."""


class WorkStatus(StrEnum):
    """Whether somebody works on a pool or a queue."""

    READY = "READY"
    NOT_READY = "NOT_READY"
    PAUSED = "PAUSED"


class WorkPool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Infrastructure that runs flow runs."""

    id: str
    name: str
    """Unique."""
    create_time: datetime
    update_time: datetime
    type: str
    default_queue_id: str
    description: str | None = None
    base_job_template_json: str = "{}"
    is_paused: bool = False
    concurrency_limit: int | None = None
    """How many runs may be RUNNING or PENDING at once; None means any number."""
    status: WorkStatus | None = None
    """None for pools whose work nobody reports."""


class WorkQueue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line in which runs wait for the workers of a pool."""

    id: str
    work_pool_id: str
    work_pool_name: str
    """Not kept: the name that the pool has."""
    name: str
    """Unique within the pool."""
    create_time: datetime
    update_time: datetime
    description: str = ""
    is_paused: bool = False
    concurrency_limit: int | None = None
    """How many runs may be RUNNING or PENDING at once; None means any number."""
    priority: int = 1
    """1 is served first. Unique within the pool."""
    status: WorkStatus = WorkStatus.NOT_READY
    last_polled_time: datetime | None = None


class WorkerStatus(StrEnum):
    """Whether a worker reports."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class Worker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A program that runs what waits in the queues of a pool."""

    id: str
    work_pool_id: str
    name: str
    """Unique within the pool."""
    create_time: datetime
    last_heartbeat_time: datetime
    heartbeat_interval: timedelta | None = None
    status: WorkerStatus = WorkerStatus.ONLINE
    """As the last heartbeat or the last look at workers left it; ask `Presence.is_online` for what holds now."""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """How long after a sign of life somebody still counts as there."""

    heartbeat_multiple: int = 3
    """A worker is there for so many of its intervals."""
    heartbeat_fallback: timedelta = timedelta(seconds=30)
    """The interval of workers that never named one."""
    queue_poll_timeout: timedelta = timedelta(seconds=60)
    """A queue is served for so long after a poll."""
    deployment_poll_timeout: timedelta = timedelta(seconds=60)
    """A deployment is served for so long after a poll of its queue."""

    def is_online(self, worker: Worker, now: datetime) -> bool:
        """Return whether a worker reports."""
        interval = worker.heartbeat_interval or self.heartbeat_fallback
        return worker.last_heartbeat_time > now - self.heartbeat_multiple * interval

    def is_served(self, queue: WorkQueue, now: datetime) -> bool:
        """Return whether the runs of a queue are asked for."""
        polled = queue.last_polled_time
        return polled is not None and polled >= now - self.queue_poll_timeout


class WorkQueueHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How well a queue is served."""

    late_runs_count: int
    last_polled_time: datetime | None
    is_healthy: bool


MAXIMUM_LATE_RUNS = 0
"""A queue with more late runs is not healthy."""
MAXIMUM_TIME_SINCE_LAST_POLLED = timedelta(seconds=60)
"""A queue that was polled longer ago, in whole seconds, is not healthy."""


def health_of(queue: WorkQueue, late_runs_count: int, now: datetime) -> WorkQueueHealth:
    """Return how well a queue is served that has so many late runs."""
    polled = queue.last_polled_time
    is_polled = polled is not None and (
        (now - polled) // _SECOND <= MAXIMUM_TIME_SINCE_LAST_POLLED // _SECOND
    )
    return WorkQueueHealth(
        late_runs_count=late_runs_count,
        last_polled_time=polled,
        is_healthy=is_polled and late_runs_count <= MAXIMUM_LATE_RUNS,
    )


_SECOND = timedelta(seconds=1)


class DueRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a worker may start now."""

    work_pool_id: str
    work_queue_id: str
    run: FlowRun


class DueNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a worker that waits for due runs."""

    time: datetime
    due: DueRun | None = None
    """None says that nothing more is due for now."""
    next_time: datetime | None = None
    """When the next run that is known will be told, if it is known and nothing is due."""
