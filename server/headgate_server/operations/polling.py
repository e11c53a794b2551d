"""Polls: which runs a worker may start, within the limits of the queues and of the pool."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import msgspec

from headgate_server.model.errors import (
    HeadgateError,
    WorkPoolNotFoundError,
    WorkQueueNotFoundError,
)
from headgate_server.model.work_commands import Poll
from headgate_server.model.work_pools import DueRun
from headgate_server.storage import flow_runs, polling
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.polling import PolledPool, PolledQueue, Waiting
from headgate_server.storage.writer import Work, Writer, Written

MOST: Final = 1000
"""Runs that one poll returns at most, and that are taken from one queue and from one pool."""
MARK_RESOLUTION: Final = timedelta(seconds=3)
"""A queue that is polled often is marked as polled no more often than this."""


class MarkPolled(msgspec.Struct, frozen=True):
    """Note that queues were polled."""

    queue_ids: tuple[str, ...]


class Marked(msgspec.Struct, frozen=True):
    """Queues were noted as polled."""


class Polling:
    """Hands runs to workers, and notes whose queues are asked for."""

    def __init__(
        self, database: Database, writer: Writer, *, clock: Callable[[], datetime]
    ) -> None:
        """Make the operation.

        Args:
            database: Where runs are read.
            writer: Where polls are noted.
            clock: Tells the time.
        """
        self._database = database
        self._writer = writer
        self._clock = clock
        self._mark = Work(_mark_all, Marked)
        self._marked: dict[str, datetime] = {}
        self._marking: set[asyncio.Task[None]] = set()

    async def poll(self, command: Poll) -> Sequence[DueRun]:
        """Return the runs that a worker may start: the most urgent queue first, within a queue what is due first.

        Nothing is claimed. That the queues were polled is noted afterwards.

        Raises:
            WorkPoolNotFoundError: There is no such pool.
            WorkQueueNotFoundError: The pool has no queue with one of the names.
        """
        due, queue_ids = await self._database.read(_poll, command)
        self.note(queue_ids)
        return due

    def note(self, queue_ids: Collection[str]) -> None:
        """Note soon that queues were polled, unless that was noted a moment ago."""
        now = self._clock()
        stale = tuple(
            queue_id
            for queue_id in queue_ids
            if queue_id not in self._marked or now - self._marked[queue_id] >= MARK_RESOLUTION
        )
        if stale:
            self._marked = {
                queue_id: time
                for queue_id, time in self._marked.items()
                if now - time < MARK_RESOLUTION
            } | dict.fromkeys(stale, now)
            task = asyncio.create_task(self._write(stale))
            self._marking.add(task)
            task.add_done_callback(self._marking.discard)

    async def _write(self, queue_ids: tuple[str, ...]) -> None:
        # Nobody waits for it: the next poll says it again.
        with suppress(HeadgateError):
            await self._writer.write(self._mark, MarkPolled(queue_ids))


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker may start, as of one moment."""

    pool: PolledPool
    queues: Sequence[PolledQueue]
    """The queues that were asked for."""
    waiting: Sequence[Waiting]
    """In the order in which they are to be started."""


def look(conn: Connection, command: Poll) -> Looked:
    """Return which runs a worker may start.

    Raises:
        WorkPoolNotFoundError: There is no such pool.
        WorkQueueNotFoundError: The pool has no queue with one of the names.
    """
    pool = polling.get_pool(conn, command.work_pool_name)
    if pool is None:
        raise WorkPoolNotFoundError(command.work_pool_name)
    queues = _asked_for(pool, command)
    places, limit = _places(pool, queues, _busy(conn, pool, queues))
    waiting = polling.earliest(
        conn,
        places,
        before=command.scheduled_before,
        after=command.scheduled_after,
        limit=min(limit, command.limit, MOST),
    )
    return Looked(pool=pool, queues=queues, waiting=waiting)


def due_runs(conn: Connection, looked: Looked, *, is_full: bool) -> list[DueRun]:
    """Return what a look has found with the runs themselves, as far as they still stand as it found them."""
    load = flow_runs.load_full if is_full else flow_runs.load_basic
    runs = load(conn, [each.run_id for each in looked.waiting])
    return [
        DueRun(work_pool_id=looked.pool.id, work_queue_id=each.work_queue_id, run=run)
        for each in looked.waiting
        if (run := runs.get(each.run_id)) is not None and run.version == each.version
    ]


def _poll(conn: Connection, command: Poll) -> tuple[list[DueRun], tuple[str, ...]]:
    """Return the runs that a worker may start, and the queues that were asked for."""
    looked = look(conn, command)
    due = due_runs(conn, looked, is_full=command.is_full)
    return due, tuple(queue.id for queue in looked.queues)


def _asked_for(pool: PolledPool, command: Poll) -> Sequence[PolledQueue]:
    """Return the queues that a poll names, the most urgent first; all if it names none."""
    if not command.work_queue_names:
        return pool.queues
    known = {queue.name for queue in pool.queues}
    for name in command.work_queue_names:
        if name not in known:
            raise WorkQueueNotFoundError(work_pool_name=command.work_pool_name, name=name)
    names = set(command.work_queue_names)
    return [queue for queue in pool.queues if queue.name in names]


def _busy(conn: Connection, pool: PolledPool, queues: Sequence[PolledQueue]) -> dict[str, int]:
    """Return how many runs hold places, as far as a limit asks for it."""
    if pool.is_paused:
        return {}
    counted = (
        [queue for queue in queues if queue.concurrency_limit is not None]
        if pool.concurrency_limit is None
        else pool.queues
    )
    return polling.count_busy(conn, [queue.id for queue in counted])


def _places(
    pool: PolledPool, queues: Sequence[PolledQueue], busy: dict[str, int]
) -> tuple[dict[str, int], int]:
    """Return how many runs may be taken from each queue, and how many from all together."""
    if pool.is_paused:
        return {}, 0
    places = {
        queue.id: _free(queue.concurrency_limit, busy.get(queue.id, 0))
        for queue in queues
        if not queue.is_paused
    }
    return places, _free(pool.concurrency_limit, sum(busy.values()))


def _free(limit: int | None, busy: int) -> int:
    """Return how many runs a limit leaves room for."""
    return MOST if limit is None else min(MOST, max(0, limit - busy))


def _mark_all(
    conn: Connection, now: datetime, commands: Sequence[MarkPolled]
) -> list[Written[Marked]]:
    """Note which queues were polled."""
    polling.mark_polled(conn, {each for command in commands for each in command.queue_ids}, now)
    return [Written(Marked()) for _ in commands]


__all__ = ["MARK_RESOLUTION", "MOST", "Looked", "Polling", "due_runs", "look"]
