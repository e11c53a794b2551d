"""Deployments as the service keeps them, as values: like the others in `headgate.models`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from headgate.enums import DeploymentStatus
from headgate.states import Json, JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSchedule:
    """Dates at equal distances from each other.

    The whole days in the interval are days of the calendar: they keep the time of day when the
    clocks change. The rest is time as it passes.
    """

    interval: timedelta
    """The distance between two dates: positive, at most 3,650 days."""
    anchor_time: datetime | None = None
    """One of the dates. None, in what is sent, for when the schedule is made."""
    timezone: str = "UTC"
    """The time zone in which whole days are counted, such as `Europe/Berlin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronSchedule:
    """Dates that a cron expression names."""

    cron: str
    """Five fields, or a word such as `@daily`."""
    timezone: str = "UTC"
    """The time zone in which the expression is read, such as `Europe/Berlin`."""
    day_or: bool = True
    """Whether the day of the month or the day of the week is enough where both are restricted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RruleSchedule:
    """Dates that recurrence rules of RFC 5545 name."""

    rrule: str
    """Lines of RRULE, RDATE, EXRULE, EXDATE and DTSTART, or one rule."""
    timezone: str = "UTC"
    """The time zone of the times that do not say theirs, such as `Europe/Berlin`."""


ScheduleRule: TypeAlias = IntervalSchedule | CronSchedule | RruleSchedule
"""When to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSchedule:
    """One schedule of a deployment."""

    rule: ScheduleRule | None
    """When to run. None, in what is read, for a kind that is newer than this client."""
    id: UUID | str | None = None
    """The id of the schedule, a UUID in what is read. None, in what is sent, for a new one."""
    active: bool = True
    """Whether the server makes runs for it."""
    max_active_runs: int | None = None
    """How many of its runs should be active at once; kept, not looked at."""
    max_scheduled_runs: int | None = None
    """How many of its runs should wait at once, 1 to 50; kept, not looked at."""
    catchup: bool = False
    """Whether missed dates should be made up for; kept, not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow with the parameters, the schedules and the work queue that its runs get."""

    id: UUID
    """The id of the deployment."""
    flow_id: UUID
    """The flow that is run."""
    name: str
    """The name, unique within the flow."""
    create_time: datetime
    """When the deployment was created."""
    update_time: datetime
    """When the deployment was last created anew or changed by a caller."""
    version: str | None = None
    """The version that its runs are marked with."""
    description: str | None = None
    """Free text for people."""
    paused: bool = False
    """Whether the schedules are at rest."""
    schedules: tuple[DeploymentSchedule, ...] = ()
    """When to run it without being asked, in the order given."""
    tags: tuple[str, ...] = ()
    """Labels for finding deployments, which its runs get too."""
    parameters: JsonObject | None = field(default=None, hash=False)
    """The parameters of its runs. None in BASIC view."""
    parameter_schema: JsonObject | None = field(default=None, hash=False)
    """The JSON schema of the parameters. None without one, and in BASIC view."""
    enforce_parameter_schema: bool = False
    """Whether the parameters of a run that is asked for must fit the schema."""
    job_variables: JsonObject | None = field(default=None, hash=False)
    """What its runs tell the infrastructure. None in BASIC view."""
    pull_steps: Json = field(default=None, hash=False)
    """What to do to fetch the code of the flow. None without, and in BASIC view."""
    entrypoint: str | None = None
    """Where the flow is within its code."""
    path: str | None = None
    """Where the code of the flow is."""
    work_queue_id: UUID | None = None
    """The work queue in which its runs wait."""
    work_queue_name: str | None = None
    """The name of the work queue, or the name it had when it was deleted."""
    work_pool_name: str | None = None
    """The name of the work pool of the queue."""
    status: DeploymentStatus = DeploymentStatus.NOT_READY
    """Whether a worker asks for its runs."""
    last_polled_time: datetime | None = None
    """When a worker last asked for its runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedDeployment:
    """The deployment that a request to create led to."""

    deployment: Deployment
    """The deployment as it now stands."""
    created: bool
    """Whether this call created it; False if it replaced one."""
