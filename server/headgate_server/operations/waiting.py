"""Waiting for runs to end, in one call: a watch that is listened to until it ends or the time is up."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

import msgspec

from headgate_server.model.errors import FlowRunNotFoundError, WatchAgedError
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.watch_commands import WaitMode, WatchRuns
from headgate_server.operations.watch import Watching
from headgate_server.storage import flow_runs
from headgate_server.storage.database import Connection, Database


class WaitOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs stand when a wait is over, or when its time is up."""

    done: bool
    """Whether the wait is over; False means that the time was up first."""
    runs: tuple[FlowRun, ...]
    """The runs in the order asked for, in BASIC view."""


class Waiting:
    """Waits for runs."""

    def __init__(self, database: Database, watching: Watching) -> None:
        self._database = database
        self._watching = watching

    async def wait(
        self, flow_run_ids: tuple[str, ...], mode: WaitMode, timeout: timedelta
    ) -> WaitOutcome:
        """Wait until all or any of the runs have ended, or until the time is up.

        Raises:
            FlowRunNotFoundError: One of the runs does not exist, or was deleted meanwhile.
            ServerDrainingError: The server is shutting down.
        """
        runs = await self._database.read(_load, flow_run_ids)
        ended = [run.state is not None and run.state.is_terminal for run in runs]
        done = any(ended) if mode is WaitMode.ANY else all(ended)
        if done or timeout <= timedelta():
            return WaitOutcome(done=done, runs=runs)
        done = await self._end_of_watch(WatchRuns(flow_run_ids=flow_run_ids, until=mode), timeout)
        return WaitOutcome(done=done, runs=await self._database.read(_load, flow_run_ids))

    async def _end_of_watch(self, request: WatchRuns, timeout: timedelta) -> bool:
        """Return whether the runs have ended before the time is up."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                while not await self._has_ended(request):
                    pass
        except TimeoutError:
            return False
        return True

    async def _has_ended(self, request: WatchRuns) -> bool:
        """Listen to a watch until it ends; return whether that was because the runs have ended."""
        async with aclosing(self._watching.flow_runs(request)) as notices:
            try:
                async for _ in notices:
                    pass
            except WatchAgedError:
                # A watch is allowed less time than this wait; the next one begins with how the runs stand then.
                return False
        return True


def _load(conn: Connection, run_ids: Sequence[str]) -> tuple[FlowRun, ...]:
    """Return the runs in the order of their ids."""
    loaded = flow_runs.load(conn, list(run_ids))
    if missing := next((each for each in run_ids if each not in loaded), None):
        raise FlowRunNotFoundError(missing)
    return tuple(loaded[run_id].run for run_id in run_ids)
