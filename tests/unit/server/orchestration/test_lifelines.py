"""Whole lives of runs, and the corners where several rules meet."""

from datetime import timedelta

import pytest

from headgate_server.model.flow_runs import FlowRunPolicy, RetryType
from headgate_server.model.states import StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.policies import (
    CORE_FLOW_POLICY,
    MARK_LATE_POLICY,
    MINIMAL_FLOW_POLICY,
    policy_for,
)
from tests.unit.server.orchestration.builders import A_MINUTE, NOW, a_run, a_state, propose


def test_an_ad_hoc_run_starts_and_ends() -> None:
    run = propose(a_run(None), StateType.PENDING, policy=MINIMAL_FLOW_POLICY).run

    run = propose(run, StateType.RUNNING, now=NOW + A_MINUTE).run
    run = propose(run, StateType.COMPLETED, now=NOW + 3 * A_MINUTE).run

    assert (run.version, run.run_count) == (3, 1)
    assert run.expected_start_time == NOW
    assert (run.start_time, run.end_time) == (NOW + A_MINUTE, NOW + 3 * A_MINUTE)
    assert run.total_run_time == 2 * A_MINUTE


def test_a_scheduled_run_is_late_taken_and_started() -> None:
    run = propose(
        a_run(None), StateType.SCHEDULED, policy=MINIMAL_FLOW_POLICY, scheduled_time=NOW
    ).run

    run = propose(
        run,
        StateType.SCHEDULED,
        "Late",
        policy=MARK_LATE_POLICY,
        scheduled_time=NOW,
        now=NOW + A_MINUTE,
    ).run
    run = propose(run, StateType.PENDING, now=NOW + 2 * A_MINUTE).run
    run = propose(run, StateType.RUNNING, now=NOW + 3 * A_MINUTE).run

    assert (run.version, run.run_count) == (4, 1)
    assert run.expected_start_time == NOW
    assert run.start_time == NOW + 3 * A_MINUTE
    assert run.next_scheduled_start_time is None


def test_a_failed_run_is_retried_in_its_process_until_the_retries_are_spent() -> None:
    policy = FlowRunPolicy(retries=1, retry_delay=A_MINUTE)
    running = a_run(StateType.RUNNING, policy=policy, run_count=1, start_time=NOW - A_MINUTE)

    awaiting = propose(running, StateType.FAILED)
    early = propose(awaiting.run, StateType.RUNNING)
    retrying = propose(awaiting.run, StateType.RUNNING, "Retrying", now=NOW + A_MINUTE)
    failed = propose(retrying.run, StateType.FAILED, now=NOW + 2 * A_MINUTE)

    assert awaiting.status is VerdictStatus.REJECT
    assert awaiting.run.next_scheduled_start_time == NOW + A_MINUTE
    assert awaiting.run.end_time is None
    assert awaiting.run.total_run_time == A_MINUTE
    assert (early.status, early.delay_seconds) == (VerdictStatus.WAIT, 60)
    assert (retrying.status, retrying.run.run_count) == (VerdictStatus.ACCEPT, 2)
    assert failed.status is VerdictStatus.ACCEPT
    assert failed.run.policy.retry_type is RetryType.IN_PROCESS


def test_a_failed_run_is_brought_back_by_hand() -> None:
    start = NOW - A_MINUTE
    failed = a_run(StateType.FAILED, run_count=1, start_time=start, end_time=NOW)

    again = propose(failed, StateType.SCHEDULED, "AwaitingRetry").run
    run = propose(again, StateType.PENDING).run
    run = propose(run, StateType.RUNNING).run

    assert (again.run_count, again.end_time) == (1, None)
    assert again.policy.retry_type is RetryType.RESCHEDULE
    assert (run.run_count, run.start_time) == (2, start)


def test_a_suspended_run_comes_back_without_counting() -> None:
    run = a_run(StateType.RUNNING, run_count=1, policy=FlowRunPolicy(retries=1))

    run = propose(run, StateType.PAUSED, "Suspended", pause_key="1", pause_reschedule=True).run
    run = propose(run, StateType.SCHEDULED, "Resuming").run
    run = propose(run, StateType.PENDING).run
    run = propose(run, StateType.RUNNING).run

    assert run.run_count == 1
    assert not run.policy.resuming
    assert run.policy.pause_keys == {"1"}


def test_pauses_in_place_eat_no_retry() -> None:
    run = a_run(StateType.RUNNING, run_count=1, policy=FlowRunPolicy(retries=1))
    for key in "12":
        run = propose(run, StateType.PAUSED, pause_key=key).run
        run = propose(run, StateType.RUNNING).run

    decision = propose(run, StateType.FAILED)

    assert run.run_count == 1
    assert decision.reason == "Retrying"


