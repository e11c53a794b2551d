"""Deployments deleted with the runs that wait for their time, some hundred runs in a transaction.

Until its last runs are gone a deployment stands as it was, and the scheduler may make more for it. The deployment goes in the
transaction that finds no more of them than it can delete; it is locked there, so that the scheduler makes none meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from headgate_server.model.deployment_commands import DeleteDeployment
from headgate_server.model.errors import DeploymentNotFoundError
from headgate_server.operations.deletion import delete_locked
from headgate_server.storage import deployments
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import Outcome, Unfinished, Written

_RUNS_AT_ONCE: Final = 500
"""Runs that one transaction deletes: enough to be fast, few enough to hold all there is to say of them."""


class DeploymentDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a deployment, or what is left of it."""

    request: DeleteDeployment
    deleted_flow_runs: int = 0
    """How many of its runs are deleted already."""

    @property
    def request_id(self) -> str | None:
        """The id of the request, by which a repeat is known."""
        return self.request.request_id


class DeletedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to say of a deployment that was deleted."""

    deleted_flow_runs: int
    revision: int = 0
    """Revision of the last change; 0 when no run was deleted."""


def delete_all(
    conn: Connection, now: datetime, commands: Sequence[DeploymentDeletion]
) -> list[Outcome[DeletedDeployment] | Unfinished]:
    """Delete deployments whose last runs go with them, and some runs of those that have more.

    Of those who ask for one deployment, the one who has got furthest gets it. Of the deployments, that of which least is
    deleted comes first, so that one with few runs does not wait for one with many.
    """
    standing = deployments.lock(conn, {each.request.deployment_id for each in commands})
    outcomes: list[Outcome[DeletedDeployment] | Unfinished] = [
        Unfinished(each) for each in commands
    ]
    room = _RUNS_AT_ONCE
    gone: list[str] = []
    for place in _leading(commands):
        command = commands[place]
        deployment_id = command.request.deployment_id
        if deployment_id not in standing or room == 0:
            continue
        run_ids = deployments.lock_scheduled_runs(conn, deployment_id, room + 1)
        going = run_ids[:room]
        room -= len(going)
        changes = delete_locked(conn, now, going)
        deleted = command.deleted_flow_runs + len(going)
        if len(going) == len(run_ids):
            gone.append(deployment_id)
            outcomes[place] = Written(DeletedDeployment(deleted_flow_runs=deleted), changes)
        else:
            outcomes[place] = Unfinished(replace(command, deleted_flow_runs=deleted), changes)
    deployments.delete_ids(conn, gone)
    left = standing.keys() - gone
    return [
        outcome
        if isinstance(outcome, Written) or command.request.deployment_id in left
        else DeploymentNotFoundError(command.request.deployment_id)
        for command, outcome in zip(commands, outcomes, strict=True)
    ]


def _leading(commands: Sequence[DeploymentDeletion]) -> list[int]:
    """Return the place of the one who has got furthest for each deployment, the least far first."""
    by_progress = sorted(
        range(len(commands)), key=lambda place: (commands[place].deleted_flow_runs, -place)
    )
    leading = {commands[place].request.deployment_id: place for place in by_progress}
    return sorted(leading.values(), key=lambda place: (commands[place].deleted_flow_runs, place))
