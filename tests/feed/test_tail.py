"""The tail: every event handed on once and in order, whoever knows of it first."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from headgate_server.feed.tail import Tail
from headgate_server.metrics import Metrics
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.storage import events
from headgate_server.storage.database import Database
from tests.builders import NOW


@pytest.fixture
def handed_on() -> list[int]:
    """Return the revisions that were handed on so far."""
    return []


@pytest.fixture
async def tail(database: Database, metrics: Metrics, handed_on: list[int]) -> AsyncIterator[Tail]:
    """Return a tail that looks at the log when it is told to."""

    def note(happened: Sequence[Event]) -> None:
        handed_on.extend(event.revision for event in happened)

    tail = Tail(database, listener=note, metrics=metrics)
    await tail.start()
    running = asyncio.create_task(tail.run())
    yield tail
    running.cancel()
    await asyncio.wait([running])


async def commit(database: Database, count: int) -> list[Event]:
    """Append events to the log, and return them as their writer knows them."""
    change = Change(kind=EventKind.INPUT_CREATED, flow_run_id="a")
    return await database.write(lambda conn: events.append(conn, [[change] * count], NOW))


class ToldDatabase:
    """A database that others listen at."""

    def __init__(self) -> None:
        self.payloads: asyncio.Queue[str] = asyncio.Queue()

    async def notify(self, _channel: str, payload: str) -> None:
        """Keep what is told."""
        await self.payloads.put(payload)


async def test_others_are_told_of_what_is_committed_before_it_can_be_handed_on(
    metrics: Metrics,
) -> None:
    """Nobody else tells them, and their own next look may be far away."""
    change = Change(kind=EventKind.INPUT_CREATED, flow_run_id="a")
    told = ToldDatabase()
    tail = Tail(cast("Database", told), listener=lambda _: None, metrics=metrics)
    telling = asyncio.create_task(tail.tell_others())

    tail.accept([Event(revision=2, last_revision=2, commit_time=NOW, change=change)])

    assert await told.payloads.get() == "2"
    assert tail.head == 0
    telling.cancel()
    await asyncio.wait([telling])


async def test_what_this_process_commits_is_handed_on_at_once(
    tail: Tail, database: Database, handed_on: list[int]
) -> None:
    tail.accept(await commit(database, 2))

    assert handed_on == [1, 2]


async def test_what_the_log_told_first_is_not_handed_on_again(
    tail: Tail, database: Database, handed_on: list[int]
) -> None:
    committed = await commit(database, 2)
    assert await tail.reach(2, seconds=10)

    tail.accept(committed)
    tail.accept(await commit(database, 1))

    assert handed_on == [1, 2, 3]


async def test_of_what_the_log_told_in_part_the_rest_is_handed_on_at_once(
    tail: Tail, database: Database, handed_on: list[int]
) -> None:
    first = await commit(database, 1)
    assert await tail.reach(1, seconds=10)

    tail.accept([*first, *await commit(database, 2)])

    assert handed_on == [1, 2, 3]


async def test_what_comes_too_early_waits_for_what_others_committed_before(
    tail: Tail, database: Database, handed_on: list[int]
) -> None:
    await commit(database, 2)
    tail.accept(await commit(database, 1))
    assert handed_on == []

    assert await tail.reach(3, seconds=10)
    assert handed_on == [1, 2, 3]
