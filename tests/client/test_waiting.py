"""Waiting for runs: the end of a run or the end of the time, and nothing else, ends a wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from grpc import StatusCode

import headgate
from headgate import Client, FlowRun, WaitMode, errors
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

UNIMPLEMENTED = Fault(code=StatusCode.UNIMPLEMENTED)


async def until_watched(door: FaultyDoor, count: int = 1) -> None:
    """Wait until somebody has asked for a watch so often."""
    await asyncio.to_thread(door.wait_for_calls, "WatchFlowRuns", count)


async def test_an_ended_run_is_returned_at_once_and_whole(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Completed(data={"rows": 3}))

    ended = await client.flow_runs.wait_for_flow_run(run.id)

    assert ended.id == run.id
    assert ended.parameters == {}
    assert ended.state is not None
    assert ended.state.data == {"rows": 3}


async def test_a_timeout_of_nothing_reads_the_run_once(client: Client, a_run: MakeRun) -> None:
    over, going = await a_run(headgate.Completed()), await a_run()

    assert (await client.flow_runs.wait_for_flow_run(over.id, timeout=0)).is_final
    with pytest.raises(errors.FlowRunWaitTimeoutError) as caught:
        await client.flow_runs.wait_for_flow_run(going.id, timeout=0)

    assert str(caught.value) == f"Flow run with ID {going.id} exceeded watch timeout of 0 seconds"
    assert caught.value.flow_run_ids == (going.id,)


async def test_the_timeout_may_be_a_timedelta(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    with pytest.raises(TimeoutError, match=r"exceeded watch timeout of 0.02 seconds"):
        await client.flow_runs.wait_for_flow_run(run.id, timedelta(milliseconds=20))


@pytest.mark.parametrize(
    "end",
    [headgate.Completed(), headgate.Failed(), headgate.Crashed(), headgate.Cancelled()],
    ids=str,
)
async def test_however_a_run_ends_it_is_returned(
    shaky: Client,
    door: FaultyDoor,
    client: Client,
    a_run: MakeRun,
    end: headgate.ProposedState,
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id))
    await until_watched(door)

    await client.flow_runs.set_state(run.id, end)

    ended = await waiting
    assert ended.state is not None
    assert ended.state.type is end.type


async def test_a_pause_is_not_an_end(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id)

    with pytest.raises(errors.FlowRunWaitTimeoutError):
        await client.flow_runs.wait_for_flow_run(run.id, timeout=0.05)


async def test_an_unknown_run_cannot_be_waited_for(client: Client) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.flow_runs.wait_for_flow_run(uuid4())


async def test_a_run_that_is_deleted_meanwhile_is_not_found(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id))
    await until_watched(door)

    await client.flow_runs.delete(run.id)

    with pytest.raises(errors.FlowRunNotFoundError):
        await waiting


Accident = Callable[[FaultyDoor], Awaitable[None]]


async def broken_stream(door: FaultyDoor) -> None:
    door.break_streams(Fault())


async def stream_that_ends_well(door: FaultyDoor) -> None:
    door.break_streams(Fault(code=StatusCode.OK))


async def compacted_position(door: FaultyDoor) -> None:
    door.fail("WatchFlowRuns", Fault(code=StatusCode.OUT_OF_RANGE, reason="REVISION_COMPACTED"))
    door.break_streams(Fault())


async def replaced_database(door: FaultyDoor) -> None:
    door.fail("WatchFlowRuns", Fault(code=StatusCode.FAILED_PRECONDITION, reason="EPOCH_CHANGED"))
    door.break_streams(Fault())


async def restarted_server(door: FaultyDoor) -> None:
    door.stop()
    door.start()


async def server_that_is_away_for_a_while(door: FaultyDoor) -> None:
    door.fail("WatchFlowRuns", *[Fault()] * 10)
    door.fail("GetFlowRun", *[Fault()] * 10)
    door.break_streams(Fault())


@pytest.mark.parametrize(
    "accident",
    [
        broken_stream,
        stream_that_ends_well,
        compacted_position,
        replaced_database,
        restarted_server,
        server_that_is_away_for_a_while,
    ],
    ids=lambda accident: accident.__name__,
)
async def test_a_wait_survives(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun, accident: Accident
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, timeout=15))
    await until_watched(door)

    await accident(door)
    await until_watched(door, 2)
    assert not waiting.done()
    await client.flow_runs.set_state(run.id, headgate.Completed())

    assert (await waiting).is_final


async def test_a_run_that_ended_while_nobody_was_connected_is_returned(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, timeout=15))
    await until_watched(door)

    door.stop()
    await client.flow_runs.set_state(run.id, headgate.Completed())
    door.start()

    assert (await waiting).is_final


async def test_a_run_that_goes_on_after_its_end_is_waited_for_again(
    shaky: Client,
    door: FaultyDoor,
    client: Client,
    a_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = await a_run()
    reads = [run]
    get = shaky.flow_runs.get

    async def retried_meanwhile(*args: Any, **kwargs: Any) -> FlowRun:
        return reads.pop() if reads else await get(*args, **kwargs)

    monkeypatch.setattr(shaky.flow_runs, "get", retried_meanwhile)
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, timeout=15))
    await until_watched(door)

    await client.flow_runs.set_state(run.id, headgate.Failed())

    assert (await waiting).is_final
    assert not reads


async def test_a_server_that_never_comes_back_runs_into_the_timeout(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, timeout=0.5))
    await until_watched(door)

    door.stop()

    with pytest.raises(errors.FlowRunWaitTimeoutError):
        await waiting


async def test_a_server_that_was_never_there_is_an_error(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()
    door.stop()

    with pytest.raises(errors.ServerUnreachableError):
        await shaky.flow_runs.wait_for_flow_run(run.id)


async def test_without_streams_the_runs_are_asked_for(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    door.always_fail("WatchFlowRuns", UNIMPLEMENTED)
    runs = [await a_run(), await a_run()]
    waiting = asyncio.create_task(
        shaky.flow_runs.wait_for_flow_runs([run.id for run in runs], 15, poll_interval=0.05)
    )
    await asyncio.to_thread(door.wait_for_calls, "WaitFlowRuns", 4)

    for run in runs:
        await client.flow_runs.set_state(run.id, headgate.Completed())

    assert [run.id for run in await waiting] == [run.id for run in runs]
    assert len(door.calls["WatchFlowRuns"]) == 1


async def test_polling_survives_a_server_that_restarts(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    door.always_fail("WatchFlowRuns", UNIMPLEMENTED)
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, 15, poll_interval=0.05))
    await asyncio.to_thread(door.wait_for_calls, "WaitFlowRuns", 2)

    door.stop()
    await client.flow_runs.set_state(run.id, headgate.Completed())
    door.start()

    assert (await waiting).is_final


async def test_states_are_logged_when_they_change(
    client: Client,
    shaky: Client,
    door: FaultyDoor,
    a_run: MakeRun,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = await a_run(headgate.Pending())
    with caplog.at_level(logging.INFO, "headgate"):
        waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, log_states=True))
        await until_watched(door)
        await client.flow_runs.update(run.id, name="renamed")
        await client.flow_runs.set_state(run.id, headgate.Running())
        await client.flow_runs.set_state(run.id, headgate.Failed(message="boom"))
        await waiting

    assert [record.message for record in caplog.records] == [
        f"Flow run {run.id} is in state Pending().",
        f"Flow run {run.id} is in state Running().",
        f"Flow run {run.id} is in state Failed('boom').",
    ]


async def test_nothing_is_logged_unasked(
    client: Client, a_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = await a_run(headgate.Completed())

    with caplog.at_level(logging.INFO, "headgate"):
        await client.flow_runs.wait_for_flow_run(run.id)

    assert not caplog.records


async def test_cancelling_a_wait_leaves_the_run_alone(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id))
    await until_watched(door)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.to_thread(door.wait_until_no_streams)
    assert (await client.flow_runs.get(run.id)).version == 1


@pytest.mark.parametrize("arguments", [{"timeout": -1}, {"poll_interval": -1}], ids=str)
async def test_negative_times_are_refused(client: Client, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is negative"):
        await client.flow_runs.wait_for_flow_run(uuid4(), **arguments)


# Several runs.


async def test_all_of_several_runs_come_back_in_the_order_of_their_ids(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    runs = [await a_run(), await a_run(headgate.Completed()), await a_run()]
    ids: list[UUID | str] = [runs[0].id, str(runs[1].id).upper(), runs[2].id, runs[0].id]
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_runs(ids))
    await until_watched(door)

    for run in (runs[2], runs[0]):
        await client.flow_runs.set_state(run.id, headgate.Completed())

    ended = await waiting
    assert [run.id for run in ended] == [runs[0].id, runs[1].id, runs[2].id, runs[0].id]
    assert all(run.is_final and run.parameters is not None for run in ended)


async def test_any_of_several_runs_is_the_first_to_end(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    runs = [await a_run() for _ in range(3)]
    waiting = asyncio.create_task(
        shaky.flow_runs.wait_for_flow_runs([run.id for run in runs], mode=WaitMode.ANY)
    )
    await until_watched(door)

    await client.flow_runs.set_state(runs[1].id, headgate.Completed())

    assert [run.id for run in await waiting] == [runs[1].id]


async def test_runs_are_yielded_as_they_end(client: Client, a_run: MakeRun) -> None:
    runs = [await a_run(), await a_run(headgate.Completed()), await a_run()]
    ended: list[FlowRun] = []

    async for run in client.flow_runs.flow_runs_as_completed([run.id for run in runs]):
        ended.append(run)
        if len(ended) < 3:
            await client.flow_runs.set_state(runs[-2 * len(ended) + 4].id, headgate.Completed())

    assert [run.id for run in ended] == [runs[1].id, runs[2].id, runs[0].id]


async def test_a_timeout_names_the_runs_that_have_not_ended(client: Client, a_run: MakeRun) -> None:
    over, first, second = await a_run(headgate.Completed()), await a_run(), await a_run()

    with pytest.raises(errors.FlowRunWaitTimeoutError) as caught:
        await client.flow_runs.wait_for_flow_runs([first.id, over.id, second.id], 0.05)

    assert caught.value.flow_run_ids == (first.id, second.id)


async def test_all_of_no_runs_have_ended_and_none_of_them_has(client: Client) -> None:
    assert await client.flow_runs.wait_for_flow_runs([]) == []
    with pytest.raises(ValueError, match="any of no flow runs"):
        await client.flow_runs.wait_for_flow_runs([], mode=WaitMode.ANY)


async def test_the_end_is_told_within_milliseconds(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_flow_run(run.id, poll_interval=3600))
    await until_watched(door)
    loop = asyncio.get_running_loop()

    await client.flow_runs.set_state(run.id, headgate.Completed())
    ended_at = loop.time()
    await waiting

    assert loop.time() - ended_at < 1  # generous: the machine may be busy
