"""The writer: every change goes through here, many in one transaction.

While one transaction commits, the next batch gathers; there is no timer, so a lone change waits for nobody. What is
acknowledged is committed. A batch that fails is undone and its members are tried one by one, so that a bad one harms only
itself. The revisions of the log are taken as the last step before the commit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from time import perf_counter
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

import msgspec
from sqlalchemy import Connection

from headgate_server.metrics import Metrics
from headgate_server.model.conflicts import DataConflictError, RequestIdReusedError
from headgate_server.model.errors import (
    DatabaseUnavailableError,
    HeadgateError,
    OverloadedError,
    ServerDrainingError,
)
from headgate_server.model.events import Change, Event
from headgate_server.storage import events
from headgate_server.storage.database import Database
from headgate_server.storage.requests import Requests

A = TypeVar("A")
R = TypeVar("R")

BATCH_SIZE: Final = 200
"""Members of one transaction at most: larger ones gain nothing and make everybody wait."""
ATTEMPTS: Final = 50
"""How often a change that lost a race against another server is tried before its caller is told."""


class Written(msgspec.Struct, Generic[R], frozen=True, gc=False):
    """What became of one member of a batch."""

    value: R
    """The answer. If there are changes it has a field `revision`, which the writer fills in."""
    changes: tuple[Change, ...] = ()
    """What to note in the log, in order."""


class LostRace(msgspec.Struct, frozen=True):
    """Somebody else changed what was looked at: load again and decide anew."""

    refusal: HeadgateError
    """What to tell the caller when it goes on like this."""


Outcome: TypeAlias = Written[R] | HeadgateError | LostRace


class Unfinished(msgspec.Struct, frozen=True):
    """A part of what was asked is done and stays done; the rest waits its turn, so that others come between."""

    rest: object
    """The command that is left. It names the same request as the first, if that named one."""
    changes: tuple[Change, ...] = ()
    """What to note in the log, in order."""


class Work(Generic[A, R]):
    """One kind of change: how many commands of it are carried out at once."""

    def __init__(
        self,
        carry_out: Callable[[Connection, datetime, Sequence[A]], Sequence[Outcome[R] | Unfinished]],
        answer: type[R],
    ) -> None:
        """Name a kind of change.

        Args:
            carry_out: Given the connection of the transaction, the time and the commands, carries them out in order and
                says for each what became of it. What it raises fails all of them. Called in the writer's thread.
            answer: The type of the answers, to recall them for repeated requests.
        """
        self.carry_out = carry_out
        self.answer = answer


class _Member:
    """One change that waits to be written."""

    __slots__ = ("attempts", "command", "future", "work")

    def __init__(self, work: Work[Any, Any], command: object, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.command = command
        self.future = future
        self.attempts = 0


class Writer:
    """Writes changes in batches. One writer per process."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        publish: Callable[[Sequence[Event]], None],
        metrics: Metrics,
        waiting_max: int,
    ) -> None:
        """Make a writer; nothing is written before `run` runs.

        Args:
            database: Where to write.
            clock: Tells the time, once for each transaction.
            publish: Told of the events of each transaction once it is committed, in order.
            metrics: Where sizes and times are noted.
            waiting_max: Changes that may wait at once; more are refused.
        """
        self._database = database
        self._clock = clock
        self._publish = publish
        self._metrics = metrics
        self._waiting_max = waiting_max
        self._waiting: deque[_Member] = deque()
        self._something_waits = asyncio.Event()
        self._is_closed = False

    async def write(self, work: Work[A, R], command: A) -> R:
        """Carry out one command, and return once its effect is committed.

        Raises:
            OverloadedError: Too many changes wait; nothing was done.
            ServerDrainingError: The writer is closed; nothing was done.
            DatabaseUnavailableError: The database did not answer; the change may or may not have been made.
            HeadgateError: Whatever the work refuses with; nothing was done.
        """
        (future,) = self._enqueue(work, [command])
        return await future

    async def write_each(self, work: Work[A, R], commands: Sequence[A]) -> list[R | BaseException]:
        """Carry out commands, each by itself, and return once the last of them is settled.

        They wait side by side, so that they are carried out together as far as a transaction goes. Give no more of them at
        once than go into one transaction, or other changes wait for all of them.

        Returns:
            The answer to each command, or what it failed with.

        Raises:
            OverloadedError: Too many changes wait; nothing was done.
            ServerDrainingError: The writer is closed; nothing was done.
        """
        futures = self._enqueue(work, commands)
        try:
            # Most are settled once the first of them is: to wait for each by itself costs less than to be told of each.
            for future in futures:
                with suppress(Exception):
                    await future
        finally:
            for future in futures:
                future.cancel()
        return [future.exception() or future.result() for future in futures]

    def _enqueue(self, work: Work[A, R], commands: Sequence[A]) -> list[asyncio.Future[R]]:
        """Let commands wait to be carried out; return what tells of each."""
        if self._is_closed:
            raise ServerDrainingError
        if len(self._waiting) >= self._waiting_max:
            raise OverloadedError
        new_future = asyncio.get_running_loop().create_future
        members = [_Member(work, command, new_future()) for command in commands]
        self._waiting += members
        self._something_waits.set()
        return [member.future for member in members]

    async def run(self) -> None:
        """Write what waits, for ever. End it with `close`."""
        while True:
            await self._something_waits.wait()
            self._something_waits.clear()
            while batch := self._next_batch():
                await self._write(batch)
                # Those just answered may have more to write: let them, and the next batch is larger.
                await asyncio.sleep(0)
            if self._is_closed:
                return

    def close(self) -> None:
        """Take no more changes, and let `run` return once those that wait are written."""
        self._is_closed = True
        self._something_waits.set()

    def _next_batch(self) -> list[_Member]:
        """Take the next members off the queue, leaving out those whose callers are gone."""
        batch: list[_Member] = []
        while self._waiting and len(batch) < BATCH_SIZE:
            member = self._waiting.popleft()
            if not member.future.done():
                batch.append(member)
        self._metrics.waiting_writes.set(len(self._waiting))
        return batch

    async def _write(self, batch: list[_Member]) -> None:
        """Write a batch, and one by one what cannot be written together."""
        started = perf_counter()
        transaction = _Transaction(batch, self._clock)
        try:
            happened = await self._database.write(transaction.perform)
        except Exception as error:  # noqa: BLE001  whatever it is belongs to the callers
            await self._settle_failure(batch, error, was_performed=transaction.is_performed)
            return
        self._metrics.commit_seconds.observe(perf_counter() - started)
        self._metrics.batch_size.observe(len(batch))
        if happened:
            self._publish(happened)
        lost = [member for member, outcome in transaction.outcomes if self._settle(member, outcome)]
        self._waiting.extendleft(reversed(lost))

    async def _settle_failure(
        self, batch: list[_Member], error: Exception, *, was_performed: bool
    ) -> None:
        """Try each member alone if the transaction surely left no trace; else tell all of them."""
        is_traceless = not was_performed and not isinstance(error, DatabaseUnavailableError)
        if len(batch) > 1 and is_traceless:
            for member in batch:
                await self._write([member])
            return
        if is_traceless and isinstance(error, DataConflictError):
            # Another server may have written what the checks did not see yet; the next look will.
            if self._settle(batch[0], LostRace(error)):
                self._waiting.appendleft(batch[0])
            return
        for member in batch:
            if not member.future.done():
                member.future.set_exception(error)

    def _settle(self, member: _Member, outcome: Outcome[Any] | Unfinished) -> bool:
        """Tell a caller what became of its change, or let it go on later; return whether it is to try again at once."""
        if isinstance(outcome, Unfinished):
            member.command = outcome.rest
            self._waiting.append(member)
            return False
        if isinstance(outcome, LostRace):
            member.attempts += 1
            self._metrics.lost_races.inc()
            if member.attempts < ATTEMPTS:
                return True
            outcome = outcome.refusal
        if member.future.done():
            return False
        if isinstance(outcome, HeadgateError):
            member.future.set_exception(outcome)
        else:
            member.future.set_result(outcome.value)
        return False


