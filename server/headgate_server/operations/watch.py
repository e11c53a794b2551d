"""Watches: the changes that concern a caller, in order and without a gap, from wherever it stopped.

A watch is a position in the log. It reads what lies between there and the head, and goes on with what is pushed to it. A
snapshot is read in one moment together with the revision that it shows, and the watch goes on from that one.
"""

import random
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

from headgate_server.feed.interests import InputsOf, Interest, RunsById, RunsByQuery
from headgate_server.feed.positions import Position, Tokens
from headgate_server.feed.subscriptions import Subscription, Subscriptions, Told
from headgate_server.feed.tail import Tail
from headgate_server.model.commands import WaitMode, WatchInputs, WatchRuns
from headgate_server.model.errors import (
    FlowRunNotFoundError,
    RevisionCompactedError,
    ServerDrainingError,
    WatchAgedError,
)
from headgate_server.model.events import Event, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.paging import PageRequest
from headgate_server.model.watching import Notice, NoticeKind
from headgate_server.storage import events, flow_run_lists, flow_runs, input_lists
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.events import LogPosition

SNAPSHOT_PAGE: Final = 500
"""Runs or inputs read at a time for a snapshot."""


class Watching:
    """Lets callers watch runs and inputs."""

    def __init__(
        self,
        database: Database,
        tail: Tail,
        subscriptions: Subscriptions,
        *,
        clock: Callable[[], datetime],
        age: timedelta,
    ) -> None:
        """Make the operation.

        Args:
            database: Where snapshots and old events are read.
            tail: Knows the head of the log.
            subscriptions: Who is to be told of what.
            clock: Tells the time.
            age: How long one watch may last, give or take a tenth.
        """
        self._database = database
        self._tail = tail
        self._subscriptions = subscriptions
        self._clock = clock
        self._age_seconds = age.total_seconds()
        self._is_draining = False

    def drain(self) -> None:
        """End every watch, with a last token, and take no more."""
        self._is_draining = True
        self._subscriptions.wake_all()

    async def flow_runs(self, request: WatchRuns) -> AsyncGenerator[Notice, None]:
        """Tell of every change of the runs that are watched.

        Raises:
            ResumeTokenMismatchError: The token is not one of this watch.
            EpochChangedError: The token comes from another database.
            RevisionCompactedError: The log no longer reaches back to the token.
            FlowRunNotFoundError: A run that is named does not exist, and there is no token.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The watch has lasted as long as it may.
        """
        named = request.flow_run_ids
        interest: Interest = RunsById(frozenset(named)) if named else RunsByQuery(request.query)
        log, runs = await self._database.read(_begin, named)
        tokens = Tokens(interest, log)
        resumed = _resumed(tokens, request.resume_token, log)
        if resumed is None and (
            missing := next((each for each in named if each not in runs), None)
        ):
            raise FlowRunNotFoundError(missing)
        start = log.revision if resumed is None else resumed.revision
        if _wants_snapshot(request.send_initial_state, resumed):
            async with aclosing(self._snapshot_of_runs(request, tokens, log, runs)) as notices:
                async for notice in notices:
                    yield notice
                    start = notice.revision
        elif resumed is None:
            # Whoever is cut off before anything happens has a position to go on from.
            yield self._progress(tokens, start)
        until = _Until(request, log.revision, runs) if request.until else None
        with self._subscriptions.open(interest, self._tail, start) as subscription:
            async with aclosing(self._follow(subscription, tokens, request, until)) as notices:
                async for notice in notices:
                    yield notice

    async def inputs(self, request: WatchInputs) -> AsyncGenerator[Notice, None]:
        """Tell of every input that is created for or deleted from a run.

        Raises:
            FlowRunNotFoundError: The run does not exist, or was deleted meanwhile.
            ResumeTokenMismatchError: The token is not one of this watch.
            EpochChangedError: The token comes from another database.
            RevisionCompactedError: The log no longer reaches back to the token.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The watch has lasted as long as it may.
        """
        interest = InputsOf(request.flow_run_id, request.key_prefix)
        log, runs = await self._database.read(_begin, (request.flow_run_id,))
        tokens = Tokens(interest, log)
        resumed = _resumed(tokens, request.resume_token, log)
        if resumed is None and not runs:
            raise FlowRunNotFoundError(request.flow_run_id)
        start = log.revision if resumed is None else resumed.revision
        if _wants_snapshot(request.send_initial_state, resumed):
            async with aclosing(self._snapshot_of_inputs(request, tokens)) as notices:
                async for notice in notices:
                    yield notice
                    start = notice.revision
        elif resumed is None:
            # Whoever is cut off before anything happens has a position to go on from.
            yield self._progress(tokens, start)
        with self._subscriptions.open(interest, self._tail, start) as subscription:
            async with aclosing(self._follow(subscription, tokens, request, None)) as notices:
                async for notice in notices:
                    if notice.event and notice.event.change.kind is EventKind.RUN_DELETED:
                        raise FlowRunNotFoundError(request.flow_run_id)
                    yield notice

    async def _snapshot_of_runs(
        self, request: WatchRuns, tokens: Tokens, log: LogPosition, runs: dict[str, FlowRun]
    ) -> AsyncGenerator[Notice, None]:
        """Tell how the runs stand, and then of which revision that is."""
        if request.flow_run_ids:
            for run_id in dict.fromkeys(request.flow_run_ids):
                if run_id in runs:
                    yield self._snapshot(tokens, log, flow_run=runs[run_id])
        else:
            # One transaction, so that all pages show the same moment.
            async with self._database.snapshot() as conn:
                log = await conn.run_sync(events.position)
                after: str | None = None
                while page := await conn.run_sync(
                    flow_run_lists.iter_matching, request.query, after, SNAPSHOT_PAGE
                ):
                    for run in page:
                        yield self._snapshot(tokens, log, flow_run=run)
                    after = page[-1].id
        yield self._snapshot_complete(tokens, log)

    async def _snapshot_of_inputs(
        self, request: WatchInputs, tokens: Tokens
    ) -> AsyncGenerator[Notice, None]:
        """Tell which inputs there are, and then of which revision that is."""
        async with self._database.snapshot() as conn:
            log = await conn.run_sync(events.position)
            if not await conn.run_sync(flow_runs.load_basic, [request.flow_run_id]):
                # It went after the watch began or after its token was made: nothing would ever tell of it.
                raise FlowRunNotFoundError(request.flow_run_id)
            page_token = ""
            while True:
                page = await conn.run_sync(
                    input_lists.list_inputs,
                    request.flow_run_id,
                    request.key_prefix,
                    (),
                    PageRequest(size=SNAPSHOT_PAGE, token=page_token),
                )
                for kept in page.items:
                    yield self._snapshot(tokens, log, input=kept)
                page_token = page.next_token
                if not page_token:
                    break
        yield self._snapshot_complete(tokens, log)

    async def _follow(
        self,
        subscription: Subscription,
        tokens: Tokens,
        request: WatchRuns | WatchInputs,
        until: "_Until | None",
    ) -> AsyncGenerator[Notice, None]:
        """Tell of what comes after the position of a subscription."""
        now = get_running_loop().time
        interval = request.progress_interval.total_seconds()
        latest_only = isinstance(request, WatchRuns) and request.latest_only
        ends_at = now() + self._age_seconds * random.uniform(0.9, 1.1)  # noqa: S311  only spreads load
        tells_at = now() + interval
        groups = _Groups(tokens, subscription.position)
        while not (until and until.is_met(subscription.position)):
            is_over = self._is_draining or now() >= ends_at
            if is_over or now() >= tells_at:
                yield self._progress(tokens, groups.position)
                tells_at = now() + interval
            if self._is_draining:
                raise ServerDrainingError(tokens.at(groups.position))
            if is_over:
                raise WatchAgedError(tokens.at(groups.position))
            taken = await subscription.take(min(tells_at, ends_at) - now())
            for notice in groups.notices(taken, subscription.position, latest_only=latest_only):
                yield notice
                tells_at = now() + interval
                if until and notice.event and until.is_met_by(notice.event):
                    yield self._progress(tokens, notice.event.revision)
                    return
        yield self._progress(tokens, subscription.position)

    def _progress(self, tokens: Tokens, revision: int) -> Notice:
        return Notice(
            kind=NoticeKind.PROGRESS,
            resume_token=tokens.at(revision),
            revision=revision,
            time=self._clock(),
        )

    def _snapshot(
        self,
        tokens: Tokens,
        log: LogPosition,
        *,
        flow_run: FlowRun | None = None,
        input: FlowRunInput | None = None,
    ) -> Notice:
        return Notice(
            kind=NoticeKind.SNAPSHOT,
            resume_token=tokens.in_snapshot(log.revision),
            revision=log.revision,
            time=self._clock(),
            flow_run=flow_run,
            input=input,
        )

    def _snapshot_complete(self, tokens: Tokens, log: LogPosition) -> Notice:
        return Notice(
            kind=NoticeKind.SNAPSHOT_COMPLETE,
            resume_token=tokens.at(log.revision),
            revision=log.revision,
            time=self._clock(),
        )


