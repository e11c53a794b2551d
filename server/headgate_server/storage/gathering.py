"""Reads of single runs, gathered: while one query is under way, the ids asked for meanwhile wait for the next.

A lone caller is served at once. Many callers share a transaction, a statement and the change of threads that it costs.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from headgate_server.model.flow_runs import FlowRun
from headgate_server.storage import flow_runs
from headgate_server.storage.database import Database

_QUIET_TURNS: Final = 8
"""A turn takes a few microseconds where nothing happens, a query some hundred."""


class Gathering:
    """Reads runs by id, many with one query."""

    def __init__(self, database: Database, *, is_full: bool) -> None:
        """Make a reader of one view: FULL, or else BASIC."""
        self._database = database
        self._load = flow_runs.load_full if is_full else flow_runs.load_basic
        self._next: asyncio.Task[Mapping[str, FlowRun]] | None = None
        self._ids: list[str] = []
        self._turn = asyncio.Lock()

    async def get(self, run_id: str) -> FlowRun | None:
        """Return a run as it stands now or later; None if there is none.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        self._ids.append(run_id)
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        # One caller that gives up does not take the query away from the others.
        found = await asyncio.shield(self._next)
        return found.get(run_id)

    async def _read(self) -> Mapping[str, FlowRun]:
        """Wait for the query under way, then read all that was asked for until now."""
        async with self._turn:
            # Those just answered may ask again, and calls arrive one by one: go on once none has for a few turns of the loop.
            seen = quiet = 0
            while quiet < _QUIET_TURNS:
                quiet = 0 if seen < len(self._ids) else quiet + 1
                seen = len(self._ids)
                await asyncio.sleep(0)
            ids, self._ids, self._next = self._ids, [], None
            return await self._database.ask(self._load, list(dict.fromkeys(ids)))
