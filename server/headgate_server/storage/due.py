"""What is due: runs that the clock has something to say to, page by page in the order of their times."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, tuple_

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import SCHEDULED_NAME, StateType
from headgate_server.storage.flow_runs import decode_run
from headgate_server.storage.tables import FLOW_RUN
from headgate_server.storage.times import to_micros

Place = tuple[int, str]
"""Where a page ended: the time and the id of its last run."""


def late_runs(
    conn: Connection, due_by: datetime, after: Place | None, limit: int
) -> tuple[Sequence[FlowRun], Place | None]:
    """Return a page of the runs in a state named Scheduled whose time came by then."""
    is_waiting = (FLOW_RUN.c.state_type == StateType.SCHEDULED.value) & (
        FLOW_RUN.c.state_name == SCHEDULED_NAME
    )
    column = FLOW_RUN.c.next_scheduled_start_time
    return _page(conn, column, (column <= to_micros(due_by)) & is_waiting, after, limit)


def expired_pauses(
    conn: Connection, now: datetime, after: Place | None, limit: int
) -> tuple[Sequence[FlowRun], Place | None]:
    """Return a page of the paused runs whose time to be resumed is over."""
    column = FLOW_RUN.c.pause_expire_time
    return _page(conn, column, column < to_micros(now), after, limit)


def _page(
    conn: Connection,
    column: ColumnElement[Any],
    condition: ColumnElement[bool],
    after: Place | None,
    limit: int,
) -> tuple[Sequence[FlowRun], Place | None]:
    """Return the next runs in the order of a time, and where they end; None at the end of all."""
    statement = (
        select(column.label("time"), FLOW_RUN.c.id, FLOW_RUN.c.body)
        .where(condition)
        .order_by(column, FLOW_RUN.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(column, FLOW_RUN.c.id) > after)
    rows = conn.execute(statement).all()
    place = (rows[-1].time, rows[-1].id) if len(rows) == limit else None
    return [decode_run(row.body) for row in rows], place
