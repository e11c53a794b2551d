"""What workers ask for: the runs that wait in the queues of a pool, and who was asked for them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    case,
    func,
    or_,
    select,
    union_all,
)

from headgate_server.model.deployments import DeploymentStatus
from headgate_server.model.states import StateType
from headgate_server.model.work_pools import WorkStatus
from headgate_server.storage.filters.members import Clause
from headgate_server.storage.held import update_held
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import DEPLOYMENT, FLOW_RUN, WORK_POOL, WORK_QUEUE
from headgate_server.storage.times import from_micros, to_micros

QUEUES_AT_ONCE: Final = 50
"""Queues that one statement looks into: SQLite takes no compound of more than 500 parts."""

_RUN: Final = FLOW_RUN.c
_BUSY: Final = (StateType.RUNNING.value, StateType.PENDING.value)


class PolledQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What a poll needs to know of a queue."""

    id: str
    name: str
    is_paused: bool
    concurrency_limit: int | None


class PolledPool(msgspec.Struct, frozen=True, kw_only=True):
    """What a poll needs to know of a pool."""

    id: str
    is_paused: bool
    concurrency_limit: int | None
    queues: tuple[PolledQueue, ...]
    """The most urgent first."""


class Waiting(msgspec.Struct, frozen=True):
    """A run that waits in a queue."""

    run_id: str
    version: int
    work_queue_id: str


def get_pool(conn: Connection, name: str) -> PolledPool | None:
    """Return the pool with this name and its queues; None if there is none."""
    pool, queue = WORK_POOL.c, WORK_QUEUE.c
    rows = conn.execute(
        select(
            pool.id.label("pool_id"),
            pool.is_paused.label("pool_is_paused"),
            pool.concurrency_limit.label("pool_limit"),
            queue.id,
            queue.name,
            queue.is_paused,
            queue.concurrency_limit,
        )
        .join_from(WORK_POOL, WORK_QUEUE)
        .where(pool.name == name)
        .order_by(queue.priority, queue.id)
    ).all()
    if not rows:
        return None
    return PolledPool(
        id=rows[0].pool_id,
        is_paused=bool(rows[0].pool_is_paused),
        concurrency_limit=rows[0].pool_limit,
        queues=tuple(
            PolledQueue(
                id=row.id,
                name=row.name,
                is_paused=bool(row.is_paused),
                concurrency_limit=row.concurrency_limit,
            )
            for row in rows
        ),
    )


def count_busy(conn: Connection, queue_ids: Collection[str]) -> dict[str, int]:
    """Return how many runs hold a place in each of these queues; queues without any are left out."""
    if not queue_ids:
        return {}
    statement = (
        select(_RUN.work_queue_id, func.count())
        .where(is_one_of(_RUN.work_queue_id, queue_ids), _RUN.state_type.in_(_BUSY))
        .group_by(_RUN.work_queue_id)
    )
    return {row[0]: row[1] for row in conn.execute(statement)}


def earliest(
    conn: Connection,
    places: Mapping[str, int],
    *,
    before: datetime | None,
    after: datetime | None,
    limit: int,
) -> list[Waiting]:
    """Return runs that wait, queue by queue and the earliest of each first.

    Args:
        conn: The connection.
        places: How many runs may be taken from each queue; in their order.
        before: The latest time at which they may be due.
        after: The earliest time at which they may be due.
        limit: Runs at most.
    """
    due_by, due_from = to_micros(before), to_micros(after)
    found: list[Waiting] = []
    queues = [(queue_id, most) for queue_id, most in places.items() if most > 0]
    for start in range(0, len(queues), QUEUES_AT_ONCE):
        if len(found) >= limit:
            break
        parts = [
            select(
                _RUN.id,
                _RUN.version,
                _RUN.work_queue_id,
                _RUN.next_scheduled_start_time.label("due"),
            )
            .where(*_waits_in(queue_id, due_by, due_from))
            .order_by(_RUN.next_scheduled_start_time, _RUN.id)
            .limit(min(most, limit - len(found)))
            for queue_id, most in queues[start : start + QUEUES_AT_ONCE]
        ]
        place = {queue_id: number for number, queue_id in enumerate(places)}
        rows = sorted(
            conn.execute(_together(parts)), key=lambda row: (place[row[2]], row.due, row.id)
        )
        found += [Waiting(row.id, row.version, row[2]) for row in rows]
    return found[:limit]


def next_time(conn: Connection, queue_ids: Sequence[str], after: datetime) -> datetime | None:
    """Return when the first of the runs that wait in these queues is due that is due after a time; None if there is none."""
    column = _RUN.next_scheduled_start_time
    times: list[int] = []
    for start in range(0, len(queue_ids), QUEUES_AT_ONCE):
        parts = [
            select(column.label("due"))
            .where(*_waits_in(queue_id, None, None), column > to_micros(after))
            .order_by(column)
            .limit(1)
            for queue_id in queue_ids[start : start + QUEUES_AT_ONCE]
        ]
        times += conn.execute(_together(parts)).scalars()
    return from_micros(min(times)) if times else None


def mark_polled(conn: Connection, queue_ids: Collection[str], now: datetime) -> None:
    """Note that queues were polled, and with them the deployments that send their runs there."""
    time = to_micros(now)
    queue, deployment = WORK_QUEUE.c, DEPLOYMENT.c
    ready = case(
        (queue.status == WorkStatus.NOT_READY.value, WorkStatus.READY.value), else_=queue.status
    )
    update_held(
        conn,
        WORK_QUEUE,
        is_one_of(queue.id, queue_ids) & _is_before(queue.last_polled_time, time),
        {"last_polled_time": time, "status": ready},
    )
    update_held(
        conn,
        DEPLOYMENT,
        is_one_of(deployment.work_queue_id, queue_ids)
        & _is_before(deployment.last_polled_time, time),
        {"last_polled_time": time, "status": DeploymentStatus.READY.value},
    )


def _is_before(column: Any, time: int) -> Clause:
    """Return the condition that a poll is later than the last one that was noted."""
    return or_(column.is_(None), column < time)


def _waits_in(queue_id: str, due_by: int | None, due_from: int | None) -> Iterable[Clause]:
    """Yield the conditions that a worker may have a run of a queue."""
    yield _RUN.work_queue_id == queue_id
    yield _RUN.state_type == StateType.SCHEDULED.value
    yield _RUN.retries_in_process == 0
    if due_by is not None:
        yield _RUN.next_scheduled_start_time <= due_by
    if due_from is not None:
        yield _RUN.next_scheduled_start_time >= due_from


def _together(parts: Sequence[Select[Any]]) -> Select[Any] | CompoundSelect[Any]:
    """Return one statement for several, each with an order and a limit of its own."""
    if len(parts) == 1:
        return parts[0]
    return union_all(*(select(part.subquery()) for part in parts))