class _Transaction:
    """One batch on its way through the database."""

    def __init__(self, batch: Sequence[_Member], clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._batch = batch
        self._by_work: dict[Work[Any, Any], list[_Member]] = {}
        for member in batch:
            self._by_work.setdefault(member.work, []).append(member)
        self.outcomes: list[tuple[_Member, Outcome[Any] | Unfinished]] = []
        self._repeats: list[tuple[_Member, Outcome[Any] | Unfinished]] = []
        self.is_performed = False
        """Whether everything was done but the commit, so that a failure may hide a success."""

    def perform(self, conn: Connection) -> list[Event]:
        """Do everything but the commit; return the events that it brings."""
        now = self._clock()
        requests = Requests(conn, now, [m.command for m in self._batch])
        for work, members in self._by_work.items():
            fresh = [member for member in members if not self._is_repeat(requests, member)]
            done = work.carry_out(conn, now, [member.command for member in fresh])
            self.outcomes += zip(fresh, done, strict=True)
        happened = self._note_events(conn, now)
        requests.remember(
            [
                (member.command, outcome.value)
                for member, outcome in self.outcomes
                if isinstance(outcome, Written)
            ]
        )
        self.outcomes += self._repeats
        self.is_performed = True
        return happened

    def _is_repeat(self, requests: Requests, member: _Member) -> bool:
        """Return whether a member was answered before, noting that answer."""
        try:
            answered = requests.recall(member.command, member.work.answer)
        except RequestIdReusedError as refusal:
            self._repeats.append((member, refusal))
            return True
        if answered is not None:
            self._repeats.append((member, Written(answered)))
        elif requests.is_taken(member.command):
            # The first of them is in this very batch: look again once it is answered, which may take it several.
            self._repeats.append((member, Unfinished(member.command)))
        else:
            return False
        return True

    def _note_events(self, conn: Connection, now: datetime) -> list[Event]:
        """Write the changes to the log, and their revisions into the answers."""
        groups = [
            (place, outcome)
            for place, (_, outcome) in enumerate(self.outcomes)
            if isinstance(outcome, Written | Unfinished) and outcome.changes
        ]
        happened = events.append(conn, [outcome.changes for _, outcome in groups], now)
        noted = 0
        for place, outcome in groups:
            noted += len(outcome.changes)
            if isinstance(outcome, Unfinished):
                continue
            value = msgspec.structs.replace(
                cast("msgspec.Struct", outcome.value), revision=happened[noted - 1].revision
            )
            self.outcomes[place] = (self.outcomes[place][0], Written(value, outcome.changes))
        return happened
