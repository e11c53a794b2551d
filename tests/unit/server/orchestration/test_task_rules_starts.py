"""Rules about the start of a task run: kept results, the flow run, slots, names and counts."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from headgate_server.model.states import State, StateDetails, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.draft import TagLimit, TaskFacts
from headgate_server.orchestration.engine import TaskDecision
from tests.unit.server.orchestration.builders import (
    A_MINUTE,
    NOW,
    a_run,
    a_state,
    a_task_run,
    propose_task,
)

KEPT = State(
    id="a-kept-state",
    type=StateType.COMPLETED,
    name="Completed",
    timestamp=NOW - A_MINUTE,
    version=3,
    message="Done",
    data_json="42",
    details=StateDetails(task_run_id="another", cache_key="key", transition_id="another's"),
)
RUNNING_FLOW = a_run(StateType.RUNNING, run_count=1)


def name_of(decision: TaskDecision) -> str:
    """Return the name of the state that is written."""
    assert decision.written is not None
    return decision.written.name


def limit(tag: str, slots: int, held_by_others: int) -> TagLimit:
    return TagLimit(tag=tag, slots=slots, held_by_others=held_by_others)


class TestKeptResults:
    def test_a_kept_result_is_written_in_place_of_the_start(self) -> None:
        decision = propose_task(
            a_task_run(StateType.PENDING),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=RUNNING_FLOW, cached=KEPT),
            cache_key="key",
            transition_id="mine",
        )

        assert decision.status is VerdictStatus.REJECT
        written = decision.written
        assert written is not None
        assert (written.name, written.message, written.data_json) == ("Cached", "Done", "42")
        assert written.details == StateDetails(
            task_run_id="a-task-run", cache_key="key", transition_id="mine"
        )
        assert (decision.run.run_count, decision.run.start_time) == (0, None)
        assert not decision.shares_result

    @pytest.mark.parametrize(
        "details",
        [
            pytest.param({}, id="without key"),
            pytest.param({"cache_key": ""}, id="with an empty key"),
            pytest.param({"cache_key": "key", "refresh_cache": True}, id="to be refreshed"),
        ],
    )
    def test_a_start_that_does_not_ask_for_a_kept_result_gets_none(
        self, details: dict[str, Any]
    ) -> None:
        decision = propose_task(
            a_task_run(StateType.PENDING),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=RUNNING_FLOW, cached=KEPT),
            **details,
        )

        assert decision.status is VerdictStatus.ACCEPT

    @pytest.mark.parametrize(
        ("state_type", "key", "shares"),
        [
            (StateType.COMPLETED, "key", True),
            (StateType.COMPLETED, None, False),
            (StateType.COMPLETED, "", False),
            (StateType.FAILED, "key", False),
        ],
    )
    def test_only_a_completed_state_with_a_key_is_kept_for_others(
        self,
        state_type: StateType,
        key: str | None,
        shares: bool,  # noqa: FBT001 - a column of the table
    ) -> None:
        decision = propose_task(a_task_run(StateType.RUNNING), state_type, cache_key=key)

        assert decision.shares_result is shares


class TestTheFlowRun:
    def test_what_is_put_off_is_paused_as_the_flow_run_is(self) -> None:
        expire_time = NOW + A_MINUTE
        paused = a_state(
            StateType.PAUSED,
            pause_expire_time=expire_time,
            pause_reschedule=True,
            pause_key="1",
        )

        decision = propose_task(
            a_task_run(StateType.PENDING),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=a_run(paused)),
        )

        assert decision.status is VerdictStatus.REJECT
        assert decision.written is not None
        assert decision.written.details == StateDetails(
            task_run_id="a-task-run", pause_expire_time=expire_time, pause_reschedule=True
        )

    def test_what_is_put_off_keeps_the_count_that_a_start_would_have_reset(self) -> None:
        decision = propose_task(
            a_task_run(StateType.FAILED, run_count=3),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=a_run(StateType.PAUSED)),
        )

        assert decision.run.run_count == 3

    def test_the_attempt_of_the_flow_run_is_noted_at_the_start_alone(self) -> None:
        facts = TaskFacts(flow_run=a_run(StateType.RUNNING, run_count=7))

        started = propose_task(a_task_run(StateType.PENDING), StateType.RUNNING, facts=facts)
        ended = propose_task(a_task_run(StateType.RUNNING), StateType.COMPLETED, facts=facts)

        assert (started.run.flow_run_run_count, ended.run.flow_run_run_count) == (7, 0)


class TestSlots:
    @pytest.mark.parametrize(
        ("limits", "status", "reason", "delay_seconds"),
        [
            pytest.param([], VerdictStatus.ACCEPT, None, 0, id="no limit"),
            pytest.param([limit("a", 2, 1)], VerdictStatus.ACCEPT, None, 0, id="a slot is free"),
            pytest.param(
                [limit("a", 2, 1), limit("b", 1, 1), limit("c", 0, 0)],
                VerdictStatus.WAIT,
                "Concurrency limit for the b tag has been reached",
                30,
                id="the first that is full decides",
            ),
            pytest.param(
                [limit("a", 1, 5)],
                VerdictStatus.WAIT,
                "Concurrency limit for the a tag has been reached",
                30,
                id="more are held than there are",
            ),
            pytest.param(
                [limit("a", 0, 0), limit("b", 1, 1)],
                VerdictStatus.ABORT,
                'The concurrency limit on tag "a" is 0 and will deadlock if the task tries to run again.',
                0,
                id="a limit of 0",
            ),
        ],
    )
    def test_a_start_needs_a_slot_of_each_limit(
        self,
        limits: list[TagLimit],
        status: VerdictStatus,
        reason: str | None,
        delay_seconds: int,
    ) -> None:
        decision = propose_task(
            a_task_run(StateType.PENDING),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=RUNNING_FLOW, limits=tuple(limits)),
        )

        assert (decision.status, decision.reason) == (status, reason)
        assert decision.delay_seconds == delay_seconds
        assert decision.takes_slots is (status is VerdictStatus.ACCEPT)

    def test_how_long_to_wait_is_told_in_whole_seconds(self) -> None:
        decision = propose_task(
            a_task_run(StateType.PENDING),
            StateType.RUNNING,
            facts=TaskFacts(
                flow_run=RUNNING_FLOW,
                limits=(limit("a", 1, 1),),
                slot_wait=timedelta(seconds=2.6),
            ),
        )

        assert decision.delay_seconds == 3

    def test_a_start_that_is_held_back_takes_no_slot(self) -> None:
        scheduled = a_state(StateType.SCHEDULED, scheduled_time=NOW + A_MINUTE)

        decision = propose_task(
            a_task_run(scheduled),
            StateType.RUNNING,
            facts=TaskFacts(flow_run=RUNNING_FLOW, limits=(limit("a", 1, 0),)),
        )

        assert decision.status is VerdictStatus.WAIT
        assert not decision.takes_slots

    @pytest.mark.parametrize("state_type", StateType)
    def test_slots_are_held_while_running_or_cancelling(self, state_type: StateType) -> None:
        decision = propose_task(a_task_run(StateType.RUNNING), state_type)

        holds = state_type in {StateType.RUNNING, StateType.CANCELLING}
        assert decision.frees_slots is not holds


class TestNames:
    @pytest.mark.parametrize(
        ("state", "run_count", "name"),
        [
            pytest.param(None, 0, "Humming", id="the first start"),
            pytest.param(a_state(StateType.PENDING), 1, "Rerunning", id="another start"),
            pytest.param(a_state(StateType.RUNNING), 1, "Rerunning", id="on top of another"),
            pytest.param(
                a_state(StateType.SCHEDULED, "AwaitingRetry", scheduled_time=NOW),
                *(2, "Retrying"),
                id="a retry",
            ),
            pytest.param(
                a_state(StateType.SCHEDULED, "AwaitingRetry", scheduled_time=NOW),
                *(0, "Humming"),
                id="awaiting a retry without having run",
            ),
            pytest.param(
                a_state(StateType.PENDING, "AwaitingRetry"), 1, "Retrying", id="by name alone"
            ),
            pytest.param(a_state(StateType.FAILED), 3, "Humming", id="after the end"),
        ],
    )
    def test_what_runs_again_is_called_so(
        self, state: State | None, run_count: int, name: str
    ) -> None:
        task_run = a_task_run(state, run_count=run_count, flow_run_run_count=1)

        decision = propose_task(task_run, StateType.RUNNING, "Humming")

        assert name_of(decision) == name

    @pytest.mark.parametrize(
        ("started_in", "flow_run_count", "name"),
        [(1, 1, "Running"), (1, 2, "Retrying"), (2, 1, "Running"), (0, 1, "Retrying")],
    )
    def test_what_ended_is_retrying_when_its_flow_run_runs_again(
        self, started_in: int, flow_run_count: int, name: str
    ) -> None:
        task_run = a_task_run(StateType.CRASHED, run_count=1, flow_run_run_count=started_in)
        facts = TaskFacts(flow_run=replace(RUNNING_FLOW, run_count=flow_run_count))

        decision = propose_task(task_run, StateType.RUNNING, facts=facts)

        assert name_of(decision) == name
        assert decision.run.run_count == 1
