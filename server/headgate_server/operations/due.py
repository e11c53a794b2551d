"""Due runs: told to a worker as they become due.

Each look asks the database what a poll would return now, so what is told never exceeds what a poll would return. Between looks
a stream waits for what can change the answer: the next run's time, a change of a run in one of the pool's queues, a change of the
pool or its queues. It remembers which version of which run it has told, until the run moves on.
"""

import random
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

from msgspec.structs import replace

from headgate_server.feed.interests import RunsOfQueues
from headgate_server.feed.subscriptions import Subscription, Subscriptions
from headgate_server.feed.tail import Tail
from headgate_server.model.errors import (
    RevisionCompactedError,
    ServerDrainingError,
    WatchAgedError,
)
from headgate_server.model.work_commands import WatchDue
from headgate_server.model.work_pools import DueNotice, DueRun
from headgate_server.operations.looks import Looks, Seen
from headgate_server.operations.polling import Polling, due_runs
from headgate_server.storage.database import Database
from headgate_server.storage.polling import Waiting

LOOK_SECONDS: Final = 5.0
"""How often it is looked when nothing says that something is there: another server may have changed a pool or a queue."""
MARK_SECONDS: Final = 15.0
"""How often a stream notes that the queues are asked for."""
TOLD_AT_ONCE: Final = 100
"""Runs told between two looks, so that a pause or a limit counts soon, however slowly a worker reads."""
_TIMER_SECONDS: Final = 0.001
"""A timer is early by less than this."""


class DueRuns:
    """Lets workers wait for the runs that they may start."""

    def __init__(
        self,
        database: Database,
        tail: Tail,
        subscriptions: Subscriptions,
        polling: Polling,
        *,
        clock: Callable[[], datetime],
        age: timedelta,
    ) -> None:
        """Make the operation.

        Args:
            database: Where runs are read.
            tail: Knows the head of the log.
            subscriptions: Who is to be told of what.
            polling: Notes whose queues are asked for.
            clock: Tells the time.
            age: How long one stream may last, give or take a tenth.
        """
        self._database = database
        self._tail = tail
        self._subscriptions = subscriptions
        self._polling = polling
        self._clock = clock
        self._looks: WeakValueDictionary[tuple[object, ...], Looks] = WeakValueDictionary()
        self._open: set[Subscription] = set()
        self.age_seconds = age.total_seconds()
        self.is_draining = False
        self.changes = 0
        """How often a pool or a queue was changed on this server."""

    def drain(self) -> None:
        """End every stream, and take no more."""
        self.is_draining = True
        self.notice_change()

    def notice_change(self) -> None:
        """Let every stream look again, for a pool or a queue was changed."""
        self.changes += 1
        for subscription in self._open:
            subscription.wake()

    def watch(self, request: WatchDue) -> AsyncGenerator[DueNotice, None]:
        """Tell of every run that a worker may start, when it becomes one, and once for each version of it.

        Raises:
            WorkPoolNotFoundError: There is no such pool, or no longer.
            WorkQueueNotFoundError: The pool has no queue with one of the names, or no longer.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The stream has lasted as long as it may.
        """
        key = (request.work_pool_name, frozenset(request.work_queue_names), request.prefetch)
        looks = self._looks.get(key)
        if looks is None:
            looks = self._looks[key] = Looks(self._database, request, clock=self._clock)
        return _Stream(self, looks, request).notices()

    @contextmanager
    def subscribed(self, queue_ids: frozenset[str]) -> Iterator[Subscription]:
        """Hold a subscription to what happens from now on to runs in some queues."""
        interest = RunsOfQueues(queue_ids)
        with self._subscriptions.open(interest, self._tail, self._tail.head) as subscription:
            self._open.add(subscription)
            try:
                yield subscription
            finally:
                self._open.discard(subscription)

    async def load(
        self, seen: Seen, waiting: Sequence[Waiting], *, is_full: bool
    ) -> Sequence[DueRun]:
        """Return runs that were seen, as far as they still stand as they were seen."""
        looked = replace(seen.looked, waiting=waiting)
        return await self._database.read(due_runs, looked, is_full=is_full)

    def note_poll(self, seen: Seen) -> None:
        """Note that the queues which a stream looks into are asked for."""
        self._polling.note([queue.id for queue in seen.looked.queues])

    def now(self) -> datetime:
        """Tell the time."""
        return self._clock()


