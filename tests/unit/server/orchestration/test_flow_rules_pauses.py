"""Pausing and resuming: the two rules, row by row, and what the run remembers of them."""

from datetime import timedelta
from typing import Any

import pytest

from headgate_server.model.flow_runs import FlowRunPolicy
from headgate_server.model.states import RunInputKeyset, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.policies import MINIMAL_FLOW_POLICY
from tests.unit.server.orchestration.builders import NOW, a_run, a_state, propose

A_SECOND = timedelta(seconds=1)
FIRED = FlowRunPolicy(pause_keys=frozenset({"1"}))
PAUSE: dict[str, Any] = {"name": "Paused"}
SUSPEND: dict[str, Any] = {"name": "Suspended", "pause_reschedule": True}

verbs = pytest.mark.parametrize(
    ("asked", "verb"),
    [
        pytest.param(PAUSE, "pause", id="pause"),
        pytest.param(SUSPEND, "suspend", id="suspend"),
        pytest.param({"name": "Suspended"}, "suspend", id="a name is enough to be a suspension"),
        pytest.param({"pause_reschedule": True}, "pause", id="details are not"),
    ],
)


@verbs
def test_a_run_without_state_cannot_pause(
    asked: dict[str, Any],
    verb: str,
) -> None:
    decision = propose(a_run(None), StateType.PAUSED, **asked)

    assert decision.status is VerdictStatus.ABORT
    assert decision.reason == f"Cannot {verb} flows with no state."


@verbs
@pytest.mark.parametrize("initial_type", [StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED])
def test_only_a_running_run_can_pause(
    initial_type: StateType,
    asked: dict[str, Any],
    verb: str,
) -> None:
    decision = propose(a_run(initial_type), StateType.PAUSED, **asked)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == f"Cannot {verb} flows that are not currently running."
    assert decision.written is None


@verbs
def test_a_paused_run_refuses_to_pause_again_with_the_same_key(
    asked: dict[str, Any],
    verb: str,
) -> None:
    run = a_run(StateType.RUNNING, policy=FIRED, deployment_id=None, parent_task_run_id="parent")

    decision = propose(run, StateType.PAUSED, pause_key="1", **asked)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == f"This {verb} has already fired."


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"parent_task_run_id": "parent"}, "Cannot suspend subflows."),
        ({"parent_task_run_id": "parent", "deployment_id": None}, "Cannot suspend subflows."),
        ({"deployment_id": None}, "Cannot suspend flows without a deployment."),
    ],
)
def test_a_run_that_cannot_come_back_is_not_suspended(
    fields: dict[str, Any],
    reason: str,
) -> None:
    decision = propose(a_run(StateType.RUNNING, **fields), StateType.PAUSED, **SUSPEND)

    assert (decision.status, decision.reason) == (VerdictStatus.ABORT, reason)


@pytest.mark.parametrize("fields", [{"parent_task_run_id": "parent"}, {"deployment_id": None}])
def test_a_run_that_stays_in_its_process_pauses_without_a_deployment(
    fields: dict[str, Any],
) -> None:
    decision = propose(a_run(StateType.RUNNING, **fields), StateType.PAUSED, **PAUSE)

    assert decision.status is VerdictStatus.ACCEPT


@pytest.mark.parametrize("asked", [PAUSE, SUSPEND], ids=["pause", "suspend"])
def test_a_pause_is_remembered_by_its_key(
    asked: dict[str, Any],
) -> None:
    keyset = RunInputKeyset(schema="s", response="r")

    decision = propose(
        a_run(StateType.RUNNING, policy=FIRED),
        StateType.PAUSED,
        pause_key="2",
        pause_expire_time=NOW,
        run_input_keyset=keyset,
        **asked,
    )

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy.pause_keys == {"1", "2"}
    assert decision.written is not None
    assert decision.written.details.run_input_keyset == keyset
    assert decision.written.details.pause_expire_time == NOW


def test_a_pause_without_key_takes_the_id_of_its_state_as_key() -> None:
    decision = propose(a_run(StateType.RUNNING), StateType.PAUSED, state_id="state-2")

    assert decision.written is not None
    assert decision.written.details.pause_key == "state-2"
    assert decision.run.policy.pause_keys == {"state-2"}


def test_a_forced_pause_leaves_no_key() -> None:
    decision = propose(
        a_run(StateType.PENDING), StateType.PAUSED, pause_key="1", policy=MINIMAL_FLOW_POLICY
    )

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.run.policy.pause_keys == frozenset()


@pytest.mark.parametrize("reschedule", [False, True], ids=["paused", "suspended"])
def test_a_paused_run_cannot_be_taken(
    reschedule: bool,  # noqa: FBT001 - a column of the table
) -> None:
    run = a_run(a_state(StateType.PAUSED, pause_reschedule=reschedule))

    decision = propose(run, StateType.PENDING)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == (
        "This run cannot transition to the PENDING state from the PAUSED state."
    )
    assert not decision.run.policy.resuming


