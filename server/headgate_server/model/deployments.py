"""Deployments: flows with the parameters, the schedules and the work queue that runs of them get."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec


class DeploymentStatus(StrEnum):
    """Whether somebody asks for the runs of a deployment."""

    READY = "READY"
    NOT_READY = "NOT_READY"


class IntervalSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Dates at equal distances."""

    interval: timedelta
    """Whole days keep the time of day through daylight saving, the rest is time as it passes. Positive."""
    anchor_time: datetime | None = None
    """One of the dates. None, until the schedule is kept, for the time when it will be."""
    timezone: str = "UTC"


class CronSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Dates that a cron expression of five fields names."""

    cron: str
    timezone: str = "UTC"
    day_or: bool = True
    """Whether a day must match the day of the month or the day of the week, where both are given; else both."""


class RruleSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """Dates that an RFC 5545 recurrence rule names."""

    rrule: str
    timezone: str = "UTC"


ScheduleRule: TypeAlias = IntervalSchedule | CronSchedule | RruleSchedule
"""When to run."""


class DeploymentSchedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One schedule of a deployment."""

    id: str
    """Empty until the schedule is kept."""
    rule: ScheduleRule
    is_active: bool = True
    max_active_runs: int | None = None
    max_scheduled_runs: int | None = None
    catchup: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A flow that can be run in a given way."""

    id: str
    flow_id: str
    name: str
    """Unique within the flow."""
    create_time: datetime
    update_time: datetime
    version: str | None = None
    description: str | None = None
    is_paused: bool = False
    schedules: tuple[DeploymentSchedule, ...] = ()
    tags: tuple[str, ...] = ()
    parameters_json: str = "{}"
    parameter_schema_json: str | None = None
    """The JSON schema of the parameters, if there is one."""
    enforce_parameter_schema: bool = False
    job_variables_json: str = "{}"
    pull_steps_json: str | None = None
    entrypoint: str | None = None
    path: str | None = None
    work_queue_id: str | None = None
    """Not kept in the body: a deleted queue is forgotten."""
    work_queue_name: str | None = None
    work_pool_name: str | None = None
    """Not kept: the name of the pool of the queue."""
    status: DeploymentStatus = DeploymentStatus.NOT_READY
    last_polled_time: datetime | None = None


class DeploymentSort(StrEnum):
    """The orders of a list of deployments; ties are broken by id in the same direction."""

    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    CREATED_DESC = "CREATED_DESC"
    UPDATED_DESC = "UPDATED_DESC"
