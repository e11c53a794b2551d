"""Subscriptions: events on their way to watchers.

A subscription is fed in one of two ways. While it keeps up, events are pushed into a short queue. When the queue is full, or
at the beginning, it is behind: it reads the log by itself until it has met the head. So nobody waits for a slow watcher,
nothing is dropped and nothing grows without bound.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from headgate_server.feed.interests import Interest, runs_of
from headgate_server.feed.tail import READ_SIZE, Tail
from headgate_server.metrics import Metrics
from headgate_server.model.events import Event
from headgate_server.model.watching import NoticeKind

PENDING_MAX: Final = 256
"""Events that wait for one watcher before it has to read the log by itself."""
PENDING_BYTES: Final = 4 * 1024 * 1024
"""Likewise, about how many bytes."""


class Told(msgspec.Struct, frozen=True):
    """An event that concerns a watcher, and how."""

    event: Event
    kind: NoticeKind


class Subscription:
    """What one watcher has not been told yet."""

    def __init__(self, interest: Interest, tail: Tail, position: int, metrics: Metrics) -> None:
        self.interest = interest
        self.position = position
        """Every event up to this revision that concerns the watcher has been taken."""
        self._tail = tail
        self._metrics = metrics
        self._pending: deque[Told] = deque()
        self._pending_bytes = 0
        self._is_behind = True
        self._waiter: asyncio.Future[None] | None = None

    def push(self, told: Told) -> None:
        """Offer an event; a subscription that is behind finds it in the log instead."""
        if self._is_behind:
            return
        self._pending.append(told)
        self._pending_bytes += told.event.weight
        if len(self._pending) > PENDING_MAX or self._pending_bytes > PENDING_BYTES:
            self._forget_pending()
            self._is_behind = True
        self.wake()

    def wake(self) -> None:
        """End the present wait, if there is one."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, seconds: float) -> Sequence[Told]:
        """Return the next events in order; none if nothing comes for so many seconds, or on `wake`.

        Raises:
            RevisionCompactedError: The log no longer reaches back to the position.
            DatabaseUnavailableError: The database did not answer.
        """
        if not self._is_behind and not self._pending:
            await self._wait(seconds)
        if self._is_behind:
            return await self._read_log()
        taken = [told for told in self._pending if told.event.revision > self.position]
        self._forget_pending()
        # Whatever concerns the watcher up to the head was in the queue.
        self.position = max(self.position, self._tail.head)
        return taken

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_bytes = 0

    async def _wait(self, seconds: float) -> None:
        """Wait for something to be pushed."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def _read_log(self) -> Sequence[Told]:
        """Take events from the log; once that has nothing more, be fed by pushes again."""
        if self.position < self._tail.head:
            with self._metrics.catching_up_watchers.track_inprogress():
                happened, position = await self._tail.read(
                    self.position, READ_SIZE, runs_of(self.interest)
                )
        else:
            happened, position = [], self.position
        self.position = position
        # Between this look at the head and the next push nothing else runs.
        self._is_behind = position < self._tail.head
        return [told for event in happened if (told := judged(self.interest, event))]


class Subscriptions:
    """Who is to be told of what."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._groups: dict[Interest, set[Subscription]] = {}
        self._by_run: dict[str, set[Interest]] = {}
        self._broad: set[Interest] = set()

    @contextmanager
    def open(self, interest: Interest, tail: Tail, position: int) -> Iterator[Subscription]:
        """Hold a subscription to everything after a revision that concerns an interest."""
        subscription = Subscription(interest, tail, position, self._metrics)
        self._add(subscription)
        self._metrics.watchers.inc()
        try:
            yield subscription
        finally:
            self._metrics.watchers.dec()
            self._remove(subscription)

    def deliver(self, happened: Sequence[Event]) -> None:
        """Offer new events to everybody whom they concern. Equal interests are judged once."""
        for event in happened:
            narrow = self._by_run.get(event.change.flow_run_id, ())
            for interest in (*narrow, *self._broad):
                if told := judged(interest, event):
                    for subscription in self._groups[interest]:
                        subscription.push(told)

    def wake_all(self) -> None:
        """End the present wait of everybody."""
        for group in self._groups.values():
            for subscription in group:
                subscription.wake()

    def _add(self, subscription: Subscription) -> None:
        interest = subscription.interest
        group = self._groups.setdefault(interest, set())
        group.add(subscription)
        runs = runs_of(interest)
        if runs is None:
            self._broad.add(interest)
        else:
            for run_id in runs:
                self._by_run.setdefault(run_id, set()).add(interest)

    def _remove(self, subscription: Subscription) -> None:
        interest = subscription.interest
        group = self._groups[interest]
        group.discard(subscription)
        if group:
            return
        del self._groups[interest]
        self._broad.discard(interest)
        for run_id in runs_of(interest) or ():
            interests = self._by_run[run_id]
            interests.discard(interest)
            if not interests:
                del self._by_run[run_id]


def judged(interest: Interest, event: Event) -> Told | None:
    """Return what to tell of an event; None if it does not concern the interest."""
    runs = runs_of(interest)
    if runs is not None and event.change.flow_run_id not in runs:
        return None
    kind = interest.judge(event)
    return None if kind is None else Told(event, kind)
