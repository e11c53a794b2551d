"""Waiting for flow runs to end. One waiter for all, which ends by a run's end or by the time.

The end of a stream is never taken for the end of a run: what ends a wait is a run that was read and
found in a terminal state.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from headgate import v1 as pb
from headgate._spans import Span, to_seconds
from headgate._transport import DEFAULT_TIMEOUT
from headgate._watching import FlowRunWatching
from headgate.enums import WaitMode
from headgate.errors import (
    DeadlineExceededError,
    EpochChangedError,
    FlowRunWaitTimeoutError,
    OverloadedError,
    ResumeTokenMismatchError,
    RevisionCompactedError,
    UnavailableError,
    UnimplementedError,
)
from headgate.events import Deleted, Progress, SnapshotComplete
from headgate.models import FlowRun, Id

ResultT = TypeVar("ResultT")

_log = logging.getLogger(__name__)

_DEFAULT_TIMEOUT_SECONDS: Final = 10_800
_DEFAULT_POLL_SECONDS: Final = 5

LOST_POSITION: Final = (EpochChangedError, ResumeTokenMismatchError, RevisionCompactedError)
_PASSING: Final = (UnavailableError, OverloadedError, DeadlineExceededError)


class FlowRunWaiting(FlowRunWatching):
    """Waits for flow runs."""

    async def wait_for_flow_run(
        self,
        flow_run_id: Id,
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        *,
        log_states: bool = False,
        poll_interval: Span = _DEFAULT_POLL_SECONDS,
    ) -> FlowRun:
        """Wait until a flow run has ended, and return it.

        The run is read at least once, however short the timeout. Lost connections and servers that
        restart are waited out. A timeout, or cancelling the wait, leaves the run alone.

        Args:
            flow_run_id: The run.
            timeout: How long to wait at most, in seconds or as a timedelta. None: for ever.
            log_states: Whether to log, at INFO, the state of the run now and with each change.
            poll_interval: How often to ask, if a server or something on the way to it cannot
                stream. Otherwise the end is told at once.

        Returns:
            The run in FULL view, as it was read after its end. How it ended is for the caller to
            see: a run that FAILED is returned like any other.

        Raises:
            FlowRunWaitTimeoutError: The run has not ended in time.
            FlowRunNotFoundError: There is no such run, or it was deleted meanwhile.
            ServerUnreachableError: The server could not be reached in the first place.
            ValueError: The timeout or the interval is negative.

        Example:
            ```python
            run = await client.flow_runs.wait_for_flow_run(flow_run_id, timeout=60)
            print(run.state)
            ```
        """
        [run] = await self.wait_for_flow_runs(
            [flow_run_id], timeout, log_states=log_states, poll_interval=poll_interval
        )
        return run

    async def wait_for_flow_runs(
        self,
        flow_run_ids: Iterable[Id],
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        *,
        mode: WaitMode = WaitMode.ALL,
        log_states: bool = False,
        poll_interval: Span = _DEFAULT_POLL_SECONDS,
    ) -> list[FlowRun]:
        """Wait until all of several flow runs have ended, or any one of them.

        Args:
            flow_run_ids: The runs, at most 1,000.
            timeout: How long to wait at most, in seconds or as a timedelta. None: for ever.
            mode: Which of the runs must have ended.
            log_states: Whether to log, at INFO, the states of the runs now and with each change.
            poll_interval: How often to ask, if there can be no stream.

        Returns:
            With ALL, the runs in the order of their ids. With ANY, the one that ended first. In
            FULL view, as they were read after their end.

        Raises:
            FlowRunWaitTimeoutError: The runs have not ended in time.
            FlowRunNotFoundError: One of the runs does not exist, or was deleted meanwhile.
            ServerUnreachableError: The server could not be reached in the first place.
            ValueError: The timeout or the interval is negative, or any of no runs is waited for.

        Example:
            ```python
            [first] = await client.flow_runs.wait_for_flow_runs(
                flow_run_ids, timeout=60, mode=headgate.WaitMode.ANY
            )
            runs = await client.flow_runs.wait_for_flow_runs(flow_run_ids, timeout=60)
            ```
        """
        ids = list(flow_run_ids)
        ended = self.flow_runs_as_completed(
            ids, timeout, log_states=log_states, poll_interval=poll_interval
        )
        runs: dict[UUID, FlowRun] = {}
        async with aclosing(ended):
            async for run in ended:
                if mode is WaitMode.ANY:
                    return [run]
                runs[run.id] = run
        if mode is WaitMode.ANY:
            message = "Waiting for any of no flow runs would never end."
            raise ValueError(message)
        return [runs[UUID(str(each))] for each in ids]

    async def flow_runs_as_completed(
        self,
        flow_run_ids: Iterable[Id],
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        *,
        log_states: bool = False,
        poll_interval: Span = _DEFAULT_POLL_SECONDS,
    ) -> AsyncGenerator[FlowRun, None]:
        """Yield each of several flow runs as it ends.

        Args:
            flow_run_ids: The runs, at most 1,000; each is yielded once.
            timeout: How long to wait for all, in seconds or as a timedelta. None: for ever.
            log_states: Whether to log, at INFO, the states of the runs now and with each change.
            poll_interval: How often to ask, if there can be no stream.

        Yields:
            The runs in FULL view, as they were read after their end.

        Raises:
            FlowRunWaitTimeoutError: Some runs have not ended in time.
            FlowRunNotFoundError: One of the runs does not exist, or was deleted meanwhile.
            ServerUnreachableError: The server could not be reached in the first place.
            ValueError: The timeout or the interval is negative.

        Example:
            ```python
            async for run in client.flow_runs.flow_runs_as_completed(flow_run_ids, timeout=60):
                print(run.name, run.state)
            ```
        """
        seconds = None if timeout is None else to_seconds(timeout, "timeout")
        poll_seconds = to_seconds(poll_interval, "poll_interval")
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        ids = list(flow_run_ids)
        if not ids:
            return
        log = _StateLog(is_on=log_states)
        runs = {run.id: run for run in (await self.wait(ids, wait_timeout=timedelta())).flow_runs}
        pending = dict.fromkeys(runs)
        for run in runs.values():
            log.look_at(run)
            if run.is_final and (ended := await self.get(run.id)).is_final:
                del pending[run.id]
                yield ended
        ends = self._ends(pending, log, poll_seconds)
        async with aclosing(ends):
            while pending:
                try:
                    async with asyncio.timeout_at(deadline):
                        ended = await anext(ends)
                except TimeoutError:
                    raise FlowRunWaitTimeoutError(tuple(pending), seconds or 0) from None
                del pending[ended.id]
                yield ended

    async def _ends(
        self, pending: Collection[UUID], log: "_StateLog", poll_seconds: float
    ) -> AsyncGenerator[FlowRun, None]:
        """Yield each pending run once it was read and found ended, whatever happens meanwhile."""
        can_stream, rounds = True, 0
        while True:
            hints = (
                self._told(pending, log) if can_stream else self._polled(pending, log, poll_seconds)
            )
            try:
                async with aclosing(hints):
                    async for run_id, revision in hints:
                        run = await self._patiently(
                            partial(self.get, run_id, min_revision=revision)
                        )
                        log.look_at(run)
                        if run.is_final and run.id in pending:
                            yield run
            except UnimplementedError:
                if not can_stream:
                    raise
                can_stream = False
            except LOST_POSITION as error:
                _log.debug("The wait begins a new watch: %s", error)
            rounds += 1
            await asyncio.sleep(self._transport.backoff.seconds(rounds))

    async def _told(
        self, pending: Collection[UUID], log: "_StateLog"
    ) -> AsyncGenerator[tuple[UUID, int], None]:
        """Yield which run seems to have ended or gone, and the revision, as a watch tells it."""
        request = pb.WatchFlowRunsRequest(
            flow_run_ids=[str(each) for each in pending],
            send_initial_state=True,
            until=pb.WATCH_UNTIL_ALL_TERMINAL,
        )
        events = self._watch(request, has_progress=False, is_patient=True)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, SnapshotComplete | Progress):
                    continue
                log.look_at(event.flow_run)
                if event.flow_run.is_final or isinstance(event, Deleted):
                    yield event.flow_run.id, event.revision

    async def _polled(
        self, pending: Collection[UUID], log: "_StateLog", poll_seconds: float
    ) -> AsyncGenerator[tuple[UUID, int], None]:
        """Yield which run seems to have ended, as the server says when it is asked."""
        loop = asyncio.get_running_loop()
        wait_timeout = timedelta(seconds=poll_seconds)
        while True:
            asked_at = loop.time()
            answer = await self._patiently(
                lambda: self.wait(
                    pending,
                    mode=WaitMode.ANY,
                    wait_timeout=wait_timeout,
                    timeout=wait_timeout + DEFAULT_TIMEOUT,
                )
            )
            for run in answer.flow_runs:
                log.look_at(run)
                if run.is_final:
                    yield run.id, 0
            if not answer.done:
                await asyncio.sleep(asked_at + poll_seconds - loop.time())

    async def _patiently(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask until there is an answer, however long the server is away."""
        failures = 0
        while True:
            try:
                return await ask()
            except _PASSING as error:
                failures += 1
                await asyncio.sleep(self._transport.backoff.seconds(failures, error.retry_delay))


class _StateLog:
    """Logs the states of runs, each once."""

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on
        self._versions: dict[UUID, int] = {}

    def look_at(self, run: FlowRun) -> None:
        """Log the state of a run if it is not the one that was logged last."""
        if not self._is_on or self._versions.get(run.id, -1) >= run.version:
            return
        self._versions[run.id] = run.version
        if run.state is None:
            _log.info("Flow run %s has no state yet.", run.id)
        else:
            _log.info("Flow run %s is in state %s.", run.id, run.state)
