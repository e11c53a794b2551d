"""The end of a database: reads that have begun are finished, and none begins any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import pytest
from sqlalchemy import Connection, text

from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.storage.database import Database

Read: TypeAlias = Callable[[Database, Callable[[Connection], int]], Awaitable[int]]

READS: Final[dict[str, Read]] = {
    "read": lambda database, function: database.read(function),
    "ask": lambda database, function: database.ask(function),
}


@pytest.fixture(params=READS)
def read(request: pytest.FixtureRequest) -> Read:
    """Return each way to read."""
    return READS[request.param]


async def test_a_read_that_has_begun_is_finished_first(database_url: str, read: Read) -> None:
    database, begun = Database.open(database_url), asyncio.Event()

    def one(conn: Connection) -> int:
        begun.set()
        return int(conn.execute(text("SELECT 1")).scalar_one())

    reading = asyncio.ensure_future(read(database, one))
    await begun.wait()
    await database.close()

    assert reading.done()
    assert reading.result() == 1


async def test_no_read_begins_any_more(database_url: str, read: Read) -> None:
    database = Database.open(database_url)
    await database.close()

    with pytest.raises(DatabaseUnavailableError):
        await read(database, lambda conn: int(conn.execute(text("SELECT 1")).scalar_one()))
