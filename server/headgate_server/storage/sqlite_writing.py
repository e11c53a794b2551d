"""SQLite: the one connection that writes, and the thread that owns it.

Whole transactions are sent to the thread, so that nothing waits for a lock and no statement pays for a change of threads.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

T = TypeVar("T")

BUSY_SECONDS: Final = 60
"""How long one process waits for another, for example a backup, before it gives up."""


class SqliteWriting:
    """Runs write transactions, one at a time."""

    def __init__(self, url: URL, prepare: Callable[[Any, object], None]) -> None:
        """Make it without connecting yet; `prepare` is told of each new connection of the driver."""
        self._engine = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
            execution_options={"asks_driver": True},
        )
        event.listen(self._engine, "connect", prepare)
        event.listen(self._engine, "begin", _begin)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-writer")
        self._conn: Connection | None = None

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function in one transaction, and return once that is committed."""
        # A transaction that has begun is finished whatever becomes of the caller.
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, self._write_here, function))

    def _write_here(self, function: Callable[[Connection], T]) -> T:
        if self._conn is None or self._conn.invalidated:
            self._conn = self._engine.connect()
        try:
            with self._conn.begin():
                return function(self._conn)
        except BaseException:
            # A commit that fails, for want of space say, leaves the transaction open.
            driver: Any = self._conn.connection.driver_connection
            driver.rollback()
            raise

    async def close(self) -> None:
        """Close the connection, once the transaction under way is finished."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_here)
        self._thread.shutdown()

    def _close_here(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._engine.dispose()


def _begin(conn: Connection) -> None:
    """Take the lock at once: a transaction that reads first could not have it any more."""
    driver: Any = conn.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE")
