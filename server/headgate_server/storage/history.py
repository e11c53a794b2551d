"""Histories: counts of runs by the interval that they were expected in and by the state that they are in."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection, RowMapping, Table, and_, func, select

from headgate_server.model.filters import RunQuery
from headgate_server.model.history import (
    SUM_MAX,
    HistoryInterval,
    HistorySpan,
    HistoryState,
)
from headgate_server.model.states import StateType
from headgate_server.storage.estimates import lateness, read_sum, run_time, sums
from headgate_server.storage.filters.members import Clause
from headgate_server.storage.narrowing import conditions_for_history, conditions_for_task_history
from headgate_server.storage.tables import FLOW_RUN, TASK_RUN
from headgate_server.storage.times import from_span_micros, to_micros, to_span_micros

__all__ = ["flow_run_history", "task_run_history"]


def flow_run_history(
    conn: Connection, query: RunQuery, span: HistorySpan, now: datetime
) -> tuple[HistoryInterval, ...]:
    """Return the history of the flow runs that match.

    Args:
        conn: The connection.
        query: Which runs.
        span: Which time, in which steps.
        now: The time for which run times and lateness are estimated.
    """
    return _history(conn, FLOW_RUN, partial(conditions_for_history, conn, query), span, now)


def task_run_history(
    conn: Connection, query: RunQuery, span: HistorySpan, now: datetime
) -> tuple[HistoryInterval, ...]:
    """Return the history of the task runs that match; see `flow_run_history`."""
    return _history(conn, TASK_RUN, partial(conditions_for_task_history, conn, query), span, now)


def _history(
    conn: Connection,
    runs: Table,
    conditions: Callable[[Clause], list[Clause]],
    span: HistorySpan,
    now: datetime,
) -> tuple[HistoryInterval, ...]:
    """Return a history.

    Args:
        conn: The connection.
        runs: Which kind of runs.
        conditions: Adds the conditions that a run must meet to match to one that all of them meet.
        span: Which time, in which steps.
        now: The time for the estimates.
    """
    starts = span.starts()
    if not starts:
        return ()
    counted = _count(conn, runs, conditions(_is_within(runs, span)), span, now)
    return tuple(
        HistoryInterval(start=start, end=start + span.interval, states=tuple(counted[index]))
        for index, start in enumerate(starts)
    )


def _is_within(runs: Table, span: HistorySpan) -> Clause:
    """Return the condition that a run was expected within the intervals of a span."""
    expected, first = runs.c.expected_start_time, to_micros(span.start)
    return and_(expected >= first, expected < first + to_span_micros(span.interval) * span.count)


def _count(
    conn: Connection, runs: Table, conditions: Sequence[Clause], span: HistorySpan, now: datetime
) -> defaultdict[int, list[HistoryState]]:
    """Return the states of each interval that has any, by the index of the interval."""
    first, step = to_micros(span.start), to_span_micros(span.interval)
    found = (
        select(
            ((runs.c.expected_start_time - first) // step).label("index"),
            runs.c.state_type,
            runs.c.state_name,
            run_time(runs, now).label("run_time"),
            lateness(runs, now).label("lateness"),
        )
        .where(*conditions)
        .subquery()
    )
    kind = (found.c.index, found.c.state_type, found.c.state_name)
    grouped = select(
        *kind,
        func.count().label("count"),
        *sums("run_time", found.c.run_time),
        *sums("lateness", found.c.lateness),
    ).group_by(*kind)
    counted: defaultdict[int, list[HistoryState]] = defaultdict(list)
    for row in conn.execute(grouped).mappings():
        counted[row["index"]].append(
            HistoryState(
                state_type=None if row["state_type"] is None else StateType(row["state_type"]),
                state_name=row["state_name"],
                count=row["count"],
                run_time=_read_sum(row, "run_time"),
                lateness=_read_sum(row, "lateness"),
            )
        )
    for states in counted.values():
        states.sort(key=lambda state: (state.state_type or "", state.state_name or ""))
    return counted


def _read_sum(row: RowMapping, name: str) -> timedelta:
    micros = read_sum(row, name)
    return from_span_micros(min(micros, to_span_micros(SUM_MAX)))
