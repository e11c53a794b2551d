"""Watches of task runs: what they may be asked for, and what concerns them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.feed import tail
from tests.service import tasks
from tests.service.watched import begun, kind_of, told, versions, watch_task_runs
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    Watch,
    World,
    reason,
    refused,
    texts,
    types,
    violations,
)

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_a_watch_of_flow_runs_tells_of_the_task_runs_that_are_and_those_to_come(
    world: World,
) -> None:
    run, other = await world.new_run(RUNNING), await world.new_run(RUNNING)
    first = await tasks.new_task_run(world, run)
    await tasks.new_task_run(world, other)

    watch = watch_task_runs(world, flow_run_ids=[run.id], send_initial_state=True)

    assert told(await watch.next("snapshot")).id == first.id
    await watch.next("snapshot_complete")
    await tasks.new_task_run(world, other)
    second = await tasks.new_task_run(world, run)
    await tasks.propose(world, first, RUNNING)
    assert [told(each).id for each in await watch.take(2)] == [second.id, first.id]


async def test_a_change_of_state_tells_the_state_the_one_before_and_the_task_run(
    world: World,
) -> None:
    task_run = await tasks.new_task_run(world, tags=["blue"])
    watch = await begun(watch_task_runs(world, task_run_ids=[task_run.id], send_initial_state=True))

    answer = await tasks.propose(world, task_run, RUNNING)

    message = await watch.next("task_state_change")
    change = message.task_state_change
    assert change.state == answer.state
    assert change.state.details.task_run_id == task_run.id
    assert change.state.details.flow_run_id == task_run.flow_run_id
    assert (change.previous_state_type, change.previous_state_name) == (PENDING, "Pending")
    assert change.task_run == await tasks.get(world, task_run, view=pb.TASK_RUN_VIEW_BASIC)
    assert message.revision == answer.revision


async def test_the_first_state_has_none_before(world: World) -> None:
    watch = watch_task_runs(world)
    await watch.settled()

    await tasks.new_task_run(world)

    change = (await watch.next("task_state_change")).task_state_change
    assert change.previous_state_type == pb.STATE_TYPE_UNSPECIFIED
    assert change.previous_state_name == ""


async def test_a_task_run_is_told_to_be_deleted_alone_and_with_its_flow_run(world: World) -> None:
    run = await world.new_run(RUNNING)
    alone, along = [await tasks.new_task_run(world, run) for _ in range(2)]
    watch = await begun(watch_task_runs(world, flow_run_ids=[run.id], send_initial_state=True))

    await tasks.delete(world, alone)
    await world.delete(run)

    gone = await watch.take(2)
    assert [kind_of(each) for each in gone] == ["deleted", "deleted"]
    assert [told(each).id for each in gone] == [alone.id, along.id]


async def test_task_runs_and_flow_runs_are_told_of_apart(world: World) -> None:
    run = await world.new_run(RUNNING)
    of_runs = await begun(world.watch(flow_run_ids=[run.id], send_initial_state=True))
    of_all_runs = await begun(world.watch(send_initial_state=True))
    of_tasks = await begun(watch_task_runs(world, flow_run_ids=[run.id], send_initial_state=True))

    task_run = await tasks.new_task_run(world, run)
    answer = await world.propose(run, COMPLETED)
    await tasks.propose(world, task_run, COMPLETED)

    assert (await of_runs.next("state_change")).revision == answer.revision
    assert (await of_all_runs.next("state_change")).revision == answer.revision
    assert versions(await of_tasks.take(2)) == [1, 2]


async def test_the_state_of_a_subflow_run_is_told_of_its_task_run_in_the_same_transaction(
    world: World,
) -> None:
    task_run = await tasks.new_task_run(world)
    child = await world.new_run(parent_task_run_id=task_run.id)
    watch = await begun(watch_task_runs(world, task_run_ids=[task_run.id], send_initial_state=True))

    await world.propose(child, RUNNING)

    state = (await watch.next("task_state_change")).task_state_change.state
    assert (state.type, state.details.child_flow_run_id) == (RUNNING, child.id)


async def test_filters_on_the_task_run_and_the_id_of_its_flow_run_are_judged_without_asking(
    app: App, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await world.new_run(RUNNING)
    watch = watch_task_runs(
        world,
        flow_runs=pb.FlowRunFilter(id=pb.IdFilter(any=texts(run.id))),
        task_runs=pb.TaskRunFilter(state=pb.StateFilter(type_any=types(RUNNING))),
        send_initial_state=True,
    )
    await begun(watch)
    monkeypatch.setattr(app.database, "read", None)

    other = await tasks.new_task_run(world)
    task_run = await tasks.new_task_run(world, run)
    for each in (other, task_run):
        await tasks.propose(world, each, RUNNING)

    assert told(await watch.next("task_state_change")).id == task_run.id


async def test_a_watcher_that_was_away_for_long_reads_only_what_concerns_it_from_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "RING_BYTES", 0)
    run = await world.new_run(RUNNING)
    first, second = [await tasks.new_task_run(world, run) for _ in range(2)]
    whole: dict[str, tuple[Callable[..., Watch], dict[str, Any]]] = {
        "of the run": (world.watch, {"flow_run_ids": [run.id]}),
        "of runs": (world.watch, {}),
        "of its task runs": (partial(watch_task_runs, world), {"flow_run_ids": [run.id]}),
        "of one task run": (partial(watch_task_runs, world), {"task_run_ids": [second.id]}),
    }
    tokens = {name: await watch(**fields).settled() for name, (watch, fields) in whole.items()}
    for _ in range(3):
        await tasks.propose(world, first, PENDING)
        await tasks.propose(world, second, PENDING)
    await world.propose(run, COMPLETED)

    seen = {
        name: versions(await watch(**fields, resume_token=tokens[name]).take(expected))
        for (name, (watch, fields)), expected in zip(whole.items(), [1, 1, 6, 3], strict=True)
    }

    assert seen == {
        "of the run": [2],
        "of runs": [2],
        "of its task runs": [2, 2, 3, 3, 4, 4],
        "of one task run": [2, 3, 4],
    }


async def test_flow_runs_that_do_not_exist_cannot_be_watched(world: World) -> None:
    code, info = await refused(watch_task_runs(world, flow_run_ids=[MISSING]).next())

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")


async def test_a_resumed_watch_goes_on_though_what_it_names_is_gone(world: World) -> None:
    task_run = await tasks.new_task_run(world)
    watch = await begun(watch_task_runs(world, task_run_ids=[task_run.id], send_initial_state=True))
    await tasks.propose(world, task_run, RUNNING)
    token = (await watch.next()).resume_token
    watch.cancel()
    await world.delete(task_run.flow_run_id)

    again = watch_task_runs(world, task_run_ids=[task_run.id], resume_token=token)

    assert told(await again.next("deleted")).id == task_run.id


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param(
            {"task_run_ids": [MISSING], "flow_run_ids": [MISSING]},
            ["flow_run_ids"],
            id="ids of both kinds",
        ),
        pytest.param(
            {"flow_run_ids": [MISSING], "task_runs": pb.TaskRunFilter()},
            ["task_runs"],
            id="flow runs beside a filter",
        ),
        pytest.param(
            {"task_run_ids": [MISSING], "flows": pb.FlowFilter()},
            ["flows"],
            id="task runs beside a filter",
        ),
        pytest.param(
            {"flow_run_ids": [MISSING], "until": pb.WATCH_UNTIL_ALL_TERMINAL},
            ["until"],
            id="an end without task runs",
        ),
        pytest.param({"task_run_ids": ["x"]}, ["task_run_ids[0]"], id="no id"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    world: World, fields: dict[str, object], wrong: list[str]
) -> None:
    assert await violations(watch_task_runs(world, **fields).next()) == wrong


async def test_a_watch_needs_the_token_of_a_watch_with_the_same_ids(world: World) -> None:
    task_run = await tasks.new_task_run(world)
    token = await watch_task_runs(world, flow_run_ids=[task_run.flow_run_id]).settled()

    again = watch_task_runs(world, task_run_ids=[task_run.id], resume_token=token)

    assert await reason(again.next()) == "RESUME_TOKEN_MISMATCH"
