"""WatchDueFlowRuns: runs are sent to workers as they become due."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from typing_extensions import override

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.due import AN_HOUR, due_runs, looked, sent, sent_until_idle
from tests.service.replicas import replicas
from tests.service.work import (
    a_flow,
    named,
    new_pool,
    new_queue,
    queued,
    the_queue,
    updated_pool,
    updated_queue,
)
from tests.service.world import (
    ACCEPT,
    CANCELLED,
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    lasting,
    scheduled_for,
    when,
)

A_SECOND = timedelta(seconds=1)


async def test_all_that_is_due_is_sent_first(world: World, app: App) -> None:
    pool = await new_pool(world)
    other = await new_queue(world, "other")
    late = await queued(app, other.id, NOW - A_SECOND)
    now = await queued(app, pool.default_queue_id, NOW)
    early = await queued(app, pool.default_queue_id, NOW - A_SECOND)
    await queued(app, pool.default_queue_id, NOW + A_SECOND)

    async with due_runs(world) as watch:
        assert await sent_until_idle(watch) == [early, now, late]


async def test_a_run_is_told_with_its_queue_and_as_much_as_asked_for(
    world: World, app: App
) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id, parameters_json='{"a":1}')

    async with due_runs(world, view=pb.FLOW_RUN_VIEW_FULL) as watch:
        message = await watch.next("due")
    async with due_runs(world) as watch:
        basic = await watch.next("due")

    assert (message.due.work_pool_id, message.due.work_queue_id) == (pool.id, pool.default_queue_id)
    assert message.due.flow_run == await world.get(run_id)
    assert when(message.send_time) == NOW
    assert not basic.due.flow_run.HasField("parameters_json")


async def test_a_run_that_is_scheduled_while_the_stream_lasts_is_sent(
    world: World, app: App
) -> None:
    pool = await new_pool(world)
    async with due_runs(world) as watch:
        await watch.next("progress")

        run_id = await queued(app, pool.default_queue_id)

        assert await sent(watch) == run_id


async def test_a_run_is_sent_once_for_each_of_its_versions(world: World, app: App) -> None:
    pool = await new_pool(world)
    run_id = await queued(app, pool.default_queue_id)
    async with due_runs(world) as watch:
        first = await watch.next("due")
        await watch.next("progress")
        assert await looked(app, world, watch, pool.default_queue_id) == []

        await world.propose(run_id, scheduled_for(NOW, "Late"), force=True)
        second = await watch.next("due")
        await world.propose(run_id, PENDING)
        await world.propose(run_id, RUNNING)
        assert await looked(app, world, watch, pool.default_queue_id) == []
        await world.propose(run_id, scheduled_for(NOW, "AwaitingRetry"), force=True)
        third = await watch.next("due")

    assert [each.due.flow_run.id for each in (first, second, third)] == [run_id] * 3
    assert [each.due.flow_run.version for each in (first, second, third)] == [1, 2, 5]


async def test_only_the_queues_named_are_looked_into(world: World, app: App) -> None:
    pool = await new_pool(world)
    other = await new_queue(world, "other")
    await queued(app, pool.default_queue_id)
    run_id = await queued(app, other.id)

    async with due_runs(world, work_queue_names=["other"]) as watch:
        assert await sent_until_idle(watch) == [run_id]
        again = await queued(app, other.id)
        assert await sent(watch) == again


async def test_a_queue_that_is_made_later_is_looked_into(world: World, app: App) -> None:
    await new_pool(world)
    async with due_runs(world) as watch:
        await watch.next("progress")
        queue = await new_queue(world, "new")

        first = await queued(app, queue.id)
        assert await sent(watch) == first
        second = await queued(app, queue.id)
        assert await sent(watch) == second


async def test_a_limit_bounds_what_is_sent(world: World, app: App) -> None:
    pool = await new_pool(world, concurrency_limit=2)
    runs = [await queued(app, pool.default_queue_id, NOW - n * A_SECOND) for n in (3, 2, 1)]
    async with due_runs(world) as watch:
        assert await sent_until_idle(watch) == runs[:2]

        await world.propose(runs[0], PENDING)
        await world.propose(runs[1], PENDING)
        await world.propose(runs[0], RUNNING)
        await world.propose(runs[0], COMPLETED)

        assert await sent(watch) == runs[2]


async def test_a_limit_that_is_raised_lets_more_through(world: World, app: App) -> None:
    pool = await new_pool(world)
    await updated_queue(world, named("default"), "concurrency_limit", concurrency_limit=1)
    runs = [await queued(app, pool.default_queue_id, NOW - n * A_SECOND) for n in (2, 1)]
    async with due_runs(world) as watch:
        assert await sent_until_idle(watch) == runs[:1]

        await updated_queue(world, named("default"), "concurrency_limit", concurrency_limit=2)

        assert await sent(watch) == runs[1]


async def test_a_run_that_is_deleted_makes_room(world: World, app: App) -> None:
    pool = await new_pool(world, concurrency_limit=1)
    runs = [await queued(app, pool.default_queue_id, NOW - n * A_SECOND) for n in (2, 1)]
    async with due_runs(world) as watch:
        assert await sent_until_idle(watch) == runs[:1]

        await world.delete(runs[0])

        assert await sent(watch) == runs[1]


@pytest.mark.parametrize("what", ["pool", "queue"])
async def test_a_pause_stops_the_stream_and_its_end_lets_it_go_on(
    world: World, app: App, what: str
) -> None:
    pool = await new_pool(world)
    told = await queued(app, pool.default_queue_id)

    async def pause(*, is_paused: bool) -> None:
        if what == "pool":
            await updated_pool(world, "paused", paused=is_paused)
        else:
            await updated_queue(world, named("default"), "paused", paused=is_paused)

    async with due_runs(world, progress_interval=lasting(A_SECOND)) as watch:
        assert await sent_until_idle(watch) == [told]
        await pause(is_paused=True)
        held_back = await queued(app, pool.default_queue_id)
        assert await sent_until_idle(watch) == []

        await pause(is_paused=False)

        # What was told before is not told again.
        assert await sent(watch) == held_back


async def test_progress_tells_when_the_next_run_will_be_sent(world: World, app: App) -> None:
    pool = await new_pool(world)
    async with due_runs(world) as watch:
        nothing = await watch.next("progress")
    await queued(app, pool.default_queue_id, NOW + AN_HOUR)
    async with due_runs(world, prefetch=lasting(A_SECOND)) as watch:
        something = await watch.next("progress")

    assert not nothing.progress.HasField("next_send_time")
    assert when(something.progress.next_send_time) == NOW + AN_HOUR - A_SECOND


async def test_progress_is_sent_while_nothing_else_is(world: World) -> None:
    await new_pool(world)

    async with due_runs(world, progress_interval=lasting(A_SECOND)) as watch:
        for _ in range(2):
            await watch.next("progress")


async def test_runs_are_sent_as_long_before_they_are_due_as_asked(world: World, app: App) -> None:
    pool = await new_pool(world)
    soon = await queued(app, pool.default_queue_id, NOW + AN_HOUR)
    await queued(app, pool.default_queue_id, NOW + AN_HOUR + timedelta(microseconds=1))

    async with due_runs(world, prefetch=lasting(AN_HOUR)) as watch:
        assert await sent_until_idle(watch) == [soon]


class GoingClock(FakeClock):
    """A clock that goes by itself."""

    @override
    def __call__(self) -> datetime:
        return datetime.now(UTC)


class TestTime:
    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock of the day."""
        return GoingClock()

    async def test_a_run_is_sent_when_its_time_comes(self, world: World, app: App) -> None:
        pool = await new_pool(world)
        async with due_runs(world, progress_interval=lasting(timedelta(minutes=5))) as watch:
            await watch.next("progress")
            due = datetime.now(UTC) + timedelta(milliseconds=300)

            run_id = await queued(app, pool.default_queue_id, due)
            message = await watch.next("due")

        assert message.due.flow_run.id == run_id
        assert due <= when(message.send_time) < due + A_SECOND

    async def test_a_stream_marks_its_queues_as_polled(self, world: World) -> None:
        await new_pool(world)
        async with due_runs(world) as watch:
            await watch.next("progress")
            await world.new_flow()  # what is written is written in order

            queue = await the_queue(world)

        assert queue.status == pb.WORK_STATUS_READY
        assert queue.HasField("last_polled_time")


