"""The database: how statements are run, and the only place where the two kinds differ in that.

Reads and writes never share a connection. SQLite: one thread owns the connection that writes, and whole transactions are
sent to it, so that nothing waits for a lock and no statement pays for a change of threads; reads go through aiosqlite beside
it. PostgreSQL: everything runs on the event loop through asyncpg.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from headgate_server.model.errors import DatabaseUnavailableError, DataConflictError
from headgate_server.model.server_info import DatabaseKind

__all__ = ["Connection", "Database", "translated_errors"]

T = TypeVar("T")

_BUSY_SECONDS: Final = 60
"""SQLite: how long one process waits for another, for example a backup, before it gives up."""
_POOL_SECONDS: Final = 5
"""How long a read waits for a connection of the pool."""
_PASSING: Final = frozenset({"08", "28", "3D", "53", "57"})
"""PostgreSQL: connection trouble, a role or a database that is not there, resources and operator intervention; once somebody has
seen to it, the same statement may succeed."""
_UNDONE: Final = frozenset({"40001", "40P01"})
"""PostgreSQL: a transaction that came in another's way, or waited for it in a circle, was undone and may be repeated."""


class Database:
    """Runs plain functions of a connection, in transactions."""

    def __init__(
        self, kind: DatabaseKind, reader: AsyncEngine, writer: Engine | AsyncEngine
    ) -> None:
        self.kind = kind
        self._reader = reader
        self._writer = writer
        # SQLite: a connection belongs to one thread; this is it.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headgate-writer")
        self._writing: Connection | None = None

    @classmethod
    def open(
        cls, url: str, *, readers: int = 4, synchronous: str = "FULL", statement_seconds: float = 30
    ) -> Self:
        """Return the database behind a URL, without connecting yet.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/name`.
            readers: How many connections serve reads at once.
            synchronous: SQLite: `FULL` keeps every acknowledged write through a loss of power; `NORMAL` keeps them
                through a crash of the process only.
            statement_seconds: PostgreSQL: how long one statement may take.
        """
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return cls._open_sqlite(parsed, readers, synchronous)
        return cls._open_postgresql(parsed, readers, statement_seconds)

    @classmethod
    def _open_sqlite(cls, url: URL, readers: int, synchronous: str) -> Self:
        reader = create_async_engine(
            url.set(drivername="sqlite+aiosqlite"),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=readers,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
        )
        writer = create_engine(
            url.set(drivername="sqlite+pysqlite"),
            connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS},
        )
        for engine, begin in ((reader.sync_engine, "BEGIN"), (writer, "BEGIN IMMEDIATE")):
            event.listen(engine, "connect", _prepare_sqlite(synchronous))
            event.listen(engine, "begin", _begin_with(begin))
        return cls(DatabaseKind.SQLITE, reader, writer)

    @classmethod
    def _open_postgresql(cls, url: URL, readers: int, statement_seconds: float) -> Self:
        def engine(size: int, isolation: str) -> AsyncEngine:
            return create_async_engine(
                url.set(drivername="postgresql+asyncpg"),
                pool_size=size,
                max_overflow=0,
                pool_timeout=_POOL_SECONDS,
                pool_pre_ping=False,
                isolation_level=isolation,
                connect_args={
                    "timeout": _POOL_SECONDS,
                    "server_settings": {
                        "application_name": "headgate",
                        "statement_timeout": str(int(statement_seconds * 1000)),
                        # Just-in-time compilation costs more than our short statements take.
                        "jit": "off",
                    },
                },
            )

        # Reads see one moment, so that a snapshot and its revision agree. One connection writes, one notifies, one listens.
        return cls(
            DatabaseKind.POSTGRESQL, engine(readers, "REPEATABLE READ"), engine(3, "READ COMMITTED")
        )

    async def read(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run a function of a connection that only reads, in one transaction that sees one moment.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        async with self.snapshot() as conn:
            return await conn.run_sync(function, *arguments, **named)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Hold a transaction that sees one moment, for reads that take several steps."""
        with translated_errors():
            async with self._reader.begin() as conn:
                yield conn

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function of a connection in one transaction, and return once that is committed.

        One call at a time is the caller's business. A function that raises leaves nothing written.
        """
        if isinstance(self._writer, AsyncEngine):
            async with self._writer.begin() as conn:
                return await conn.run_sync(function)
        # A transaction that has begun is finished whatever becomes of the caller.
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, self._write_here, function))

    def _write_here(self, function: Callable[[Connection], T]) -> T:
        """SQLite: run one transaction in the thread that owns the connection."""
        assert isinstance(self._writer, Engine)
        if self._writing is None or self._writing.invalidated:
            self._writing = self._writer.connect()
        try:
            with self._writing.begin():
                return function(self._writing)
        except BaseException:
            # SQLite: a commit that fails, for want of space say, leaves the transaction open.
            driver: Any = self._writing.connection.driver_connection
            driver.rollback()
            raise

    async def notify(self, channel: str) -> None:
        """PostgreSQL: tell every listening server to look at the log; SQLite: there is nobody to tell."""
        if isinstance(self._writer, AsyncEngine):
            async with self._writer.begin() as conn:
                await conn.exec_driver_sql(f"NOTIFY {channel}")

    @contextlib.asynccontextmanager
    async def listening(
        self, channel: str, heard: Callable[[], None]
    ) -> AsyncIterator[asyncio.Event]:
        """PostgreSQL: call `heard` at each notification; yield an event that is set when the connection is lost.

        SQLite: nothing is ever heard or lost.
        """
        lost = asyncio.Event()
        if not isinstance(self._writer, AsyncEngine):
            yield lost
            return
        with translated_errors():
            async with self._writer.connect() as conn:
                driver = (await conn.get_raw_connection()).driver_connection
                assert driver is not None
                driver.add_termination_listener(lambda _: lost.set())
                await driver.add_listener(channel, lambda *_: heard())
                try:
                    yield lost
                finally:
                    await conn.invalidate()

    async def close(self) -> None:
        """Close every connection. Transactions that have begun are finished first."""
        await self._reader.dispose()
        if isinstance(self._writer, AsyncEngine):
            await self._writer.dispose()
        else:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close_here)
        self._thread.shutdown()

    def _close_here(self) -> None:
        if self._writing is not None:
            self._writing.close()
        assert isinstance(self._writer, Engine)
        self._writer.dispose()


