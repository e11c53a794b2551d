"""Work pools, their queues and their workers: who runs what, and how much of it at once."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

DEFAULT_QUEUE_NAME = "default"
"""The queue that every pool has."""


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
    """As the last heartbeat or the last look at workers left it; ask `is_online` for what holds now."""
