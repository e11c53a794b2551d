"""Lists of flow runs and of their states, and counts. A list in BASIC view reads nothing else of a run."""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from headgate_server.model.filters import (
    FlowRunFilter,
    FlowRunSort,
    Operator,
    RunQuery,
    TimeFilter,
)
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.states import TERMINAL, State, StateType
from headgate_server.storage.flow_runs import decode_run, decode_state, load_full
from headgate_server.storage.narrowing import conditions_for_count, conditions_for_steps, read_by
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.queue_names import with_queue_names
from headgate_server.storage.tables import FLOW_RUN, FLOW_RUN_STATE
from headgate_server.storage.times import to_micros

__all__ = ["count", "iter_matching", "list_page", "list_states"]

_RUN: Final = FLOW_RUN.c
_ORDERS: Final[Mapping[FlowRunSort, Order]] = {
    FlowRunSort.ID_DESC: Order(id=_RUN.id, is_descending=True),
    FlowRunSort.START_TIME_ASC: Order(key=_RUN.effective_start_time, id=_RUN.id),
    FlowRunSort.START_TIME_DESC: Order(
        key=_RUN.effective_start_time, id=_RUN.id, is_descending=True
    ),
    FlowRunSort.EXPECTED_START_TIME_ASC: Order(key=_RUN.expected_start_time, id=_RUN.id),
    FlowRunSort.EXPECTED_START_TIME_DESC: Order(
        key=_RUN.expected_start_time, id=_RUN.id, is_descending=True
    ),
    FlowRunSort.NAME_ASC: Order(key=_RUN.name, id=_RUN.id),
    FlowRunSort.NAME_DESC: Order(key=_RUN.name, id=_RUN.id, is_descending=True),
    FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC: Order(
        key=_RUN.next_scheduled_start_time, id=_RUN.id
    ),
    FlowRunSort.END_TIME_DESC: Order(key=_RUN.end_time, id=_RUN.id, is_descending=True),
}
_STATE_ORDER: Final = Order(id=FLOW_RUN_STATE.c.version)


def list_page(
    conn: Connection, query: RunQuery, sort: FlowRunSort, page: PageRequest, *, is_full: bool
) -> Page[FlowRun]:
    """Return a page of the runs that match, in BASIC or FULL view.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    order = _within_bounds(_ORDERS[sort], query)
    order, conditions = read_by(conn, query, order)
    # A full view is read by id in a second step, so that nothing wide is sorted.
    statement = select(_RUN.id if is_full else _RUN.body)
    found = read_page(conn, statement, conditions, order, page, "flow runs", query)
    if is_full:
        full = load_full(conn, [row.id for row in found.items])
        runs = [full[row.id] for row in found.items]
    else:
        runs = list(with_queue_names(conn, [decode_run(row.body) for row in found.items]))
    return Page(items=tuple(runs), next_token=found.next_token)


def count(conn: Connection, query: RunQuery) -> int:
    """Return how many runs match."""
    statement = select(func.count()).select_from(FLOW_RUN)
    return conn.execute(statement.where(*conditions_for_count(conn, query))).scalar_one()


def iter_matching(
    conn: Connection, query: RunQuery, after_id: str | None, limit: int
) -> list[FlowRun]:
    """Return the next runs that match in the order of their ids, in BASIC view.

    Args:
        conn: The connection.
        query: Which runs.
        after_id: The id of the last run that was returned before; None begins.
        limit: How many to return at most; fewer are the last.
    """
    conditions = conditions_for_steps(conn, query)
    statement = select(_RUN.body).where(*conditions).order_by(_RUN.id).limit(limit)
    if after_id is not None:
        statement = statement.where(_RUN.id > after_id)
    runs = [decode_run(body) for body in conn.execute(statement).scalars()]
    return list(with_queue_names(conn, runs))


def list_states(conn: Connection, flow_run_id: str, page: PageRequest) -> Page[State]:
    """Return a page of the states of a run with their data, the first one first. A run that does not exist has none.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    found = read_page(
        conn,
        select(FLOW_RUN_STATE.c.body, FLOW_RUN_STATE.c.data_json),
        [FLOW_RUN_STATE.c.flow_run_id == flow_run_id],
        _STATE_ORDER,
        page,
        "states",
        flow_run_id,
    )
    states = (
        msgspec.structs.replace(decode_state(row.body), data_json=row.data_json)
        for row in found.items
    )
    return Page(items=tuple(states), next_token=found.next_token)


def _within_bounds(order: Order, query: RunQuery) -> Order:
    """Return an order with the bounds that the query sets to its key."""
    given = query.flow_runs
    if given is None or given.operator is Operator.OR or order.key is None:
        return order
    if _is_key_missing(order, given):
        return msgspec.structs.replace(order, is_key_missing=True)
    spans: Mapping[str, TimeFilter | None] = {
        # A run with a start time has that as its effective one.
        _RUN.effective_start_time.name: given.start_time,
        _RUN.expected_start_time.name: given.expected_start_time,
        _RUN.next_scheduled_start_time.name: given.next_scheduled_start_time,
    }
    span = spans.get(order.key.name)
    if span is None:
        return order
    return msgspec.structs.replace(
        order, lowest=to_micros(span.after), highest=to_micros(span.before)
    )


def _is_key_missing(order: Order, given: FlowRunFilter) -> bool:
    """Return whether all runs that match are in states without the time that is the key."""
    state = given.state
    if state is None or state.operator is Operator.OR or state.type_any is None:
        return False
    if order.key is _RUN.end_time:
        return TERMINAL.isdisjoint(state.type_any)
    return order.key is _RUN.next_scheduled_start_time and StateType.SCHEDULED not in state.type_any
