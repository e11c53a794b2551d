"""Lists of work pools and of their queues, and counts."""

from typing import Final

from sqlalchemy import Connection, func, select

from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.work_pools import WorkPool, WorkQueue
from headgate_server.storage.filters import work_pool_conditions, work_queue_conditions
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import WORK_POOL, WORK_QUEUE
from headgate_server.storage.work_pools import SELECT_POOLS, SELECT_QUEUES, read_pool, read_queue

__all__ = ["count_pools", "list_pools", "list_queues"]

# Names of pools are unique, so they need no second key.
_POOLS_BY_NAME: Final = Order(id=WORK_POOL.c.name)
_QUEUES_BY_NAME: Final = Order(key=WORK_QUEUE.c.name, id=WORK_QUEUE.c.id)
_QUEUES_BY_PRIORITY: Final = Order(key=WORK_QUEUE.c.priority, id=WORK_QUEUE.c.id)


def list_pools(conn: Connection, query: RunQuery, page: PageRequest) -> Page[WorkPool]:
    """Return a page of the pools that match, by name.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = work_pool_conditions(query)
    found = read_page(conn, SELECT_POOLS, conditions, _POOLS_BY_NAME, page, "work pools", query)
    return Page(items=tuple(map(read_pool, found.items)), next_token=found.next_token)


def count_pools(conn: Connection, query: RunQuery) -> int:
    """Return how many pools match."""
    statement = select(func.count()).select_from(WORK_POOL)
    return conn.execute(statement.where(*work_pool_conditions(query))).scalar_one()


def list_queues(
    conn: Connection, query: RunQuery, page: PageRequest, *, work_pool_id: str | None
) -> Page[WorkQueue]:
    """Return a page of the queues that match.

    Args:
        conn: The connection.
        query: Which queues.
        page: Which page.
        work_pool_id: The pool whose queues are listed, the most urgent first. None lists those of all pools, by name.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = work_queue_conditions(query)
    order = _QUEUES_BY_NAME
    if work_pool_id is not None:
        conditions = [WORK_QUEUE.c.work_pool_id == work_pool_id, *conditions]
        order = _QUEUES_BY_PRIORITY
    found = read_page(
        conn, SELECT_QUEUES, conditions, order, page, "work queues", work_pool_id, query
    )
    return Page(items=tuple(map(read_queue, found.items)), next_token=found.next_token)
