"""Work pools and their queues, as rows.

What moves without a caller, the status, the last poll and the place among the other queues, is kept in columns alone: the body
has it as it was when it was written, and the columns win.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Row, Select, delete, func, select, update

from headgate_server.model.ids import new_id
from headgate_server.model.work_pools import WorkPool, WorkQueue, WorkStatus
from headgate_server.storage.held import update_held
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import FLOW_RUN, WORK_POOL, WORK_QUEUE
from headgate_server.storage.times import from_micros

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE_POOL: Final = msgspec.json.Decoder(WorkPool).decode
_DECODE_QUEUE: Final = msgspec.json.Decoder(WorkQueue).decode
_POOL: Final = WORK_POOL.c
_QUEUE: Final = WORK_QUEUE.c

SELECT_POOLS: Final[Select[Any]] = select(_POOL.body, _POOL.status)
"""All that `read_pool` needs."""
SELECT_QUEUES: Final[Select[Any]] = select(
    _QUEUE.body,
    _QUEUE.priority,
    _QUEUE.status,
    _QUEUE.last_polled_time,
    _POOL.name.label("work_pool_name"),
).join_from(WORK_QUEUE, WORK_POOL)
"""All that `read_queue` needs, of each queue with its pool."""


def read_pool(row: Row[Any]) -> WorkPool:
    """Return a pool from a row of `SELECT_POOLS`."""
    pool = _DECODE_POOL(row.body)
    return replace(pool, status=None if row.status is None else WorkStatus(row.status))


def read_queue(row: Row[Any]) -> WorkQueue:
    """Return a queue from a row of `SELECT_QUEUES`."""
    polled = row.last_polled_time
    return replace(
        _DECODE_QUEUE(row.body),
        work_pool_name=row.work_pool_name,
        priority=row.priority,
        status=WorkStatus(row.status),
        last_polled_time=None if polled is None else from_micros(polled),
    )


def get_pool(conn: Connection, name: str) -> WorkPool | None:
    """Return the pool with this name; None if there is none."""
    row = conn.execute(SELECT_POOLS.where(_POOL.name == name)).first()
    return None if row is None else read_pool(row)


def get_queue(conn: Connection, queue_id: str) -> WorkQueue | None:
    """Return the queue with this id; None if there is none."""
    row = conn.execute(SELECT_QUEUES.where(_QUEUE.id == queue_id)).first()
    return None if row is None else read_queue(row)


def find_queue(conn: Connection, work_pool_id: str, name: str) -> WorkQueue | None:
    """Return the queue of a pool with this name; None if there is none."""
    is_it = (_QUEUE.work_pool_id == work_pool_id) & (_QUEUE.name == name)
    row = conn.execute(SELECT_QUEUES.where(is_it)).first()
    return None if row is None else read_queue(row)


def queues_of(conn: Connection, work_pool_id: str) -> list[WorkQueue]:
    """Return the queues of a pool by priority."""
    rows = conn.execute(
        SELECT_QUEUES.where(_QUEUE.work_pool_id == work_pool_id).order_by(
            _QUEUE.priority, _QUEUE.id
        )
    )
    return [read_queue(row) for row in rows]


def lock_pools(conn: Connection, names: Collection[str]) -> dict[str, WorkPool]:
    """Return the pools that exist among these, by name, and let nobody else change them or their queues until the commit."""
    # In the order of ids, so that two servers never wait for each other.
    statement = (
        SELECT_POOLS.where(is_one_of(_POOL.name, names))
        .order_by(_POOL.id)
        .with_for_update(key_share=True)
    )
    found = [read_pool(row) for row in conn.execute(statement)]
    return {pool.name: pool for pool in found}


def lock_pool(conn: Connection, work_pool_id: str) -> WorkPool | None:
    """Return a pool, if it exists, and let nobody else change it or its queues until the commit."""
    statement = SELECT_POOLS.where(_POOL.id == work_pool_id).with_for_update(key_share=True)
    row = conn.execute(statement).first()
    return None if row is None else read_pool(row)


def lock_queues(conn: Connection, work_pool_id: str) -> list[WorkQueue]:
    """Return the queues of a pool that is locked by priority, and let no poll change them until the commit."""
    # In the order of ids, as polls lock them.
    statement = (
        SELECT_QUEUES.where(_QUEUE.work_pool_id == work_pool_id)
        .order_by(_QUEUE.id)
        .with_for_update(key_share=True, of=WORK_QUEUE)
    )
    found = [read_queue(row) for row in conn.execute(statement)]
    return sorted(found, key=lambda queue: queue.priority)


def insert_pool(conn: Connection, pool: WorkPool) -> None:
    """Insert a pool whose name is free, without its queue."""
    conn.execute(WORK_POOL.insert().values(id=pool.id, **_pool_columns(pool)))


def update_pool(conn: Connection, pool: WorkPool) -> None:
    """Write a pool that is locked as it now stands."""
    conn.execute(update(WORK_POOL).where(_POOL.id == pool.id).values(**_pool_columns(pool)))


def delete_pool(conn: Connection, work_pool_id: str) -> None:
    """Delete a pool that is locked, with its queues and workers."""
    conn.execute(delete(WORK_POOL).where(_POOL.id == work_pool_id))


def insert_queue(conn: Connection, queue: WorkQueue) -> None:
    """Insert a queue whose name is free into a pool that is locked."""
    conn.execute(
        WORK_QUEUE.insert().values(
            id=queue.id, work_pool_id=queue.work_pool_id, **_queue_columns(queue)
        )
    )


def update_queue(conn: Connection, queue: WorkQueue) -> None:
    """Write a queue of a pool that is locked as it now stands, but for the time of its last poll."""
    conn.execute(update(WORK_QUEUE).where(_QUEUE.id == queue.id).values(**_queue_columns(queue)))


def set_priorities(conn: Connection, priorities: Sequence[tuple[str, int]]) -> None:
    """Give queues of a pool that is locked, named by id, other places."""
    for queue_id, priority in sorted(priorities):
        conn.execute(update(WORK_QUEUE).where(_QUEUE.id == queue_id).values(priority=priority))


def delete_queue(conn: Connection, queue_id: str) -> None:
    """Delete a queue of a pool that is locked."""
    conn.execute(delete(WORK_QUEUE).where(_QUEUE.id == queue_id))


def find_or_create_queue(
    conn: Connection, now: datetime, work_pool_id: str, name: str
) -> WorkQueue | None:
    """Return the queue of a pool with this name, made in the lowest place that is free if there is none.

    None if there is no such pool.
    """
    found = find_queue(conn, work_pool_id, name)
    if found is not None:
        return found
    pool = lock_pool(conn, work_pool_id)
    if pool is None:
        return None
    # Another server may have made it until the pool was locked.
    standing = queues_of(conn, work_pool_id)
    for queue in standing:
        if queue.name == name:
            return queue
    made = WorkQueue(
        id=new_id(),
        work_pool_id=pool.id,
        work_pool_name=pool.name,
        name=name,
        create_time=now,
        update_time=now,
        priority=free_priority(standing),
    )
    insert_queue(conn, made)
    return made


def free_priority(queues: Collection[WorkQueue]) -> int:
    """Return the lowest place that none of the queues of a pool has."""
    taken = {queue.priority for queue in queues}
    return next(place for place in range(1, len(taken) + 2) if place not in taken)


def count_late(conn: Connection, queue_id: str, state_name: str) -> int:
    """Return how many runs of a queue are in a state with this name."""
    # Few runs are late and many were in the queue: so it is found by the name of the state, and not by the queue.
    is_in_queue = func.coalesce(FLOW_RUN.c.work_queue_id, "") == queue_id
    is_late = (FLOW_RUN.c.state_name == state_name) & is_in_queue
    return conn.execute(select(func.count()).select_from(FLOW_RUN).where(is_late)).scalar_one()


def forget_queues(conn: Connection, queue_ids: Collection[str], limit: int) -> int:
    """Take queues that are gone from at most `limit` runs, and return from how many they were taken."""
    is_in_one = is_one_of(FLOW_RUN.c.work_queue_id, queue_ids)
    return update_held(conn, FLOW_RUN, is_in_one, {"work_queue_id": None}, limit=limit)


def _pool_columns(pool: WorkPool) -> dict[str, Any]:
    """Return what is written of a pool."""
    return {
        "name": pool.name,
        "type": pool.type,
        "is_paused": int(pool.is_paused),
        "concurrency_limit": pool.concurrency_limit,
        "status": pool.status and pool.status.value,
        "body": _ENCODE(pool),
    }


def _queue_columns(queue: WorkQueue) -> dict[str, Any]:
    """Return what is written of a queue."""
    return {
        "name": queue.name,
        "priority": queue.priority,
        "is_paused": int(queue.is_paused),
        "concurrency_limit": queue.concurrency_limit,
        "status": queue.status.value,
        "body": _ENCODE(replace(queue, work_pool_name="")),
    }
