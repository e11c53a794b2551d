"""Lateness, scheduled times, retries and unknown results: the remaining rules, row by row."""

from datetime import timedelta
from typing import Any

import pytest

from headgate_server.model.flow_runs import FlowRunPolicy, RetryType
from headgate_server.model.states import TERMINAL, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.policies import (
    CORE_FLOW_POLICY,
    MARK_LATE_POLICY,
    MINIMAL_FLOW_POLICY,
    FlowPolicy,
)
from tests.unit.server.orchestration.builders import NOW, a_run, a_state, propose

AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("policy", "initial_type"),
    [
        *[(MARK_LATE_POLICY, each) for each in StateType if each is not StateType.SCHEDULED],
        (MARK_LATE_POLICY, None),
        (CORE_FLOW_POLICY, None),
        (CORE_FLOW_POLICY, StateType.PENDING),
        (CORE_FLOW_POLICY, StateType.RUNNING),
        (CORE_FLOW_POLICY, StateType.FAILED),
        (CORE_FLOW_POLICY, StateType.PAUSED),
    ],
)
def test_only_a_scheduled_run_is_late(
    policy: FlowPolicy,
    initial_type: StateType | None,
) -> None:
    run = a_run(initial_type)

    decision = propose(run, StateType.SCHEDULED, "Late", policy=policy)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == "Only scheduled flows can be marked late."
    assert decision.run is run


@pytest.mark.parametrize("policy", [CORE_FLOW_POLICY, MARK_LATE_POLICY], ids=["core", "mark late"])
@pytest.mark.parametrize("name", ["Scheduled", "Late"])
def test_a_late_run_is_still_due_at_its_time(
    name: str,
    policy: FlowPolicy,
) -> None:
    due = NOW - AN_HOUR
    scheduled = a_state(StateType.SCHEDULED, name, scheduled_time=due)
    run = a_run(scheduled, next_scheduled_start_time=due)

    decision = propose(run, StateType.SCHEDULED, "Late", policy=policy, scheduled_time=due)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.next_scheduled_start_time == due
    assert decision.written is not None
    assert decision.written.name == "Late"


@pytest.mark.parametrize(
    ("brought", "kept"),
    [
        pytest.param(None, AN_HOUR, id="carried over"),
        pytest.param(2 * AN_HOUR, 2 * AN_HOUR, id="replaced"),
    ],
)
def test_a_run_that_is_taken_keeps_its_scheduled_time(
    brought: timedelta | None,
    kept: timedelta,
) -> None:
    run = a_run(a_state(StateType.SCHEDULED, scheduled_time=NOW + AN_HOUR))

    decision = propose(
        run, StateType.PENDING, scheduled_time=None if brought is None else NOW + brought
    )

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.details.scheduled_time == NOW + kept


@pytest.mark.parametrize(
    ("ahead", "delay_seconds"),
    [
        (timedelta(seconds=0.500001), 1),
        (timedelta(seconds=1), 1),
        (timedelta(seconds=1.5), 1),
        (timedelta(seconds=1.500001), 2),
        (timedelta(seconds=1.9), 2),
        (timedelta(seconds=2.5), 2),
        (timedelta(days=30), 2_592_000),
    ],
    ids=str,
)
@pytest.mark.parametrize("initial_type", [StateType.SCHEDULED, StateType.PENDING])
def test_a_run_waits_for_its_scheduled_time(
    initial_type: StateType,
    ahead: timedelta,
    delay_seconds: int,
) -> None:
    run = a_run(a_state(initial_type, scheduled_time=NOW + ahead))

    decision = propose(run, StateType.RUNNING)

    assert (decision.status, decision.reason) == (
        VerdictStatus.WAIT,
        "Scheduled time is in the future",
    )
    assert decision.delay_seconds == delay_seconds
    assert decision.run is run


@pytest.mark.parametrize(
    "ahead",
    [
        None,
        timedelta(seconds=0.5),
        timedelta(seconds=0.45),
        timedelta(),
        timedelta(seconds=-0.7),
        -AN_HOUR,
    ],
    ids=str,
)
@pytest.mark.parametrize("initial_type", [StateType.SCHEDULED, StateType.PENDING])
def test_a_run_starts_up_to_half_a_second_early(
    initial_type: StateType,
    ahead: timedelta | None,
) -> None:
    scheduled_time = None if ahead is None else NOW + ahead
    run = a_run(a_state(initial_type, scheduled_time=scheduled_time))

    decision = propose(run, StateType.RUNNING)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.run_count == 1


