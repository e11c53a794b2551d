"""The log of events: appended to by the writer, read by the tail and by watchers that lag."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from headgate_server.model.events import Change, Event, Scope
from headgate_server.storage.bulk import BulkAppend
from headgate_server.storage.membership import is_one_of
from headgate_server.storage.tables import EVENT, LOG
from headgate_server.storage.times import from_micros, to_micros

READ_BYTES: Final = 4 * 1024 * 1024
"""Events read at once hold about as much at most, however many are asked for."""

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(Change).decode

_APPEND: Final = BulkAppend(
    LOG.c.revision,
    EVENT.c.revision,
    EVENT.c.last_revision,
    EVENT.c.commit_time,
    EVENT.c.flow_run_id,
    EVENT.c.task_run_id,
    EVENT.c.body,
)


class LogPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log stands."""

    revision: int
    """The revision of the newest event; 0 before the first."""
    oldest_revision: int
    """A watch can resume from this revision and any later one."""
    epoch: str
    """The identity of the database."""


def append(conn: Connection, groups: Sequence[Sequence[Change]], now: datetime) -> list[Event]:
    """Write changes to the log, those of one call together, and return them as events.

    Must be the last step of a transaction: from here to the commit no other server can append.
    """
    rows: list[tuple[Any, ...]] = []
    commit_micros = to_micros(now)
    for group in groups:
        last = len(rows) + len(group)
        for change in group:
            place = len(rows) + 1
            subject = (change.flow_run_id, change.task_run_id)
            rows.append((place, last, commit_micros, *subject, _ENCODE(change)))
    if not rows:
        return []
    before = _APPEND.run(conn, rows)
    changes = (change for group in groups for change in group)
    return [
        Event(
            revision=before + row[0], last_revision=before + row[1], commit_time=now, change=change
        )
        for row, change in zip(rows, changes, strict=True)
    ]


def position(conn: Connection) -> LogPosition:
    """Return where the log stands."""
    row = conn.execute(select(LOG.c.revision, LOG.c.oldest_revision, LOG.c.epoch)).one()
    return LogPosition(revision=row.revision, oldest_revision=row.oldest_revision, epoch=row.epoch)


def read(
    conn: Connection, after: int, limit: int, scope: Scope | None = None
) -> tuple[list[Event], bool]:
    """Return the events after a revision in order, those in scope or all, and whether these are all there are.

    At most `limit` events, and no more once they hold `READ_BYTES` together.
    """
    size = func.sum(func.length(EVENT.c.body)).over(order_by=EVENT.c.revision).label("size")
    next_ones = (
        select(EVENT, size).where(EVENT.c.revision > after).order_by(EVENT.c.revision).limit(limit)
    )
    if scope is not None:
        next_ones = next_ones.where(*_conditions(scope))
    found = next_ones.subquery()
    rows = conn.execute(
        select(found)
        .where(found.c.size - func.length(found.c.body) < READ_BYTES)
        .order_by(found.c.revision)
    ).all()
    happened = [
        Event(
            revision=row.revision,
            last_revision=row.last_revision,
            commit_time=from_micros(row.commit_time),
            change=_DECODE(row.body),
        )
        for row in rows
    ]
    return happened, len(rows) < limit and (not rows or rows[-1].size < READ_BYTES)


def _conditions(scope: Scope) -> Iterator[ColumnElement[bool]]:
    if scope.flow_run_ids is not None:
        yield is_one_of(EVENT.c.flow_run_id, scope.flow_run_ids)
    if scope.task_run_ids is not None:
        yield is_one_of(EVENT.c.task_run_id, scope.task_run_ids)
    task_run_id = EVENT.c.task_run_id
    yield task_run_id.is_not(None) if scope.of_task_runs else task_run_id.is_(None)


def trim(conn: Connection, before: datetime, limit: int) -> int:
    """Drop at most `limit` events older than a time, and return how many were dropped."""
    oldest = (
        select(EVENT.c.revision, EVENT.c.commit_time)
        .order_by(EVENT.c.revision)
        .limit(limit)
        .subquery()
    )
    last = conn.execute(
        select(func.max(oldest.c.revision)).where(oldest.c.commit_time < to_micros(before))
    ).scalar()
    if last is None:
        return 0
    # Another server may have dropped more at the same time.
    conn.execute(update(LOG).where(LOG.c.oldest_revision < last).values(oldest_revision=last))
    return conn.execute(delete(EVENT).where(EVENT.c.revision <= last)).rowcount


def change_epoch(conn: Connection, epoch: str) -> None:
    """Give the database a new identity, so that resume tokens of the old one are refused."""
    conn.execute(update(LOG).values(epoch=epoch))
