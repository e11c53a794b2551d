"""Lists of what lies in a span of time, sorted by something else.

The times of a run lie close together, which neither database knows: of the runs that began today, those that were expected
first come behind a million others in the order of that time. So we look whether the span shows where the list begins. If it does
not, and is not too long, all that lies in it is gathered and sorted.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, func, literal, select

from headgate_server.model.filters import FlowRunFilter, Operator, TaskRunFilter, TimeFilter
from headgate_server.storage.filters.members import Clause, is_within
from headgate_server.storage.paging import Order
from headgate_server.storage.tables import FLOW_RUN, TASK_RUN

__all__ = ["Span", "span_to_gather", "spans_of_flow_runs", "spans_of_task_runs"]

Span = tuple[Column[Any], TimeFilter]
"""A time, and the bounds that it has in all rows that match."""

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
