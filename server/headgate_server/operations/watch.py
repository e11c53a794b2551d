"""Watches: the changes that concern a caller, in order and without a gap, from wherever it stopped.

A watch is a position in the log. It reads what lies between there and the head, and goes on with what is pushed to it. A
snapshot is read in one moment together with the revision that it shows, and the watch goes on from that one.
"""

import random
from asyncio import get_running_loop
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from headgate_server.feed.interests import Interest, RunsByQuery, TaskRunsByQuery
from headgate_server.feed.positions import Position, Tokens
from headgate_server.feed.subscriptions import Subscription, Subscriptions
from headgate_server.feed.tail import Tail
from headgate_server.model.errors import (
    FlowRunNotFoundError,
    RevisionCompactedError,
    ServerDrainingError,
    WatchAgedError,
)
from headgate_server.model.events import EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.watch_commands import Watch, WatchInputs, WatchRuns, WatchTaskRuns
from headgate_server.model.watching import Notice, NoticeKind
from headgate_server.operations.related import RelatedEvents, Relations
from headgate_server.operations.watch_beginnings import Beginnings
from headgate_server.operations.watch_end import Until
from headgate_server.operations.watch_groups import Groups
from headgate_server.operations.watched import (
    Run,
    Shown,
    Watched,
    WatchedInputs,
    WatchedRuns,
    WatchedTaskRuns,
)
from headgate_server.storage import events
from headgate_server.storage.database import Database
from headgate_server.storage.events import LogPosition

_Related: TypeAlias = RelatedEvents[Any]
_Relations: TypeAlias = Relations[Any]


