"""Requests that were answered: a repeated request id gets the first answer again, in the transaction that would do it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection, delete, select

from headgate_server.model.conflicts import RequestIdReusedError
from headgate_server.storage.bulk import BulkInsert, BulkSelect
from headgate_server.storage.tables import REQUEST
from headgate_server.storage.times import to_micros

T = TypeVar("T")

WINDOW: Final = timedelta(hours=24)
"""How long an answer is remembered."""

_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_FIND: Final = BulkSelect(
    select(REQUEST.c.id, REQUEST.c.fingerprint, REQUEST.c.answer, REQUEST.c.expire_time),
    REQUEST.c.id,
)
_INSERT: Final = BulkInsert(
    REQUEST.c.id, REQUEST.c.fingerprint, REQUEST.c.answer, REQUEST.c.expire_time
)


class Requests:
    """The request ids among the commands of one transaction, and what was answered to them before."""

    def __init__(self, conn: Connection, now: datetime, commands: Iterable[object]) -> None:
        self._conn = conn
        self._now = now
        ids = {each: None for command in commands if (each := request_id_of(command))}
        self._answered = {row[0]: row for row in _FIND.run(conn, list(ids))}
        self._taken: set[str] = set()

    def is_taken(self, command: object) -> bool:
        """Return whether another command of this transaction has the same request id, and take the id."""
        request_id = request_id_of(command)
        if request_id is None:
            return False
        if request_id in self._taken:
            return True
        self._taken.add(request_id)
        return False

    def recall(self, command: object, answer: type[T]) -> T | None:
        """Return what was answered to this request before; None if it is new.

        Raises:
            RequestIdReusedError: The request was a different one.
        """
        row = self._answered.get(request_id_of(command))
        if row is None or row[3] <= to_micros(self._now):
            return None
        if bytes(row[1]) != fingerprint(command):
            raise RequestIdReusedError(row[0])
        return msgspec.json.decode(row[2], type=answer)

    def remember(self, answered: Sequence[tuple[object, object]]) -> None:
        """Keep the answers of commands that carry a request id."""
        expire = to_micros(self._now + WINDOW)
        rows = [
            (request_id, fingerprint(command), _ENCODE(answer), expire)
            for command, answer in answered
            if (request_id := request_id_of(command))
        ]
        if rows:
            expired = [row[0] for row in rows if row[0] in self._answered]
            self._conn.execute(delete(REQUEST).where(REQUEST.c.id.in_(expired)))
            _INSERT.run(self._conn, rows)


def recall(conn: Connection, now: datetime, command: object, answer: type[T]) -> T | None:
    """Return what was answered to one request before; None if it is new.

    Raises:
        RequestIdReusedError: The request was a different one.
    """
    return Requests(conn, now, [command]).recall(command, answer)


def request_id_of(command: object) -> str | None:
    """Return the request id of a command; None if it has none."""
    return getattr(command, "request_id", None) or None


def fingerprint(command: object) -> bytes:
    """Return what tells two requests with one id apart.

    A command that was worked out from what the caller asked for names that as its `request`.
    """
    asked = getattr(command, "request", command)
    return sha256(type(asked).__name__.encode() + _ENCODE(asked)).digest()


def forget_expired(conn: Connection, now: datetime, limit: int) -> int:
    """Drop at most `limit` answers that are no longer promised, and return how many were dropped."""
    old = select(REQUEST.c.id).where(REQUEST.c.expire_time <= to_micros(now)).limit(limit)
    return conn.execute(delete(REQUEST).where(REQUEST.c.id.in_(old))).rowcount