def _prepare_sqlite(synchronous: str) -> Callable[[Any, object], None]:
    """Return what a new SQLite connection is told."""

    def prepare(connection: Any, _record: object) -> None:
        # Transactions are begun by us alone, so that a write takes its lock at once and never has to trade up.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.close()

    return prepare


def _begin_with(statement: str) -> Callable[[Connection], None]:
    """Return what a SQLite connection does to begin a transaction."""

    def begin(conn: Connection) -> None:
        if conn.dialect.driver == "pysqlite":
            driver: Any = conn.connection.driver_connection
            driver.execute(statement)
        else:
            conn.exec_driver_sql(statement)

    return begin


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what drivers raise into refusals of ours; the cause stays chained for the log.

    Raises:
        DataConflictError: A constraint was violated, or two servers waited for each other; nothing was written.
        DatabaseUnavailableError: The database did not answer, or not in time.
    """
    try:
        yield
    except (IntegrityError, sqlite3.IntegrityError) as error:
        raise DataConflictError from error
    except (
        OperationalError,
        InterfaceError,
        PoolTimeoutError,
        sqlite3.OperationalError,
        OSError,
    ) as error:
        raise DatabaseUnavailableError from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if state in _UNDONE:
            raise DataConflictError from error
        if error.connection_invalidated or state[:2] in _PASSING:
            raise DatabaseUnavailableError from error
        raise
