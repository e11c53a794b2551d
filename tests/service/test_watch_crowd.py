"""Many watches that are opened at once, as after the restart of a server."""

import asyncio
from typing import Any

import grpc.aio
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.service.world import RUNNING, World

CROWD = 4_000
"""More than gRPC lets wait by itself."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Return a database of one kind: what is tried is what stands before it."""
    return sqlite_url


@pytest.mark.timeout(120)
async def test_all_of_them_begin_and_are_told_of_what_happens(app: App, world: World) -> None:
    run = await world.new_run()
    request = pb.WatchFlowRunsRequest(flow_run_ids=[run.id])
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = pb.FlowRunServiceStub(channel)
        calls: list[Any] = [stub.WatchFlowRuns(request) for _ in range(CROWD)]

        begun = await asyncio.gather(*(call.read() for call in calls))
        await world.propose(run, RUNNING)
        told = await asyncio.gather(*(call.read() for call in calls))

    assert {message.WhichOneof("event") for message in begun} == {"progress"}
    assert {message.state_change.state.type for message in told} == {RUNNING}
