"""The rules for task runs as callers meet them: flow runs, retries, caching, slots."""

import asyncio
from datetime import timedelta

import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.tasks import (
    created,
    get,
    limit,
    new_task_run,
    propose,
    proposed,
    slots,
)
from tests.service.world import (
    ABORT,
    ACCEPT,
    CANCELLING,
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    SCHEDULED,
    WAIT,
    World,
    at,
    lasting,
    paused,
    when,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
KEPT = '{"type":"literal","value":1}'
DEADLOCK = (
    'The concurrency limit on tag "db" is 0 and will deadlock if the task tries to run again.'
)
RESULT = pb.ProposedState(type=COMPLETED, message="Well", data_json=KEPT)


class TestFlowRuns:
    @pytest.mark.parametrize(
        "state",
        [
            pytest.param(PENDING, id="pending"),
            pytest.param(SCHEDULED, id="scheduled"),
            pytest.param(COMPLETED, id="completed"),
            pytest.param(CANCELLING, id="cancelling"),
        ],
    )
    async def test_tasks_start_only_in_a_running_flow(
        self, world: World, state: "pb.StateType.ValueType"
    ) -> None:
        run = await world.new_run(state)
        made = await new_task_run(world, run)

        answer = await propose(world, made, RUNNING)

        assert (answer.status, answer.abort.reason) == (
            ABORT,
            "The enclosing flow must be running to begin task execution.",
        )
        assert answer.state == made.state

    async def test_tasks_of_a_paused_flow_are_not_ready(
        self, world: World, clock: FakeClock
    ) -> None:
        run = await world.new_run(RUNNING)
        made = await new_task_run(world, run)
        await world.propose(run, paused(pause_expire_time=at(NOW + AN_HOUR)))

        answer = await propose(world, made, RUNNING)
        await world.resume(run)
        clock.advance(A_SECOND)
        after = await propose(world, made, RUNNING)

        assert (answer.status, answer.created) == (REJECT, True)
        assert answer.reject.reason == (
            f"The flow is paused, new tasks can execute after resuming flow run: {run.id}."
        )
        assert (answer.state.type, answer.state.name) == (PAUSED, "NotReady")
        assert when(answer.state.details.pause_expire_time) == NOW + AN_HOUR
        assert answer.state.details.pause_key == ""
        assert (after.status, after.state.name) == (ACCEPT, "Running")


class TestRetries:
    async def test_failures_are_answered_by_retries_while_the_policy_allows(
        self, world: World, clock: FakeClock
    ) -> None:
        policy = pb.TaskRunPolicy(
            retries=2, retry_delays=[lasting(A_SECOND), lasting(10 * A_SECOND)]
        )
        made = await new_task_run(world, policy=policy)
        waits = []

        for _ in range(2):
            assert (await propose(world, made, RUNNING)).status == ACCEPT
            failed = await propose(
                world, made, pb.ProposedState(type=FAILED, message="No", data_json=KEPT)
            )
            assert (failed.status, failed.reject.reason) == (REJECT, "Retrying")
            assert (failed.state.type, failed.state.name) == (SCHEDULED, "AwaitingRetry")
            assert (failed.state.message, failed.state.data_json) == ("No", KEPT)
            waits.append(when(failed.state.details.scheduled_time) - clock())
            clock.advance(waits[-1])
        again = await propose(world, made, RUNNING)
        last = await propose(world, made, FAILED)

        assert waits == [A_SECOND, 10 * A_SECOND]
        assert (again.status, again.state.name) == (ACCEPT, "Retrying")
        assert (last.status, last.state.type) == (ACCEPT, FAILED)
        assert (await get(world, made)).run_count == 3

    async def test_a_failure_that_is_not_retriable_is_taken_as_it_is(self, world: World) -> None:
        made = await new_task_run(world, policy=pb.TaskRunPolicy(retries=2))
        await propose(world, made, RUNNING)

        answer = await propose(world, made, proposed(FAILED, retriable=False))

        assert (answer.status, answer.state.type) == (ACCEPT, FAILED)
        assert answer.state.details.HasField("retriable")
        assert not answer.state.details.retriable

    async def test_jitter_spreads_the_delay_within_its_bounds(self, world: World) -> None:
        policy = pb.TaskRunPolicy(retries=1, retry_delays=[lasting(AN_HOUR)], retry_jitter_factor=1)
        run = await world.new_run(RUNNING)
        delays = []
        for _ in range(5):
            made = await new_task_run(world, run, policy=policy)
            await propose(world, made, RUNNING)
            answer = await propose(world, made, FAILED)
            delays.append(when(answer.state.details.scheduled_time) - NOW)

        assert len(set(delays)) == 5
        assert all(timedelta() < delay <= 2 * AN_HOUR for delay in delays)

    async def test_a_task_run_of_a_flow_run_that_runs_anew_is_retrying(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        made = await new_task_run(world, run)
        for state in (RUNNING, FAILED):
            await propose(world, made, state)
        await world.propose(run, FAILED)
        await world.propose(run, RUNNING)

        answer = await propose(world, made, RUNNING)

        assert (answer.status, answer.state.name) == (ACCEPT, "Retrying")
        standing = await get(world, made)
        assert (standing.run_count, standing.flow_run_run_count) == (1, 2)


class TestCaching:
    async def completed(self, world: World, run: pb.FlowRun, **details: object) -> pb.TaskRun:
        """Complete a task run whose result others may take over."""
        made = await new_task_run(world, run)
        await propose(world, made, RUNNING)
        state = pb.ProposedState()
        state.CopyFrom(RESULT)
        await propose(world, made, proposed(state, **details))
        return made

    async def test_a_result_is_taken_over(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        source = await self.completed(world, run, cache_key="k")
        made = await new_task_run(world)

        answer = await propose(world, made, proposed(RUNNING, cache_key="k"))

        assert (answer.status, answer.created) == (REJECT, True)
        assert answer.reject.reason == "Retrieved state from cache"
        state = answer.state
        assert (state.type, state.name, state.message) == (COMPLETED, "Cached", "Well")
        assert state.data_json == KEPT
        assert state.id != (await get(world, source)).state.id
        assert state.details.task_run_id == made.id
        assert state.details.flow_run_id == made.flow_run_id
        standing = await get(world, made)
        assert standing.run_count == 0
        assert not standing.HasField("start_time")
        assert not standing.HasField("end_time")

    async def test_a_result_is_left_when_it_is_not_wanted(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        await self.completed(world, run, cache_key="k")

        answers = [
            await propose(world, await new_task_run(world, run), proposed(RUNNING, **details))
            for details in ({}, {"cache_key": "other"}, {"cache_key": "k", "refresh_cache": True})
        ]

        assert [each.status for each in answers] == [ACCEPT] * 3

    async def test_a_result_expires(self, world: World, clock: FakeClock) -> None:
        run = await world.new_run(RUNNING)
        await self.completed(world, run, cache_key="k", cache_expire_time=at(NOW + AN_HOUR))

        before = await propose(
            world, await new_task_run(world, run), proposed(RUNNING, cache_key="k")
        )
        clock.advance(AN_HOUR)
        after = await propose(
            world, await new_task_run(world, run), proposed(RUNNING, cache_key="k")
        )

        assert [before.status, after.status] == [REJECT, ACCEPT]

    async def test_the_newest_result_is_taken(self, world: World, clock: FakeClock) -> None:
        run = await world.new_run(RUNNING)
        await self.completed(world, run, cache_key="k")
        clock.advance(A_SECOND)
        newest = await new_task_run(world, run)
        await propose(world, newest, RUNNING)
        await propose(
            world,
            newest,
            proposed(pb.ProposedState(type=COMPLETED, data_json="2"), cache_key="k"),
        )

        answer = await propose(
            world, await new_task_run(world, run), proposed(RUNNING, cache_key="k")
        )

        assert answer.state.data_json == "2"


class TestSlots:
    async def test_a_task_run_holds_a_slot_while_it_runs(self, world: World) -> None:
        await limit(world, "db", 1)
        run = await world.new_run(RUNNING)
        first, second = [await new_task_run(world, run, tags=["db"]) for _ in range(2)]

        started = await propose(world, first, RUNNING)
        waits = await propose(world, second, RUNNING)
        held = await slots(world, "db")
        await propose(world, first, CANCELLING)
        still_held = await slots(world, "db")
        await propose(world, first, COMPLETED)
        goes = await propose(world, second, RUNNING)

        assert started.status == ACCEPT
        assert waits.status == WAIT
        assert waits.wait == pb.WaitDetails(
            delay=lasting(30 * A_SECOND), reason="Concurrency limit for the db tag has been reached"
        )
        assert held == still_held == [first.id]
        assert goes.status == ACCEPT
        assert await slots(world, "db") == [second.id]

    async def test_a_limit_of_zero_aborts(self, world: World) -> None:
        await limit(world, "db", 0)
        made = await new_task_run(world, tags=["db"])

        answer = await propose(world, made, RUNNING)

        assert (answer.status, answer.abort.reason) == (
            ABORT,
            DEADLOCK,
        )

    async def test_a_waiting_task_run_holds_no_slot_and_a_running_one_waits_for_itself_never(
        self, world: World
    ) -> None:
        await limit(world, "a", 1)
        await limit(world, "b", 1)
        run = await world.new_run(RUNNING)
        holder = await new_task_run(world, run, tags=["a"])
        waiter = await new_task_run(world, run, tags=["b", "a"])
        await propose(world, holder, RUNNING)

        waits = await propose(world, waiter, RUNNING)
        again = await propose(world, holder, RUNNING)

        assert waits.status == WAIT
        assert await slots(world, "b") == []
        assert (again.status, again.state.name) == (ACCEPT, "Rerunning")

    async def test_force_takes_no_slots_but_gives_them_back(self, world: World) -> None:
        await limit(world, "db", 1)
        run = await world.new_run(RUNNING)
        holder = await new_task_run(world, run, tags=["db"])
        forced = await new_task_run(world, run, tags=["db"])
        await propose(world, holder, RUNNING)

        await propose(world, forced, RUNNING, force=True)
        held = await slots(world, "db")
        await propose(world, holder, FAILED, force=True)

        assert held == [holder.id]
        assert await slots(world, "db") == []

    async def test_a_limit_is_never_exceeded(self, world: World) -> None:
        await limit(world, "db", 3)
        run = await world.new_run(RUNNING)
        made = [
            answer.task_run
            for answer in await asyncio.gather(
                *(created(world, run, tags=["db"]) for _ in range(20))
            )
        ]

        answers = await asyncio.gather(*(propose(world, each, RUNNING) for each in made))

        assert [each.status for each in answers].count(ACCEPT) == 3
        assert [each.status for each in answers].count(WAIT) == 17
        assert len(await slots(world, "db")) == 3
