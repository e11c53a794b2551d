"""Works for the tests of the writer: each does one small thing to a table of notes, and counts what it was asked."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, insert, select

from headgate_server.model.errors import HeadgateError
from headgate_server.model.events import Change, EventKind
from headgate_server.storage.writer import Outcome, Work, Written

NOTE = Table(
    "note",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Write a note."""

    name: str
    request_id: str | None = None


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A note was written."""

    name: str
    revision: int = 0


class RefusedError(HeadgateError):
    """What a work of these tests refuses with."""


class Notes:
    """A work that writes notes, and remembers the batches it was given."""

    def __init__(self, *, before: Callable[[Note], None] = lambda _: None) -> None:
        """Make the work.

        Args:
            before: Called before each note is written.
        """
        self._before = before
        self.batches: list[list[str]] = []
        self.work = Work(self._carry_out, Noted)

    def _carry_out(
        self, conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        self.batches.append([each.name for each in commands])
        return [self._write(conn, each) for each in commands]

    def _write(self, conn: Connection, note: Note) -> Outcome[Noted]:
        self._before(note)
        if note.name.startswith("refused"):
            return RefusedError("No.")
        conn.execute(insert(NOTE).values(name=note.name, count=0))
        return Written(Noted(name=note.name), changes_of(note.name))


def changes_of(name: str) -> tuple[Change, ...]:
    """Return as many changes as the number that a name ends with; none if it ends with no number."""
    count = int(name[-1]) if name[-1].isdigit() else 0
    return tuple(
        Change(kind=EventKind.INPUT_CREATED, flow_run_id=f"{name}.{each}") for each in range(count)
    )


def notes_in(conn: Connection) -> set[str]:
    """Return the names of all notes."""
    return set(conn.execute(select(NOTE.c.name)).scalars())
