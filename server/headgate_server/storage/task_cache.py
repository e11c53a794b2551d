"""The cache of task runs: which state answers to a cache key."""

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from msgspec.structs import replace
from sqlalchemy import BigInteger, Connection, cast, func, or_, select
from sqlalchemy.sql.expression import ColumnElement, FromClause

from headgate_server.model.states import State
from headgate_server.storage.bulk import BulkInsert, BulkLookup
from headgate_server.storage.flow_runs import decode_state
from headgate_server.storage.tables import TASK_RUN_CACHE, TASK_RUN_STATE
from headgate_server.storage.times import to_micros

_INSERT: Final = BulkInsert(*TASK_RUN_CACHE.c)


def _answers(entry: FromClause) -> ColumnElement[bool]:
    """Return the condition that an entry has the given key and has not expired at the given time."""
    expire_time, now = entry.c.expire_time, cast(BulkLookup.GIVEN.c.second, BigInteger)
    return (entry.c.key_digest == BulkLookup.GIVEN.c.first) & or_(
        expire_time.is_(None), expire_time > now
    )


_OTHER: Final = TASK_RUN_CACHE.alias("other")
_NEWEST: Final = BulkLookup(
    # Entries of one transaction are equally old, so this may find several of a key.
    select(TASK_RUN_CACHE.c.key_digest, TASK_RUN_STATE.c.body, TASK_RUN_STATE.c.data_json)
    .join_from(
        BulkLookup.GIVEN,
        TASK_RUN_CACHE,
        _answers(TASK_RUN_CACHE)
        & (
            TASK_RUN_CACHE.c.create_time
            == select(func.max(_OTHER.c.create_time))
            .where(_answers(_OTHER))
            .correlate(BulkLookup.GIVEN)
            .scalar_subquery()
        ),
    )
    .join(TASK_RUN_STATE)
)


def newest(conn: Connection, keys: Collection[str], now: datetime) -> dict[str, State]:
    """Return the newest state that answers to each of these keys and has not expired, with its data."""
    by_digest = {_digest(key): key for key in keys}
    micros = str(to_micros(now))
    found: dict[str, State] = {}
    for digest, body, data in _NEWEST.run(conn, [(digest, micros) for digest in by_digest]):
        state, key = decode_state(body), by_digest[digest]
        if key not in found or found[key].id < state.id:
            found[key] = replace(state, data_json=data)
    return found


def insert(conn: Connection, now: datetime, states: Sequence[tuple[str, State]]) -> None:
    """Let states answer to the cache keys in their details, each given with the id of its task run."""
    _INSERT.run(
        conn,
        [
            (
                _digest(state.details.cache_key or ""),
                to_micros(now),
                task_run_id,
                state.version,
                to_micros(state.details.cache_expire_time),
            )
            for task_run_id, state in states
        ],
    )


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()
