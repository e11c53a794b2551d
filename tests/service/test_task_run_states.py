"""SetTaskRunState: what the rules answer, and what is written then."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.tasks import (
    get,
    new_task_run,
    propose,
    proposed,
    states,
)
from tests.service.world import (
    ABORT,
    ACCEPT,
    COMPLETED,
    CRASHED,
    FAILED,
    PENDING,
    REJECT,
    RUNNING,
    SCHEDULED,
    WAIT,
    World,
    at,
    lasting,
    refused,
    scheduled_for,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
KEPT = '{"type":"literal","value":1}'
RESULT = pb.ProposedState(type=COMPLETED, message="Well", data_json=KEPT)


class TestVerdicts:
    async def test_an_accepted_state_is_answered_whole(
        self, world: World, clock: FakeClock
    ) -> None:
        made = await new_task_run(world)
        clock.advance(A_SECOND)

        answer = await propose(
            world,
            made,
            proposed(
                pb.ProposedState(type=RUNNING, name="Going", message="On"),
                cache_key="k",
                cache_expire_time=at(NOW + AN_HOUR),
                refresh_cache=True,
                untrackable_result=True,
            ),
        )

        assert (answer.status, answer.WhichOneof("details")) == (ACCEPT, "accept")
        assert (answer.version, answer.created) == (2, True)
        assert answer.revision > 0
        state = answer.state
        assert (state.type, state.name, state.message) == (RUNNING, "Going", "On")
        assert when(state.timestamp) == NOW + A_SECOND
        assert state.details == pb.StateDetails(
            flow_run_id=made.flow_run_id,
            task_run_id=made.id,
            cache_key="k",
            cache_expire_time=at(NOW + AN_HOUR),
            refresh_cache=True,
            untrackable_result=True,
        )
        standing = await get(world, made)
        assert (standing.state, standing.version) == (state, 2)
        assert (standing.run_count, standing.flow_run_run_count) == (1, 1)
        assert when(standing.start_time) == NOW + A_SECOND
        assert (await states(world, made))[-1] == state

    async def test_the_books_of_a_life_are_kept(self, world: World, clock: FakeClock) -> None:
        made = await new_task_run(world)
        for state in (RUNNING, RUNNING, COMPLETED):
            clock.advance(A_SECOND)
            await propose(world, made, state)

        ended = await get(world, made)

        assert when(ended.expected_start_time) == NOW
        assert when(ended.start_time) == NOW + A_SECOND
        assert when(ended.end_time) == NOW + 3 * A_SECOND
        assert ended.total_run_time.ToTimedelta() == 2 * A_SECOND
        assert (ended.run_count, ended.version) == (2, 4)
        assert [each.name for each in await states(world, made)] == [
            *("Pending", "Running", "Rerunning", "Completed")
        ]

    async def test_a_kept_result_is_the_last_word(self, world: World) -> None:
        made = await new_task_run(world)
        await propose(world, made, RUNNING)
        await propose(world, made, RESULT)

        answers = [await propose(world, made, state) for state in (RUNNING, FAILED, SCHEDULED)]
        crash = await propose(world, made, CRASHED)

        for answer in answers:
            assert (answer.status, answer.created, answer.revision) == (REJECT, False, 0)
            assert answer.reject.reason == "This run is already completed."
            assert (answer.state.type, answer.state.data_json) == (COMPLETED, KEPT)
        assert (crash.status, crash.abort.reason) == (ABORT, "Run is already COMPLETED.")

    async def test_a_start_before_its_time_is_told_how_long_to_wait(
        self, world: World, clock: FakeClock
    ) -> None:
        made = await new_task_run(world, state=scheduled_for(NOW + AN_HOUR))

        answer = await propose(world, made, RUNNING)
        clock.advance(AN_HOUR)
        in_time = await propose(world, made, RUNNING)

        assert answer.status == WAIT
        assert answer.wait == pb.WaitDetails(
            delay=lasting(AN_HOUR), reason="Scheduled time is in the future"
        )
        assert (answer.version, answer.created, answer.state) == (1, False, made.state)
        assert in_time.status == ACCEPT

    async def test_force_asks_no_rule(self, world: World) -> None:
        run = await world.new_run(PENDING)
        made = await new_task_run(world, run, scheduled_for(NOW + AN_HOUR))

        answer = await propose(world, made, RUNNING, force=True)

        assert (answer.status, answer.state.type) == (ACCEPT, RUNNING)

    async def test_times_of_states_increase_even_if_the_clock_stands_still(
        self, world: World
    ) -> None:
        made = await new_task_run(world)

        await asyncio.gather(*(propose(world, made, PENDING) for _ in range(20)))

        times = [when(each.timestamp) for each in await states(world, made)]
        assert len(times) == 21
        assert times == sorted(set(times))

    async def test_a_missing_task_run_is_not_found(self, world: World) -> None:
        missing = str(uuid4())

        code, info = await refused(propose(world, missing, RUNNING))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_RUN_NOT_FOUND")
        assert dict(info.metadata) == {"task_run_id": missing}

    async def test_wrong_fields_are_named(self, world: World) -> None:
        request = pb.SetTaskRunStateRequest(
            task_run_id="x",
            state=proposed(
                pb.ProposedState(name="x" * 256, data_json="{"),
                transition_id="y",
                cache_key="x" * 2001,
            ),
            expected_version=-1,
        )

        assert await violations(world.task_runs.SetTaskRunState(request)) == [
            "task_run_id",
            "state.type",
            "state.name",
            "state.data_json",
            "state.details.transition_id",
            "state.details.cache_key",
            "expected_version",
        ]
        empty = world.task_runs.SetTaskRunState(pb.SetTaskRunStateRequest())
        assert await violations(empty) == ["task_run_id", "state"]


class TestOnce:
    async def test_a_transition_is_made_once(self, world: World) -> None:
        made = await new_task_run(world)
        start = proposed(RUNNING, transition_id=str(uuid4()))

        answers = [await propose(world, made, start) for _ in range(2)]
        await propose(world, made, COMPLETED)
        late = await propose(world, made, start)

        assert [each.status for each in answers] == [ACCEPT, REJECT]
        assert answers[1].reject.reason == "This run has already made this state transition."
        assert answers[1].state == answers[0].state
        assert (late.status, late.state.type) == (REJECT, COMPLETED)
        assert len(await states(world, made)) == 3

    async def test_of_repeats_at_once_one_is_made(self, world: World) -> None:
        made = await new_task_run(world)
        start = proposed(RUNNING, transition_id=str(uuid4()))

        answers = await asyncio.gather(*(propose(world, made, start) for _ in range(10)))

        assert [each.status for each in answers].count(ACCEPT) == 1
        assert len(await states(world, made)) == 2

    @pytest.mark.parametrize("force", [False, True])
    async def test_the_expected_version_is_checked(self, world: World, *, force: bool) -> None:
        made = await new_task_run(world)

        code, info = await refused(propose(world, made, RUNNING, force=force, expected_version=0))
        accepted = await propose(world, made, RUNNING, force=force, expected_version=1)

        assert (code, info.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
        assert dict(info.metadata) == {
            "task_run_id": made.id,
            "expected_version": "0",
            "current_version": "1",
        }
        assert accepted.status == ACCEPT
