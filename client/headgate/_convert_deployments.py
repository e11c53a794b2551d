"""Between the messages of deployments and their models: pure, and the only place that knows both."""

from typing import Final
from uuid import UUID

from headgate import v1 as pb
from headgate._convert import from_datetime, from_timedelta, to_datetime
from headgate._json import from_object_text, from_text
from headgate.deployment_models import (
    CronSchedule,
    Deployment,
    DeploymentSchedule,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)
from headgate.enums import DeploymentStatus

_STATUSES: Final = {
    pb.DEPLOYMENT_STATUS_READY: DeploymentStatus.READY,
    pb.DEPLOYMENT_STATUS_NOT_READY: DeploymentStatus.NOT_READY,
}


def to_deployment(deployment: pb.Deployment) -> Deployment:
    """Return a deployment in the view that was sent."""
    has = deployment.HasField
    return Deployment(
        id=UUID(deployment.id),
        flow_id=UUID(deployment.flow_id),
        name=deployment.name,
        create_time=to_datetime(deployment.create_time),
        update_time=to_datetime(deployment.update_time),
        version=deployment.version if has("version") else None,
        description=deployment.description if has("description") else None,
        paused=deployment.paused,
        schedules=tuple(map(_to_schedule, deployment.schedules)),
        tags=tuple(deployment.tags),
        parameters=from_object_text(deployment.parameters_json) if has("parameters_json") else None,
        parameter_schema=(
            from_object_text(deployment.parameter_schema_json)
            if has("parameter_schema_json")
            else None
        ),
        enforce_parameter_schema=deployment.enforce_parameter_schema,
        job_variables=(
            from_object_text(deployment.job_variables_json) if has("job_variables_json") else None
        ),
        pull_steps=from_text(deployment.pull_steps_json) if has("pull_steps_json") else None,
        entrypoint=deployment.entrypoint if has("entrypoint") else None,
        path=deployment.path if has("path") else None,
        work_queue_id=UUID(deployment.work_queue_id) if has("work_queue_id") else None,
        work_queue_name=deployment.work_queue_name if has("work_queue_name") else None,
        work_pool_name=deployment.work_pool_name if has("work_pool_name") else None,
        status=_STATUSES.get(deployment.status, DeploymentStatus.UNKNOWN),
        last_polled_time=(
            to_datetime(deployment.last_polled_time) if has("last_polled_time") else None
        ),
    )


def _to_schedule(schedule: pb.DeploymentSchedule) -> DeploymentSchedule:
    has = schedule.HasField
    return DeploymentSchedule(
        id=UUID(schedule.id),
        rule=_to_rule(schedule),
        active=schedule.active,
        max_active_runs=schedule.max_active_runs if has("max_active_runs") else None,
        max_scheduled_runs=schedule.max_scheduled_runs if has("max_scheduled_runs") else None,
        catchup=schedule.catchup,
    )


def _to_rule(schedule: pb.DeploymentSchedule) -> ScheduleRule | None:
    match schedule.WhichOneof("rule"):
        case "interval":
            interval = schedule.interval
            return IntervalSchedule(
                interval=interval.interval.ToTimedelta(),
                anchor_time=to_datetime(interval.anchor_time),
                timezone=interval.timezone,
            )
        case "cron":
            cron = schedule.cron
            return CronSchedule(cron=cron.cron, timezone=cron.timezone, day_or=cron.day_or)
        case "rrule":
            return RruleSchedule(rrule=schedule.rrule.rrule, timezone=schedule.rrule.timezone)
        case _:
            return None


def from_schedule(schedule: DeploymentSchedule) -> pb.DeploymentSchedule:
    """Return the message of a schedule.

    Raises:
        ValueError: It has no rule, or its date has no time zone.
    """
    message = pb.DeploymentSchedule(
        id="" if schedule.id is None else str(schedule.id),
        active=schedule.active,
        max_active_runs=schedule.max_active_runs,
        max_scheduled_runs=schedule.max_scheduled_runs,
        catchup=schedule.catchup,
    )
    match schedule.rule:
        case IntervalSchedule() as rule:
            message.interval.interval.CopyFrom(from_timedelta(rule.interval))
            message.interval.timezone = rule.timezone
            if rule.anchor_time is not None:
                anchor = from_datetime(rule.anchor_time, "anchor_time")
                message.interval.anchor_time.CopyFrom(anchor)
        case CronSchedule() as rule:
            message.cron.cron = rule.cron
            message.cron.timezone = rule.timezone
            message.cron.day_or = rule.day_or
        case RruleSchedule() as rule:
            message.rrule.rrule = rule.rrule
            message.rrule.timezone = rule.timezone
        case None:
            raise ValueError("A schedule needs a rule to be sent.")
    return message
