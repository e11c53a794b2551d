"""Lists of task runs and of their states, and counts. A list in BASIC view reads nothing else of a task run."""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import State
from headgate_server.model.task_runs import TaskRun, TaskRunSort
from headgate_server.storage.flow_runs import decode_state
from headgate_server.storage.narrowing import (
    conditions_for_task_count,
    conditions_for_task_steps,
    task_runs_read_by,
)
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import TASK_RUN, TASK_RUN_STATE
from headgate_server.storage.task_runs import decode_task_run, load_full

__all__ = ["count", "iter_matching", "list_page", "list_states"]

_TASK_RUN: Final = TASK_RUN.c
_ORDERS: Final[Mapping[TaskRunSort, Order]] = {
    TaskRunSort.ID_DESC: Order(id=_TASK_RUN.id, is_descending=True),
    TaskRunSort.EXPECTED_START_TIME_ASC: Order(key=_TASK_RUN.expected_start_time, id=_TASK_RUN.id),
    TaskRunSort.EXPECTED_START_TIME_DESC: Order(
        key=_TASK_RUN.expected_start_time, id=_TASK_RUN.id, is_descending=True
    ),
    TaskRunSort.NAME_ASC: Order(key=_TASK_RUN.name, id=_TASK_RUN.id),
    TaskRunSort.NAME_DESC: Order(key=_TASK_RUN.name, id=_TASK_RUN.id, is_descending=True),
    TaskRunSort.NEXT_SCHEDULED_START_TIME_ASC: Order(
        key=_TASK_RUN.next_scheduled_start_time, id=_TASK_RUN.id
    ),
    TaskRunSort.END_TIME_DESC: Order(key=_TASK_RUN.end_time, id=_TASK_RUN.id, is_descending=True),
}
_STATE_ORDER: Final = Order(id=TASK_RUN_STATE.c.version)


def list_page(
    conn: Connection, query: RunQuery, sort: TaskRunSort, page: PageRequest, *, is_full: bool
) -> Page[TaskRun]:
    """Return a page of the task runs that match, in BASIC or FULL view.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    order, conditions = task_runs_read_by(conn, query, _ORDERS[sort])
    # A full view is read by id in a second step, so that nothing wide is sorted.
    statement = select(_TASK_RUN.id if is_full else _TASK_RUN.body)
    found = read_page(conn, statement, conditions, order, page, "task runs", query)
    if is_full:
        full = load_full(conn, [row.id for row in found.items])
        task_runs = [full[row.id] for row in found.items]
    else:
        task_runs = [decode_task_run(row.body) for row in found.items]
    return Page(items=tuple(task_runs), next_token=found.next_token)


def count(conn: Connection, query: RunQuery) -> int:
    """Return how many task runs match."""
    statement = select(func.count()).select_from(TASK_RUN)
    return conn.execute(statement.where(*conditions_for_task_count(conn, query))).scalar_one()


def iter_matching(
    conn: Connection, query: RunQuery, after_id: str | None, limit: int
) -> list[TaskRun]:
    """Return the next task runs that match in the order of their ids, in BASIC view.

    Args:
        conn: The connection.
        query: Which task runs.
        after_id: The id of the last one that was returned before; None begins.
        limit: How many to return at most; fewer are the last.
    """
    conditions = conditions_for_task_steps(conn, query)
    statement = select(_TASK_RUN.body).where(*conditions).order_by(_TASK_RUN.id).limit(limit)
    if after_id is not None:
        statement = statement.where(_TASK_RUN.id > after_id)
    return [decode_task_run(body) for body in conn.execute(statement).scalars()]


def list_states(conn: Connection, task_run_id: str, page: PageRequest) -> Page[State]:
    """Return a page of the states of a task run with their data, the first one first. One that does not exist has none.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    found = read_page(
        conn,
        select(TASK_RUN_STATE.c.body, TASK_RUN_STATE.c.data_json),
        [TASK_RUN_STATE.c.task_run_id == task_run_id],
        _STATE_ORDER,
        page,
        "task run states",
        task_run_id,
    )
    states = (
        msgspec.structs.replace(decode_state(row.body), data_json=row.data_json)
        for row in found.items
    )
    return Page(items=tuple(states), next_token=found.next_token)
