"""Workers, as rows."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, false, func, not_, select, true, update

from headgate_server.model.filters import Operator
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.work_commands import WorkerFilter, WorkerStatusFilter
from headgate_server.model.work_pools import Presence, Worker, WorkerStatus
from headgate_server.storage.bulk import BulkInsert, BulkSelectTuples, Row
from headgate_server.storage.filters.members import Clause, joined, of_time
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import WORKER
from headgate_server.storage.times import (
    from_micros,
    from_span_micros,
    to_micros,
    to_span_micros,
)

_WORKER: Final = WORKER.c
_SELECT: Final = select(*_WORKER)
# In the order of ids, so that two servers never wait for each other.
_LOCK: Final = BulkSelectTuples(
    _SELECT.order_by(_WORKER.id).with_for_update(), _WORKER.work_pool_id, _WORKER.name
)
_INSERT: Final = BulkInsert(*_WORKER)
_UPDATE: Final = (
    update(WORKER)
    .where(_WORKER.id == bindparam("worker_id"))
    .values(
        last_heartbeat_time=bindparam("new_time"),
        heartbeat_interval=bindparam("new_interval"),
        status=bindparam("new_status"),
    )
)
_ORDER: Final = Order(key=_WORKER.last_heartbeat_time, id=_WORKER.id, is_descending=True)


def lock(conn: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Worker]:
    """Return the workers that exist among these, by pool id and name, and let nobody else change them until the commit."""
    found = [_read(row) for row in _LOCK.run(conn, keys)]
    return {(worker.work_pool_id, worker.name): worker for worker in found}


def insert(conn: Connection, workers: Collection[Worker]) -> None:
    """Insert workers whose names are free in their pools."""
    _INSERT.run(conn, sorted(_row(each) for each in workers))


def update_all(conn: Connection, workers: Collection[Worker]) -> None:
    """Write workers that are locked as they now stand."""
    if workers:
        rows = [
            {
                "worker_id": each.id,
                "new_time": to_micros(each.last_heartbeat_time),
                "new_interval": _interval_of(each),
                "new_status": each.status.value,
            }
            for each in workers
        ]
        conn.execute(_UPDATE, rows)


def list_page(
    conn: Connection,
    work_pool_id: str,
    matching: WorkerFilter,
    page: PageRequest,
    *,
    now: datetime,
    presence: Presence,
) -> Page[Worker]:
    """Return a page of the workers of a pool that match, those that reported last first, with the status that holds now.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    online = is_online(now, presence)
    conditions = [_WORKER.work_pool_id == work_pool_id, _matches(matching, online)]
    statement = select(*_WORKER, online.label("online"))
    found = read_page(conn, statement, conditions, _ORDER, page, "workers", work_pool_id, matching)
    workers = (
        replace(_read(tuple(row)[: len(_WORKER)]), status=_status(is_online=row.online))
        for row in found.items
    )
    return Page(items=tuple(workers), next_token=found.next_token)


def has_online(conn: Connection, work_pool_id: str, now: datetime, presence: Presence) -> bool:
    """Return whether a worker of a pool reports."""
    statement = (
        select(_WORKER.id)
        .where(_WORKER.work_pool_id == work_pool_id, is_online(now, presence))
        .limit(1)
    )
    return conn.execute(statement).first() is not None


def is_online(now: datetime, presence: Presence) -> Clause:
    """Return the condition that a worker reports; the same as `Presence.is_online`."""
    interval = func.coalesce(
        _WORKER.heartbeat_interval, to_span_micros(presence.heartbeat_fallback)
    )
    return _WORKER.last_heartbeat_time > to_micros(now) - presence.heartbeat_multiple * interval


def _matches(matching: WorkerFilter, online: Clause) -> Clause:
    """Return the condition that a worker matches a filter."""
    return joined(
        matching.operator,
        of_time(_WORKER.last_heartbeat_time, matching.last_heartbeat_time),
        None if matching.status is None else _of_status(matching.status, online),
    )


def _of_status(given: WorkerStatusFilter, online: Clause) -> Clause:
    """Return the conditions on the status that holds now."""
    any_of, none_of = given.any, given.not_any
    return joined(
        Operator.AND,
        None if any_of is None else _is_among(online, any_of),
        None if none_of is None else _is_among(online, set(WorkerStatus) - set(none_of)),
    )


def _is_among(online: Clause, statuses: Collection[WorkerStatus]) -> Clause:
    """Return the condition that the status that holds now is one of these."""
    if WorkerStatus.ONLINE in statuses:
        return true() if WorkerStatus.OFFLINE in statuses else online
    return not_(online) if WorkerStatus.OFFLINE in statuses else false()


def _status(*, is_online: bool) -> WorkerStatus:
    return WorkerStatus.ONLINE if is_online else WorkerStatus.OFFLINE


def _read(row: Row) -> Worker:
    """Return a worker from its columns."""
    worker_id, work_pool_id, name, created, reported, interval, status = row
    return Worker(
        id=worker_id,
        work_pool_id=work_pool_id,
        name=name,
        create_time=from_micros(created),
        last_heartbeat_time=from_micros(reported),
        heartbeat_interval=None if interval is None else from_span_micros(interval),
        status=WorkerStatus(status),
    )


def _row(worker: Worker) -> Row:
    """Return the columns of a worker."""
    return (
        worker.id,
        worker.work_pool_id,
        worker.name,
        to_micros(worker.create_time),
        to_micros(worker.last_heartbeat_time),
        _interval_of(worker),
        worker.status.value,
    )


def _interval_of(worker: Worker) -> int | None:
    interval = worker.heartbeat_interval
    return None if interval is None else to_span_micros(interval)
