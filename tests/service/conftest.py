"""The real service over a real socket, on each database, with a clock that goes when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc.aio
import pytest

from headgate_server import app as app_module
from headgate_server.app import App
from headgate_server.settings import Settings
from headgate_server.upkeep.loop import repeat
from tests.fakes import FakeClock
from tests.service.watched import KINDS, Watched
from tests.service.world import World

QUIET = {
    "late-interval": "1d",
    "pause-expiry-interval": "1d",
    "trim-interval": "1d",
    "cancellation-interval": "1d",
    "retention-interval": "1d",
    "foreman-interval": "1d",
    "scheduler": "off",
}
"""Keeps background passes from running by themselves: tests run them by hand."""
A_DAY_SECONDS = 86_400


@pytest.fixture(autouse=True)
def _quiet_passes() -> Iterator[None]:
    """Spare servers the passes at their start, too, which would be in the way of those that tests run by hand."""

    async def repeat_unless_quiet(
        name: str, run_once: Any, interval_seconds: float, metrics: Any
    ) -> None:
        if interval_seconds < A_DAY_SECONDS:
            await repeat(name, run_once, interval_seconds, metrics)
        await asyncio.Event().wait()

    # What a test itself patches is to be put back before its server stops, so that the fixture for that may not come first.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "repeat", repeat_unless_quiet)
        yield


@pytest.fixture
def flags() -> dict[str, str]:
    """Return further settings for the server; a test module may override this."""
    return {}


@pytest.fixture
async def app(database_url: str, clock: FakeClock, flags: dict[str, str]) -> AsyncIterator[App]:
    """Return a server that runs."""
    given = {"database": database_url, "listen": "127.0.0.1:0", **QUIET, **flags}
    started = App(Settings.read({}, given), clock=clock)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def channel(app: App) -> AsyncIterator[grpc.aio.Channel]:
    """Return a connection to the server."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as opened:
        yield opened


@pytest.fixture
def world(channel: grpc.aio.Channel) -> World:
    """Return the service as its callers see it."""
    return World(channel)


@pytest.fixture(params=KINDS)
def watched(request: pytest.FixtureRequest, world: World) -> Watched:
    """Return what is watched, once of each kind."""
    return KINDS[request.param](world)
