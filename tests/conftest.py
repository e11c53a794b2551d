"""Fixtures: databases, each fresh and at the newest schema, and what writes to them."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

# Tests start programs while calls are under way; what gRPC does around a fork for those who go on without exec can hang then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# Started in the background, we ignore Ctrl-C, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from sqlalchemy.engine import make_url

from headgate_server.metrics import Metrics
from headgate_server.model.events import Event
from headgate_server.storage.database import Database
from headgate_server.storage.schema import upgrade
from headgate_server.storage.writer import Writer
from tests.fakes import FakeClock
from tests.postgresql import Databases, running_postgresql
from tests.swept import SweptDatabases


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[Databases]:
    """Return what makes databases on the server of `HEADGATE_TEST_POSTGRES_URL`, or on one of our own."""
    given = os.environ.get("HEADGATE_TEST_POSTGRES_URL")
    if given:
        with Databases(given) as databases:
            yield databases
        return
    with running_postgresql(is_durable=False) as url, Databases(url) as databases:
        yield databases


@pytest.fixture(scope="session")
def postgresql_template(postgresql_databases: Databases) -> str:
    """Return the name of a database at the newest schema that nobody connects to."""
    url = postgresql_databases.create()
    upgrade(url)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def swept_databases(postgresql_databases: Databases, postgresql_template: str) -> SweptDatabases:
    """Return what hands out databases at the newest schema that hold nothing."""
    return SweptDatabases(postgresql_databases, postgresql_template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database file at the newest schema that nobody opens."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgresql_url(postgresql_databases: Databases) -> Iterator[str]:
    """Return the URL of a PostgreSQL database without tables."""
    url = postgresql_databases.create()
    yield url
    postgresql_databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without tables, once of each kind."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """Return the URL of a fresh SQLite file."""
    file = tmp_path / "headgate.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgresql_url(swept_databases: SweptDatabases) -> Iterator[str]:
    """Return the URL of a PostgreSQL database that is as good as fresh."""
    url = swept_databases.take()
    yield url
    swept_databases.give_back(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database, once of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Return a fresh database, once of each kind. It need not outlive a loss of power."""
    opened = Database.open(database_url, synchronous="OFF")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock that everything in the test goes by."""
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics that start at zero."""
    return Metrics()


@pytest.fixture
def published() -> list[Event]:
    """Return the events that the writer has published, in order."""
    return []


@pytest.fixture
async def writer(
    database: Database, clock: FakeClock, published: list[Event], metrics: Metrics
) -> AsyncIterator[Writer]:
    """Return a writer that runs."""
    made = Writer(
        database, clock=clock, publish=published.extend, metrics=metrics, waiting_max=10_000
    )
    running = asyncio.create_task(made.run())
    yield made
    made.close()
    await running
