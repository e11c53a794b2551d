"""Fixtures: a real server on each database, a client of it, and a door that fails on demand."""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import Client, FlowRun, ProposedState
from headgate._retry import Backoff
from tests.client.faults import FaultyDoor
from tests.client.serving import server_process
from tests.postgresql import Databases

QUICK = Backoff(first_seconds=0.01, max_seconds=0.05)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def server_target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return where a real server listens, once on each kind of database. All tests share it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('client') / 'headgate.db'}"
        with server_process(url) as target:
            yield target
        return
    databases: Databases = request.getfixturevalue("postgresql_databases")
    url = databases.create(request.getfixturevalue("postgresql_template"))
    with server_process(url) as target:
        yield target
    databases.drop(url)


@pytest.fixture
async def client(server_target: str) -> AsyncIterator[Client]:
    """Return a client of the real server."""
    async with Client(server_target) as connected:
        yield connected


@pytest.fixture
def door(server_target: str) -> Iterator[FaultyDoor]:
    """Return a door in front of the real server that fails on demand."""
    opened = FaultyDoor(server_target).start()
    yield opened
    opened.stop()


@pytest.fixture
async def shaky(door: FaultyDoor) -> AsyncIterator[Client]:
    """Return a client that goes through the door, and does not wait long before it tries again."""
    async with Client(door.target) as connected:
        connected._transport.backoff = QUICK
        yield connected


class MakeRun(Protocol):
    """Makes a flow run in a state."""

    async def __call__(
        self, state: ProposedState | None = None, *, deployment_id: UUID | None = None
    ) -> FlowRun: ...


@pytest.fixture
async def flow_id(client: Client) -> UUID:
    """Return a flow of its own for the test."""
    return (await client.flows.create(f"flow-{uuid4()}")).flow.id


@pytest.fixture
def a_run(client: Client, flow_id: UUID) -> MakeRun:
    """Return what makes flow runs, RUNNING unless told otherwise."""

    async def make(
        state: ProposedState | None = None, *, deployment_id: UUID | None = None
    ) -> FlowRun:
        created = await client.flow_runs.create(
            flow_id, state=state or headgate.Running(), deployment_id=deployment_id
        )
        return created.flow_run

    return make
