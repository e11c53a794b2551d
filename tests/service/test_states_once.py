"""SetFlowRunState, said twice or by many: versions that are expected, and transitions that bear an id."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.world import (
    ABORT,
    ACCEPT,
    CANCELLED,
    COMPLETED,
    FAILED,
    PENDING,
    REJECT,
    RUNNING,
    WAIT,
    World,
    reason,
    refused,
    scheduled_for,
)

AN_HOUR = timedelta(hours=1)


def with_id(type_: pb.StateType.ValueType, transition_id: str) -> pb.ProposedState:
    """Return a state that one logical transition asks for."""
    return pb.ProposedState(type=type_, details=pb.StateDetails(transition_id=transition_id))


class TestExpectedVersions:
    @pytest.mark.parametrize("force", [False, True])
    async def test_a_run_at_another_version_is_left_alone(self, world: World, force: bool) -> None:  # noqa: FBT001
        run = await world.new_run()
        for version in (0, 2, 2**62):
            call = world.propose(
                run,
                RUNNING,
                force=force,
                expected_version=version,
                inputs=[pb.NewFlowRunInput(key="k", value_json="1")],
            )

            code, info = await refused(call)

            assert (code, info.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
            assert dict(info.metadata) == {
                "flow_run_id": run.id,
                "expected_version": str(version),
                "current_version": "1",
            }
        assert len(await world.states(run)) == 1
        assert await world.input_values(run) == {}
        right = await world.propose(run, RUNNING, force=force, expected_version=1)
        assert (right.status, right.version) == (ACCEPT, 2)

    async def test_the_version_is_looked_at_before_any_rule(self, world: World) -> None:
        run = await world.new_run(CANCELLED)

        assert await reason(world.propose(run, RUNNING, expected_version=7)) == "VERSION_MISMATCH"

    async def test_of_many_that_expect_the_same_version_one_is_taken(self, world: World) -> None:
        run = await world.new_run(RUNNING)

        calls = [world.propose(run, RUNNING, expected_version=1) for _ in range(20)]
        answers = await asyncio.gather(*calls, return_exceptions=True)

        taken = [each for each in answers if isinstance(each, pb.SetFlowRunStateResponse)]
        assert [answer.version for answer in taken] == [2]
        assert len(await world.states(run)) == 2

    async def test_of_two_that_ask_for_pending_at_once_one_gets_the_run(self, world: World) -> None:
        run = await world.new_run(scheduled_for(NOW))

        answers = await asyncio.gather(*(world.propose(run, PENDING) for _ in range(2)))

        assert sorted(answer.status for answer in answers) == [ACCEPT, ABORT]
        aborted = next(answer for answer in answers if answer.status == ABORT)
        assert aborted.abort.reason == (
            "This run is in a PENDING state and cannot transition to a PENDING state."
        )
        assert aborted.version == 2


class TestTransitionIds:
    async def test_a_repeat_is_rejected_with_the_current_state(self, world: World) -> None:
        run, transition_id = await world.new_run(), str(uuid4())
        first = await world.propose(run, with_id(RUNNING, transition_id))

        again = await world.propose(run, with_id(RUNNING, transition_id.upper()))

        assert first.status == ACCEPT
        assert (again.status, again.reject.reason) == (
            *(REJECT, "This run has already made this state transition."),
        )
        assert (again.state, again.version, again.created) == (first.state, 2, False)

    async def test_the_whole_history_is_looked_at(self, world: World) -> None:
        run, transition_id = await world.new_run(), str(uuid4())
        await world.propose(run, with_id(RUNNING, transition_id))
        for state in (RUNNING, FAILED, RUNNING):
            await world.propose(run, state)

        again = await world.propose(run, with_id(COMPLETED, transition_id))

        assert again.status == REJECT
        assert (again.state.type, again.version) == (RUNNING, 5)

    async def test_each_run_has_ids_of_its_own(self, world: World) -> None:
        runs, transition_id = [await world.new_run() for _ in range(2)], str(uuid4())

        answers = [await world.propose(run, with_id(RUNNING, transition_id)) for run in runs]

        assert [answer.status for answer in answers] == [ACCEPT, ACCEPT]

    async def test_a_proposal_that_was_not_taken_may_be_made_again(
        self, world: World, clock: FakeClock
    ) -> None:
        run, transition_id = await world.new_run(scheduled_for(NOW + AN_HOUR)), str(uuid4())

        early = await world.propose(run, with_id(RUNNING, transition_id))
        clock.advance(AN_HOUR)
        in_time = await world.propose(run, with_id(RUNNING, transition_id))

        assert (early.status, in_time.status) == (WAIT, ACCEPT)

    async def test_a_state_in_place_of_the_proposed_one_answers_for_it(self, world: World) -> None:
        run, transition_id = await world.new_run(RUNNING, retries=5), str(uuid4())
        first = await world.propose(run, with_id(FAILED, transition_id))

        again = await world.propose(run, with_id(FAILED, transition_id))

        assert (first.reject.reason, first.state.name) == ("Retrying", "AwaitingRetry")
        assert again.reject.reason == "This run has already made this state transition."
        assert again.state == first.state

    async def test_of_many_repeats_at_once_one_is_taken(self, world: World) -> None:
        run, transition_id = await world.new_run(RUNNING), str(uuid4())

        answers = await asyncio.gather(
            *(world.propose(run, with_id(RUNNING, transition_id)) for _ in range(20))
        )

        assert sorted(answer.status for answer in answers) == [ACCEPT] + [REJECT] * 19
        assert {answer.version for answer in answers} == {2}

    async def test_force_does_not_look_at_it(self, world: World) -> None:
        run, transition_id = await world.new_run(), str(uuid4())
        await world.propose(run, with_id(RUNNING, transition_id))

        forced = await world.propose(run, with_id(RUNNING, transition_id), force=True)

        assert forced.status == ACCEPT
