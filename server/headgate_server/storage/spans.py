"""Lists of what lies in a span of time, sorted by something else.

The times of a run lie close together, which neither database knows: of the runs that began today, those that were expected
first come behind a million others in the order of that time. So we look whether the span shows where the list begins. If it does
not, the walk along the order begins where the span does, if the two times are nearly always close together; else, if the span is
not too long, all that lies in it is gathered and sorted.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Column, Connection, Select, and_, func, literal, select

from headgate_server.model.filters import FlowRunFilter, Operator, TaskRunFilter, TimeFilter
from headgate_server.storage.filters.members import Clause, is_within
from headgate_server.storage.paging import Near, Order
from headgate_server.storage.tables import FLOW_RUN, IS_DISPLACED, NEAR_MICROS, TASK_RUN
from headgate_server.storage.times import to_micros

__all__ = ["Span", "begun_near", "span_to_gather", "spans_of_flow_runs", "spans_of_task_runs"]

Span = tuple[Column[Any], TimeFilter]
"""A time, and the bounds that it has in all rows that match."""

_CLOSE: Final = {
    FLOW_RUN.c.effective_start_time: FLOW_RUN.c.expected_start_time,
    FLOW_RUN.c.expected_start_time: FLOW_RUN.c.effective_start_time,
}
"""Keys, and the time that is nearly always close to them."""
_TRIED: Final = 500
"""Where only one run in a hundred lies in the span, five of these do."""
_GATHERED_MAX: Final = 100_000
"""To gather and sort so many takes some 100 ms; the walk past a million takes seconds."""


def spans_of_flow_runs(given: FlowRunFilter | None) -> list[Span]:
    """Return the spans of time that a filter sets to columns of FLOW_RUN that have an index."""
    if given is None or given.operator is Operator.OR:
        return []
    runs = FLOW_RUN.c
    return _bounded(
        # A run with a start time has that as its effective one.
        (runs.effective_start_time, given.start_time),
        (runs.expected_start_time, given.expected_start_time),
        (runs.next_scheduled_start_time, given.next_scheduled_start_time),
    )


def spans_of_task_runs(given: TaskRunFilter | None) -> list[Span]:
    """Return the spans of time that a filter sets to columns of TASK_RUN that have an index."""
    if given is None or given.operator is Operator.OR:
        return []
    return _bounded((TASK_RUN.c.start_time, given.start_time))


def begun_near(conn: Connection, order: Order, spans: Sequence[Span]) -> Order:
    """Return an order that is read from where a span of a time close to its key begins; as it is if that would not help."""
    for column, given in spans:
        if order.key is None or _CLOSE.get(order.key) is not column:
            continue
        after, before = to_micros(given.after), to_micros(given.before)
        begins_at = before if order.is_descending else after
        if begins_at is None or conn.execute(_showing_at_first(order, spans)).scalar_one():
            return order
        elsewhere = and_(IS_DISPLACED, is_within(column, given))
        displaced = select(literal(1)).where(elsewhere).limit(_GATHERED_MAX + 1).subquery()
        count = conn.execute(select(func.count()).select_from(displaced)).scalar_one()
        if count <= _GATHERED_MAX:
            near = Near(
                lowest=None if after is None else after - NEAR_MICROS,
                highest=None if before is None else before + NEAR_MICROS,
                elsewhere=elsewhere,
            )
            return replace(order, near=near)
    return order


def span_to_gather(conn: Connection, order: Order, spans: Sequence[Span]) -> Clause | None:
    """Return the condition that rows lie in a span which is to be gathered before it is sorted; None to walk along the order."""
    others = [(column, given) for column, given in spans if column is not order.key]
    if not others or conn.execute(_showing_at_first(order, others)).scalar_one():
        return None
    lengths = [
        select(literal(1)).where(is_within(column, given)).limit(_GATHERED_MAX + 1).subquery()
        for column, given in others
    ]
    counts = [select(func.count()).select_from(each).scalar_subquery() for each in lengths]
    found = list(conn.execute(select(*counts)).one())
    if min(found) > _GATHERED_MAX:
        return None
    return is_within(*others[found.index(min(found))])


def _showing_at_first(order: Order, spans: Sequence[Span]) -> Select[Any]:
    """Return the statement that counts how many of the first rows in an order lie in spans."""
    sorted_by = [order.id] if order.key is None else [order.key, order.id]
    first = select(*(column for column, _ in spans)).order_by(
        *(each.desc() if order.is_descending else each for each in sorted_by)
    )
    if order.key is not None:
        first = first.where(
            order.key.is_not(None),
            *([] if order.lowest is None else [order.key >= order.lowest]),
            *([] if order.highest is None else [order.key <= order.highest]),
        )
    rows = first.limit(_TRIED).subquery()
    lie_in_all = (is_within(rows.c[column.name], given) for column, given in spans)
    return select(func.count()).select_from(rows).where(*lie_in_all)


def _bounded(*spans: tuple[Column[Any], TimeFilter | None]) -> list[Span]:
    return [
        (column, given)
        for column, given in spans
        if given is not None and (given.before is not None or given.after is not None)
    ]
