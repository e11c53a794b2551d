"""States on the client: predicates, the text form, and states by name."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

import headgate
from headgate import ProposedState, State, StateDetails, StateType

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def a_state(kind: StateType, *, name: str = "Named", is_terminal: bool = False) -> State:
    return State(
        id=UUID(int=1), type=kind, name=name, timestamp=NOW, version=1, is_terminal=is_terminal
    )


@pytest.mark.parametrize("kind", [kind for kind in StateType if kind is not StateType.UNKNOWN])
def test_each_type_has_the_one_predicate_of_its_name(kind: StateType) -> None:
    state = ProposedState(type=kind)

    true = {other for other in StateType if getattr(state, f"is_{other.lower()}", False)}

    assert true == {kind}


@pytest.mark.parametrize(
    ("kind", "is_final"),
    [
        (StateType.COMPLETED, True),
        (StateType.FAILED, True),
        (StateType.CANCELLED, True),
        (StateType.CRASHED, True),
        (StateType.PAUSED, False),
        (StateType.CANCELLING, False),
        (StateType.SCHEDULED, False),
        (StateType.PENDING, False),
        (StateType.RUNNING, False),
    ],
)
def test_only_terminal_proposals_are_final(kind: StateType, is_final: bool) -> None:  # noqa: FBT001
    assert ProposedState(type=kind).is_final is is_final


def test_a_state_of_an_unknown_type_is_final_if_the_server_says_so() -> None:
    assert a_state(StateType.UNKNOWN, is_terminal=True).is_final
    assert not a_state(StateType.UNKNOWN, is_terminal=False).is_final


@pytest.mark.parametrize(
    ("proposed", "text"),
    [
        (headgate.Completed(), "Completed()"),
        (headgate.Completed(message="done"), "Completed('done')"),
        (headgate.Completed(message=""), "Completed()"),
        (headgate.Suspended(), "Suspended(type=PAUSED)"),
        (
            headgate.Failed(name="TimedOut", message="Took too long."),
            "TimedOut('Took too long.', type=FAILED)",
        ),
        (headgate.Running(name="running"), "running()"),
        (headgate.Running(name=""), "(type=RUNNING)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_text_form_says_what_the_name_does_not(proposed: ProposedState, text: str) -> None:
    assert str(proposed) == text


def test_a_written_state_has_the_text_form_too() -> None:
    assert str(a_state(StateType.SCHEDULED, name="Late")) == "Late(type=SCHEDULED)"


@pytest.mark.parametrize(
    ("proposed", "kind", "name"),
    [
        (headgate.Scheduled(), "SCHEDULED", None),
        (headgate.AwaitingRetry(), "SCHEDULED", "AwaitingRetry"),
        (headgate.Late(), "SCHEDULED", "Late"),
        (headgate.Pending(), "PENDING", None),
        (headgate.Running(), "RUNNING", None),
        (headgate.Retrying(), "RUNNING", "Retrying"),
        (headgate.Completed(), "COMPLETED", None),
        (headgate.Failed(), "FAILED", None),
        (headgate.Crashed(), "CRASHED", None),
        (headgate.Cancelling(), "CANCELLING", None),
        (headgate.Cancelled(), "CANCELLED", None),
        (headgate.Paused(), "PAUSED", None),
        (headgate.Suspended(), "PAUSED", "Suspended"),
        (headgate.Late(name="Later"), "SCHEDULED", "Later"),
    ],
    ids=str,
)
def test_states_by_name_have_their_type_and_name(
    proposed: ProposedState, kind: str, name: str | None
) -> None:
    assert (proposed.type, proposed.name) == (kind, name)


def test_a_scheduled_time_goes_into_the_details() -> None:
    assert headgate.AwaitingRetry(NOW).details.scheduled_time == NOW


def test_a_pause_expires_its_timeout_from_now() -> None:
    before = datetime.now(UTC)

    expiry = headgate.Paused(timeout=60).details.pause_expire_time

    assert expiry is not None
    assert before + timedelta(seconds=60) <= expiry <= datetime.now(UTC) + timedelta(seconds=60)


def test_a_pause_without_an_end_never_expires() -> None:
    assert headgate.Paused().details.pause_expire_time is None


def test_a_suspension_is_rescheduled_and_a_pause_is_not() -> None:
    assert headgate.Suspended(pause_key="k").details.pause_reschedule
    assert not headgate.Paused(pause_key="k").details.pause_reschedule


@pytest.mark.parametrize(
    "ends",
    [
        {"timeout": 1, "pause_expire_time": NOW},
        {"timeout": 1, "details": StateDetails(pause_expire_time=NOW)},
        {"pause_expire_time": NOW, "details": StateDetails(pause_expire_time=NOW)},
    ],
    ids=["timeout and time", "timeout and detail", "time and detail"],
)
def test_the_end_of_a_pause_is_given_once(ends: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="more than once"):
        headgate.Paused(**ends)


def test_the_scheduled_time_is_given_once() -> None:
    with pytest.raises(ValueError, match="give it once"):
        headgate.Scheduled(NOW, details=StateDetails(scheduled_time=NOW))


def test_a_negative_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout is negative"):
        headgate.Suspended(timeout=timedelta(seconds=-1))


def test_states_can_be_kept_in_sets_whatever_their_data() -> None:
    assert len({headgate.Completed(data={"a": []}), headgate.Completed(data={"a": []})}) == 1
