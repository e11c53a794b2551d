"""Beginnings of watches: where the log stands, and how what they name stands, read once for all that begin together.

A server that restarts is asked for all its watches again at once.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from headgate_server.operations.watched import Run, Watched
from headgate_server.storage import events, flow_runs, task_runs
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.events import LogPosition
from headgate_server.storage.gathering import Gathered

_LOADED_AT_ONCE: Final = 1000
"""Runs read by one statement, so that nothing else waits long while they are decoded."""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """Where watches begin."""

    log: LogPosition
    found: Mapping[str, Run]
    """What is named and exists, in BASIC view, by id."""


class Beginnings:
    """Reads where watches begin."""

    def __init__(self, database: Database) -> None:
        def read(watches: Sequence[Watched]) -> Awaitable[tuple[Beginning, Beginning]]:
            return database.read(_begin_all, watches)

        self._gathered = Gathered(read)

    async def of(self, watched: Watched) -> Beginning:
        """Return where a watch begins, as of one moment from now on.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        of_flow_runs, of_task_runs = await self._gathered.ask(watched)
        return of_task_runs if watched.names_task_runs else of_flow_runs


def _begin_all(conn: Connection, watches: Sequence[Watched]) -> tuple[Beginning, Beginning]:
    """Return where watches begin that name flow runs, and those that name task runs."""
    log = events.position(conn)
    return (
        Beginning(log=log, found=_found(conn, watches, flow_runs.load_basic, of_task_runs=False)),
        Beginning(log=log, found=_found(conn, watches, task_runs.load_basic, of_task_runs=True)),
    )


def _found(
    conn: Connection,
    watches: Sequence[Watched],
    load: Callable[[Connection, Sequence[str]], Mapping[str, Run]],
    *,
    of_task_runs: bool,
) -> dict[str, Run]:
    named = {
        each: None
        for watch in watches
        if watch.names_task_runs is of_task_runs
        for each in watch.named
    }
    found: dict[str, Run] = {}
    for some in _in_parts(list(named)):
        found.update(load(conn, some))
    return found


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _LOADED_AT_ONCE):
        yield ids[start : start + _LOADED_AT_ONCE]
