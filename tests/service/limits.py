"""Limits of single fields, and what becomes of requests at them and beyond."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import grpc.aio
import pytest

from headgate import v1 as pb
from tests.service.world import RUNNING, World, violations


class Limit(NamedTuple):
    """A limit of one field."""

    most: int
    ask: Callable[[World, pb.FlowRun, int], Awaitable[Any]]
    """Makes a call with that many characters, bytes or members."""
    field: str


async def fields_refused(world: World, limits: Mapping[str, Limit]) -> dict[str, list[str]]:
    """Return the fields that are refused beyond each limit, and fail if one is refused at its limit."""
    run = await world.new_run(RUNNING)
    refused_for = {}
    for case, limit in limits.items():
        try:
            await limit.ask(world, run, limit.most)
        except grpc.aio.AioRpcError as error:
            pytest.fail(f"{case} at its limit: {error.details()}")
        refused_for[case] = await violations(limit.ask(world, run, limit.most + 1))
    return refused_for
