"""Schedules: read those that are asked for, write those that are kept."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from headgate import v1 as pb
from headgate_server.model.deployment_commands import ScheduleDeployment
from headgate_server.model.deployments import (
    CronSchedule,
    DeploymentSchedule,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.times import (
    DELAY,
    SpanRange,
    read_span,
    read_time,
    write_span,
    write_time,
)

SCHEDULES_MAX: Final = 100
"""Schedules that a deployment may have."""
RRULE_CHARACTERS: Final = 6500
"""Characters that recurrence rules may have."""
SCHEDULED_RUNS_MAX: Final = 50
"""Runs of a schedule that may be told to wait at once."""
DATES_MAX: Final = 1000
"""Dates of a schedule that may be asked for at once."""

_INTERVAL: Final = SpanRange(
    timedelta(microseconds=1), timedelta(days=3650), "must be positive and at most 3650 days"
)
_NO_RULE: Final = CronSchedule(cron="")


def read_schedules(
    messages: Sequence[pb.DeploymentSchedule], path: str, checks: Checks
) -> tuple[DeploymentSchedule, ...]:
    """Read the schedules of a deployment. Whether their dates can be worked out is not looked at."""
    return tuple(
        _read_schedule(message, f"{path}[{place}]", checks)
        for place, message in enumerate(checks.members(messages, path, SCHEDULES_MAX))
    )


def refuse_schedule_ids(schedules: Sequence[DeploymentSchedule], path: str, checks: Checks) -> None:
    """Note the schedules that say which they are, where all are new."""
    for place, schedule in enumerate(schedules):
        if schedule.id:
            checks.wrong(f"{path}[{place}].id", "must be empty: the server makes the ids")


def _read_schedule(message: pb.DeploymentSchedule, path: str, checks: Checks) -> DeploymentSchedule:
    has = message.HasField
    return DeploymentSchedule(
        id=checks.id_if_given(message.id, f"{path}.id") or "",
        rule=_read_rule(message, path, checks),
        is_active=message.active if has("active") else True,
        max_active_runs=_read_count(message.max_active_runs, f"{path}.max_active_runs", checks)
        if has("max_active_runs")
        else None,
        max_scheduled_runs=_read_count(
            message.max_scheduled_runs, f"{path}.max_scheduled_runs", checks, SCHEDULED_RUNS_MAX
        )
        if has("max_scheduled_runs")
        else None,
        catchup=message.catchup,
    )


def _read_rule(message: pb.DeploymentSchedule, path: str, checks: Checks) -> ScheduleRule:
    match message.WhichOneof("rule"):
        case "interval":
            return _read_interval(message.interval, f"{path}.interval", checks)
        case "cron":
            cron = message.cron
            return CronSchedule(
                cron=checks.required_text(cron.cron, f"{path}.cron.cron"),
                timezone=checks.text(cron.timezone, f"{path}.cron.timezone") or "UTC",
                day_or=cron.day_or if cron.HasField("day_or") else True,
            )
        case "rrule":
            rrule = message.rrule
            if not rrule.rrule:
                checks.wrong(f"{path}.rrule.rrule", "is required")
            return RruleSchedule(
                rrule=checks.text(rrule.rrule, f"{path}.rrule.rrule", RRULE_CHARACTERS),
                timezone=checks.text(rrule.timezone, f"{path}.rrule.timezone") or "UTC",
            )
        case None:
            checks.wrong(f"{path}.rule", "is required: give interval, cron or rrule")
            return _NO_RULE


def _read_interval(message: pb.IntervalSchedule, path: str, checks: Checks) -> IntervalSchedule:
    if not message.HasField("interval"):
        checks.wrong(f"{path}.interval", "is required")
    return IntervalSchedule(
        interval=read_span(message.interval, f"{path}.interval", checks, _INTERVAL)
        if message.HasField("interval")
        else _INTERVAL.most,
        anchor_time=read_time(message.anchor_time, f"{path}.anchor_time", checks)
        if message.HasField("anchor_time")
        else None,
        timezone=checks.text(message.timezone, f"{path}.timezone") or "UTC",
    )


def _read_count(
    value: int, field: str, checks: Checks, most: int | None = None, *, least: int = 1
) -> int:
    """Read a number of runs within bounds; None for no upper one."""
    if value < least or (most is not None and value > most):
        checks.wrong(
            field, f"must be at least {least}" if most is None else f"must be {least} to {most}"
        )
    return value


def read_schedule_deployment(
    request: pb.ScheduleDeploymentRequest, limits: Limits
) -> ScheduleDeployment:
    """Read which runs of a deployment to make.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    has = request.HasField
    return checks.passed(
        ScheduleDeployment(
            deployment_id=checks.id(request.deployment_id, "deployment_id"),
            start_time=read_time(request.start_time, "start_time", checks)
            if has("start_time")
            else None,
            end_time=read_time(request.end_time, "end_time", checks) if has("end_time") else None,
            min_time=read_span(request.min_time, "min_time", checks, DELAY)
            if has("min_time")
            else None,
            min_runs=_read_count(request.min_runs, "min_runs", checks, DATES_MAX, least=0)
            if has("min_runs")
            else None,
            max_runs=_read_count(request.max_runs, "max_runs", checks, DATES_MAX)
            if has("max_runs")
            else None,
        )
    )


def write_schedule(schedule: DeploymentSchedule, message: pb.DeploymentSchedule) -> None:
    """Write a schedule."""
    message.id = schedule.id
    match schedule.rule:
        case IntervalSchedule() as rule:
            write_span(rule.interval, message.interval.interval)
            message.interval.timezone = rule.timezone
            if rule.anchor_time is not None:
                write_time(rule.anchor_time, message.interval.anchor_time)
        case CronSchedule() as rule:
            message.cron.cron = rule.cron
            message.cron.timezone = rule.timezone
            message.cron.day_or = rule.day_or
        case RruleSchedule() as rule:
            message.rrule.rrule = rule.rrule
            message.rrule.timezone = rule.timezone
    message.active = schedule.is_active
    if schedule.max_active_runs is not None:
        message.max_active_runs = schedule.max_active_runs
    if schedule.max_scheduled_runs is not None:
        message.max_scheduled_runs = schedule.max_scheduled_runs
    message.catchup = schedule.catchup