@pytest.mark.parametrize(
    ("retry_delay", "wait"),
    [(None, timedelta()), (timedelta(seconds=90), timedelta(seconds=90))],
)
@pytest.mark.parametrize(("run_count", "retries"), [(1, 1), (2, 3), (0, 0)])
def test_a_failure_is_answered_by_another_attempt_while_retries_last(
    run_count: int,
    retries: int,
    retry_delay: timedelta | None,
    wait: timedelta,
) -> None:
    policy = FlowRunPolicy(
        retries=retries, retry_delay=retry_delay, pause_keys=frozenset({"1"}), resuming=True
    )
    run = a_run(StateType.RUNNING, run_count=run_count, policy=policy)

    decision = propose(run, StateType.FAILED, message="Oh no", data_json='{"type": "reference"}')

    assert (decision.status, decision.reason) == (VerdictStatus.REJECT, "Retrying")
    assert decision.written is not None
    assert (decision.written.type, decision.written.name) == (StateType.SCHEDULED, "AwaitingRetry")
    assert decision.written.details.scheduled_time == NOW + wait
    assert decision.written.message == "Oh no"
    assert decision.written.data_json == '{"type": "reference"}'
    assert decision.run.policy == FlowRunPolicy(
        retries=retries, retry_delay=retry_delay, retry_type=RetryType.IN_PROCESS
    )


@pytest.mark.parametrize(
    ("initial_type", "proposed_type", "run_count", "retries"),
    [
        pytest.param(StateType.RUNNING, StateType.FAILED, 1, None, id="no retries"),
        pytest.param(StateType.RUNNING, StateType.FAILED, 1, 0, id="none at all"),
        pytest.param(StateType.RUNNING, StateType.FAILED, 3, 2, id="all spent"),
        pytest.param(StateType.RUNNING, StateType.CRASHED, 1, 2, id="a crash"),
        pytest.param(StateType.PENDING, StateType.FAILED, 1, 2, id="not running"),
    ],
)
def test_a_failure_stands_when_there_is_nothing_to_retry(
    initial_type: StateType,
    proposed_type: StateType,
    run_count: int,
    retries: int | None,
) -> None:
    policy = FlowRunPolicy(retries=retries, retry_type=RetryType.IN_PROCESS)
    run = a_run(initial_type, run_count=run_count, policy=policy)

    decision = propose(run, proposed_type)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy == policy


def test_a_substitute_can_be_known_by_the_transition_it_answers() -> None:
    """Else a proposer that lost the answer and repeats itself would end the retry it was given."""
    run = a_run(StateType.RUNNING, policy=FlowRunPolicy(retries=1))

    decision = propose(run, StateType.FAILED, transition_id="a-transition")

    assert decision.written is not None
    assert decision.written.details.transition_id == "a-transition"


@pytest.mark.parametrize("initial_type", [StateType.FAILED, StateType.CRASHED])
def test_a_failure_declared_a_success_by_force_has_an_unknown_result(
    initial_type: StateType,
) -> None:
    run = a_run(a_state(initial_type, data_json='{"type": "reference", "key": "k"}'))

    decision = propose(run, StateType.COMPLETED, data_json="1", policy=MINIMAL_FLOW_POLICY)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.data_json == '{"type":"unknown","value":null}'


@pytest.mark.parametrize(
    ("initial", "policy"),
    [
        pytest.param({"data_json": None}, MINIMAL_FLOW_POLICY, id="no result"),
        pytest.param({"data_json": '{"type": "literal"}'}, MINIMAL_FLOW_POLICY, id="no reference"),
        pytest.param({"data_json": '"reference"'}, MINIMAL_FLOW_POLICY, id="no object"),
        pytest.param({"data_json": '{"type": "reference"}'}, CORE_FLOW_POLICY, id="no force"),
    ],
)
def test_any_other_success_brings_its_own_result(
    initial: dict[str, Any],
    policy: FlowPolicy,
) -> None:
    run = a_run(a_state(StateType.FAILED, **initial))

    decision = propose(run, StateType.COMPLETED, data_json="1", policy=policy)

    assert decision.written is not None
    assert decision.written.data_json == "1"


@pytest.mark.parametrize("proposed_type", StateType)
@pytest.mark.parametrize("initial_type", [None, *sorted(TERMINAL), StateType.CANCELLING])
def test_force_passes_where_no_process_needs_sparing(
    initial_type: StateType | None,
    proposed_type: StateType,
) -> None:
    policy = FlowRunPolicy(retries=5, pause_keys=frozenset({"1"}))

    decision = propose(
        a_run(initial_type, policy=policy), proposed_type, policy=MINIMAL_FLOW_POLICY
    )

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy == policy
