"""The foreman: notes who has gone without a word, among workers, pools, deployments and queues."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from headgate_server.model.work_pools import Presence
from headgate_server.storage import presence as rows
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.writer import Work, Writer, Written

BATCH: Final = 500
"""Rows of each kind that one transaction writes."""


class NoteGone(msgspec.Struct, frozen=True):
    """Note who is gone."""


class Noted(msgspec.Struct, frozen=True):
    """Of how many it was noted."""

    rows: int


class Foreman:
    """Looks who is still there. Several servers may look at the same time."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        *,
        clock: Callable[[], datetime],
        presence: Presence,
    ) -> None:
        """Make the pass.

        Args:
            database: Where it is looked.
            writer: Where it is noted.
            clock: Tells the time.
            presence: Who counts as there.
        """
        self._database = database
        self._writer = writer
        self._clock = clock
        self._presence = presence
        self._note = Work(partial(_note_all, presence=presence), Noted)

    async def look_around(self) -> int:
        """Note of workers that they are OFFLINE, and of pools, deployments and queues that they are NOT_READY.

        Returns:
            Of how many something was noted.
        """
        noted = 0
        # A transaction that writes costs more than a look that mostly finds nothing.
        while await self._database.read(rows.anybody_gone, self._clock(), self._presence):
            written = (await self._writer.write(self._note, NoteGone())).rows
            if not written:
                break
            noted += written
        return noted


def _note_all(
    conn: Connection, now: datetime, commands: Sequence[NoteGone], *, presence: Presence
) -> list[Written[Noted]]:
    """Note who is gone, a batch for all who ask."""
    count = rows.note_gone(conn, now, presence, BATCH)
    return [Written(Noted(count)) for _ in commands]
