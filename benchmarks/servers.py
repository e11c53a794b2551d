"""Servers under measurement: each a process of its own on loopback, with its log in a file."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import psutil

from benchmarks.cores import Cores, started_on
from headgate_server.storage.schema import upgrade
from tests.postgresql import Databases, running_postgresql

_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 20


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is, and which processes work for it."""

    target: str
    pid: int
    database_pid: int = 0
    """The process that starts all others of the database; 0 where the database is part of the server."""

    def server_seconds(self) -> float:
        """Return the processor time that the server has taken."""
        return _cpu_seconds(psutil.Process(self.pid))

    def database_seconds(self) -> float:
        """Return the processor time that the database has taken outside the server."""
        if not self.database_pid:
            return 0.0
        first = psutil.Process(self.database_pid)
        return sum(map(_cpu_seconds, (first, *first.children(recursive=True))))

    def memory(self) -> int:
        """Return the bytes of the server that are in memory."""
        size: int = psutil.Process(self.pid).memory_info().rss
        return size


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the databases of a run of the benchmarks live."""

    directory: Path
    postgresql: Databases
    postgresql_pid: int
    postgresql_version: str
    cores: Cores
    """The cores of the servers; databases use any."""

    def new_url(self, kind: str) -> str:
        """Make a database with the present schema, `sqlite` or `postgresql`, and return its URL."""
        if kind == "postgresql":
            url = self.postgresql.create()
        else:
            url = f"sqlite:///{self.directory / f'{time.monotonic_ns()}.db'}"
        upgrade(url)
        return url

    def drop(self, url: str) -> None:
        """Remove a database that nobody uses any more."""
        if url.startswith("postgresql"):
            self.postgresql.drop(url)
            return
        file = Path(url.removeprefix("sqlite:///"))
        for each in file.parent.glob(f"{file.name}*"):
            each.unlink()


@contextmanager
def place(directory: Path, cores: Cores) -> Iterator[Place]:
    """Run a PostgreSQL that commits for good, and hold what is needed to make databases and servers."""
    with running_postgresql(is_durable=True) as url, Databases(url) as databases:
        pid, version = asyncio.run(_facts(url))
        yield Place(
            directory=directory,
            postgresql=databases,
            postgresql_pid=pid,
            postgresql_version=version,
            cores=cores,
        )


@contextmanager
def headgate(where: Place, url: str) -> Iterator[Endpoint]:
    """Run `headgate serve` with its default settings on a database."""
    pid = where.postgresql_pid if url.startswith("postgresql") else 0
    serve = [sys.executable, "-m", "headgate_server", "serve"]

    def settings(target: str) -> dict[str, str]:
        return {"HEADGATE_DATABASE": url, "HEADGATE_LISTEN": target}

    with running(where, lambda _: serve, settings, database_pid=pid) as endpoint:
        yield endpoint


@contextmanager
def noop(where: Place) -> Iterator[Endpoint]:
    """Run the server that does nothing."""
    program = [sys.executable, "-m", "benchmarks.noop"]
    with running(where, lambda target: [*program, target]) as endpoint:
        yield endpoint


@contextmanager
def running(
    where: Place,
    program: Callable[[str], list[str]],
    settings: Callable[[str], dict[str, str]] = lambda _: {},
    *,
    database_pid: int = 0,
) -> Iterator[Endpoint]:
    """Run a program until it is no longer needed.

    Args:
        where: Where it runs.
        program: Makes the command of the address that it shall listen at.
        settings: Makes what it finds in its environment of that address.
        database_pid: The process of its database, where that is one of its own.
    """
    target = _free_address()
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HEADGATE_")}
    log_file = where.directory / f"{target.rpartition(':')[2]}.log"
    with log_file.open("wb") as log:
        with started_on(where.cores):
            process = subprocess.Popen(  # noqa: S603 - our own program
                program(target), env=kept | settings(target), stdout=log, stderr=log
            )
        try:
            _wait_until_it_listens(target, process, log_file)
            yield Endpoint(target=target, pid=process.pid, database_pid=database_pid)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_listens(target: str, process: "subprocess.Popen[bytes]", log_file: Path) -> None:
    host, _, port = target.rpartition(":")
    given_up = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > given_up:
                raise RuntimeError(f"It did not start:\n{log_file.read_text()}") from None
            time.sleep(0.05)
        else:
            return


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return f"127.0.0.1:{held.getsockname()[1]}"


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    seconds: float = times.user + times.system
    return seconds


async def _facts(url: str) -> tuple[int, str]:
    """Return the process that starts all others of a PostgreSQL, and its version."""
    conn = await asyncpg.connect(url)
    try:
        backend: int = await conn.fetchval("SELECT pg_backend_pid()")
        version: str = await conn.fetchval("SHOW server_version")
        return int(psutil.Process(backend).ppid()), version
    finally:
        await conn.close()
