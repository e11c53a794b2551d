"""Slots of concurrency limits: how many are taken, who holds one, taken and given back."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from headgate_server.storage.bulk import BulkDelete, BulkInsert, BulkSelect
from headgate_server.storage.tables import CONCURRENCY_LIMIT, CONCURRENCY_SLOT

_LIMIT: Final = CONCURRENCY_LIMIT.c
_SLOT: Final = CONCURRENCY_SLOT.c
# In the order of tags, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(
    select(_LIMIT.id, _LIMIT.tag, _LIMIT.concurrency_limit)
    .order_by(_LIMIT.tag)
    .with_for_update(key_share=True),
    _LIMIT.tag,
)
_TAKEN: Final = BulkSelect(
    select(_SLOT.concurrency_limit_id, func.count()).group_by(_SLOT.concurrency_limit_id),
    _SLOT.concurrency_limit_id,
)
_HELD: Final = BulkSelect(select(_SLOT.concurrency_limit_id, _SLOT.task_run_id), _SLOT.task_run_id)
_TAKE: Final = BulkInsert(_SLOT.concurrency_limit_id, _SLOT.task_run_id, ignore_conflicts=True)
_GIVE_BACK: Final = BulkDelete(_SLOT.task_run_id, _SLOT.concurrency_limit_id)

Slot = tuple[str, str]
"""The ids of a limit and of the task run that holds a slot of it."""


class LimitInUse(msgspec.Struct, frozen=True, kw_only=True):
    """A limit, and how many of its slots are taken."""

    id: str
    tag: str
    slots: int
    taken: int


def lock_limits(conn: Connection, tags: Collection[str]) -> list[LimitInUse]:
    """Return the limits on these tags in the order of tags; until the commit nobody else can take slots of them."""
    limits = _LOCK.run(conn, list(tags))
    # PostgreSQL: counted by a statement of its own, for only that sees what was committed while the first had to wait.
    taken: dict[str, int] = dict(_TAKEN.run(conn, [limit_id for limit_id, _, _ in limits]))
    return [
        LimitInUse(id=limit_id, tag=tag, slots=slots, taken=taken.get(limit_id, 0))
        for limit_id, tag, slots in sorted(limits, key=lambda row: row[1])
    ]


def held_by(conn: Connection, task_run_ids: Sequence[str]) -> set[Slot]:
    """Return the slots that these task runs hold."""
    return {(limit_id, task_run_id) for limit_id, task_run_id in _HELD.run(conn, task_run_ids)}


def take(conn: Connection, slots: Collection[Slot]) -> None:
    """Take slots of limits that are locked; those that are held already stay so."""
    _TAKE.run(conn, sorted(slots))


def give_back(conn: Connection, slots: Collection[Slot]) -> None:
    """Give slots back; those that are free already stay so."""
    _GIVE_BACK.run(conn, [(task_run_id, limit_id) for limit_id, task_run_id in sorted(slots)])
