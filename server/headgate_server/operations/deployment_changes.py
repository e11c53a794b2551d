"""Deployments created, replaced and changed, many at once inside the writer's transaction.

Queues are looked for before deployments are locked, in the order in which those who change queues lock them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from headgate_server.model.deployment_commands import (
    CreateDeployment,
    DeploymentField,
    UpdateDeployment,
)
from headgate_server.model.deployments import Deployment, DeploymentSchedule, IntervalSchedule
from headgate_server.model.errors import (
    DeploymentNotFoundError,
    FieldViolation,
    FlowNotFoundError,
    HeadgateError,
    InvalidRequestError,
    WorkPoolNotFoundError,
)
from headgate_server.model.ids import new_id
from headgate_server.model.work_pools import WorkQueue
from headgate_server.operations.queue_choice import QueueChoice
from headgate_server.operations.scheduled_runs import delete_auto_scheduled_runs
from headgate_server.storage import deployments, flows
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import Outcome, Written

_TICK: Final = timedelta(microseconds=1)


class CreatedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment that a request to create leads to."""

    deployment: Deployment
    created: bool
    """Whether this request made it; else it replaced one."""
    revision: int = 0
    """Revision of the last change; 0 when no run was deleted."""


class ChangedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as a change left it."""

    deployment: Deployment
    revision: int = 0
    """Revision of the last change; 0 when no run was deleted."""


def create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateDeployment]
) -> list[Outcome[CreatedDeployment]]:
    """Create deployments, or replace those that have the names. The last to ask for a name decides."""
    known = flows.get_many(conn, list({each.flow_id for each in commands}))
    ids = deployments.ids_by_name(conn, {(each.flow_id, each.name) for each in commands})
    queues = _queues_of(conn, now, [each if each.flow_id in known else None for each in commands])
    before = deployments.lock(conn, ids.values())
    changes = delete_auto_scheduled_runs(conn, now, list(before))
    standing = {(each.flow_id, each.name): each for each in before.values()}
    written: dict[str, Deployment] = {}
    outcomes: list[Outcome[CreatedDeployment]] = []
    for command, queue in zip(commands, queues, strict=True):
        if command.flow_id not in known:
            outcomes.append(FlowNotFoundError(command.flow_id))
            continue
        if isinstance(queue, HeadgateError):
            outcomes.append(queue)
            continue
        old = standing.get((command.flow_id, command.name))
        deployment = _made(command, old, queue, now)
        standing[command.flow_id, command.name] = written[deployment.id] = deployment
        answer = CreatedDeployment(deployment=deployment, created=old is None)
        outcomes.append(Written(answer, changes.pop(deployment.id, ())))
    deployments.insert(conn, [each for each in written.values() if each.id not in before])
    deployments.update_all(conn, [each for each in written.values() if each.id in before])
    return outcomes


def update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateDeployment]
) -> list[Outcome[ChangedDeployment]]:
    """Replace fields of deployments, in order."""
    names_queue = [DeploymentField.WORK_QUEUE in each.fields for each in commands]
    queues = _queues_of(
        conn,
        now,
        [each if named else None for each, named in zip(commands, names_queue, strict=True)],
    )
    standing = deployments.lock(conn, {each.deployment_id for each in commands})
    refusals = [
        _refusal(command, standing.get(command.deployment_id), queue)
        for command, queue in zip(commands, queues, strict=True)
    ]
    changed = {
        command.deployment_id: standing[command.deployment_id]
        for command, refusal in zip(commands, refusals, strict=True)
        if refusal is None
    }
    changes = delete_auto_scheduled_runs(conn, now, list(changed))
    outcomes: list[Outcome[ChangedDeployment]] = []
    for command, queue, refusal in zip(commands, queues, refusals, strict=True):
        if refusal is not None:
            outcomes.append(refusal)
            continue
        assert not isinstance(queue, HeadgateError)
        deployment = _changed(changed[command.deployment_id], command, queue, now)
        changed[deployment.id] = deployment
        answer = ChangedDeployment(deployment=deployment)
        outcomes.append(Written(answer, changes.pop(deployment.id, ())))
    deployments.update_all(conn, list(changed.values()))
    return outcomes


def _queues_of(
    conn: Connection, now: datetime, commands: Iterable[CreateDeployment | UpdateDeployment | None]
) -> list[WorkQueue | HeadgateError | None]:
    """Return for each command the queue that it names, or why it gets none; None where no pool is named."""
    choice = QueueChoice(conn, now)
    queues: list[WorkQueue | HeadgateError | None] = []
    for command in commands:
        if command is None or command.work_pool_name is None:
            queues.append(None)
            continue
        try:
            queues.append(choice.choose(command.work_pool_name, command.work_queue_name))
        except WorkPoolNotFoundError as error:
            queues.append(error)
    return queues


def _refusal(
    command: UpdateDeployment,
    deployment: Deployment | None,
    queue: WorkQueue | HeadgateError | None,
) -> HeadgateError | None:
    """Return why a deployment cannot be changed; None if it can."""
    if deployment is None:
        return DeploymentNotFoundError(command.deployment_id)
    if isinstance(queue, HeadgateError):
        return queue
    if DeploymentField.SCHEDULES not in command.fields:
        return None
    unseen = {schedule.id for schedule in deployment.schedules} | {""}
    faults: list[FieldViolation] = []
    for place, schedule in enumerate(command.schedules):
        if schedule.id not in unseen:
            faults.append(
                FieldViolation(
                    f"deployment.schedules[{place}].id",
                    "must be empty, or the id of a schedule of the deployment that is given once",
                )
            )
        elif schedule.id:
            unseen.remove(schedule.id)
    return InvalidRequestError(faults) if faults else None


def _made(
    command: CreateDeployment, old: Deployment | None, queue: WorkQueue | None, now: datetime
) -> Deployment:
    """Return the deployment that a command asks for, in place of an old one if there is one."""
    made = Deployment(
        id=new_id(),
        flow_id=command.flow_id,
        name=command.name,
        create_time=now,
        update_time=now,
        version=command.version,
        description=command.description,
        is_paused=bool(command.is_paused),
        schedules=_kept(command.schedules, now),
        tags=command.tags,
        parameters_json=command.parameters_json,
        parameter_schema_json=command.parameter_schema_json,
        enforce_parameter_schema=command.enforce_parameter_schema,
        job_variables_json=command.job_variables_json,
        pull_steps_json=command.pull_steps_json,
        entrypoint=command.entrypoint,
        path=command.path,
        **_of_queue(queue),
    )
    if old is None:
        return made
    return replace(
        made,
        id=old.id,
        create_time=old.create_time,
        update_time=_later(old, now),
        is_paused=old.is_paused if command.is_paused is None else command.is_paused,
        status=old.status,
        last_polled_time=old.last_polled_time,
    )


def _changed(
    deployment: Deployment, command: UpdateDeployment, queue: WorkQueue | None, now: datetime
) -> Deployment:
    """Return a deployment with the named fields replaced."""
    replaced: dict[str, Any] = {}
    for field in command.fields:
        match field:
            case DeploymentField.PAUSED:
                replaced["is_paused"] = command.is_paused
            case DeploymentField.SCHEDULES:
                replaced["schedules"] = _kept(command.schedules, now)
            case DeploymentField.WORK_QUEUE:
                replaced |= _of_queue(queue)
            case _:
                replaced[field.value] = getattr(command, field.value)
    return replace(deployment, update_time=_later(deployment, now), **replaced)


def _kept(schedules: Sequence[DeploymentSchedule], now: datetime) -> tuple[DeploymentSchedule, ...]:
    """Return schedules as they are kept: each has an id, and intervals have a date."""
    kept: list[DeploymentSchedule] = []
    for schedule in schedules:
        rule = schedule.rule
        if isinstance(rule, IntervalSchedule) and rule.anchor_time is None:
            rule = replace(rule, anchor_time=now)
        kept.append(replace(schedule, id=schedule.id or new_id(), rule=rule))
    return tuple(kept)


def _of_queue(queue: WorkQueue | None) -> dict[str, Any]:
    """Return what a deployment has of its queue."""
    return {
        "work_queue_id": queue and queue.id,
        "work_queue_name": queue and queue.name,
        "work_pool_name": queue and queue.work_pool_name,
    }


def _later(deployment: Deployment, now: datetime) -> datetime:
    """Return the time of a change, later than that of the one before: the scheduler tells versions by it."""
    return max(now, deployment.update_time + _TICK)
