"""Who has given no sign of life for too long, among workers, pools, queues and deployments."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, and_, exists, not_, or_, select

from headgate_server.model.deployments import DeploymentStatus
from headgate_server.model.work_pools import Presence, WorkerStatus, WorkStatus
from headgate_server.storage.filters.members import Clause
from headgate_server.storage.held import update_held
from headgate_server.storage.tables import DEPLOYMENT, WORK_POOL, WORK_QUEUE, WORKER
from headgate_server.storage.times import to_micros
from headgate_server.storage.workers import is_online

__all__ = ["anybody_gone", "note_gone"]


def anybody_gone(conn: Connection, now: datetime, presence: Presence) -> bool:
    """Return whether there is something to note."""
    return any(
        conn.execute(select(table.c.id).where(condition(now, presence)).limit(1)).first()
        for table, condition, _ in _STEPS
    )


def note_gone(conn: Connection, now: datetime, presence: Presence, limit: int) -> int:
    """Note of workers that they are OFFLINE, and of pools, deployments and queues that they are NOT_READY.

    Returns:
        Of how many it was noted, at most `limit` of each kind. A pool is looked at as the workers then are.
    """
    return sum(
        update_held(conn, table, condition(now, presence), {"status": status}, limit=limit)
        for table, condition, status in _STEPS
    )


def _is_silent_worker(now: datetime, presence: Presence) -> Clause:
    return (WORKER.c.status == WorkerStatus.ONLINE.value) & not_(is_online(now, presence))


def _is_deserted_pool(_now: datetime, _presence: Presence) -> Clause:
    works = exists().where(
        WORKER.c.work_pool_id == WORK_POOL.c.id, WORKER.c.status == WorkerStatus.ONLINE.value
    )
    return (WORK_POOL.c.status == WorkStatus.READY.value) & not_(works)


def _is_unserved_deployment(now: datetime, presence: Presence) -> Clause:
    """Return the condition that neither a deployment nor its queue was polled lately."""
    since = to_micros(now - presence.deployment_poll_timeout)
    queue = WORK_QUEUE.c
    queue_is_polled = exists().where(
        queue.id == DEPLOYMENT.c.work_queue_id,
        queue.last_polled_time >= to_micros(now - presence.queue_poll_timeout),
    )
    return and_(
        DEPLOYMENT.c.status == DeploymentStatus.READY.value,
        DEPLOYMENT.c.last_polled_time < since,
        not_(queue_is_polled),
    )


def _is_unserved_queue(now: datetime, presence: Presence) -> Clause:
    polled = WORK_QUEUE.c.last_polled_time
    since = to_micros(now - presence.queue_poll_timeout)
    return (WORK_QUEUE.c.status == WorkStatus.READY.value) & or_(polled.is_(None), polled < since)


_STEPS: Final[tuple[tuple[Table, Callable[[datetime, Presence], Clause], str], ...]] = (
    (WORKER, _is_silent_worker, WorkerStatus.OFFLINE.value),
    (WORK_POOL, _is_deserted_pool, WorkStatus.NOT_READY.value),
    (DEPLOYMENT, _is_unserved_deployment, DeploymentStatus.NOT_READY.value),
    (WORK_QUEUE, _is_unserved_queue, WorkStatus.NOT_READY.value),
)
"""In this order: a pool is deserted once its last worker is OFFLINE."""
