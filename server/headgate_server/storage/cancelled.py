"""What a cancelled flow run leaves behind: its task runs and subflow runs that have not ended, page by page.

They are looked for from their own side, along the index of their states: what has not ended is little beside what was cancelled
in all the years.
"""

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, select, tuple_

from headgate_server.model.states import StateType
from headgate_server.storage.due import Place
from headgate_server.storage.tables import FLOW_RUN, TASK_RUN

_PARENT: Final = FLOW_RUN.alias("parent")
_IS_CANCELLED: Final = StateType.CANCELLED.value


class LeftBehind(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on though the flow run it belongs to was cancelled."""

    id: str
    version: int
    has_deployment: bool = False


def task_runs(
    conn: Connection, state_type: StateType, after: Place | None, limit: int
) -> tuple[list[LeftBehind], Place | None]:
    """Return a page of the task runs in a state whose flow run was cancelled, and where it ends; None at the end of all."""
    statement = (
        select(TASK_RUN.c.id, TASK_RUN.c.version, TASK_RUN.c.expected_start_time.label("time"))
        .join_from(TASK_RUN, FLOW_RUN, TASK_RUN.c.flow_run_id == FLOW_RUN.c.id)
        .where(TASK_RUN.c.state_type == state_type.value, FLOW_RUN.c.state_type == _IS_CANCELLED)
    )
    key = (TASK_RUN.c.expected_start_time, TASK_RUN.c.id)
    rows, place = _page(conn, statement, key, after, limit)
    return [LeftBehind(id=row.id, version=row.version) for row in rows], place


def subflow_runs(
    conn: Connection, state_type: StateType, after: Place | None, limit: int
) -> tuple[list[LeftBehind], Place | None]:
    """Return a page of the subflow runs in a state whose parent was cancelled, and where it ends; None at the end of all."""
    statement = (
        select(
            FLOW_RUN.c.id,
            FLOW_RUN.c.version,
            FLOW_RUN.c.deployment_id,
            FLOW_RUN.c.effective_start_time.label("time"),
        )
        .join_from(FLOW_RUN, TASK_RUN, FLOW_RUN.c.parent_task_run_id == TASK_RUN.c.id)
        .join(_PARENT, TASK_RUN.c.flow_run_id == _PARENT.c.id)
        .where(FLOW_RUN.c.state_type == state_type.value, _PARENT.c.state_type == _IS_CANCELLED)
    )
    if state_type is StateType.CANCELLING:
        # One of a deployment is on its way, and its worker will say when it is there.
        statement = statement.where(FLOW_RUN.c.deployment_id.is_(None))
    key = (FLOW_RUN.c.effective_start_time, FLOW_RUN.c.id)
    rows, place = _page(conn, statement, key, after, limit)
    found = [
        LeftBehind(id=row.id, version=row.version, has_deployment=row.deployment_id is not None)
        for row in rows
    ]
    return found, place


def _page(
    conn: Connection,
    statement: Select[Any],
    key: tuple[ColumnElement[Any], ColumnElement[Any]],
    after: Place | None,
    limit: int,
) -> tuple[list[Any], Place | None]:
    """Return the next rows in the order of a key, and where they end; None at the end of all."""
    if after is not None:
        statement = statement.where(tuple_(*key) > after)
    rows = list(conn.execute(statement.order_by(*key).limit(limit)))
    return rows, (rows[-1].time, rows[-1].id) if len(rows) == limit else None
