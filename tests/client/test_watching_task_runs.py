"""Watching task runs: every change once and in order, through broken connections and restarts."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

import headgate
from headgate import (
    Client,
    Progress,
    SnapshotComplete,
    StateType,
    TaskDeleted,
    TaskLeftFilter,
    TaskRun,
    TaskRunEvent,
    TaskSnapshot,
    TaskStateChange,
    TaskUpdate,
    WatchUntil,
    errors,
    sync,
)
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

EventT = TypeVar("EventT")


@pytest.fixture
async def task_run(client: Client, a_run: MakeRun) -> TaskRun:
    """Return a task run that is PENDING."""
    run = await a_run()
    return (await client.task_runs.create(run.id, "task", str(uuid4()))).task_run


async def take(events: AsyncGenerator[EventT, None], count: int) -> list[EventT]:
    """Return the next events of a watch."""
    return [await anext(events) for _ in range(count)]


def names(events: list[TaskRunEvent]) -> list[str]:
    """Return the names of the states that were told."""
    return [event.state.name for event in events if isinstance(event, TaskStateChange)]


async def live_through(client: Client, task_run: TaskRun, count: int) -> list[str]:
    """Let a task run take so many states and end, and return the names of the states."""
    wanted = [f"Step{number}" for number in range(count)]
    for name in wanted:
        await client.task_runs.set_state(task_run.id, headgate.Running(name=name), force=True)
    await client.task_runs.set_state(task_run.id, headgate.Completed())
    return [*wanted, "Completed"]


async def test_a_task_run_is_told_from_how_it_stands_to_its_end(
    client: Client, task_run: TaskRun
) -> None:
    events = client.task_runs.watch_task_run(task_run.id)
    first, complete = await take(events, 2)

    wanted = await live_through(client, task_run, 2)
    rest = [event async for event in events]

    assert isinstance(first, TaskSnapshot)
    assert first.task_run.version == 1
    assert isinstance(complete, SnapshotComplete)
    assert names(rest) == wanted
    assert [event.task_run.version for event in rest if isinstance(event, TaskStateChange)] == [
        *(2, 3, 4)
    ]


async def test_a_change_tells_what_was_before(client: Client, task_run: TaskRun) -> None:
    events = client.task_runs.watch_task_run(task_run.id)
    await take(events, 2)

    await client.task_runs.set_state(task_run.id, headgate.Completed(data=1))
    [change] = [event async for event in events]

    assert isinstance(change, TaskStateChange)
    assert change.previous_state_type is StateType.PENDING
    assert change.previous_state_name == "Pending"
    assert change.state.data is None
    assert change.state == change.task_run.state


async def test_a_stream_that_breaks_after_each_event_is_one_unbroken_stream(
    shaky: Client, door: FaultyDoor, client: Client, task_run: TaskRun
) -> None:
    events = shaky.task_runs.watch_task_run(task_run.id)
    await take(events, 2)
    door.always_fail("WatchTaskRuns", Fault(after_events=1))
    door.break_streams(Fault())

    wanted = await live_through(client, task_run, 10)

    assert names(await take(events, 11)) == wanted
    assert len(door.calls["WatchTaskRuns"]) > 10


async def test_a_stream_goes_on_after_the_server_restarts(
    shaky: Client, door: FaultyDoor, client: Client, task_run: TaskRun
) -> None:
    events = shaky.task_runs.watch_task_runs(
        flow_run_ids=[task_run.flow_run_id], send_initial_state=True
    )
    await take(events, 2)

    door.stop()
    wanted = await live_through(client, task_run, 3)
    door.start()

    assert names(await take(events, 4)) == wanted


async def test_a_filter_tells_who_comes_and_who_leaves(client: Client, task_run: TaskRun) -> None:
    events = client.task_runs.watch_task_runs(
        flow_runs=headgate.FlowRunFilter(id=headgate.IdFilter(any=[task_run.flow_run_id])),
        task_runs=headgate.TaskRunFilter(state=headgate.StateFilter(type_any=[StateType.RUNNING])),
        send_initial_state=True,
    )
    [complete] = await take(events, 1)

    await client.task_runs.set_state(task_run.id, headgate.Running())
    await client.task_runs.set_state(task_run.id, headgate.Completed())
    came, left = await take(events, 2)

    assert isinstance(complete, SnapshotComplete)
    assert isinstance(came, TaskStateChange)
    assert isinstance(left, TaskLeftFilter)
    assert left.task_run.state
    assert left.task_run.state.is_completed


async def test_updates_and_deletions_are_told(client: Client, task_run: TaskRun) -> None:
    events = client.task_runs.watch_task_run(task_run.id)
    await take(events, 2)

    await client.task_runs.update(task_run.id, name="renamed")
    await client.task_runs.delete(task_run.id)
    update, deletion = [event async for event in events]

    assert isinstance(update, TaskUpdate)
    assert update.task_run.name == "renamed"
    assert isinstance(deletion, TaskDeleted)
    assert deletion.task_run.id == task_run.id


async def test_progress_is_told_to_who_asks(client: Client, task_run: TaskRun) -> None:
    events = client.task_runs.watch_task_run(
        task_run.id, send_initial_state=False, progress_interval=timedelta(seconds=1)
    )

    [event] = await take(events, 1)

    assert isinstance(event, Progress)


async def test_what_does_not_exist_cannot_be_watched(client: Client) -> None:
    with pytest.raises(errors.TaskRunNotFoundError):
        await anext(client.task_runs.watch_task_run(uuid4()))
    with pytest.raises(errors.FlowRunNotFoundError):
        await anext(client.task_runs.watch_task_runs(flow_run_ids=[uuid4()]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"flow_run_ids": []},
        {"task_run_ids": []},
        {"flow_run_ids": [UUID(int=1)], "task_run_ids": [UUID(int=1)]},
        {"task_run_ids": [UUID(int=1)], "work_pools": headgate.WorkPoolFilter()},
        {"flow_run_ids": [UUID(int=1)], "until": WatchUntil.ANY_TERMINAL},
    ],
    ids=[
        "no flow runs",
        "no task runs",
        "flow runs and task runs",
        "ids and filter",
        "an end without task runs",
    ],
)
async def test_what_cannot_be_watched_is_refused_at_once(
    client: Client, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="task_run_ids"):
        client.task_runs.watch_task_runs(**arguments)


def test_task_runs_are_watched_without_asyncio_too(server_target: str) -> None:
    with sync.Client(server_target) as client:
        flow = client.flows.create(f"flow-{uuid4()}").flow
        run = client.flow_runs.create(flow.id, state=headgate.Running()).flow_run
        task_run = client.task_runs.create(run.id, "task", "0").task_run

        with client.task_runs.watch_task_run(task_run.id) as events:
            first = [next(events) for _ in range(2)]
            client.task_runs.set_state(task_run.id, headgate.Completed())
            rest = list(events)

    assert [type(event) for event in first] == [TaskSnapshot, SnapshotComplete]
    assert names(rest) == ["Completed"]
