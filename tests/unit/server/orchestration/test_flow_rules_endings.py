"""Repeats, ends and cancellation: the first five rules of the core policy, row by row."""

import pytest

from headgate_server.model.flow_runs import FlowRunPolicy, RetryType
from headgate_server.model.states import TERMINAL, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.policies import CORE_FLOW_POLICY, MINIMAL_FLOW_POLICY, FlowPolicy
from tests.unit.server.orchestration.builders import a_run, a_state, propose

MEMORIES = FlowRunPolicy(
    retries=2, pause_keys=frozenset({"1"}), resuming=True, retry_type=RetryType.IN_PROCESS
)


@pytest.mark.parametrize("proposed_type", StateType)
@pytest.mark.parametrize("initial_type", StateType)
def test_a_repeated_transition_is_refused_whatever_it_asks_for(
    initial_type: StateType,
    proposed_type: StateType,
) -> None:
    run = a_run(initial_type)

    decision = propose(run, proposed_type, repeats_a_transition=True)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == "This run has already made this state transition."
    assert decision.run is run


def test_a_repeated_transition_passes_when_forced() -> None:
    decision = propose(
        a_run(StateType.RUNNING),
        StateType.RUNNING,
        repeats_a_transition=True,
        policy=MINIMAL_FLOW_POLICY,
    )

    assert decision.status is VerdictStatus.ACCEPT


@pytest.mark.parametrize(
    "proposed_type", [StateType.CANCELLING, StateType.PAUSED, StateType.CRASHED]
)
@pytest.mark.parametrize("initial_type", sorted(TERMINAL))
def test_an_ended_run_cannot_pause_crash_or_be_cancelled(
    initial_type: StateType,
    proposed_type: StateType,
) -> None:
    decision = propose(a_run(initial_type), proposed_type)

    assert decision.status is VerdictStatus.ABORT
    assert decision.reason == f"Run is already in terminal state {initial_type.value}."


