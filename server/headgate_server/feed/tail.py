"""The tail: the log's one reader in this process, which hands every event on in the order of revisions.

The log is the truth. The writer's own commits arrive directly; whatever else was committed, by other servers or out of turn,
is read from the log when somebody says that it is there, and now and then in case nobody does.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final

from headgate_server.metrics import Metrics
from headgate_server.model.errors import HeadgateError, RevisionCompactedError
from headgate_server.model.events import Event, Scope
from headgate_server.storage import events
from headgate_server.storage.database import Connection, Database

RING_BYTES: Final = 16 * 1024 * 1024
"""Events of about this weight are kept in memory, so that a watcher who was away for a moment need not ask the database."""
TELL_SECONDS: Final = 0.01
"""PostgreSQL: commits within this time are told to other servers at once."""
READ_SIZE: Final = 512
"""Events read from the log at a time."""
POLL_SECONDS: Final = 1.0
"""How often the log is looked at when nobody says that something is there."""
HEARING_POLL_SECONDS: Final = 15.0
"""Likewise, while notifications of other servers are heard."""
CHANNEL: Final = "headgate_log"
"""PostgreSQL: where servers of one database tell each other to look at the log."""


class Tail:
    """Knows the newest events, and tells its one listener of each as it becomes known."""

    def __init__(
        self, database: Database, *, listener: Callable[[Sequence[Event]], None], metrics: Metrics
    ) -> None:
        """Make a tail that knows nothing before `start`.

        Args:
            database: Where the log is.
            listener: Called with new events, in order and without a gap. Must not wait.
            metrics: Where the head of the log is noted.
        """
        self._database = database
        self._listener = listener
        self._metrics = metrics
        self._ring: deque[Event] = deque()
        self._ring_bytes = 0
        self._nudged = asyncio.Event()
        self._committed = asyncio.Event()
        self._moved: asyncio.Future[None] | None = None
        self._poll_seconds = POLL_SECONDS
        self._newest = 0
        """The newest revision that this process has committed; it may be ahead of the head."""
        self.head = 0
        """The newest revision that was handed on."""

    async def start(self) -> None:
        """Begin at the present end of the log.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        self.head = (await self._database.read(events.position)).revision

    def accept(self, happened: Sequence[Event]) -> None:
        """Take events that this process has just committed."""
        self._newest = happened[-1].revision
        self._committed.set()
        # Some may be known from the log already: a look at it can be faster than their writer.
        known = self.head + 1 - happened[0].revision
        if known < 0:
            self.nudge()
        elif known < len(happened):
            self._hand_on(happened[known:])

    def nudge(self) -> None:
        """Look at the log soon; something may be there."""
        self._nudged.set()

    async def run(self) -> None:
        """Read what is committed elsewhere, for ever."""
        while True:
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._nudged.wait()
            except TimeoutError:
                pass
            self._nudged.clear()
            try:
                await self._catch_up()
            except HeadgateError:
                # The database is away; the next look may find it.
                await asyncio.sleep(POLL_SECONDS)

    async def tell_others(self) -> None:
        """PostgreSQL: tell other servers to look at the log when this one has committed, for ever."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            # A notification that fails is made up for by their next look.
            with suppress(HeadgateError):
                await self._database.notify(CHANNEL, str(self._newest))
            await asyncio.sleep(TELL_SECONDS)

    def _hear(self, payload: str) -> None:
        """Take a notification: how far the log goes. Our own come back to us and say nothing new."""
        if int(payload) > self.head:
            self._metrics.tail_lag.set(int(payload) - self.head)
            self.nudge()

    async def listen(self) -> None:
        """PostgreSQL: hear other servers, for ever."""
        while True:
            try:
                async with self._database.listening(CHANNEL, self._hear) as lost:
                    self._poll_seconds = HEARING_POLL_SECONDS
                    self.nudge()
                    await lost.wait()
            except HeadgateError:
                pass
            self._poll_seconds = POLL_SECONDS
            self.nudge()
            await asyncio.sleep(POLL_SECONDS)

    async def _catch_up(self) -> None:
        """Hand on what the log has after the head."""
        while True:
            after = self.head
            happened, is_all = await self._database.read(events.read, after, READ_SIZE)
            # Meanwhile this process may have committed the same ones.
            fresh = [each for each in happened if each.revision > self.head]
            if fresh:
                self._hand_on(fresh)
            if is_all:
                self._metrics.tail_lag.set(0)
                return

    def _hand_on(self, happened: Sequence[Event]) -> None:
        self._ring.extend(happened)
        self._ring_bytes += sum(event.weight for event in happened)
        while self._ring_bytes > RING_BYTES:
            self._ring_bytes -= self._ring.popleft().weight
        self.head = happened[-1].revision
        self._metrics.head_revision.set(self.head)
        self._listener(happened)
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)

    async def reach(self, revision: int, seconds: float) -> bool:
        """Wait until a revision was handed on, for at most so many seconds; return whether it was."""
        try:
            async with asyncio.timeout(seconds):
                while self.head < revision:
                    if self._moved is None or self._moved.done():
                        self._moved = asyncio.get_running_loop().create_future()
                    self.nudge()
                    await asyncio.shield(self._moved)
        except TimeoutError:
            return False
        return True

    async def read(
        self, after: int, limit: int, scope: Scope | None = None
    ) -> tuple[list[Event], int]:
        """Return events after a revision, and the revision up to which none is missing.

        Args:
            after: The revision after which to begin; not after the head.
            limit: Events at most.
            scope: Leave out other events; None takes all. Events from memory are not left out.

        Raises:
            RevisionCompactedError: The log no longer reaches back so far.
            DatabaseUnavailableError: The database did not answer.
        """
        head = self.head
        if self._ring and self._ring[0].revision <= after + 1:
            start = after + 1 - self._ring[0].revision
            taken = list(islice(self._ring, start, start + limit))
            return taken, taken[-1].revision if taken else after
        (happened, is_all), oldest = await self._database.read(_read_kept, after, limit, scope)
        if after < oldest:
            raise RevisionCompactedError(oldest)
        if not is_all:
            return happened, happened[-1].revision
        # What was committed since is found by the next read.
        return [each for each in happened if each.revision <= head], max(after, head)


def _read_kept(
    conn: Connection, after: int, limit: int, scope: Scope | None
) -> tuple[tuple[list[Event], bool], int]:
    """Return events of the log and the oldest revision to read from, as of one moment."""
    return (
        events.read(conn, after, limit, scope),
        events.position(conn).oldest_revision,
    )
