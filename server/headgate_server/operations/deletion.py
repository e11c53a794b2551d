"""Deletion of flow runs, many at once inside the writer's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain

import msgspec
from msgspec.structs import replace

from headgate_server.model.commands import DeleteFlowRun
from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import FlowRunNotFoundError, HeadgateError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage import flow_runs, inputs, task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.flow_runs import Loaded
from headgate_server.storage.writer import LostRace, Outcome, Written


class DeletedFlowRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a run that was deleted."""

    revision: int = 0
    """Revision of the change."""


def delete_all(
    conn: Connection, now: datetime, commands: Sequence[DeleteFlowRun]
) -> list[Outcome[DeletedFlowRun]]:
    """Delete runs with their states and inputs."""
    loaded = flow_runs.load(conn, list({each.flow_run_id for each in commands}))
    going: dict[str, Loaded] = {}
    refusals: list[HeadgateError | None] = []
    for command in commands:
        found = None if command.flow_run_id in going else loaded.get(command.flow_run_id)
        refusals.append(_refusal(command, found))
        if found is not None and refusals[-1] is None:
            going[found.run.id] = found
    changes = delete_runs(conn, now, going)
    return [
        refusal or _outcome(command, loaded, changes)
        for command, refusal in zip(commands, refusals, strict=True)
    ]


def delete_locked(conn: Connection, now: datetime, run_ids: Sequence[str]) -> tuple[Change, ...]:
    """Delete runs that are locked, in the order of their ids, and return what to note in the log."""
    going = flow_runs.load(conn, run_ids)
    return tuple(chain.from_iterable(delete_runs(conn, now, dict(sorted(going.items()))).values()))


def delete_runs(
    conn: Connection, now: datetime, going: Mapping[str, Loaded]
) -> dict[str, tuple[Change, ...]]:
    """Delete runs at the editions they were loaded at.

    Their subflow runs stay and lose their parent. Slots that their task runs hold are free again.

    Returns:
        What to note in the log for each run that was deleted: its inputs and task runs, then itself, then its subflow runs.
        Runs that had moved on are left out.
    """
    if not going:
        return {}
    # What is with the runs now is all that goes with them.
    flow_runs.lock(conn, list(going))
    left: dict[str, list[Change]] = {run_id: [] for run_id in going}
    for each in inputs.of_runs(conn, list(going)):
        run_id = each.flow_run_id
        left[run_id].append(Change(kind=EventKind.INPUT_DELETED, flow_run_id=run_id, input=each))
    for task_run in task_runs.lock_of_flow_runs(conn, list(going)):
        left[task_run.flow_run_id].append(_task_deleted(task_run))
    subflows = [each for each in flow_runs.subflows_of(conn, list(going)) if each not in going]
    flow_runs.lock(conn, subflows)
    orphans = flow_runs.load(conn, subflows)
    gone = flow_runs.delete(conn, [(run_id, each.edition) for run_id, each in going.items()])
    changes = {
        run_id: (
            *left[run_id],
            Change(
                kind=EventKind.RUN_DELETED,
                flow_run_id=run_id,
                before=going[run_id].run,
                flow=going[run_id].flow,
            ),
        )
        for run_id in going
        if run_id in gone
    }
    if orphans and changes:
        last = next(reversed(changes))
        changes[last] += detached(conn, now, orphans)
    return changes


def _task_deleted(task_run: TaskRun) -> Change:
    return Change(
        kind=EventKind.TASK_DELETED, flow_run_id=task_run.flow_run_id, task_before=task_run
    )


def detached(conn: Connection, now: datetime, orphans: Mapping[str, Loaded]) -> tuple[Change, ...]:
    """Take the parent from subflow runs; the database has done so in their columns already."""
    freed = {
        run_id: replace(each.run, parent_task_run_id=None, update_time=now)
        for run_id, each in orphans.items()
    }
    kept = flow_runs.update(conn, [(run, orphans[run_id]) for run_id, run in freed.items()])
    return tuple(
        Change(
            kind=EventKind.RUN_UPDATE,
            flow_run_id=run_id,
            before=orphans[run_id].run,
            after=freed[run_id],
            flow=orphans[run_id].flow,
        )
        for run_id in sorted(kept)
    )


def _refusal(command: DeleteFlowRun, found: Loaded | None) -> HeadgateError | None:
    """Return why a deletion cannot be made; None if it can."""
    if found is None:
        return FlowRunNotFoundError(command.flow_run_id)
    if command.expected_version not in {None, found.run.version}:
        return _mismatch(command.expected_version or 0, found.run)
    return None


def _outcome(
    command: DeleteFlowRun, loaded: Mapping[str, Loaded], changes: Mapping[str, tuple[Change, ...]]
) -> Outcome[DeletedFlowRun]:
    """Return what became of a deletion that was not refused."""
    if command.flow_run_id in changes:
        return Written(DeletedFlowRun(), changes[command.flow_run_id])
    run = loaded[command.flow_run_id].run
    return LostRace(_mismatch(run.version, replace(run, version=run.version + 1)))


def _mismatch(expected: int, run: FlowRun) -> VersionMismatchError:
    return VersionMismatchError(run.id, expected, run.version)
