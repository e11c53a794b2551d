"""SQLite: the one connection that writes, and the thread that owns it.

Whole transactions are sent to the thread, so that nothing waits for a lock and no statement pays for a change of threads.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

T = TypeVar("T")

BUSY_SECONDS: Final = 60
"""How long one process waits for another, for example a backup, before it gives up."""
_TURN_SECONDS: Final = 0.2
"""How long the writer waits at a time, so that it soon knows when it need not wait any longer."""


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
        event.listen(self._engine, "connect", _wait_in_turns)
        event.listen(self._engine, "begin", self._begin)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-writer")
        self._conn: Connection | None = None
        self._is_patient = True

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

    def _begin(self, conn: Connection) -> None:
        """Take the lock at once: a transaction that reads first could not have it any more."""
        driver: Any = conn.connection.driver_connection
        given_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_taken = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_taken or not self._is_patient or monotonic() > given_up:
                    raise
            else:
                return

    def hurry(self) -> None:
        """Wait for no other process any longer; a transaction that cannot begin fails."""
        self._is_patient = False

    async def close(self) -> None:
        """Close the connection, once the transaction under way is finished."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_here)
        self._thread.shutdown()

    def _close_here(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._engine.dispose()


def _wait_in_turns(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(_TURN_SECONDS * 1000)}")
