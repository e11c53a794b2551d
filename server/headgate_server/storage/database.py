"""The database: how statements are run, and the only place that chooses between its two kinds.

Reads and writes never share a connection. SQLite: one thread owns the connection that writes, and reads go through aiosqlite
beside it. PostgreSQL: everything runs on the event loop through asyncpg.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Literal, Self, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.model.server_info import DatabaseKind
from headgate_server.storage.driver_errors import translated_errors
from headgate_server.storage.postgresql_writing import PostgresqlWriting
from headgate_server.storage.sqlite_writing import BUSY_SECONDS, SqliteWriting

__all__ = ["Connection", "Database"]

T = TypeVar("T")

_POOL_SECONDS: Final = 5
"""How long a read waits for a connection of the pool, and closing for the reads."""
_LOOK_SECONDS: Final = 0.01
"""How often closing looks whether the reads are done."""
_CHECKPOINT_PAGES: Final = 4000
"""SQLite: how long its log grows, about 16 MB, before it is written back. A page that changes again meanwhile goes back once."""


class Database:
    """Runs plain functions of a connection, in transactions."""

    def __init__(
        self,
        kind: DatabaseKind,
        reader: AsyncEngine,
        asker: AsyncEngine,
        writing: SqliteWriting | PostgresqlWriting,
    ) -> None:
        self.kind = kind
        self._reader = reader
        self._asker = asker
        self._writing = writing
        self._is_closed = False

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
            # Each connection has a cache of its own: the one used last has the newest.
            pool_use_lifo=True,
        )
        prepare = _prepare_sqlite(synchronous)
        event.listen(reader.sync_engine, "connect", prepare)
        event.listen(reader.sync_engine, "begin", _begin_reading)
        return cls(DatabaseKind.SQLITE, reader, reader, SqliteWriting(url, prepare))

    @classmethod
    def _open_postgresql(cls, url: URL, readers: int, statement_seconds: float) -> Self:
        def engine(
            size: int,
            isolation: str,
            reset: Literal["rollback"] | None = "rollback",
            **server_settings: str,
        ) -> AsyncEngine:
            return create_async_engine(
                url.set(drivername="postgresql+asyncpg"),
                pool_size=size,
                max_overflow=0,
                pool_timeout=_POOL_SECONDS,
                # Each connection knows its own statements.
                pool_use_lifo=True,
                pool_pre_ping=False,
                pool_reset_on_return=reset,
                isolation_level=isolation,
                connect_args={
                    "timeout": _POOL_SECONDS,
                    "server_settings": {
                        "application_name": "headgate",
                        "statement_timeout": str(int(statement_seconds * 1000)),
                        # Just-in-time compilation costs more than our short statements take.
                        "jit": "off",
                        **server_settings,
                    },
                },
            )

        # Reads see one moment, so that a snapshot and its revision agree. How they are best carried out depends on what is
        # asked for, which a plan that was made for any values does not know.
        reader = engine(readers, "REPEATABLE READ", plan_cache_mode="force_custom_plan")
        asker = engine(2, "AUTOCOMMIT", reset=None).execution_options(asks_driver=True)
        writing = engine(2, "AUTOCOMMIT").execution_options(asks_driver=True)
        return cls(DatabaseKind.POSTGRESQL, reader, asker, PostgresqlWriting(writing))

    async def read(self, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run a function of a connection that only reads, in one transaction that sees one moment.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        async with self.snapshot() as conn:
            return await conn.run_sync(function, *arguments, **named)

    async def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of a connection that executes one statement, which only reads.

        PostgreSQL: without a transaction around it, for to begin and to end one are two journeys more.

        Raises:
            DatabaseUnavailableError: The database did not answer.
        """
        self._refuse_when_closed()
        with translated_errors():
            async with self._asker.connect() as conn:
                return await conn.run_sync(function, *arguments)

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Hold a transaction that sees one moment, for reads that take several steps."""
        self._refuse_when_closed()
        with translated_errors():
            async with self._reader.begin() as conn:
                yield conn

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Run a function of a connection in one transaction, and return once that is committed.

        One call at a time is the caller's business. A function that raises leaves nothing written.

        Raises:
            DataConflictError: A constraint was violated, or two servers waited for each other; nothing was written.
            DatabaseUnavailableError: The database did not answer; a commit that was under way may have succeeded.
        """
        with translated_errors():
            return await self._writing.write(function)

    async def notify(self, channel: str, payload: str) -> None:
        """PostgreSQL: tell every listening server something; SQLite: there is nobody to tell."""
        if isinstance(self._writing, PostgresqlWriting):
            with translated_errors():
                await self._writing.notify(channel, payload)

    @contextlib.asynccontextmanager
    async def listening(
        self, channel: str, heard: Callable[[str], None]
    ) -> AsyncIterator[asyncio.Event]:
        """PostgreSQL: call `heard` with the payload of each notification; yield an event that is set when the connection is lost.

        SQLite: nothing is ever heard or lost.
        """
        if isinstance(self._writing, PostgresqlWriting):
            with translated_errors():
                async with self._writing.listening(channel, heard) as lost:
                    yield lost
        else:
            yield asyncio.Event()

    def hurry(self) -> None:
        """SQLite: wait for no other process any longer; PostgreSQL has a time limit for every statement."""
        if isinstance(self._writing, SqliteWriting):
            self._writing.hurry()

    async def close(self) -> None:
        """Close every connection. Transactions that have begun are finished first."""
        self._is_closed = True
        for engine in (self._reader, self._asker):
            await _all_returned(engine)
            await engine.dispose()
        await self._writing.close()

    def _refuse_when_closed(self) -> None:
        """Let nothing connect that nobody would close: a read goes on, and may begin, after its caller has gone."""
        if self._is_closed:
            raise DatabaseUnavailableError


async def _all_returned(engine: AsyncEngine) -> None:
    """Wait until no read holds a connection: one whose caller has just gone gives its own back a little later."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_POOL_SECONDS):
            while pool.checkedout():  # noqa: ASYNC110 - the pool does not tell
                await asyncio.sleep(_LOOK_SECONDS)


def _prepare_sqlite(synchronous: str) -> Callable[[Any, object], None]:
    """Return what a new SQLite connection is told."""

    def prepare(connection: Any, _record: object) -> None:
        # Transactions are begun by us alone.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        cursor.close()

    return prepare


def _begin_reading(conn: Connection) -> None:
    """SQLite: begin a transaction that sees one moment from its first statement on."""
    conn.exec_driver_sql("BEGIN")
