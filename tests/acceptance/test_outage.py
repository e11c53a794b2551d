"""The database goes away and comes back: callers are told what to do, and nothing is lost or missed."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from tests.acceptance.health import NOT_SERVING, SERVING, Health
from tests.acceptance.observers import watching_runs
from tests.acceptance.outages import Outages
from tests.acceptance.program import Program
from tests.service.world import RUNNING, World, the_error_info
from tests.statuses import status_of

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]

NOTICED_SECONDS = 10
"""How soon a server knows that its database is gone, or back."""


async def test_a_server_lives_through_an_outage_of_its_database(
    durable_postgresql_url: str, new_program: Callable[..., Program]
) -> None:
    outages, program = Outages(durable_postgresql_url), new_program(durable_postgresql_url)
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as channel, asyncio.TaskGroup() as tasks:
        world, health = World(channel), Health(channel)
        run = await world.new_run()
        watched = watching_runs(channel, flow_run_ids=[run.id], send_initial_state=True)
        observing = tasks.create_task(watched.observe())
        await watched.begun()
        changes = health.watch()
        assert await changes.next() == SERVING
        assert await health.of_all() == {SERVING}

        await asyncio.to_thread(outages.begin)

        async with asyncio.timeout(NOTICED_SECONDS):
            assert await changes.next() == NOT_SERVING
        assert await health.of_all() == {NOT_SERVING}
        assert_told_to_retry(await refusal_of(world.get(run)))
        assert_told_to_retry(await refusal_of(world.propose(run, RUNNING)))

        await asyncio.to_thread(outages.end)

        async with asyncio.timeout(NOTICED_SECONDS):
            assert await changes.next() == SERVING
        assert await health.of_all() == {SERVING}
        for version in (2, 3, 4):
            assert (await world.propose(run, RUNNING)).version == version
        written = await world.propose(run, RUNNING)
        await watched.reach(written.revision)
        seen = [message.state_change.state.version for message in watched.seen]
        assert seen == [2, 3, 4, 5]
        observing.cancel()


async def refusal_of(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """Return what a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


def assert_told_to_retry(error: grpc.aio.AioRpcError) -> None:
    """Check that a refusal tells that the database is away and when to ask again."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert the_error_info(error).reason == "DATABASE_UNAVAILABLE"
    retry = RetryInfo()
    (detail,) = [each for each in status_of(error).details if each.Is(RetryInfo.DESCRIPTOR)]
    detail.Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() > 0