async def test_twenty_claimants_take_each_run_once(world: World, app: App) -> None:
    pool = await new_pool(world)
    flow_id = await a_flow(app)
    count, claimants = 20, 20
    won: list[str] = []

    async def claim(name: int) -> int:
        """Wait for the runs, propose PENDING for each, and return how many were not had."""
        lost = 0
        async with due_runs(world) as watch:
            for _ in range(count):
                run_id = await sent(watch)
                begun[name].set()
                await all_begun.wait()
                answer = await world.propose(run_id, PENDING)
                if answer.status == ACCEPT:
                    won.append(run_id)
                else:
                    lost += 1
        return lost

    runs = [
        await queued(app, pool.default_queue_id, NOW - n * A_SECOND, flow_id=flow_id)
        for n in range(count)
    ]
    begun = [asyncio.Event() for _ in range(claimants)]
    all_begun = asyncio.Event()
    claiming = [asyncio.create_task(claim(name)) for name in range(claimants)]
    await asyncio.gather(*(each.wait() for each in begun))
    all_begun.set()
    lost = await asyncio.gather(*claiming)

    assert sorted(won) == sorted(runs)
    assert sum(lost) == count * (claimants - 1)


async def test_another_server_sends_what_this_one_schedules_and_frees(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(2, postgresql_url, clock) as ((app, here), (_, there)):
        pool = await new_pool(here, concurrency_limit=1)
        async with due_runs(there) as watch:
            await watch.next("progress")
            runs = [await queued(app, pool.default_queue_id, NOW - n * A_SECOND) for n in (2, 1)]

            assert await sent(watch) == runs[0]
            await here.propose(runs[0], CANCELLED, force=True)
            assert await sent(watch) == runs[1]
