"""Work pools, their queues and their workers, as callers see them. Values: nothing in them changes."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from headgate.enums import WorkerStatus, WorkStatus
from headgate.models import FlowRun, Id
from headgate.states import JsonObject

QueueKey: TypeAlias = Id | tuple[str, str]
"""What names a work queue: its id, or the names of its work pool and of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """Infrastructure that runs flow runs."""

    id: UUID
    """The id of the work pool."""
    name: str
    """The name, unique."""
    create_time: datetime
    """When the work pool was created."""
    update_time: datetime
    """When the work pool was last changed by a caller."""
    type: str
    """What kind of infrastructure it is, as its workers understand it."""
    default_queue_id: UUID
    """The queue that every work pool has."""
    description: str | None = None
    """What the work pool is for, in words."""
    base_job_template: JsonObject = field(default_factory=dict, hash=False)
    """How its workers make a job of a run."""
    paused: bool = False
    """Whether nothing is handed out from any of its queues."""
    concurrency_limit: int | None = None
    """How many of its runs may be RUNNING or PENDING at once. None: any number."""
    status: WorkStatus | None = None
    """Whether somebody works on it. None: nobody reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue:
    """A line in which runs wait for the workers of a work pool."""

    id: UUID
    """The id of the queue."""
    work_pool_id: UUID
    """The work pool that the queue belongs to."""
    work_pool_name: str
    """The name of that work pool."""
    name: str
    """The name of the queue, unique within the work pool."""
    create_time: datetime
    """When the queue was created."""
    update_time: datetime
    """When the queue was last changed by a caller."""
    priority: int
    """The place of the queue within its work pool: 1 is served first."""
    status: WorkStatus
    """Whether somebody asks for its runs."""
    description: str = ""
    """What the queue is for, in words."""
    paused: bool = False
    """Whether nothing is handed out from the queue."""
    concurrency_limit: int | None = None
    """How many of its runs may be RUNNING or PENDING at once. None: any number."""
    last_polled_time: datetime | None = None
    """When its runs were last asked for, to within a few seconds. None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueueHealth:
    """How well a work queue is served."""

    healthy: bool
    """Whether none of its runs too many are late, and its runs were asked for lately."""
    late_runs_count: int
    """How many of its runs are in a state named Late."""
    last_polled_time: datetime | None
    """When its runs were last asked for, to within a few seconds. None: never."""
    maximum_late_runs: int
    """How many runs may be late."""
    maximum_time_since_last_polled: timedelta
    """How long ago the last poll may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueueWithHealth:
    """A work queue and how well it is served."""

    work_queue: WorkQueue
    """The queue."""
    health: WorkQueueHealth
    """How well it is served. Independent of its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A program that runs what waits in the queues of a work pool."""

    id: UUID
    """The id of the worker."""
    work_pool_id: UUID
    """The work pool that the worker serves."""
    name: str
    """The name of the worker, unique within the work pool."""
    create_time: datetime
    """When the worker first reported."""
    last_heartbeat_time: datetime
    """When the worker last reported."""
    status: WorkerStatus
    """Whether the worker reports."""
    heartbeat_interval: timedelta | None = None
    """How often the worker says that it reports. None: it never said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFlowRun:
    """A flow run that a worker may start now."""

    work_pool_id: UUID
    """The work pool whose queue it waits in."""
    work_queue_id: UUID
    """The queue it waits in."""
    flow_run: FlowRun
    """The run."""
