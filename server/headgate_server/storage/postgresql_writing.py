"""PostgreSQL: the connection that writes, and those that tell other servers and hear them.

The writing connection is held open, and its driver is told to begin and to commit: each statement is a journey to the database
and back, and there is no other way to have no more of them than needed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")


class PostgresqlWriting:
    """Runs write transactions, one at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Make it without connecting yet.

        Args:
            engine: Connects in AUTOCOMMIT, to two connections at most: one writes, one tells and hears.
        """
        self._engine = engine
        self._conn: AsyncConnection | None = None
        self._listener: Any = None

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function in one transaction, and return once that is committed."""
        if self._conn is None:
            self._conn = await self._engine.connect()
        driver = await driver_of(self._conn)
        try:
            await driver.execute("BEGIN")
            result = await self._conn.run_sync(function)
            await driver.execute("COMMIT")
        except BaseException:
            await self._undo(driver)
            raise
        return result

    async def _undo(self, driver: Any) -> None:
        """Roll the transaction back, and give the connection up if that cannot be."""
        assert self._conn is not None
        try:
            await driver.execute("ROLLBACK")
            # What went through SQLAlchemy counts as a transaction of its own there.
            await self._conn.rollback()
        except Exception:  # noqa: BLE001 - whatever it is, the connection is of no more use, and the first error tells why
            broken, self._conn = self._conn, None
            await broken.invalidate()
            await broken.close()

    async def notify(self, channel: str, payload: str) -> None:
        """Tell every server that listens, through the connection that listens here; without one, nobody is told."""
        if self._listener is not None:
            await self._listener.execute(f"NOTIFY {channel}, '{payload}'")

    @contextlib.asynccontextmanager
    async def listening(
        self, channel: str, heard: Callable[[str], None]
    ) -> AsyncIterator[asyncio.Event]:
        """Call `heard` with the payload of each notification; yield an event that is set when the connection is lost."""
        lost = asyncio.Event()
        async with self._engine.connect() as conn:
            driver = await driver_of(conn)
            driver.add_termination_listener(lambda _: lost.set())
            await driver.add_listener(channel, lambda *told: heard(told[-1]))
            self._listener = driver
            try:
                yield lost
            finally:
                self._listener = None
                await conn.invalidate()

    async def close(self) -> None:
        """Close the connections."""
        if self._conn is not None:
            await self._conn.close()
        await self._engine.dispose()


async def driver_of(conn: AsyncConnection) -> Any:
    """Return the connection of the driver beneath."""
    return (await conn.get_raw_connection()).driver_connection
