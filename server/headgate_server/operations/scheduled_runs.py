"""Runs that the scheduler made and that wait for their time, deleted because their deployments change."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from headgate_server.model.events import Change
from headgate_server.operations.deletion import delete_runs
from headgate_server.storage import deployments, flow_runs
from headgate_server.storage.database import Connection

_RUNS_AT_ONCE: Final = 500
"""Runs that one round of statements deletes: enough to be fast, few enough to hold their inputs."""


def delete_auto_scheduled_runs(
    conn: Connection, now: datetime, deployment_ids: Collection[str]
) -> dict[str, tuple[Change, ...]]:
    """Delete the SCHEDULED runs that the scheduler made of deployments that are locked.

    Those that somebody asked for stay.

    Returns:
        What to note in the log, for each deployment that had such runs.
    """
    deployment_of = deployments.lock_auto_scheduled_runs(conn, deployment_ids)
    run_ids = list(deployment_of)
    changes: dict[str, list[Change]] = {}
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        going = flow_runs.load(conn, run_ids[start : start + _RUNS_AT_ONCE])
        for run_id, of_run in delete_runs(conn, now, dict(sorted(going.items()))).items():
            changes.setdefault(deployment_of[run_id], []).extend(of_run)
    return {deployment_id: tuple(of_each) for deployment_id, of_each in changes.items()}