@pytest.mark.parametrize("data_json", ['{"type": "reference"}', '{"value": 1}', '"text"', "0"])
@pytest.mark.parametrize(
    "proposed_type", [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
)
def test_a_completed_run_with_a_result_does_not_run_again(
    proposed_type: StateType,
    data_json: str,
) -> None:
    run = a_run(a_state(StateType.COMPLETED, data_json=data_json), deployment_id=None)

    decision = propose(run, proposed_type)

    assert (decision.status, decision.reason) == (VerdictStatus.REJECT, "Run is already COMPLETED.")
    assert decision.written is None


@pytest.mark.parametrize(
    "initial_type", [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED]
)
def test_an_ended_run_without_deployment_is_not_scheduled_again(initial_type: StateType) -> None:
    decision = propose(a_run(initial_type, deployment_id=None), StateType.SCHEDULED)

    assert decision.status is VerdictStatus.ABORT
    assert decision.reason == "Cannot reschedule a run without an associated deployment."


@pytest.mark.parametrize(
    ("initial_type", "data_json"),
    [
        (StateType.COMPLETED, None),
        (StateType.COMPLETED, "{}"),
        (StateType.COMPLETED, '{"type": "unpersisted"}'),
        (StateType.FAILED, '{"type": "reference"}'),
        (StateType.CRASHED, None),
    ],
)
@pytest.mark.parametrize(
    ("proposed_type", "retry_type"),
    [
        (StateType.SCHEDULED, RetryType.RESCHEDULE),
        (StateType.PENDING, None),
        (StateType.RUNNING, None),
    ],
)
def test_a_run_that_starts_anew_forgets_its_pauses_and_notes_who_brings_it_back(
    initial_type: StateType,
    data_json: str | None,
    proposed_type: StateType,
    retry_type: RetryType | None,
) -> None:
    run = a_run(a_state(initial_type, data_json=data_json), policy=MEMORIES)

    decision = propose(run, proposed_type)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy == FlowRunPolicy(retries=2, retry_type=retry_type)


@pytest.mark.parametrize("data_json", [None, '{"type": "reference"}'])
@pytest.mark.parametrize(
    "proposed_type", [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED]
)
@pytest.mark.parametrize("initial_type", [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED])
def test_an_end_may_be_corrected_to_another_end(
    initial_type: StateType,
    proposed_type: StateType,
    data_json: str | None,
) -> None:
    run = a_run(a_state(initial_type, data_json=data_json), policy=FlowRunPolicy(retries=2))

    decision = propose(run, proposed_type)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy == run.policy


@pytest.mark.parametrize(
    ("initial_type", "proposed_type"),
    [
        *[(StateType.CANCELLING, each) for each in StateType if each is not StateType.CANCELLED],
        *[
            (StateType.CANCELLED, each)
            for each in (
                StateType.SCHEDULED,
                StateType.PENDING,
                StateType.RUNNING,
                StateType.COMPLETED,
                StateType.FAILED,
            )
        ],
    ],
)
def test_only_cancelled_follows_once_a_run_is_being_cancelled(
    initial_type: StateType,
    proposed_type: StateType,
) -> None:
    run = a_run(initial_type, policy=MEMORIES)

    decision = propose(run, proposed_type)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == (
        "Cannot transition flows that are cancelling to a state other than Cancelled."
    )
    assert decision.run is run


@pytest.mark.parametrize("initial_type", [StateType.CANCELLING, StateType.CANCELLED])
def test_a_cancellation_may_end_and_be_confirmed(initial_type: StateType) -> None:
    decision = propose(a_run(initial_type), StateType.CANCELLED)

    assert decision.status is VerdictStatus.ACCEPT


@pytest.mark.parametrize(
    "policy", [CORE_FLOW_POLICY, MINIMAL_FLOW_POLICY], ids=["proposed", "forced"]
)
@pytest.mark.parametrize(
    ("name", "infrastructure_pid"),
    [("Scheduled", None), ("Late", ""), ("AwaitingRetry", None), ("Resuming", "a-process")],
)
def test_a_scheduled_run_without_a_process_is_cancelled_at_once(
    name: str,
    infrastructure_pid: str | None,
    policy: FlowPolicy,
) -> None:
    run = a_run(a_state(StateType.SCHEDULED, name), infrastructure_pid=infrastructure_pid)

    decision = propose(run, StateType.CANCELLING, policy=policy)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == "Scheduled flow run has no infrastructure to terminate."
    assert decision.written is not None
    assert (decision.written.type, decision.written.name) == (StateType.CANCELLED, "Cancelled")


@pytest.mark.parametrize(
    "policy", [CORE_FLOW_POLICY, MINIMAL_FLOW_POLICY], ids=["proposed", "forced"]
)
@pytest.mark.parametrize("deployment_id", ["a-deployment", None])
def test_a_suspended_run_is_cancelled_at_once(
    deployment_id: str | None,
    policy: FlowPolicy,
) -> None:
    suspended = a_state(StateType.PAUSED, "Suspended", pause_reschedule=True)
    run = a_run(suspended, deployment_id=deployment_id)

    decision = propose(run, StateType.CANCELLING, policy=policy)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == "Suspended flow run has no infrastructure to terminate."
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLED
    assert not decision.run.policy.resuming


@pytest.mark.parametrize(
    ("initial_type", "name"),
    [
        (None, None),
        (StateType.SCHEDULED, "Scheduled"),
        (StateType.SCHEDULED, "AwaitingRetry"),
        (StateType.PENDING, "Pending"),
        (StateType.RUNNING, "Running"),
        (StateType.PAUSED, "Paused"),
    ],
)
def test_a_run_with_a_process_is_cancelled_by_way_of_cancelling(
    initial_type: StateType | None,
    name: str | None,
) -> None:
    run = a_run(None if initial_type is None else a_state(initial_type, name))

    decision = propose(run, StateType.CANCELLING)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLING


@pytest.mark.parametrize("initial_type", [StateType.PENDING, StateType.RUNNING])
def test_a_run_is_taken_once(initial_type: StateType) -> None:
    decision = propose(a_run(initial_type), StateType.PENDING)

    assert decision.status is VerdictStatus.ABORT
    assert decision.reason == (
        f"This run is in a {initial_type.value} state and cannot transition to a PENDING state."
    )


@pytest.mark.parametrize(
    "initial_type",
    [None, StateType.SCHEDULED, StateType.COMPLETED, StateType.FAILED, StateType.CRASHED],
)
def test_a_run_that_nobody_has_may_be_taken(
    initial_type: StateType | None,
) -> None:
    decision = propose(a_run(initial_type), StateType.PENDING)

    assert decision.status is VerdictStatus.ACCEPT
