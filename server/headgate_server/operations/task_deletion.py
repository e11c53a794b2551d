"""Deletion of task runs by themselves, many at once inside the writer's transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from headgate_server.model.errors import TaskRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.task_commands import DeleteTaskRun
from headgate_server.operations.deletion import detached
from headgate_server.operations.task_updates import overtaken, unexpected_version
from headgate_server.storage import flow_runs, task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.flow_runs import Loaded
from headgate_server.storage.task_runs import LoadedTask
from headgate_server.storage.writer import LostRace, Outcome, Written


class DeletedTaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a task run that was deleted."""

    revision: int = 0
    """Revision of the change."""


def delete_all(
    conn: Connection, now: datetime, commands: Sequence[DeleteTaskRun]
) -> list[Outcome[DeletedTaskRun]]:
    """Delete task runs with their states, the slots they hold and the results they share.

    Subflow runs that they stand for stay and lose their parent. The first to ask for a task run gets it.
    """
    loaded = task_runs.load(conn, list({each.task_run_id for each in commands}))
    going: dict[str, LoadedTask] = {}
    outcomes: list[Outcome[DeletedTaskRun]] = []
    for command in commands:
        task_run_id = command.task_run_id
        found = None if task_run_id in going else loaded.get(task_run_id)
        if found is None:
            outcomes.append(TaskRunNotFoundError(task_run_id))
        elif refusal := unexpected_version(command, found.task_run):
            outcomes.append(refusal)
        else:
            going[task_run_id] = found
            outcomes.append(Written(DeletedTaskRun(), (_change(found),)))
    # Subflow runs that the task runs stand for now are all that lose their parent.
    task_runs.lock(conn, list(going))
    subflows = flow_runs.children_of(conn, list(going))
    flow_runs.lock(conn, subflows)
    orphans = flow_runs.load(conn, subflows)
    gone = task_runs.delete(conn, [(each, found.edition) for each, found in going.items()])
    detachments: dict[str, list[Change]] = {}
    for change in detached(conn, now, _of_parents(orphans, gone)):
        parent_id = orphans[change.flow_run_id].run.parent_task_run_id or ""
        detachments.setdefault(parent_id, []).append(change)
    return [
        _settled(outcome, going[command.task_run_id], gone, detachments)
        if isinstance(outcome, Written)
        else outcome
        for command, outcome in zip(commands, outcomes, strict=True)
    ]


def _of_parents(runs: Mapping[str, Loaded], parents: Collection[str]) -> dict[str, Loaded]:
    """Return the runs that one of these task runs stands for."""
    return {run_id: each for run_id, each in runs.items() if each.run.parent_task_run_id in parents}


def _settled(
    outcome: Written[DeletedTaskRun],
    found: LoadedTask,
    gone: Collection[str],
    detachments: Mapping[str, Sequence[Change]],
) -> Outcome[DeletedTaskRun]:
    """Return what became of a deletion: it brings its subflow runs along, or another server came first."""
    task_run = found.task_run
    if task_run.id not in gone:
        return LostRace(overtaken(task_run))
    return Written(outcome.value, (*outcome.changes, *detachments.get(task_run.id, ())))


def _change(found: LoadedTask) -> Change:
    return Change(
        kind=EventKind.TASK_DELETED,
        flow_run_id=found.task_run.flow_run_id,
        task_before=found.task_run,
    )
