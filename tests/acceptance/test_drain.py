"""The program is told to stop: what is under way is finished, watchers know where to go on, and it ends in time."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import grpc.aio
import pytest
from sqlalchemy.engine import make_url

from headgate import v1 as pb
from tests.acceptance.gauges import Gauges
from tests.acceptance.health import NOT_SERVING, SERVING, Health
from tests.acceptance.program import Program, free_port
from tests.service.world import RUNNING, World, refused, the_error_info

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(60)]

IN_FLIGHT = 'headgate_rpc_in_flight{kind="unary"}'


@pytest.fixture
def metrics_address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def program(sqlite_url: str, new_program: Callable[..., Program], metrics_address: str) -> Program:
    started = new_program(sqlite_url, metrics_listen=metrics_address, drain_timeout="2s")
    started.start()
    return started


@pytest.fixture
async def channel(program: Program) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(program.target) as opened:
        await opened.channel_ready()
        yield opened


@contextmanager
def writes_held_up(url: str) -> Iterator[None]:
    """Keep every write waiting, so that calls are under way for as long as the test likes."""
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


async def cut_off(call: Awaitable[object]) -> None:
    """Wait for a call that the end of the server cuts off."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_calls_that_are_under_way_when_a_server_is_told_to_stop_are_answered(
    program: Program, channel: grpc.aio.Channel, sqlite_url: str, metrics_address: str
) -> None:
    world = World(channel)
    runs = [await world.new_run() for _ in range(20)]
    health = Health(channel).watch()
    assert await health.next() == SERVING
    async with asyncio.TaskGroup() as callers:
        with writes_held_up(sqlite_url):
            proposals = [callers.create_task(world.propose(run, RUNNING)) for run in runs]
            await Gauges(metrics_address).until(IN_FLIGHT, len(runs))

            program.terminate()

            assert await health.next() == NOT_SERVING
            assert not any(proposal.done() for proposal in proposals)
    assert {proposal.result().version for proposal in proposals} == {2}
    assert await asyncio.to_thread(program.wait) == 0


async def test_a_watch_ends_with_a_last_token_and_goes_on_from_it_after_the_restart(
    program: Program, channel: grpc.aio.Channel
) -> None:
    world = World(channel)
    run = await world.new_run()
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    await watch.next("snapshot")
    await watch.next("snapshot_complete")
    await world.propose(run, RUNNING)
    await watch.next("state_change")

    program.terminate()

    last = await watch.next("progress")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await watch.next()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    info = the_error_info(raised.value)
    assert info.reason == "SERVER_DRAINING"
    assert info.metadata["resume_token"] == last.resume_token
    assert await asyncio.to_thread(program.wait) == 0
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as anew:
        world = World(anew)
        await world.propose(run, RUNNING)
        again = world.watch(flow_run_ids=[run.id], resume_token=last.resume_token)
        assert (await again.next("state_change")).state_change.state.version == 3


async def test_a_wait_that_is_under_way_is_answered_or_told_to_ask_again(
    program: Program, channel: grpc.aio.Channel, metrics_address: str
) -> None:
    world = World(channel)
    run = await world.new_run()
    async with asyncio.TaskGroup() as callers:
        request = pb.WaitFlowRunsRequest(flow_run_ids=[run.id])
        waiting = callers.create_task(refused(world.runs.WaitFlowRuns(request)))
        await Gauges(metrics_address).until("headgate_watchers", 1)

        program.terminate()

    code, info = waiting.result()
    assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")
    assert await asyncio.to_thread(program.wait) == 0


async def test_a_server_ends_in_time_though_a_call_does_not(
    program: Program, channel: grpc.aio.Channel, sqlite_url: str, metrics_address: str
) -> None:
    world = World(channel)
    run = await world.new_run()
    async with asyncio.TaskGroup() as callers:
        with writes_held_up(sqlite_url):
            callers.create_task(cut_off(world.propose(run, RUNNING)))
            await Gauges(metrics_address).until(IN_FLIGHT, 1)
            began = time.monotonic()

            program.terminate()

            assert await asyncio.to_thread(program.wait) == 0
            assert time.monotonic() - began < 4, "the drain timeout is two seconds"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
async def test_a_server_that_is_told_twice_to_stop_drains_all_the_same(
    program: Program,
    channel: grpc.aio.Channel,
    sqlite_url: str,
    metrics_address: str,
    number: signal.Signals,
) -> None:
    world = World(channel)
    run = await world.new_run()
    health = Health(channel).watch()
    assert await health.next() == SERVING
    async with asyncio.TaskGroup() as callers:
        with writes_held_up(sqlite_url):
            proposal = callers.create_task(world.propose(run, RUNNING))
            await Gauges(metrics_address).until(IN_FLIGHT, 1)

            program.process.send_signal(number)
            assert await health.next() == NOT_SERVING
            program.process.send_signal(signal.SIGTERM)

    assert proposal.result().version == 2
    assert await asyncio.to_thread(program.wait) == 0
