"""Deployments that the scheduler has something to do for, page by page."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, exists, func, literal, not_, or_, select, tuple_

from headgate_server.model.deployments import Deployment
from headgate_server.model.states import StateType
from headgate_server.storage.deployments import SELECTED, read_deployment
from headgate_server.storage.tables import DEPLOYMENT, FLOW_RUN
from headgate_server.storage.times import to_micros, to_span_micros

__all__ = ["changed_lately", "in_need_of_runs"]

_RUN: Final = FLOW_RUN.c
_IS_SCHEDULED: Final = DEPLOYMENT.c.is_scheduled == 1


def in_need_of_runs(
    conn: Connection,
    now: datetime,
    *,
    min_runs: int,
    min_time: timedelta,
    after: str | None,
    limit: int,
) -> tuple[Sequence[Deployment], str | None]:
    """Return a page of the deployments with an active schedule that have too few runs ahead of them.

    Args:
        conn: The connection.
        now: The time.
        min_runs: Fewer runs are too few.
        min_time: So are runs that all begin earlier than this from now.
        after: Where the page before ended; None for the first.
        limit: Deployments at most.

    Returns:
        The deployments by id, and where the page ends; None at the end of all.
    """
    begin = to_micros(now)
    ahead = select(literal(1)).where(*_is_ahead(begin)).limit(min_runs).correlate(DEPLOYMENT)
    count = select(func.count()).select_from(ahead.subquery()).scalar_subquery()
    reaches_far = exists().where(*_is_ahead(begin + to_span_micros(min_time)))
    statement = SELECTED.where(_IS_SCHEDULED, or_(count < min_runs, not_(reaches_far)))
    if after is not None:
        statement = statement.where(DEPLOYMENT.c.id > after)
    rows = conn.execute(statement.order_by(DEPLOYMENT.c.id).limit(limit)).all()
    deployments = [read_deployment(row) for row in rows]
    return deployments, deployments[-1].id if len(deployments) == limit else None


Place = tuple[int, str]
"""Where a page ended: the time of the change and the id of its last deployment."""


def changed_lately(
    conn: Connection, since: datetime, *, after: Place | None, limit: int
) -> tuple[Sequence[Deployment], Place | None]:
    """Return a page of the deployments with an active schedule that changed since a time, in the order of their changes.

    Returns:
        The deployments, and where the page ends; None at the end of all.
    """
    place = (DEPLOYMENT.c.update_time, DEPLOYMENT.c.id)
    # SQLite: a plus keeps it from an index that has all deployments with a schedule, changed or not.
    statement = SELECTED.where(
        DEPLOYMENT.c.update_time >= to_micros(since), DEPLOYMENT.c.is_scheduled + 0 == 1
    )
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    rows = conn.execute(statement.order_by(*place).limit(limit)).all()
    deployments = [read_deployment(row) for row in rows]
    if len(deployments) < limit:
        return deployments, None
    return deployments, (to_micros(deployments[-1].update_time), deployments[-1].id)


def _is_ahead(begin: int) -> tuple[ColumnElement[Any], ...]:
    """Return the conditions that a run was made by the scheduler for a deployment, and waits for a time from `begin` on."""
    return (
        _RUN.deployment_id == DEPLOYMENT.c.id,
        _RUN.next_scheduled_start_time >= begin,
        _RUN.state_type == StateType.SCHEDULED.value,
        _RUN.auto_scheduled == 1,
    )