def test_a_start_after_a_resumption_counts_again() -> None:
    run = propose(a_run(StateType.PAUSED, run_count=1), StateType.RUNNING).run

    run = propose(run, StateType.RUNNING).run

    assert run.run_count == 2


def test_a_retried_run_pauses_again_with_the_same_key() -> None:
    run = a_run(StateType.RUNNING, run_count=1, policy=FlowRunPolicy(retries=1))
    run = propose(run, StateType.PAUSED, pause_key="1").run
    run = propose(run, StateType.RUNNING).run
    run = propose(run, StateType.FAILED).run
    run = propose(run, StateType.RUNNING).run

    decision = propose(run, StateType.PAUSED, pause_key="1")

    assert decision.status is VerdictStatus.ACCEPT


def test_a_running_run_is_cancelled_in_two_steps() -> None:
    run = a_run(StateType.RUNNING, start_time=NOW - A_MINUTE)

    run = propose(run, StateType.CANCELLING).run
    run = propose(run, StateType.CANCELLED, now=NOW + A_MINUTE).run

    assert run.end_time == NOW + A_MINUTE
    assert run.total_run_time == A_MINUTE


def test_a_failure_becomes_awaiting_retry() -> None:
    run = a_run(StateType.RUNNING, run_count=1, policy=FlowRunPolicy(retries=1), start_time=NOW)

    decision = propose(run, StateType.FAILED)

    assert decision.status is VerdictStatus.REJECT
    assert decision.written is not None
    assert decision.written.name == "AwaitingRetry"
    assert decision.run.next_scheduled_start_time == NOW
    assert (decision.run.total_run_time, decision.run.end_time) == (A_MINUTE, None)


def test_a_cancelled_run_keeps_its_policy_when_it_cannot_be_scheduled() -> None:
    policy = FlowRunPolicy(pause_keys=frozenset({"1"}), retry_type=RetryType.IN_PROCESS)
    run = a_run(StateType.CANCELLED, policy=policy)

    decision = propose(run, StateType.SCHEDULED)

    assert decision.status is VerdictStatus.REJECT
    assert decision.run is run


def test_a_blocking_pause_is_cancelled() -> None:
    """The process that waits in the pause is told to stop, like one that works."""
    decision = propose(a_run(StateType.PAUSED), StateType.CANCELLING)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLING


def test_a_suspended_run_is_cancelled_at_once() -> None:
    suspended = a_state(StateType.PAUSED, "Suspended", pause_reschedule=True)

    decision = propose(a_run(suspended, start_time=NOW - A_MINUTE), StateType.CANCELLING)

    assert decision.status is VerdictStatus.REJECT
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLED
    assert decision.run.end_time == NOW
    assert not decision.run.policy.resuming


def test_an_expired_pause_can_still_be_cancelled() -> None:
    """Only a resumption comes too late."""
    run = a_run(a_state(StateType.PAUSED, pause_expire_time=NOW - A_MINUTE))

    decision = propose(run, StateType.CANCELLED)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLED


def test_a_completed_run_without_result_runs_again() -> None:
    start = NOW - 2 * A_MINUTE
    run = a_run(
        StateType.COMPLETED,
        deployment_id=None,
        run_count=1,
        start_time=start,
        end_time=NOW - A_MINUTE,
        policy=FlowRunPolicy(pause_keys=frozenset({"1"})),
    )

    decision = propose(run, StateType.RUNNING)

    assert decision.status is VerdictStatus.ACCEPT
    assert (decision.run.start_time, decision.run.end_time) == (start, None)
    assert decision.run.run_count == 2
    assert decision.run.policy == FlowRunPolicy()


def test_force_starts_a_run_before_its_time() -> None:
    due = NOW + timedelta(days=30)
    run = a_run(a_state(StateType.SCHEDULED, scheduled_time=due), next_scheduled_start_time=due)

    decision = propose(run, StateType.RUNNING, policy=policy_for(force=True))

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.run_count == 1
    assert decision.run.next_scheduled_start_time is None


def test_the_second_of_two_equal_transitions_finds_the_state_of_the_first() -> None:
    first = propose(
        a_run(StateType.PENDING), StateType.RUNNING, transition_id="t", state_id="state-1"
    )

    second = propose(
        first.run,
        StateType.RUNNING,
        transition_id="t",
        state_id="state-2",
        repeats_a_transition=True,
    )

    assert second.status is VerdictStatus.REJECT
    assert second.run.state is not None
    assert second.run.state.id == "state-1"


@pytest.mark.parametrize(
    ("force", "policy"), [(False, CORE_FLOW_POLICY), (True, MINIMAL_FLOW_POLICY)]
)
def test_force_is_a_choice_of_policy(force: bool, policy: object) -> None:  # noqa: FBT001
    assert policy_for(force=force) is policy