class _Groups:
    """Turns events into notices, and marks those that belong together."""

    def __init__(self, tokens: Tokens, position: int) -> None:
        self._tokens = tokens
        self._held: Told | None = None
        self._held_is_coalesced = False
        self.position = position
        """Everything up to this revision has been told."""

    def notices(
        self, taken: Sequence[Told], position: int, *, latest_only: bool
    ) -> Iterator[Notice]:
        """Return the notices of some events.

        Args:
            taken: The events, in order.
            position: Everything up to this revision has now been taken.
            latest_only: Whether to skip the events of runs that have later ones here.
        """
        last = {told.event.change.flow_run_id: told for told in taken} if latest_only else {}
        skipped: set[str] = set()
        for told in taken:
            run_id = told.event.change.flow_run_id
            if last.get(run_id, told) is not told:
                skipped.add(run_id)
                continue
            if self._held is not None:
                more_follows = told.event.revision <= self._held.event.last_revision
                yield self._notice(self._held, is_fragment=more_follows)
            self._held, self._held_is_coalesced = told, run_id in skipped
        if self._held is not None and self._held.event.last_revision <= position:
            yield self._notice(self._held, is_fragment=False)
            self._held = None
        if self._held is None:
            self.position = max(self.position, position)

    def _notice(self, told: Told, *, is_fragment: bool) -> Notice:
        self.position = told.event.revision
        return Notice(
            kind=told.kind,
            resume_token=self._tokens.at(told.event.revision),
            event=told.event,
            is_fragment=is_fragment,
            is_coalesced=self._held_is_coalesced,
        )


