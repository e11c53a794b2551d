"""Watching runs: every change once and in order, through broken connections and restarts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from grpc import StatusCode

import headgate
from headgate import (
    Client,
    Deleted,
    FlowRunEvent,
    LeftFilter,
    Progress,
    RunUpdate,
    Snapshot,
    SnapshotComplete,
    StateChange,
    StateType,
    WatchUntil,
    errors,
)
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

EventT = TypeVar("EventT")


async def take(events: AsyncGenerator[EventT, None], count: int) -> list[EventT]:
    """Return the next events of a watch."""
    return [await anext(events) for _ in range(count)]


def names(events: list[FlowRunEvent]) -> list[str]:
    """Return the names of the states that were told."""
    return [event.state.name for event in events if isinstance(event, StateChange)]


async def live_through(client: Client, run_id: UUID, count: int) -> list[str]:
    """Let a run take so many states and end, and return the names of the states."""
    wanted = [f"Step{number}" for number in range(count)]
    for name in wanted:
        await client.flow_runs.set_state(run_id, headgate.Running(name=name))
    await client.flow_runs.set_state(run_id, headgate.Completed())
    return [*wanted, "Completed"]


async def test_a_run_is_told_from_how_it_stands_to_its_end(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Pending())
    events = client.flow_runs.watch_flow_run(run.id)
    first, complete = await take(events, 2)

    wanted = await live_through(client, run.id, 2)
    rest = [event async for event in events]

    assert isinstance(first, Snapshot)
    assert first.flow_run.version == 1
    assert first.flow_run.parameters is None
    assert isinstance(complete, SnapshotComplete)
    assert names(rest) == wanted
    assert [event.flow_run.version for event in rest if isinstance(event, StateChange)] == [2, 3, 4]
    revisions = [event.revision for event in rest]
    assert revisions == sorted(set(revisions))


async def test_a_change_tells_what_was_before(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Pending())
    events = client.flow_runs.watch_flow_run(run.id)
    await take(events, 2)

    await client.flow_runs.set_state(run.id, headgate.Completed(data=1))
    [change] = [event async for event in events]

    assert isinstance(change, StateChange)
    assert change.previous_state_type is StateType.PENDING
    assert change.previous_state_name == "Pending"
    assert change.state.data is None
    assert change.state == change.flow_run.state


async def test_a_watch_of_an_ended_run_ends(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Completed())

    events = [event async for event in client.flow_runs.watch_flow_run(run.id)]

    assert [type(event) for event in events] == [Snapshot, SnapshotComplete]


async def test_a_run_that_does_not_exist_cannot_be_watched(client: Client) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        await anext(client.flow_runs.watch_flow_run(uuid4()))


async def test_a_stream_that_breaks_after_each_event_is_one_unbroken_stream(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())
    events = shaky.flow_runs.watch_flow_run(run.id)
    await take(events, 2)
    door.always_fail("WatchFlowRuns", Fault(after_events=1))
    door.break_streams(Fault())

    wanted = await live_through(client, run.id, 10)

    assert names(await take(events, 11)) == wanted
    assert len(door.calls["WatchFlowRuns"]) > 10


async def test_a_stream_goes_on_after_the_server_restarts(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())
    events = shaky.flow_runs.watch_flow_run(run.id)
    await take(events, 2)

    door.stop()
    wanted = await live_through(client, run.id, 3)
    door.start()

    assert names([event async for event in events]) == wanted


async def test_the_end_of_a_stream_is_not_the_end_of_the_watch(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())
    door.fail("WatchFlowRuns", Fault(code=StatusCode.OK, after_events=2))
    events = shaky.flow_runs.watch_flow_run(run.id, until=None)
    await take(events, 2)

    await client.flow_runs.set_state(run.id, headgate.Running())

    assert names(await take(events, 1)) == ["Running"]


async def test_a_snapshot_that_broke_off_is_told_whole(
    shaky: Client, door: FaultyDoor, flow_id: UUID, a_run: MakeRun
) -> None:
    runs = [await a_run() for _ in range(3)]
    door.fail("WatchFlowRuns", Fault(after_events=2))

    events = shaky.flow_runs.watch_flow_runs(
        flows=headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id])), send_initial_state=True
    )
    told = await take(events, 4)

    assert len(door.calls["WatchFlowRuns"]) == 2
    snapshots = [event.flow_run.id for event in told if isinstance(event, Snapshot)]
    assert sorted(snapshots) == sorted(run.id for run in runs)
    assert isinstance(told[-1], SnapshotComplete)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (
            Fault(
                code=StatusCode.OUT_OF_RANGE,
                reason="REVISION_COMPACTED",
                metadata=(("oldest_revision", "9"),),
            ),
            errors.RevisionCompactedError,
        ),
        (
            Fault(code=StatusCode.FAILED_PRECONDITION, reason="EPOCH_CHANGED"),
            errors.EpochChangedError,
        ),
    ],
    ids=["compacted", "another epoch"],
)
async def test_a_gap_that_cannot_be_closed_is_an_error(
    shaky: Client, door: FaultyDoor, a_run: MakeRun, fault: Fault, error: type[Exception]
) -> None:
    run = await a_run()
    door.fail("WatchFlowRuns", Fault(after_events=2), fault)
    events = shaky.flow_runs.watch_flow_run(run.id)
    await take(events, 2)

    with pytest.raises(error):
        await anext(events)


async def test_a_server_that_is_not_there_is_an_error_in_the_end(
    shaky: Client, door: FaultyDoor
) -> None:
    door.stop()

    with pytest.raises(errors.ServerUnreachableError):
        await anext(shaky.flow_runs.watch_flow_runs())


async def test_another_watch_can_go_on_from_a_position(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Pending())
    events = client.flow_runs.watch_flow_run(run.id, until=None)
    position = (await take(events, 2))[-1].resume_token
    await events.aclose()

    await client.flow_runs.set_state(run.id, headgate.Running())
    later = client.flow_runs.watch_flow_run(run.id, until=None, resume_token=position)

    assert names(await take(later, 1)) == ["Running"]


async def test_a_position_of_another_watch_is_refused(client: Client, a_run: MakeRun) -> None:
    one, other = await a_run(), await a_run()
    position = (await take(client.flow_runs.watch_flow_run(one.id), 2))[-1].resume_token

    with pytest.raises(errors.ResumeTokenMismatchError):
        await anext(client.flow_runs.watch_flow_run(other.id, resume_token=position))


async def test_a_filter_tells_who_comes_and_who_leaves(
    client: Client, flow_id: UUID, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())
    running = headgate.FlowRunFilter(
        state=headgate.StateFilter(type_any=[StateType.RUNNING]),
    )
    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    events = client.flow_runs.watch_flow_runs(
        flows=ours, flow_runs=running, send_initial_state=True
    )
    [complete] = await take(events, 1)

    await client.flow_runs.set_state(run.id, headgate.Running())
    await client.flow_runs.set_state(run.id, headgate.Completed())
    came, left = await take(events, 2)

    assert isinstance(complete, SnapshotComplete)
    assert isinstance(came, StateChange)
    assert isinstance(left, LeftFilter)
    assert left.flow_run.is_final


async def test_updates_and_deletions_are_told(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    events = client.flow_runs.watch_flow_run(run.id)
    await take(events, 2)

    await client.flow_runs.update(run.id, name="renamed")
    await client.flow_runs.delete(run.id)
    update, deletion = [event async for event in events]

    assert isinstance(update, RunUpdate)
    assert update.flow_run.name == "renamed"
    assert isinstance(deletion, Deleted)
    assert deletion.flow_run.id == run.id


async def test_progress_is_told_to_who_asks(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    events = client.flow_runs.watch_flow_run(
        run.id, send_initial_state=False, progress_interval=timedelta(seconds=1)
    )

    [event] = await take(events, 1)

    assert isinstance(event, Progress)
    assert event.revision > 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"flow_run_ids": []},
        {"flow_run_ids": [UUID(int=1)], "flow_runs": headgate.FlowRunFilter()},
        {"until": WatchUntil.ANY_TERMINAL},
    ],
    ids=["no ids", "ids and filter", "an end without ids"],
)
async def test_what_cannot_be_watched_is_refused_at_once(
    client: Client, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="flow_run_ids"):
        client.flow_runs.watch_flow_runs(**arguments)


async def test_a_watch_that_nobody_reads_any_more_is_closed(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()

    async with aclosing(shaky.flow_runs.watch_flow_run(run.id)) as events:
        await take(events, 2)

    await asyncio.to_thread(door.wait_until_no_streams)


async def test_watches_have_a_connection_of_their_own(client: Client) -> None:
    assert client._transport.calls is not client._transport.watches