@pytest.mark.parametrize("is_expired", [False, True], ids=["in time", "too late"])
@pytest.mark.parametrize(
    ("proposed_type", "name", "shown"),
    [
        (StateType.SCHEDULED, "Resuming", "resuming"),
        (StateType.SCHEDULED, None, "scheduled"),
        (StateType.RUNNING, None, "running"),
    ],
)
def test_a_suspended_run_without_deployment_cannot_go_on(
    proposed_type: StateType,
    name: str | None,
    shown: str,
    is_expired: bool,  # noqa: FBT001 - a column of the table
) -> None:
    expire_time = NOW - A_SECOND if is_expired else None
    suspended = a_state(StateType.PAUSED, pause_reschedule=True, pause_expire_time=expire_time)

    decision = propose(a_run(suspended, deployment_id=None), proposed_type, name)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == f"Cannot reschedule a {shown} flow run without a deployment."
    assert decision.written is None


@pytest.mark.parametrize(
    ("reschedule", "verb", "participle"),
    [
        pytest.param(False, "pause", "paused", id="paused"),
        pytest.param(True, "suspend", "suspended", id="suspended"),
    ],
)
@pytest.mark.parametrize("proposed_type", [StateType.SCHEDULED, StateType.RUNNING])
def test_a_pause_that_has_expired_ends_in_failure_when_somebody_resumes(
    proposed_type: StateType,
    reschedule: bool,  # noqa: FBT001 - a column of the table
    verb: str,
    participle: str,
) -> None:
    expired = a_state(
        StateType.PAUSED, pause_reschedule=reschedule, pause_expire_time=NOW - A_SECOND
    )

    decision = propose(a_run(expired, start_time=NOW), proposed_type)

    assert decision.status is VerdictStatus.REJECT
    assert decision.reason == f"The flow run {verb} has timed out and can no longer resume."
    assert decision.written is not None
    assert (decision.written.type, decision.written.name) == (StateType.FAILED, "Failed")
    assert decision.written.message == f"The flow was {participle} and never resumed."
    assert decision.run.end_time == NOW
    assert not decision.run.policy.resuming


@pytest.mark.parametrize("wait", [timedelta(), A_SECOND], ids=["to the moment", "in time"])
def test_a_pause_can_be_resumed_until_it_expires(
    wait: timedelta,
) -> None:
    run = a_run(a_state(StateType.PAUSED, pause_expire_time=NOW + wait))

    decision = propose(run, StateType.RUNNING)

    assert decision.status is VerdictStatus.ACCEPT


@pytest.mark.parametrize("is_expired", [False, True], ids=["in time", "too late"])
@pytest.mark.parametrize("reschedule", [False, True], ids=["paused", "suspended"])
@pytest.mark.parametrize("deployment_id", ["a-deployment", None])
@pytest.mark.parametrize(
    "proposed_type",
    [StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.CRASHED],
)
def test_a_paused_run_may_always_be_ended(
    proposed_type: StateType,
    deployment_id: str | None,
    reschedule: bool,  # noqa: FBT001 - a column of the table
    is_expired: bool,  # noqa: FBT001 - a column of the table
) -> None:
    expire_time = NOW - A_SECOND if is_expired else None
    paused = a_state(StateType.PAUSED, pause_reschedule=reschedule, pause_expire_time=expire_time)

    decision = propose(a_run(paused, deployment_id=deployment_id), proposed_type)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.type is proposed_type


@pytest.mark.parametrize("is_expired", [False, True], ids=["in time", "too late"])
def test_a_blocking_pause_may_be_cancelled(
    is_expired: bool,  # noqa: FBT001 - a column of the table
) -> None:
    expire_time = NOW - A_SECOND if is_expired else None
    run = a_run(a_state(StateType.PAUSED, pause_expire_time=expire_time), infrastructure_pid=None)

    decision = propose(run, StateType.CANCELLING)

    assert decision.status is VerdictStatus.ACCEPT
    assert decision.written is not None
    assert decision.written.type is StateType.CANCELLING


@pytest.mark.parametrize("proposed_type", [StateType.RUNNING, StateType.SCHEDULED])
def test_a_resumed_run_says_that_it_continues(proposed_type: StateType) -> None:
    decision = propose(a_run(StateType.PAUSED, run_count=1), proposed_type)

    assert decision.run.policy.resuming
    assert decision.run.run_count == 1


@pytest.mark.parametrize("proposed_type", [StateType.RUNNING, StateType.SCHEDULED])
def test_a_run_that_waits_in_its_process_is_resumed_without_a_deployment(
    proposed_type: StateType,
) -> None:
    decision = propose(a_run(StateType.PAUSED, deployment_id=None), proposed_type)

    assert decision.status is VerdictStatus.ACCEPT


def test_a_forced_return_from_a_pause_is_not_a_new_run_either() -> None:
    run = a_run(StateType.PAUSED, run_count=1)

    decision = propose(run, StateType.RUNNING, policy=MINIMAL_FLOW_POLICY)

    assert decision.run.run_count == 1
    assert not decision.run.policy.resuming