class _Stream:
    """One worker that waits, and what it was told."""

    def __init__(self, due: DueRuns, looks: Looks, request: WatchDue) -> None:
        self._due = due
        self._looks = looks
        self._request = request
        self._told: dict[str, int] = {}
        """The versions of the runs that were told and have not moved on since, by run id."""
        self._passed = get_running_loop().time
        began = self._passed()
        self._ends_at = began + due.age_seconds * random.uniform(0.9, 1.1)  # noqa: S311  only spreads load
        self._progress_at = began
        self._is_up_to_date = False
        """Whether all that was due at the beginning was told, and then that this was all."""
        self._mark_at = began

    async def notices(self) -> AsyncGenerator[DueNotice, None]:
        """Tell of runs until an error ends the stream."""
        seen = await self._looks.look()
        while True:
            queue_ids = seen.all_queues
            # Subscribe first, look second, so that nothing falls between.
            with self._due.subscribed(queue_ids) as subscription:
                await self._hear(subscription, 0)
                changes, seen = self._due.changes, await self._looks.look()
                while seen.all_queues == queue_ids:
                    self._mark(seen)
                    untold = self._untold(seen)
                    async for notice in self._tell(seen, untold):
                        yield notice
                    self._end_if_over()
                    if len(untold) <= TOLD_AT_ONCE and changes == self._due.changes:
                        await self._hear(subscription, self._seconds_to_wait(seen))
                        self._end_if_over()
                    changes, seen = self._due.changes, await self._looks.look()

    def _untold(self, seen: Seen) -> Sequence[Waiting]:
        """Return what was seen and not told before."""
        return [each for each in seen.looked.waiting if self._told.get(each.run_id) != each.version]

    async def _tell(self, seen: Seen, untold: Sequence[Waiting]) -> AsyncGenerator[DueNotice, None]:
        """Tell of the first runs that were not told before; of progress once there is no more."""
        if untold:
            first = untold[:TOLD_AT_ONCE]
            for due in await self._due.load(seen, first, is_full=self._request.is_full):
                self._told[due.run.id] = due.run.version
                if self._is_up_to_date:
                    self._put_progress_off()
                yield DueNotice(time=self._due.now(), due=due)
        if len(untold) <= TOLD_AT_ONCE and self._passed() >= self._progress_at:
            self._is_up_to_date = True
            self._put_progress_off()
            yield DueNotice(time=self._due.now(), next_time=seen.next_time)

    def _put_progress_off(self) -> None:
        self._progress_at = self._passed() + self._request.progress_interval.total_seconds()

    def _mark(self, seen: Seen) -> None:
        """Note now and then that the queues are asked for."""
        if self._passed() >= self._mark_at:
            self._mark_at = self._passed() + MARK_SECONDS
            self._due.note_poll(seen)

    async def _hear(self, subscription: Subscription, seconds: float) -> None:
        """Wait for something to happen, and forget runs that have moved on."""
        try:
            happened = await subscription.take(seconds)
        except RevisionCompactedError:
            # It lagged behind for longer than the log is kept: whoever reads begins anew.
            raise WatchAgedError from None
        for each in happened:
            change = each.event.change
            told = self._told.get(change.flow_run_id)
            if told is not None and (change.after is None or change.after.version > told):
                del self._told[change.flow_run_id]

    def _seconds_to_wait(self, seen: Seen) -> float:
        """Return how long nothing needs to be done unless something happens."""
        waits = [LOOK_SECONDS, *(at - self._passed() for at in (self._progress_at, self._ends_at))]
        if seen.next_time is not None:
            waits.append((seen.next_time - self._due.now()).total_seconds() + _TIMER_SECONDS)
        return max(0.0, min(waits))

    def _end_if_over(self) -> None:
        """End the stream if it is time."""
        if self._due.is_draining:
            raise ServerDrainingError
        if self._passed() >= self._ends_at:
            raise WatchAgedError
