"""Positions: resume tokens, which say where a watch stands in which log.

A token is opaque to callers and carries no authority: it holds the position, and what tells its log and its watch from others.
The log may come to be kept in several shards; the part for the position then names one place for each.
"""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final

import msgspec

from headgate_server.feed.interests import Interest, fingerprint
from headgate_server.model.conflicts import EpochChangedError
from headgate_server.model.errors import ResumeTokenMismatchError
from headgate_server.storage.events import LogPosition

_FORM: Final = re.compile(r"1\.([\w-]{11})\.([\w-]{16})\.(\d{1,18})(s?)")


class Position(msgspec.Struct, frozen=True):
    """A place in the log, as a token told it."""

    revision: int
    """Everything up to here was sent."""
    is_in_snapshot: bool
    """Whether the snapshot was not yet complete, so that it has to begin anew."""


class Tokens:
    """Makes and reads the tokens of one watch."""

    def __init__(self, interest: Interest, log: LogPosition) -> None:
        self._epoch = _short(sha256(log.epoch.encode()).digest(), 8)
        self._watch = _short(fingerprint(interest), 12)
        self._prefix = f"1.{self._epoch}.{self._watch}."
        self._head = log.revision

    def at(self, revision: int) -> str:
        """Return the token of the place after a revision."""
        return f"{self._prefix}{revision}"

    def in_snapshot(self, revision: int) -> str:
        """Return the token of a snapshot that is not yet complete."""
        return f"{self._prefix}{revision}s"

    def read(self, token: str) -> Position:
        """Return the place that a token tells.

        Raises:
            ResumeTokenMismatchError: It was not made here, or for a watch with other arguments.
            EpochChangedError: It was made for another database, or for one that has lost changes since.
        """
        told = _FORM.fullmatch(token)
        if told is None:
            raise ResumeTokenMismatchError
        epoch, watch, revision, mark = told.groups()
        if watch != self._watch:
            raise ResumeTokenMismatchError
        if epoch != self._epoch or int(revision) > self._head:
            raise EpochChangedError
        return Position(int(revision), bool(mark))


def _short(content: bytes, size: int) -> str:
    """Return the first bytes as URL-safe text without padding."""
    return urlsafe_b64encode(content[:size]).decode().rstrip("=")
