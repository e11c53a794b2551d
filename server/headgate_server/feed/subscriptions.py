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

from headgate_server.feed.interests import Interest
from headgate_server.feed.tail import READ_SIZE, Tail
from headgate_server.metrics import Metrics
from headgate_server.model.events import Change, Event
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
                    self.position, READ_SIZE, self.interest.scope
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
        self._routes = {is_of_task_runs: _Routes() for is_of_task_runs in (False, True)}

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

    @property
    def count(self) -> int:
        """How many are open."""
        return sum(map(len, self._groups.values()))

    def deliver(self, happened: Sequence[Event]) -> None:
        """Offer new events to everybody whom they concern. Equal interests are judged once."""
        for event in happened:
            change = event.change
            for interest in self._routes[change.task_run_id is not None].interests_in(change):
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
        if interest not in self._groups:
            self._groups[interest] = set()
            self._routes[interest.scope.of_task_runs].add(interest)
        self._groups[interest].add(subscription)

    def _remove(self, subscription: Subscription) -> None:
        interest = subscription.interest
        group = self._groups[interest]
        group.discard(subscription)
        if not group:
            del self._groups[interest]
            self._routes[interest.scope.of_task_runs].remove(interest)


class _Routes:
    """Finds the interests that an event may concern, without asking each."""

    def __init__(self) -> None:
        self._by_run: dict[str, set[Interest]] = {}
        self._by_task_run: dict[str, set[Interest]] = {}
        self._broad: set[Interest] = set()

    def interests_in(self, change: Change) -> Iterator[Interest]:
        """Yield each interest that a change may concern once."""
        yield from self._by_run.get(change.flow_run_id, ())
        if self._by_task_run:
            yield from self._by_task_run.get(change.task_run_id or "", ())
        yield from self._broad

    def add(self, interest: Interest) -> None:
        """Find this interest from now on."""
        index, ids = self._index_of(interest)
        if index is None:
            self._broad.add(interest)
            return
        for subject_id in ids:
            index.setdefault(subject_id, set()).add(interest)

    def remove(self, interest: Interest) -> None:
        """Find this interest no longer."""
        index, ids = self._index_of(interest)
        if index is None:
            self._broad.discard(interest)
            return
        for subject_id in ids:
            interests = index[subject_id]
            interests.discard(interest)
            if not interests:
                del index[subject_id]

    def _index_of(
        self, interest: Interest
    ) -> tuple[dict[str, set[Interest]] | None, frozenset[str]]:
        """Return where an interest is found, and under which ids; None among those that take all."""
        scope = interest.scope
        if scope.task_run_ids is not None:
            return self._by_task_run, scope.task_run_ids
        if scope.flow_run_ids is not None:
            return self._by_run, scope.flow_run_ids
        return None, frozenset()


def judged(interest: Interest, event: Event) -> Told | None:
    """Return what to tell of an event; None if it does not concern the interest."""
    if not interest.scope.covers(event.change):
        return None
    kind = interest.judge(event)
    return None if kind is None else Told(event, kind)
