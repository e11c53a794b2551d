"""Cancellation clean-up: nothing goes on for long under a cancelled flow run."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.operations import cleanup as cleanup_module
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.tasks import get, new_task_run
from tests.service.world import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    paused,
)

LIVE = [SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING]
MESSAGE = "The parent flow run was cancelled."


async def subflow_of(
    world: World, parent: pb.FlowRun, state: Any = RUNNING, **fields: Any
) -> pb.FlowRun:
    """Return a subflow run."""
    task_run = await new_task_run(world, parent)
    return await world.new_run(state, parent_task_run_id=task_run.id, **fields)


async def cancel(world: World, *runs: pb.FlowRun) -> None:
    for run in runs:
        await world.propose(run, CANCELLED, force=True)


class TestTaskRuns:
    @pytest.mark.parametrize("state", LIVE, ids=pb.StateType.Name)
    async def test_those_that_have_not_ended_are_cancelled(
        self, app: App, world: World, state: "pb.StateType.ValueType"
    ) -> None:
        run = await world.new_run(RUNNING)
        task_run = await new_task_run(world, run, state)
        await cancel(world, run)

        first, second = await app.cleanup.clean_up(), await app.cleanup.clean_up()

        assert (first, second) == (1, 0)
        now = (await get(world, task_run)).state
        assert (now.type, now.name, now.message) == (CANCELLED, "Cancelled", MESSAGE)

    async def test_those_that_have_ended_and_those_of_other_runs_are_left_alone(
        self, app: App, world: World
    ) -> None:
        cancelled, running = await world.new_run(RUNNING), await world.new_run(RUNNING)
        ended = await new_task_run(world, cancelled, COMPLETED)
        other = await new_task_run(world, running, RUNNING)
        await cancel(world, cancelled)

        assert await app.cleanup.clean_up() == 0
        assert (await get(world, ended)).state.type == COMPLETED
        assert (await get(world, other)).state.type == RUNNING

    async def test_a_run_that_was_cancelled_before_it_started_is_heeded_too(
        self, app: App, world: World
    ) -> None:
        run = await world.new_run(SCHEDULED)
        task_run = await new_task_run(world, run, PENDING)
        await cancel(world, run)
        assert not (await world.get(run)).HasField("end_time")

        assert await app.cleanup.clean_up() == 1
        assert (await get(world, task_run)).state.type == CANCELLED

    async def test_sets_larger_than_a_page_end_in_one_pass(
        self, app: App, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cleanup_module, "PAGE_SIZE", 3)
        runs = [await world.new_run(RUNNING) for _ in range(2)]
        task_runs = [
            await new_task_run(world, run, state)
            for run in runs
            for state in LIVE
            for _ in range(4)
        ]
        await cancel(world, *runs)

        first, second = await app.cleanup.clean_up(), await app.cleanup.clean_up()

        assert (first, second) == (40, 0)
        assert {(await get(world, each)).state.type for each in task_runs} == {CANCELLED}


class TestSubflowRuns:
    async def test_those_without_a_deployment_are_cancelled_at_once(
        self, app: App, world: World
    ) -> None:
        parent = await world.new_run(RUNNING)
        states = [SCHEDULED, PENDING, RUNNING, paused(), CANCELLING]
        subflows = [await subflow_of(world, parent, state) for state in states]
        await cancel(world, parent)

        await app.cleanup.clean_up()

        for subflow in subflows:
            state = (await world.get(subflow)).state
            assert (state.type, state.message) == (CANCELLED, MESSAGE)

    async def test_those_of_a_deployment_are_cancelling_where_there_is_something_to_stop(
        self, app: App, world: World
    ) -> None:
        parent = await world.new_run(RUNNING)
        states = [SCHEDULED, PENDING, RUNNING, paused(), paused(suspended=True), CANCELLING]
        subflows = [
            await subflow_of(world, parent, state, deployment_id=str(uuid4())) for state in states
        ]
        await cancel(world, parent)

        await app.cleanup.clean_up()
        versions = [(await world.get(each)).version for each in subflows]
        again = await app.cleanup.clean_up()

        found = [(await world.get(each)).state.type for each in subflows]
        assert found == [CANCELLED, CANCELLING, CANCELLING, CANCELLING, CANCELLED, CANCELLING]
        assert versions == [2, 2, 2, 2, 2, 1]
        assert [(await world.get(each)).version for each in subflows] == versions
        assert again == 0

    async def test_a_whole_tree_is_cancelled_in_one_pass(
        self, app: App, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cleanup_module, "PAGE_SIZE", 2)
        root = await world.new_run(RUNNING)
        tree, tasks = [root], []
        for _ in range(3):
            tree += [await subflow_of(world, tree[-1]) for _ in range(3)]
            tasks.append(await new_task_run(world, tree[-1], RUNNING))
        await cancel(world, root)

        await app.cleanup.clean_up()

        assert {(await world.get(each)).state.type for each in tree} == {CANCELLED}
        assert {(await get(world, each)).state.type for each in tasks} == {CANCELLED}
        assert await app.cleanup.clean_up() == 0

    async def test_watchers_are_told(self, app: App, world: World) -> None:
        parent = await world.new_run(RUNNING)
        subflow = await subflow_of(world, parent)
        await cancel(world, parent)
        watch = world.watch(flow_run_ids=[subflow.id], send_initial_state=True)
        await watch.take(2)

        await app.cleanup.clean_up()

        change = (await watch.next("state_change")).state_change
        assert (change.previous_state_name, change.state.name) == ("Running", "Cancelled")


async def test_what_moves_on_meanwhile_is_left_for_the_next_pass(app: App, world: World) -> None:
    parent = await world.new_run(RUNNING)
    subflows = [await subflow_of(world, parent) for _ in range(20)]
    await cancel(world, parent)

    await asyncio.gather(
        app.cleanup.clean_up(),
        *(world.propose(each, COMPLETED) for each in subflows[:10]),
        *(world.delete(each) for each in subflows[10:]),
    )

    for subflow in subflows[:10]:
        names = [state.name for state in await world.states(subflow)]
        assert names in (
            ["Running", "Completed"],
            ["Running", "Cancelled"],
            ["Running", "Cancelled", "Completed"],
        )


async def test_several_servers_clean_up_at_once_without_harm(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(3, postgresql_url, clock) as servers:
        world = servers[0][1]
        root = await world.new_run(RUNNING)
        subflows = [await subflow_of(world, root) for _ in range(10)]
        tasks = [await new_task_run(world, each, RUNNING) for each in subflows]
        await cancel(world, root)

        await asyncio.gather(*(app.cleanup.clean_up() for app, _ in servers))

        for subflow in subflows:
            assert [state.name for state in await world.states(subflow)] == ["Running", "Cancelled"]
        for task_run in tasks:
            assert (await get(world, task_run)).version == 2


class TestByItself:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {"cancellation-interval": "100ms"}

    async def test_the_server_cleans_up(self, world: World) -> None:
        parent = await world.new_run(RUNNING)
        subflow = await subflow_of(world, parent)
        watch = world.watch(flow_run_ids=[subflow.id], send_initial_state=True)
        await watch.take(2)

        await cancel(world, parent)

        assert (await watch.next("state_change")).state_change.state.type == CANCELLED
