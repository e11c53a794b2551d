"""States of task runs: judged, written, and noted in the log."""

import asyncio
from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from headgate_server.model.conflicts import VersionMismatchError
from headgate_server.model.errors import TaskRunNotFoundError
from headgate_server.model.events import Event, EventKind
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_runs import TaskRunPolicy
from headgate_server.model.verdicts import VerdictStatus
from tests.builders import NOW, a_state, a_task_run
from tests.fakes import FakeClock
from tests.operations.tasks import TaskWorld, proposal

ACCEPT: Final = VerdictStatus.ACCEPT
REJECT: Final = VerdictStatus.REJECT
ABORT: Final = VerdictStatus.ABORT
WAIT: Final = VerdictStatus.WAIT
A_MINUTE: Final = timedelta(minutes=1)
REPEATED: Final = "This run has already made this state transition."


class TestWhatIsWritten:
    async def test_an_accepted_state_is_the_task_runs_own_from_then_on(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task()

        verdict = await task_world.propose(
            task_run, StateType.RUNNING, "Humming", message="Here we go", data_json='{"n": 1}'
        )

        assert (verdict.status, verdict.is_written, verdict.revision) == (ACCEPT, True, 1)
        stored = await task_world.stored(task_run)
        assert stored == verdict.task_run
        assert stored.state is not None
        assert (stored.state.type, stored.state.name) == (StateType.RUNNING, "Humming")
        assert (stored.state.message, stored.state.data_json) == ("Here we go", '{"n": 1}')
        assert stored.state.details.task_run_id == task_run.id
        assert (stored.version, stored.run_count, stored.flow_run_run_count) == (2, 1, 1)
        assert (stored.start_time, stored.end_time) == (stored.state.timestamp, None)

    async def test_a_life_is_kept_state_by_state(
        self, task_world: TaskWorld, clock: FakeClock
    ) -> None:
        task_run = await task_world.task(None)

        for state_type in (StateType.PENDING, StateType.RUNNING, StateType.COMPLETED):
            clock.advance(A_MINUTE)
            await task_world.propose(task_run, state_type)

        states = await task_world.states(task_run)
        assert [(each.version, each.type) for each in states] == [
            (1, StateType.PENDING),
            (2, StateType.RUNNING),
            (3, StateType.COMPLETED),
        ]
        assert [each.timestamp for each in states] == [NOW + n * A_MINUTE for n in (1, 2, 3)]
        stored = await task_world.stored(task_run)
        assert (stored.start_time, stored.end_time) == (NOW + 2 * A_MINUTE, NOW + 3 * A_MINUTE)
        assert stored.total_run_time == A_MINUTE

    async def test_what_is_accepted_is_noted_in_the_log_without_data(
        self, task_world: TaskWorld, published: list[Event]
    ) -> None:
        task_run = await task_world.task()

        verdict = await task_world.propose(task_run, StateType.RUNNING, data_json="1")

        (event,) = published
        change = event.change
        assert (event.revision, change.kind) == (verdict.revision, EventKind.TASK_STATE_CHANGE)
        assert change.flow_run_id == task_run.flow_run_id
        assert change.task_before == task_run
        assert change.task_after is not None
        assert verdict.task_run.state is not None
        assert change.task_after == replace(
            verdict.task_run, state=replace(verdict.task_run.state, data_json=None)
        )

    async def test_a_refusal_writes_nothing_and_shows_the_state_with_its_data(
        self, task_world: TaskWorld, published: list[Event]
    ) -> None:
        task_run = await task_world.task(a_state(StateType.COMPLETED, data_json="42"))

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert (verdict.status, verdict.is_written, verdict.revision) == (REJECT, False, 0)
        assert verdict.reason == "This run is already completed."
        assert verdict.task_run == task_run
        assert await task_world.stored(task_run) == task_run
        assert published == []

    async def test_states_of_one_moment_are_dated_one_after_the_other(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task()

        await task_world.propose_at_once(*(proposal(task_run, StateType.RUNNING) for _ in range(3)))

        tick = timedelta(microseconds=1)
        states = await task_world.states(task_run)
        assert [each.timestamp for each in states] == [NOW + n * tick for n in range(4)]


class TestAtOnce:
    async def test_proposals_for_one_task_run_are_judged_one_after_the_other(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task(policy=TaskRunPolicy(retries=1))

        verdicts = await task_world.propose_at_once(
            proposal(task_run, StateType.RUNNING),
            proposal(task_run, StateType.FAILED),
            proposal(task_run, StateType.RUNNING),
            proposal(task_run, StateType.FAILED),
            proposal(task_run, StateType.CRASHED),
        )

        assert [each.status for each in verdicts] == [ACCEPT, REJECT, ACCEPT, ACCEPT, ABORT]
        states = await task_world.states(task_run)
        assert [each.name for each in states] == [
            "Pending",
            "Running",
            "AwaitingRetry",
            "Retrying",
            "Failed",
        ]
        assert verdicts[-1].task_run == verdicts[-2].task_run

    async def test_a_bad_proposal_does_not_harm_its_neighbours(self, task_world: TaskWorld) -> None:
        task_run = await task_world.task()
        nobody = a_task_run(task_world.flow_run)

        good, missing, late = await asyncio.gather(
            task_world.propose(task_run, StateType.RUNNING),
            task_world.propose(nobody, StateType.RUNNING),
            task_world.propose(task_run, StateType.COMPLETED, expected_version=1),
            return_exceptions=True,
        )

        assert not isinstance(good, BaseException)
        assert good.status is ACCEPT
        assert isinstance(missing, TaskRunNotFoundError)
        assert isinstance(late, VersionMismatchError)
        assert late.facts == {
            "task_run_id": task_run.id,
            "expected_version": "1",
            "current_version": "2",
        }

    async def test_many_task_runs_take_a_state_each(self, task_world: TaskWorld) -> None:
        made = await task_world.tasks(300)

        verdicts = await task_world.propose_at_once(
            *(proposal(each, StateType.RUNNING) for each in made)
        )

        assert {each.status for each in verdicts} == {ACCEPT}
        assert [each.task_run.id for each in verdicts] == [each.id for each in made]


class TestVersions:
    @pytest.mark.parametrize("force", [False, True], ids=["proposed", "forced"])
    async def test_another_version_than_expected_is_refused_before_any_rule(
        self,
        task_world: TaskWorld,
        force: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        task_run = await task_world.task(a_state(StateType.COMPLETED, data_json="1"))

        with pytest.raises(VersionMismatchError):
            await task_world.propose(task_run, StateType.RUNNING, expected_version=2, force=force)

        assert await task_world.stored(task_run) == task_run

    async def test_the_version_expected_may_be_0(self, task_world: TaskWorld) -> None:
        task_run = await task_world.task(None)

        verdict = await task_world.propose(task_run, StateType.PENDING, expected_version=0)

        assert verdict.task_run.version == 1


class TestTransitionIds:
    async def test_a_repeat_is_refused_with_the_state_as_it_now_stands(
        self, task_world: TaskWorld
    ) -> None:
        task_run, transition_id = await task_world.task(), new_id()
        await task_world.propose(task_run, StateType.RUNNING, transition_id=transition_id)
        ended = await task_world.propose(task_run, StateType.COMPLETED, data_json="1")

        repeat = await task_world.propose(task_run, StateType.RUNNING, transition_id=transition_id)

        assert (repeat.status, repeat.reason) == (REJECT, REPEATED)
        assert repeat.task_run == ended.task_run

    async def test_a_repeat_in_the_same_batch_is_refused(self, task_world: TaskWorld) -> None:
        task_run, transition_id = await task_world.task(), new_id()
        start = proposal(task_run, StateType.RUNNING, transition_id=transition_id)

        first, second = await task_world.propose_at_once(start, start)

        assert (first.status, second.status, second.reason) == (ACCEPT, REJECT, REPEATED)
        assert second.task_run == first.task_run

    async def test_a_substitute_bears_the_id_of_what_it_answers(
        self, task_world: TaskWorld
    ) -> None:
        task_run, transition_id = (
            await task_world.task(StateType.RUNNING, policy=TaskRunPolicy(retries=1)),
            new_id(),
        )
        failure = proposal(task_run, StateType.FAILED, transition_id=transition_id)

        first = (await task_world.propose_at_once(failure))[0]
        second = (await task_world.propose_at_once(failure))[0]

        assert (first.status, first.is_written) == (REJECT, True)
        assert (second.status, second.is_written, second.reason) == (REJECT, False, REPEATED)

    async def test_another_task_run_may_use_the_id(self, task_world: TaskWorld) -> None:
        task_runs, transition_id = await task_world.tasks(2), new_id()

        verdicts = await task_world.propose_at_once(
            *(proposal(each, StateType.RUNNING, transition_id=transition_id) for each in task_runs)
        )

        assert [each.status for each in verdicts] == [ACCEPT, ACCEPT]


class TestForce:
    async def test_who_insists_gets_what_the_rules_would_refuse(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task(a_state(StateType.COMPLETED, data_json="42"))

        verdict = await task_world.propose(task_run, StateType.RUNNING, force=True)

        assert verdict.status is ACCEPT
        assert (verdict.task_run.run_count, verdict.task_run.flow_run_run_count) == (1, 0)

    async def test_a_failure_declared_a_success_has_an_unknown_result(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task(
            a_state(StateType.FAILED, data_json='{"type":"reference"}')
        )

        verdict = await task_world.propose(task_run, StateType.COMPLETED, force=True, data_json="1")

        assert verdict.task_run.state is not None
        assert verdict.task_run.state.data_json == '{"type":"unknown","value":null}'


class TestTheFlowRun:
    @pytest.mark.parametrize(
        "state_type", sorted(set(StateType) - {StateType.RUNNING, StateType.PAUSED})
    )
    async def test_nothing_starts_unless_the_flow_run_runs(
        self, task_world: TaskWorld, state_type: StateType
    ) -> None:
        task_run = await task_world.task()
        await task_world.propose_for_flow(
            task_world.flow_run, ProposedState(type=state_type), force=True
        )

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert (verdict.status, verdict.is_written) == (ABORT, False)
        assert verdict.reason == "The enclosing flow must be running to begin task execution."

    async def test_a_task_run_is_put_off_while_the_flow_run_is_paused(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task()
        await task_world.propose_for_flow(task_world.flow_run, ProposedState(type=StateType.PAUSED))

        put_off = await task_world.propose(task_run, StateType.RUNNING)
        await task_world.propose_for_flow(
            task_world.flow_run, ProposedState(type=StateType.RUNNING)
        )
        started = await task_world.propose(task_run, StateType.RUNNING)

        assert put_off.task_run.state is not None
        assert (put_off.status, put_off.task_run.state.name) == (REJECT, "NotReady")
        assert put_off.reason == (
            "The flow is paused, new tasks can execute after resuming flow run: "
            f"{task_world.flow_run.id}."
        )
        assert started.status is ACCEPT

    async def test_a_task_run_that_ended_is_retrying_when_its_flow_run_runs_again(
        self, task_world: TaskWorld
    ) -> None:
        task_run = await task_world.task()
        for state_type in (StateType.RUNNING, StateType.FAILED):
            await task_world.propose(task_run, state_type)
        for state_type in (StateType.FAILED, StateType.RUNNING):
            await task_world.propose_for_flow(task_world.flow_run, ProposedState(type=state_type))

        verdict = await task_world.propose(task_run, StateType.RUNNING)

        assert verdict.task_run.state is not None
        assert verdict.task_run.state.name == "Retrying"
        assert (verdict.task_run.run_count, verdict.task_run.flow_run_run_count) == (1, 2)


class TestWaiting:
    async def test_a_task_run_waits_for_its_time(
        self, task_world: TaskWorld, clock: FakeClock
    ) -> None:
        task_run = await task_world.task(None)
        await task_world.propose(task_run, StateType.SCHEDULED, scheduled_time=NOW + 2 * A_MINUTE)

        early = await task_world.propose(task_run, StateType.RUNNING)
        clock.advance(2 * A_MINUTE)
        due = await task_world.propose(task_run, StateType.RUNNING)

        assert (early.status, early.delay_seconds, early.is_written) == (WAIT, 120, False)
        assert due.status is ACCEPT

    async def test_a_retry_falls_within_its_spread(self, task_world: TaskWorld) -> None:
        policy = TaskRunPolicy(retries=1, retry_delays=(A_MINUTE,), retry_jitter_factor=0.5)
        made = [await task_world.task(StateType.RUNNING, policy=policy) for _ in range(20)]

        verdicts = await task_world.propose_at_once(
            *(proposal(each, StateType.FAILED) for each in made)
        )

        delays = {
            each.task_run.next_scheduled_start_time - NOW
            for each in verdicts
            if each.task_run.next_scheduled_start_time
        }
        assert len(delays) > 1
        assert all(timedelta() < delay <= 1.5 * A_MINUTE for delay in delays)
