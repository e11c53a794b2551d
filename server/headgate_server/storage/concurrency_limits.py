"""Concurrency limits, as rows. Which task runs hold a slot is read along with a limit; how slots are taken is told elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, delete, select, update

from headgate_server.model.concurrency_commands import LimitKey
from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.bulk import BulkInsert, BulkSelect
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import CONCURRENCY_LIMIT, CONCURRENCY_SLOT
from headgate_server.storage.times import from_micros, to_micros

_LIMIT: Final = CONCURRENCY_LIMIT.c
_SLOT: Final = CONCURRENCY_SLOT.c
_COLUMNS: Final = (
    _LIMIT.id,
    _LIMIT.tag,
    _LIMIT.concurrency_limit,
    _LIMIT.create_time,
    _LIMIT.update_time,
)
_BY_TAG: Final = Order(id=_LIMIT.tag)
_INSERT: Final = BulkInsert(*_COLUMNS, ignore_conflicts=True)
# In the order of tags, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(select(*_COLUMNS).order_by(_LIMIT.tag).with_for_update(), _LIMIT.tag)
_TAGS: Final = BulkSelect(select(_LIMIT.id, _LIMIT.tag), _LIMIT.id)
_SLOTS: Final = BulkSelect(
    select(_SLOT.concurrency_limit_id, _SLOT.task_run_id), _SLOT.concurrency_limit_id
)
_INSERT_SLOTS: Final = BulkInsert(_SLOT.concurrency_limit_id, _SLOT.task_run_id)
_UPDATE: Final = (
    update(CONCURRENCY_LIMIT)
    .where(_LIMIT.id == bindparam("limit_id"))
    .values(
        concurrency_limit=bindparam("new_concurrency_limit"),
        update_time=bindparam("new_update_time"),
    )
)


def get(conn: Connection, key: LimitKey) -> ConcurrencyLimit | None:
    """Return the limit with an id or, without one, for a tag; None if there is none."""
    column, value = (_LIMIT.tag, key.tag) if key.id is None else (_LIMIT.id, key.id)
    rows = conn.execute(select(*_COLUMNS).where(column == value)).fetchall()
    return next(iter(_read(conn, rows)), None)


def list_page(conn: Connection, page: PageRequest) -> Page[ConcurrencyLimit]:
    """Return a page of the limits, by tag.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    found = read_page(conn, select(*_COLUMNS), [], _BY_TAG, page, "concurrency limits")
    return Page(items=tuple(_read(conn, found.items)), next_token=found.next_token)


def lock(conn: Connection, tags: Sequence[str]) -> dict[str, ConcurrencyLimit]:
    """Return the limits that exist for these tags, by tag, and let nobody else change them until the commit."""
    return {limit.tag: limit for limit in _read(conn, _LOCK.run(conn, tags))}


def tags_of(conn: Connection, limit_ids: Sequence[str]) -> dict[str, str]:
    """Return the tags of the limits that exist among these, by id."""
    return dict(_TAGS.run(conn, limit_ids))


def insert_where_free(conn: Connection, limits: Sequence[ConcurrencyLimit]) -> None:
    """Insert the limits whose tags have none yet."""
    # In the order of tags, so that two servers never wait for each other.
    rows = [
        (
            each.id,
            each.tag,
            each.concurrency_limit,
            to_micros(each.create_time),
            to_micros(each.update_time),
        )
        for each in sorted(limits, key=lambda limit: limit.tag)
    ]
    _INSERT.run(conn, rows)


def update_limits(conn: Connection, limits: Sequence[ConcurrencyLimit]) -> None:
    """Write limits that are locked, as they now stand, but for their slots."""
    if limits:
        rows = [
            {
                "limit_id": each.id,
                "new_concurrency_limit": each.concurrency_limit,
                "new_update_time": to_micros(each.update_time),
            }
            for each in limits
        ]
        conn.execute(_UPDATE, rows)


def replace_slots(conn: Connection, limits: Sequence[ConcurrencyLimit]) -> None:
    """Write who holds the slots of limits that are locked."""
    if limits:
        ids = [each.id for each in limits]
        conn.execute(delete(CONCURRENCY_SLOT).where(_SLOT.concurrency_limit_id.in_(ids)))
        _INSERT_SLOTS.run(conn, [(each.id, slot) for each in limits for slot in each.active_slots])


def delete_limits(conn: Connection, limit_ids: Sequence[str]) -> None:
    """Delete limits that are locked, with their slots."""
    if limit_ids:
        conn.execute(delete(CONCURRENCY_LIMIT).where(_LIMIT.id.in_(limit_ids)))


def _read(conn: Connection, rows: Sequence[Sequence[Any]]) -> list[ConcurrencyLimit]:
    """Return the limits in rows that begin with `_COLUMNS`, with their slots."""
    slots = _slots(conn, [row[0] for row in rows])
    return [replace(_limit(row), active_slots=tuple(slots.get(row[0], ()))) for row in rows]


def _slots(conn: Connection, limit_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the task runs that hold slots, by the id of the limit."""
    slots: dict[str, list[str]] = {}
    for limit_id, task_run_id in sorted(map(tuple, _SLOTS.run(conn, limit_ids))):
        slots.setdefault(limit_id, []).append(task_run_id)
    return slots


def _limit(row: Sequence[Any]) -> ConcurrencyLimit:
    """Return the limit in a row that begins with `_COLUMNS`, without its slots."""
    limit_id, tag, concurrency_limit, create_time, update_time = row[: len(_COLUMNS)]
    return ConcurrencyLimit(
        id=limit_id,
        tag=tag,
        concurrency_limit=concurrency_limit,
        create_time=from_micros(create_time),
        update_time=from_micros(update_time),
    )
