"""Further servers on the database of a test, each with a connection to it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc.aio

from headgate_server.app import App
from headgate_server.settings import Settings
from tests.fakes import FakeClock
from tests.service.conftest import QUIET
from tests.service.world import World


@asynccontextmanager
async def served(database_url: str, clock: FakeClock) -> AsyncIterator[tuple[App, World]]:
    """Run a server, and yield it with the service as its callers see it."""
    given = {"database": database_url, "listen": "127.0.0.1:0", **QUIET}
    app = App(Settings.read({}, given), clock=clock)
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            yield app, World(channel)
    finally:
        await app.stop()


@asynccontextmanager
async def replicas(
    count: int, database_url: str, clock: FakeClock
) -> AsyncIterator[list[tuple[App, World]]]:
    """Run several servers on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(served(database_url, clock)) for _ in range(count)]
