"""Runs that wait for their time, deleted together with what they were made of."""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from headgate_server.model.events import Change
from headgate_server.operations.deletion import delete_runs
from headgate_server.storage import deployments, flow_runs
from headgate_server.storage.database import Connection

_RUNS_AT_ONCE: Final = 500
"""Runs that one round of statements deletes: enough to be fast, few enough to hold their inputs."""


class DeletedRuns(NamedTuple):
    """The runs of a deployment that were deleted."""

    total: int = 0
    changes: tuple[Change, ...] = ()
    """What to note in the log."""


NOTHING: Final = DeletedRuns()
"""No run was deleted."""


def delete_scheduled_runs(
    conn: Connection,
    now: datetime,
    deployment_ids: Collection[str],
    *,
    auto_scheduled_only: bool,
) -> dict[str, DeletedRuns]:
    """Delete the SCHEDULED runs of deployments that are locked.

    Args:
        conn: The connection of the writer's transaction.
        now: The time.
        deployment_ids: The deployments.
        auto_scheduled_only: Whether runs that somebody asked for stay.

    Returns:
        What was deleted of each deployment that had such runs.
    """
    deployment_of = deployments.lock_scheduled_runs(
        conn, deployment_ids, auto_scheduled_only=auto_scheduled_only
    )
    run_ids = list(deployment_of)
    changes: dict[str, list[Change]] = {}
    counts: Counter[str] = Counter()
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        going = flow_runs.load(conn, run_ids[start : start + _RUNS_AT_ONCE])
        for run_id, of_run in delete_runs(conn, now, dict(sorted(going.items()))).items():
            counts[deployment_of[run_id]] += 1
            changes.setdefault(deployment_of[run_id], []).extend(of_run)
    return {each: DeletedRuns(counts[each], tuple(of_each)) for each, of_each in changes.items()}
