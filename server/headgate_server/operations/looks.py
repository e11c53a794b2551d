"""Looks at what a worker may start, shared by all who ask for the same."""

import asyncio
from asyncio import get_running_loop
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from headgate_server.model.work_commands import Poll, WatchDue
from headgate_server.operations.polling import Looked, look
from headgate_server.storage import polling
from headgate_server.storage.database import Connection, Database

BETWEEN_SECONDS: Final = 0.05
"""However much happens, those who ask for the same look no more often than this, and together."""

IN_HAND: Final = 200
"""Runs at most that one stream has told and nobody has claimed: those who are told more than they claim wait for others."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may start as of one moment, and when there will be more."""

    looked: Looked
    next_time: datetime | None
    """When the next run that is known is to be told; None if there is none."""

    @property
    def all_queues(self) -> frozenset[str]:
        """The queues of the pool: what holds a place in one of them counts, whichever were asked for."""
        return frozenset(queue.id for queue in self.looked.pool.queues)


class Looks:
    """Looks for all streams that ask for the same: one look at a time, and those that come meanwhile share the next."""

    def __init__(
        self, database: Database, request: WatchDue, *, clock: Callable[[], datetime]
    ) -> None:
        """Make looks.

        Args:
            database: Where it is looked.
            request: What is asked for. How it is told does not matter.
            clock: Tells the time.
        """
        self._database = database
        self._request = request
        self._clock = clock
        self._next: asyncio.Task[Seen] | None = None
        self._turn = asyncio.Lock()
        self._last = float("-inf")

    async def look(self) -> Seen:
        """Return what a worker may start, as of now or later.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: The pool has no queue with one of the names.
            DatabaseUnavailableError: The database did not answer.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look())
            self._next.add_done_callback(_retrieve)
        # One stream that ends does not take the look away from the others.
        return await asyncio.shield(self._next)

    async def _look(self) -> Seen:
        """Wait for the look under way, and then look for all who have asked until now."""
        async with self._turn:
            rest = self._last + BETWEEN_SECONDS - get_running_loop().time()
            await asyncio.sleep(max(0.0, rest))
            self._next = None
            self._last = get_running_loop().time()
            return await self._database.read(_see, self._request, self._clock())


def _retrieve(task: asyncio.Task[Seen]) -> None:
    """Take note of how a look ended: those who waited for it may all be gone."""
    if not task.cancelled():
        task.exception()


def _see(conn: Connection, request: WatchDue, now: datetime) -> Seen:
    """Return what a worker may start at a time, and when there will be more."""
    tells_by = now + request.prefetch
    poll = Poll(
        work_pool_name=request.work_pool_name,
        work_queue_names=request.work_queue_names,
        scheduled_before=tells_by,
        limit=IN_HAND,
    )
    looked = look(conn, poll)
    open_queues = [
        queue.id for queue in looked.queues if not (queue.is_paused or looked.pool.is_paused)
    ]
    due_time = polling.next_time(conn, open_queues, tells_by)
    return Seen(looked=looked, next_time=None if due_time is None else due_time - request.prefetch)
