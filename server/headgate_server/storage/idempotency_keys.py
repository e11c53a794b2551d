"""Idempotency keys: which run of a flow holds a key, and until when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select, tuple_

from headgate_server.storage.bulk import BulkInsert, BulkSelect
from headgate_server.storage.tables import IDEMPOTENCY_KEY
from headgate_server.storage.times import from_micros, to_micros

_INSERT: Final = BulkInsert(*IDEMPOTENCY_KEY.c)
_FIND: Final = BulkSelect(select(*IDEMPOTENCY_KEY.c), IDEMPOTENCY_KEY.c.key)


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The run that holds a key."""

    flow_run_id: str
    expire_time: datetime | None = None
    """None holds the key while the run lives."""

    def holds_at(self, now: datetime) -> bool:
        """Return whether the key is still held."""
        return self.expire_time is None or self.expire_time > now


def find(conn: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Holder]:
    """Return who holds these keys, given as pairs of flow id and key; expired holders too."""
    wanted = set(keys)
    return {
        (flow_id, key): Holder(
            flow_run_id=run_id, expire_time=None if expire is None else from_micros(expire)
        )
        for flow_id, key, run_id, expire in _FIND.run(conn, list({key for _, key in keys}))
        if (flow_id, key) in wanted
    }


def replace(
    conn: Connection, holders: dict[tuple[str, str], Holder], gone: Sequence[tuple[str, str]]
) -> None:
    """Write who holds keys now, in place of the holders of the keys named in `gone`."""
    if gone:
        pair = tuple_(IDEMPOTENCY_KEY.c.flow_id, IDEMPOTENCY_KEY.c.key)
        conn.execute(delete(IDEMPOTENCY_KEY).where(pair.in_(gone)))
    _INSERT.run(
        conn,
        [
            (flow_id, key, holder.flow_run_id, to_micros(holder.expire_time))
            for (flow_id, key), holder in holders.items()
        ],
    )


def forget_expired(conn: Connection, now: datetime, limit: int) -> int:
    """Drop at most `limit` keys whose time is over, and return how many were dropped."""
    pair = tuple_(IDEMPOTENCY_KEY.c.flow_id, IDEMPOTENCY_KEY.c.key)
    old = (
        select(IDEMPOTENCY_KEY.c.flow_id, IDEMPOTENCY_KEY.c.key)
        .where(IDEMPOTENCY_KEY.c.expire_time <= to_micros(now))
        .limit(limit)
    )
    return conn.execute(delete(IDEMPOTENCY_KEY).where(pair.in_(old))).rowcount