class Watching:
    """Lets callers watch runs, task runs and inputs."""

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
            database: Where snapshots, old events and relations are read.
            tail: Knows the head of the log.
            subscriptions: Who is to be told of what.
            clock: Tells the time.
            age: How long one watch may last, give or take a tenth.
        """
        self._database = database
        self._tail = tail
        self._subscriptions = subscriptions
        self._beginnings = Beginnings(database)
        # Those who watch the same ask for the same relations.
        self._relations: WeakValueDictionary[Interest, _Relations] = WeakValueDictionary()
        self._clock = clock
        self._age_seconds = age.total_seconds()
        self._is_draining = False

    def drain(self) -> None:
        """End every watch, with a last token, and take no more."""
        self._is_draining = True
        self._subscriptions.wake_all()

    def flow_runs(self, request: WatchRuns) -> AsyncGenerator[Notice, None]:
        """Tell of every change of the runs that are watched.

        Raises:
            ResumeTokenMismatchError: The token is not one of this watch.
            EpochChangedError: The token comes from another database.
            RevisionCompactedError: The log no longer reaches back to the token.
            FlowRunNotFoundError: A run that is named does not exist, and there is no token.
            DatabaseUnavailableError: The database did not answer.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The watch has lasted as long as it may.
        """
        return self._tell(WatchedRuns(request), request)

    def task_runs(self, request: WatchTaskRuns) -> AsyncGenerator[Notice, None]:
        """Tell of every change of the task runs that are watched.

        Raises:
            ResumeTokenMismatchError: The token is not one of this watch.
            EpochChangedError: The token comes from another database.
            RevisionCompactedError: The log no longer reaches back to the token.
            FlowRunNotFoundError: A flow run that is named does not exist, and there is no token.
            TaskRunNotFoundError: A task run that is named does not exist, and there is no token.
            DatabaseUnavailableError: The database did not answer.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The watch has lasted as long as it may.
        """
        return self._tell(WatchedTaskRuns(request), request)

    async def inputs(self, request: WatchInputs) -> AsyncGenerator[Notice, None]:
        """Tell of every input that is created for or deleted from a run.

        Raises:
            FlowRunNotFoundError: The run does not exist, or was deleted meanwhile.
            ResumeTokenMismatchError: The token is not one of this watch.
            EpochChangedError: The token comes from another database.
            RevisionCompactedError: The log no longer reaches back to the token.
            DatabaseUnavailableError: The database did not answer.
            ServerDrainingError: The server is shutting down.
            WatchAgedError: The watch has lasted as long as it may.
        """
        async with aclosing(self._tell(WatchedInputs(request), request)) as notices:
            async for notice in notices:
                if notice.event and notice.event.change.kind is EventKind.RUN_DELETED:
                    raise FlowRunNotFoundError(request.flow_run_id)
                yield notice

    async def _tell(self, watched: Watched, request: Watch) -> AsyncGenerator[Notice, None]:
        """Tell of everything that concerns a watch, from its beginning or from its token on."""
        beginning = await self._beginnings.of(watched)
        log, found = beginning.log, beginning.found
        tokens = Tokens(watched.interest, log)
        resumed = _resumed(tokens, request.resume_token, log)
        if resumed is None and (
            missing := next((each for each in watched.named if each not in found), None)
        ):
            raise watched.missing(missing)
        is_first = resumed is None or resumed.is_in_snapshot
        related = self._related(watched.interest, is_first=is_first)
        start = log.revision if resumed is None else resumed.revision
        if request.send_initial_state if resumed is None else resumed.is_in_snapshot:
            async with aclosing(self._snapshot(watched, tokens, log, found, related)) as notices:
                async for notice in notices:
                    yield notice
                    start = notice.revision
        elif resumed is None:
            # Whoever is cut off before anything happens has a position to go on from.
            yield self._progress(tokens, start)
        until = Until(request.until, watched.named, log.revision, found) if request.until else None
        with self._subscriptions.open(watched.interest, self._tail, start) as subscription:
            following = self._follow(subscription, tokens, request, related, until)
            async with aclosing(following) as notices:
                async for notice in notices:
                    yield notice

    async def _snapshot(
        self,
        watched: Watched,
        tokens: Tokens,
        log: LogPosition,
        found: Mapping[str, Run],
        related: _Related | None,
    ) -> AsyncGenerator[Notice, None]:
        """Tell how everything stands, and then of which revision that is."""
        if watched.is_named:
            for named_id in dict.fromkeys(watched.named):
                if named_id in found:
                    yield self._shown(tokens, log, found[named_id])
        else:
            # One transaction, so that all pages show the same moment.
            async with self._database.snapshot() as conn:
                log = await conn.run_sync(events.position)
                token, is_over = "", False
                while not is_over:
                    page, token = await conn.run_sync(watched.page, token)
                    for shown in page:
                        if related:
                            related.remember(shown.id)
                        yield self._shown(tokens, log, shown)
                    is_over = not token
        yield Notice(
            kind=NoticeKind.SNAPSHOT_COMPLETE,
            resume_token=tokens.at(log.revision),
            revision=log.revision,
            time=self._clock(),
        )

    async def _follow(
        self,
        subscription: Subscription,
        tokens: Tokens,
        request: Watch,
        related: _Related | None,
        until: Until | None,
    ) -> AsyncGenerator[Notice, None]:
        """Tell of what comes after the position of a subscription."""
        now = get_running_loop().time
        interval = request.progress_interval.total_seconds()
        ends_at = now() + self._age_seconds * random.uniform(0.9, 1.1)  # noqa: S311  only spreads load
        tells_at = now() + interval
        groups = Groups(tokens, subscription.position)
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
            if related:
                taken = await related.judge(taken)
            for notice in groups.notices(
                taken, subscription.position, latest_only=request.latest_only
            ):
                yield notice
                tells_at = now() + interval
                if until and notice.event and until.is_met_by(notice.event):
                    yield self._progress(tokens, notice.event.revision)
                    return
        yield self._progress(tokens, subscription.position)

    def _related(self, interest: Interest, *, is_first: bool) -> _Related | None:
        """Return what judges the events of a watch by relations; None if they do not matter."""
        if not isinstance(interest, RunsByQuery | TaskRunsByQuery):
            return None
        if not interest.asks_for_relations:
            return None
        relations = self._relations.get(interest)
        if relations is None:
            relations = self._relations[interest] = _Relations(interest, self._database)
        return RelatedEvents(relations, is_first=is_first)

    def _progress(self, tokens: Tokens, revision: int) -> Notice:
        return Notice(
            kind=NoticeKind.PROGRESS,
            resume_token=tokens.at(revision),
            revision=revision,
            time=self._clock(),
        )

    def _shown(self, tokens: Tokens, log: LogPosition, shown: Shown) -> Notice:
        return Notice(
            kind=NoticeKind.SNAPSHOT,
            resume_token=tokens.in_snapshot(log.revision),
            revision=log.revision,
            time=self._clock(),
            flow_run=shown if isinstance(shown, FlowRun) else None,
            task_run=shown if isinstance(shown, TaskRun) else None,
            input=shown if isinstance(shown, FlowRunInput) else None,
        )


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
