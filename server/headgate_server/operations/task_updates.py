"""Updates of task runs, many at once inside the writer's transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import HeadgateError, TaskRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.names import random_name
from headgate_server.model.task_commands import DeleteTaskRun, UpdateTaskRun
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage import task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import LostRace, Outcome, Written


class ChangedTaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task run as a change left it, in FULL view."""

    task_run: TaskRun
    revision: int = 0
    """Revision of the change."""


def update_all(
    conn: Connection, now: datetime, commands: Sequence[UpdateTaskRun]
) -> list[Outcome[ChangedTaskRun]]:
    """Rename task runs."""
    loaded = task_runs.load(conn, list({each.task_run_id for each in commands}))
    full = task_runs.load_full(conn, list(loaded))
    touched: set[str] = set()
    outcomes: list[Outcome[ChangedTaskRun]] = []
    for command in commands:
        before = full.get(command.task_run_id)
        if before is None:
            outcomes.append(TaskRunNotFoundError(command.task_run_id))
            continue
        if refusal := unexpected_version(command, before):
            outcomes.append(refusal)
            continue
        after = replace(before, name=command.name or random_name(), update_time=now)
        full[after.id] = after
        touched.add(after.id)
        change = Change(
            kind=EventKind.TASK_UPDATE,
            flow_run_id=after.flow_run_id,
            task_before=task_runs.basic(before),
            task_after=task_runs.basic(after),
        )
        outcomes.append(Written(ChangedTaskRun(task_run=after), (change,)))
    won = task_runs.update(conn, [(full[each], loaded[each]) for each in touched])
    return [
        LostRace(overtaken(outcome.value.task_run))
        if isinstance(outcome, Written) and outcome.value.task_run.id not in won
        else outcome
        for outcome in outcomes
    ]


def unexpected_version(
    command: UpdateTaskRun | DeleteTaskRun, task_run: TaskRun
) -> HeadgateError | None:
    """Return that a task run is not at the version that a command expects; None if it is."""
    expected = command.expected_version
    if expected is None or expected == task_run.version:
        return None
    return VersionMismatchError(task_run.id, expected, task_run.version, is_task_run=True)


def overtaken(task_run: TaskRun) -> VersionMismatchError:
    """Return what to say of a task run that others change faster than it can be looked at."""
    version = task_run.version
    return VersionMismatchError(task_run.id, version, version + 1, is_task_run=True)
