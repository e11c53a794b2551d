"""The schema: how far the migrations have brought a database, and bringing it to what this program needs.

The migrations are the files in `migrations/versions`, each numbered and named as a sentence. Schemas only go forward: the way
back is a backup. A new one is begun with `alembic.command.revision(config(), "what it does", rev_id=...)`.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection, NullPool, column, create_engine, event, inspect, select, table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")

HEAD_REVISION: Final = "0003"
"""The newest migration: what this program needs."""

_VERSION: Final = table("alembic_version", column("version_num"))
"""Where Alembic keeps how far a database has come."""
_WAIT_SECONDS: Final = 60
"""How long an upgrade waits for another program that upgrades or writes."""
_RETRY_SECONDS: Final = 0.01
_UPGRADE_LOCK: Final = 0x68656164_67617465
"""PostgreSQL: the advisory lock that lets one program at a time upgrade."""


class SchemaError(Exception):
    """The schema of the database is not the one that this program needs. Ends a program at its start, never a call."""


class SchemaNewerError(SchemaError):
    """A newer program has upgraded the database."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database has schema {revision}, which is newer than this program; it knows schema {HEAD_REVISION}. "
            "Use the program that upgraded the database, or a newer one."
        )


class SchemaOlderError(SchemaError):
    """The database is to be upgraded first."""

    def __init__(self, revision: str | None) -> None:
        found = "no schema yet" if revision is None else f"schema {revision}"
        super().__init__(
            f"The database has {found}, and this program needs schema {HEAD_REVISION}. "
            "Run `headgate db upgrade` once."
        )


def prepare(url: str) -> None:
    """Make sure that a server can start on a database: SQLite is upgraded, PostgreSQL only looked at.

    Raises:
        SchemaNewerError: A newer program has upgraded the database.
        SchemaOlderError: PostgreSQL: somebody must decide when to upgrade, because other servers may be running.
    """
    if make_url(url).get_backend_name() == "sqlite":
        upgrade(url)
    else:
        _run(url, check)


def upgrade(url: str) -> None:
    """Bring a database to the schema that this program needs; one that is there already is left alone.

    All or nothing, and safe to run from several programs at once. Blocks, also where an event loop runs.

    Raises:
        SchemaNewerError: A newer program has upgraded the database.
    """
    _run(url, _upgrade)


def check(conn: Connection) -> None:
    """Make sure that the schema is the one that this program needs.

    Raises:
        SchemaNewerError: A newer program has upgraded the database.
        SchemaOlderError: The database is to be upgraded first.
    """
    revision = current_revision(conn)
    if revision != HEAD_REVISION:
        _refuse_newer(revision)
        raise SchemaOlderError(revision)


def current_revision(conn: Connection) -> str | None:
    """Return the newest migration that the database has been through; None for an empty database."""
    if not inspect(conn).has_table(_VERSION.name):
        return None
    revision: str | None = conn.execute(select(_VERSION.c.version_num)).scalar()
    return revision


def config() -> "Config":
    """Return what Alembic has to know, which elsewhere stands in a file."""
    from alembic.config import Config  # noqa: PLC0415 - as below

    made = Config()
    migrations = str(Path(__file__).with_name("migrations"))
    made.set_main_option("script_location", migrations.replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.set_main_option("truncate_slug_length", "80")
    made.set_main_option("path_separator", "os")
    return made


def _upgrade(conn: Connection) -> None:
    revision = current_revision(conn)
    if revision == HEAD_REVISION:
        return
    _refuse_newer(revision)
    # Alembic takes longer to load than a server to start, and is needed only here.
    from alembic import command  # noqa: PLC0415

    made = config()
    made.attributes["connection"] = conn
    command.upgrade(made, HEAD_REVISION)


def _refuse_newer(revision: str | None) -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaNewerError(revision)


def _run(url: str, function: Callable[[Connection], T]) -> T:
    """Run a function of a connection in one transaction, while no other program does the same."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _run_on_sqlite(parsed, function)
    # PostgreSQL: the driver needs an event loop, and a thread without one can always be had.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _run_on_postgresql(parsed, function)).result()


def _run_on_sqlite(url: URL, function: Callable[[Connection], T]) -> T:
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite"),
        poolclass=NullPool,
        connect_args={"timeout": _WAIT_SECONDS},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as conn:
        return function(conn)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    # SQLite: the first switch to WAL is the one step that does not wait for others. It is made here, and lasts.
    given_up = monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if monotonic() > given_up:
                raise
            sleep(_RETRY_SECONDS)
        else:
            return


async def _run_on_postgresql(url: URL, function: Callable[[Connection], T]) -> T:
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    async with engine.begin() as conn:
        await conn.exec_driver_sql("SELECT pg_advisory_xact_lock($1)", (_UPGRADE_LOCK,))
        return await conn.run_sync(function)
