"""Retention: whole trees of runs that ended long ago go, and nothing else."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.retention import Retention, RetentionReport
from headgate_server.model.states import StateType
from headgate_server.operations import retention as retention_module
from headgate_server.storage.tables import (
    FLOW_RUN,
    FLOW_RUN_INPUT,
    FLOW_RUN_PAYLOAD,
    FLOW_RUN_STATE,
    FLOW_RUN_TAG,
    TASK_RUN,
    TASK_RUN_STATE,
)
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.tasks import new_task_run
from tests.service.world import (
    CANCELLED,
    COMPLETED,
    CRASHED,
    FAILED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    scheduled_for,
)
from tests.storing import count_rows

A_TICK = timedelta(microseconds=1)
A_DAY = timedelta(days=1)
A_MONTH = Retention(age=timedelta(days=30))
LONG = A_MONTH.age + timedelta(seconds=1)
"""States of one run that are written at one time are some microseconds apart."""
NOTHING = RetentionReport()


async def subflow_of(world: World, parent: pb.FlowRun, state: Any = RUNNING) -> pb.FlowRun:
    """Return a subflow run."""
    task_run = await new_task_run(world, parent)
    return await world.new_run(state, parent_task_run_id=task_run.id)


async def ended(world: World, *runs: pb.FlowRun, state: Any = COMPLETED) -> None:
    """End runs, the last one first."""
    for run in reversed(runs):
        await world.propose(run, state, force=True)


async def left(world: World) -> set[str]:
    return {run.id for run in await world.listed()}


async def test_a_run_goes_only_once_it_ended_longer_ago_than_the_age(
    app: App, world: World, clock: FakeClock
) -> None:
    run, running = await world.new_run(RUNNING), await world.new_run(RUNNING)
    clock.advance(A_DAY)
    await ended(world, run)
    clock.advance(A_MONTH.age - A_TICK)

    before = await app.retaining.retain(A_MONTH)
    clock.advance(A_TICK)
    after = await app.retaining.retain(A_MONTH)

    assert (before, after) == (NOTHING, RetentionReport(trees=1, flow_runs=1))
    assert await left(world) == {running.id}


async def test_everything_of_a_run_goes_with_it(app: App, world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING, tags=["a"], parameters_json='{"a": 1}')
    await new_task_run(world, run, COMPLETED)
    await world.leave(run, "key")
    await ended(world, run, await subflow_of(world, run))
    clock.advance(LONG)

    report = await app.retaining.retain(A_MONTH)

    assert report == RetentionReport(trees=1, flow_runs=2)
    tables = (FLOW_RUN, FLOW_RUN_STATE, FLOW_RUN_PAYLOAD, FLOW_RUN_TAG, FLOW_RUN_INPUT)
    assert await count_rows(app.database, *tables, TASK_RUN, TASK_RUN_STATE) == {}


async def test_a_child_that_runs_keeps_its_whole_tree(
    app: App, world: World, clock: FakeClock
) -> None:
    root = await world.new_run(RUNNING)
    child = await subflow_of(world, root)
    grandchild, sibling = await subflow_of(world, child), await subflow_of(world, child)
    await ended(world, root, child, sibling)
    clock.advance(LONG)

    kept = await app.retaining.retain(A_MONTH)
    everything = await left(world)
    await ended(world, grandchild)
    gone = await app.retaining.retain(A_MONTH)

    assert kept == RetentionReport(kept_trees=1)
    assert everything == {root.id, child.id, grandchild.id, sibling.id}
    assert gone == RetentionReport(trees=1, flow_runs=4)
    assert await left(world) == set()


async def test_a_subflow_run_goes_with_its_root_and_not_before(
    app: App, world: World, clock: FakeClock
) -> None:
    root = await world.new_run(RUNNING)
    child = await subflow_of(world, root)
    await ended(world, child)
    clock.advance(LONG)
    await ended(world, root)

    assert await app.retaining.retain(A_MONTH) == NOTHING
    assert await left(world) == {root.id, child.id}


async def test_a_root_that_lost_its_parent_goes_by_itself(
    app: App, world: World, clock: FakeClock
) -> None:
    root = await world.new_run(RUNNING)
    child = await subflow_of(world, root)
    await ended(world, child)
    await world.delete(root)
    clock.advance(LONG)

    assert await app.retaining.retain(A_MONTH) == RetentionReport(trees=1, flow_runs=1)


@pytest.mark.parametrize("started", [True, False], ids=["started", "never started"])
async def test_only_the_states_that_are_named_count(
    app: App, world: World, clock: FakeClock, *, started: bool
) -> None:
    runs = {}
    for state in (COMPLETED, FAILED, CANCELLED, CRASHED):
        run = await world.new_run(RUNNING if started else PENDING)
        await ended(world, run, state=state)
        runs[state] = run.id
    clock.advance(LONG)
    states = frozenset({StateType.FAILED, StateType.CRASHED})

    report = await app.retaining.retain(Retention(age=A_MONTH.age, states=states))

    assert report == RetentionReport(trees=2, flow_runs=2)
    assert await left(world) == {runs[COMPLETED], runs[CANCELLED]}


async def test_a_run_that_never_started_goes_by_when_it_ended_and_was_to_start(
    app: App, world: World, clock: FakeClock
) -> None:
    early = await world.new_run(SCHEDULED)
    later = await world.new_run(scheduled_for(NOW + A_DAY * 10))
    await ended(world, later, state=CANCELLED)
    clock.advance(A_DAY * 5)
    await ended(world, early, state=CANCELLED)
    went = []
    for _ in range(3):
        clock.advance(A_DAY * 15 + A_TICK)
        went.append((await app.retaining.retain(A_MONTH)).trees)

    # On the days 20, 35 and 50.
    assert went == [0, 1, 1]


async def test_more_than_a_page_of_trees_goes_in_one_pass(
    app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "PAGE_SIZE", 3)
    monkeypatch.setattr(retention_module, "RUNS_PER_TRANSACTION", 4)
    kept = []
    for n in range(14):
        root = await world.new_run(RUNNING)
        child = await subflow_of(world, root)
        await ended(world, root, *(() if n % 5 == 0 else (child,)))
        kept += [root.id, child.id] if n % 5 == 0 else []
    clock.advance(LONG)

    first, second = await app.retaining.retain(A_MONTH), await app.retaining.retain(A_MONTH)

    assert first == RetentionReport(trees=11, flow_runs=22, kept_trees=3)
    assert second == RetentionReport(kept_trees=3)
    assert await left(world) == set(kept)


async def test_a_tree_larger_than_a_transaction_goes_from_its_leaves_on(
    app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "RUNS_PER_TRANSACTION", 2)
    tree = [await world.new_run(RUNNING)]
    for _ in range(4):
        tree.append(await subflow_of(world, tree[-1]))
        tree.append(await subflow_of(world, tree[0]))
    await ended(world, *tree)
    clock.advance(LONG)
    watch = world.watch(send_initial_state=True)
    await watch.take(len(tree) + 1)

    report = await app.retaining.retain(A_MONTH)

    assert report == RetentionReport(trees=1, flow_runs=9)
    gone = [(await watch.next("deleted")).deleted.flow_run for _ in tree]
    assert gone[-1].id == tree[0].id
    assert {run.id for run in gone} == {run.id for run in tree}
    # Nobody lost a parent that went before it.
    assert [bool(run.parent_task_run_id) for run in gone] == [True] * 8 + [False]


async def test_a_pass_stops_after_so_many_runs_at_the_end_of_a_tree(
    app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "RUNS_PER_TRANSACTION", 2)
    for _ in range(5):
        root = await world.new_run(RUNNING)
        await ended(world, root, await subflow_of(world, root))
    clock.advance(LONG)

    went = [(await app.retaining.retain(A_MONTH, runs_max=3)).flow_runs for _ in range(4)]

    assert went == [4, 4, 2, 0]


async def test_a_preview_tells_what_would_go_and_takes_nothing(
    app: App, world: World, clock: FakeClock
) -> None:
    for n in range(3):
        root = await world.new_run(RUNNING)
        child = await subflow_of(world, root)
        await ended(world, root, *(() if n == 0 else (child,)))
    clock.advance(LONG)

    preview = await app.retaining.preview(A_MONTH)

    assert preview == RetentionReport(trees=2, flow_runs=4, kept_trees=1)
    assert len(await left(world)) == 6
    assert await app.retaining.retain(A_MONTH) == preview


async def test_a_tree_that_changes_between_the_look_and_the_deletion_stays_whole(
    app: App, world: World, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarted, grown, untouched = [await world.new_run(RUNNING) for _ in range(3)]
    children = [await subflow_of(world, root) for root in (restarted, grown, untouched)]
    await ended(world, restarted, grown, untouched, *children)
    clock.advance(LONG)
    delete_branches = retention_module.Retaining._delete_branches

    async def meanwhile(retaining: Any, branches: Any) -> Any:
        await world.propose(children[0], RUNNING, force=True)
        await subflow_of(world, grown)
        return await delete_branches(retaining, branches)

    monkeypatch.setattr(retention_module.Retaining, "_delete_branches", meanwhile)

    report = await app.retaining.retain(A_MONTH)

    assert report == RetentionReport(trees=1, flow_runs=2, kept_trees=2)
    assert {restarted.id, grown.id, children[0].id, children[1].id} < await left(world)
    assert not {untouched.id, children[2].id} & await left(world)


async def test_several_servers_delete_each_tree_once(postgresql_url: str, clock: FakeClock) -> None:
    async with replicas(3, postgresql_url, clock) as servers:
        world = servers[0][1]
        for _ in range(12):
            root = await world.new_run(RUNNING)
            await ended(world, root, await subflow_of(world, root))
        clock.advance(LONG)

        reports = await asyncio.gather(*(app.retaining.retain(A_MONTH) for app, _ in servers))

        assert sum(report.flow_runs for report in reports) == 24
        assert await left(world) == set()


class TestByItself:
    @pytest.fixture
    def flags(self) -> dict[str, str]:
        return {
            "retention-interval": "1s",
            "retention-age": "1h",
            "retention-states": "completed, failed",
        }

    async def test_the_server_deletes_what_the_operator_does_not_keep(
        self, world: World, clock: FakeClock
    ) -> None:
        completed, crashed = await world.new_run(RUNNING), await world.new_run(RUNNING)
        await ended(world, completed)
        await ended(world, crashed, state=CRASHED)
        watch = world.watch(send_initial_state=True)
        await watch.take(3)

        clock.advance(timedelta(hours=1, seconds=1))

        assert (await watch.next("deleted")).deleted.flow_run.id == completed.id
        assert await left(world) == {crashed.id}
