"""Trees of flow runs that are over: their roots, page by page, and what stands under them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, case, select, tuple_

from headgate_server.model.states import TERMINAL, StateType
from headgate_server.storage.bulk import BulkSelect
from headgate_server.storage.due import Place
from headgate_server.storage.flow_runs import decode_run
from headgate_server.storage.tables import FLOW_RUN, TASK_RUN
from headgate_server.storage.times import to_micros

_CHILDREN: Final = BulkSelect(
    select(
        TASK_RUN.c.flow_run_id, FLOW_RUN.c.id, FLOW_RUN.c.edition, FLOW_RUN.c.state_type
    ).join_from(TASK_RUN, FLOW_RUN, FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id),
    TASK_RUN.c.flow_run_id,
)
_ROOTS: Final = BulkSelect(
    select(FLOW_RUN.c.id, FLOW_RUN.c.edition, FLOW_RUN.c.state_type), FLOW_RUN.c.id
)


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a tree."""

    id: str
    edition: int
    has_ended: bool


def started_roots(
    conn: Connection,
    states: Collection[StateType],
    ended_by: datetime,
    after: Place | None,
    limit: int,
) -> tuple[list[str], Place | None]:
    """Return a page of the roots that had started and ended by a time, the oldest first, and where the page ends.

    Args:
        conn: The connection.
        states: The states in which they may have ended.
        ended_by: The time.
        after: Where the page before ended; None begins.
        limit: How many at most.
    """
    column = FLOW_RUN.c.end_time
    ended_so = FLOW_RUN.c.state_type.in_([state.value for state in states])
    # SQLite: it would take the index of the states, and sort half of all runs for each page.
    is_one = (column <= to_micros(ended_by)) & (case((ended_so, 1)) == 1)
    rows, place = _page(conn, column, is_one, after, limit)
    return [row.id for row in rows], place


def unstarted_roots(
    conn: Connection, state: StateType, ended_by: datetime, after: Place | None, limit: int
) -> tuple[list[str], Place | None]:
    """Return a page of the roots that ended in a state without a start, by a time, and where the page ends.

    They are looked for by when they were to start, so one that ended long before that is found only then. Arguments as for
    `started_roots`.
    """
    column = FLOW_RUN.c.effective_start_time
    is_one = (
        (column <= to_micros(ended_by))
        & (FLOW_RUN.c.state_type == state.value)
        & FLOW_RUN.c.end_time.is_(None)
    )
    rows, place = _page(conn, column, is_one, after, limit)
    runs = [decode_run(row.body) for row in rows]
    return [run.id for run in runs if run.state and run.state.timestamp <= ended_by], place


def trees(conn: Connection, root_ids: Sequence[str]) -> dict[str, list[Node]]:
    """Return the runs of these trees by the id of the root, from the root down: parents come before their children."""
    found = {row[0]: [_node(*row)] for row in _ROOTS.run(conn, root_ids)}
    root_of = {root_id: root_id for root_id in found}
    level = list(found)
    while level:
        rows = _CHILDREN.run(conn, level)
        level = []
        for parent_id, *child in rows:
            node = _node(*child)
            root_of[node.id] = root_of[parent_id]
            found[root_of[node.id]].append(node)
            level.append(node.id)
    return found


def children(conn: Connection, run_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return the subflow runs of these runs, as pairs of the ids of parent and child."""
    return [(row[0], row[1]) for row in _CHILDREN.run(conn, run_ids)]


def _node(run_id: str, edition: int, state_type: str | None) -> Node:
    return Node(id=run_id, edition=edition, has_ended=state_type in TERMINAL)


def _page(
    conn: Connection,
    column: ColumnElement[Any],
    condition: ColumnElement[bool],
    after: Place | None,
    limit: int,
) -> tuple[list[Any], Place | None]:
    """Return the next roots in the order of a time, and where they end; None at the end of all."""
    statement = (
        select(column.label("time"), FLOW_RUN.c.id, FLOW_RUN.c.body)
        .where(condition, FLOW_RUN.c.parent_task_run_id.is_(None))
        .order_by(column, FLOW_RUN.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(column, FLOW_RUN.c.id) > after)
    rows = list(conn.execute(statement))
    return rows, (rows[-1].time, rows[-1].id) if len(rows) == limit else None