class _Until:
    """When a watch of named runs is over."""

    def __init__(self, request: WatchRuns, revision: int, runs: dict[str, FlowRun]) -> None:
        """Begin with how the runs stood at a revision; a run that is not there has ended."""
        self._mode = request.until
        self._named = frozenset(request.flow_run_ids)
        self._revision = revision
        self._ended = {each for each in self._named if _has_ended(runs.get(each))}

    def is_met_by(self, event: Event) -> bool:
        """Note an event, and return whether the watch is over with it."""
        if event.revision > self._revision:
            run_id = event.change.flow_run_id
            if _has_ended(event.change.after):
                self._ended.add(run_id)
            else:
                self._ended.discard(run_id)
        return self.is_met(event.revision)

    def is_met(self, position: int) -> bool:
        """Return whether the watch is over once everything up to a revision was told."""
        if position < self._revision:
            return False
        enough = 1 if self._mode is WaitMode.ANY else len(self._named)
        return len(self._ended) >= enough


def _has_ended(run: FlowRun | None) -> bool:
    """Return whether a run is in a terminal state or does not exist."""
    return run is None or (run.state is not None and run.state.is_terminal)


def _begin(conn: Connection, run_ids: Sequence[str]) -> tuple[LogPosition, dict[str, FlowRun]]:
    """Return where the log stands and how runs stand, as of one moment."""
    loaded = flow_runs.load(conn, run_ids) if run_ids else {}
    return events.position(conn), {run_id: each.run for run_id, each in loaded.items()}


def _resumed(tokens: Tokens, token: str, log: LogPosition) -> Position | None:
    """Return the position that a token tells; None without one."""
    if not token:
        return None
    position = tokens.read(token)
    if position.is_in_snapshot:
        return position
    if position.revision < log.oldest_revision:
        raise RevisionCompactedError(log.oldest_revision)
    return position


def _wants_snapshot(send_initial_state: bool, resumed: Position | None) -> bool:  # noqa: FBT001
    """Return whether a watch begins with a snapshot."""
    return send_initial_state if resumed is None else resumed.is_in_snapshot
