"""Fixtures: the door, with stand-ins for the operations behind it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from headgate_server.model.server_info import Limits
from tests.fakes_operations import Door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Return an open door."""
    made = Door()
    async with made.open(Limits()):
        yield made


@pytest.fixture
async def impatient_door() -> AsyncIterator[Door]:
    """Return an open door that waits for nothing."""
    made = Door()
    soon = timedelta(milliseconds=50)
    async with made.open(Limits(call=soon), write_limit=soon):
        yield made
