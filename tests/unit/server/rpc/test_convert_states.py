from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.model.commands import Proposal
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.model.states import (
    ProposedState,
    RunInputKeyset,
    State,
    StateDetails,
    StateType,
)
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS, STATE_TYPES, write_state
from headgate_server.rpc.convert.transitions import read_proposal
from tests.builders import a_state

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
TASK_RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ad"
TRANSITION_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
MOMENT = datetime(2030, 1, 1, tzinfo=UTC)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
NAMED = TEXT.filter(bool)
KEY = st.text("abc-1", min_size=1, max_size=5)
ID = st.uuids().map(str)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OPTIONAL_KEY = st.none() | KEY
DETAILS = st.builds(
    StateDetails,
    task_run_id=st.none() | ID,
    scheduled_time=st.none() | TIME,
    pause_expire_time=st.none() | TIME,
    pause_reschedule=st.booleans(),
    pause_key=st.none() | NAMED,
    run_input_keyset=st.none()
    | st.builds(
        RunInputKeyset, schema=OPTIONAL_KEY, response=OPTIONAL_KEY, description=OPTIONAL_KEY
    ),
    transition_id=st.none() | ID,
    child_flow_run_id=st.none() | ID,
    cache_key=st.none() | NAMED,
    cache_expire_time=st.none() | TIME,
    refresh_cache=st.booleans(),
    retriable=st.none() | st.booleans(),
    untrackable_result=st.booleans(),
)
STATES = st.builds(
    State,
    id=ID,
    type=st.sampled_from(StateType),
    name=TEXT,
    timestamp=TIME,
    version=st.integers(0, 2**40),
    message=st.none() | TEXT,
    data_json=st.none() | st.sampled_from(['"x"', "1.0", "{}"]),
    details=DETAILS,
)


def text_or_none(value: str) -> str | None:
    return value or None


def time_or_none(message: Timestamp, *, is_given: bool) -> datetime | None:
    return message.ToDatetime(UTC) if is_given else None


def details_in(message: pb.StateDetails) -> StateDetails:
    """Read details as a client would."""
    has = message.HasField
    keyset = message.run_input_keyset
    return StateDetails(
        task_run_id=text_or_none(message.task_run_id),
        scheduled_time=time_or_none(message.scheduled_time, is_given=has("scheduled_time")),
        pause_expire_time=time_or_none(
            message.pause_expire_time, is_given=has("pause_expire_time")
        ),
        pause_reschedule=message.pause_reschedule,
        pause_key=text_or_none(message.pause_key),
        run_input_keyset=RunInputKeyset(
            schema=text_or_none(keyset.schema),
            response=text_or_none(keyset.response),
            description=text_or_none(keyset.description),
        )
        if has("run_input_keyset")
        else None,
        transition_id=text_or_none(message.transition_id),
        child_flow_run_id=text_or_none(message.child_flow_run_id),
        cache_key=text_or_none(message.cache_key),
        cache_expire_time=time_or_none(
            message.cache_expire_time, is_given=has("cache_expire_time")
        ),
        refresh_cache=message.refresh_cache,
        retriable=message.retriable if has("retriable") else None,
        untrackable_result=message.untrackable_result,
    )


def state_in(message: pb.State) -> State:
    """Read a state as a client would."""
    return State(
        id=message.id,
        type=STATE_TYPES[message.type],
        name=message.name,
        timestamp=message.timestamp.ToDatetime(UTC),
        version=message.version,
        message=message.message if message.HasField("message") else None,
        data_json=message.data_json if message.HasField("data_json") else None,
        details=details_in(message.details),
    )


@given(state=STATES)
def test_a_state_survives_the_trip(state: State) -> None:
    message = pb.State()

    write_state(state, RUN_ID, message)

    received = pb.State.FromString(message.SerializeToString())
    assert state_in(received) == state
    assert received.details.flow_run_id == RUN_ID
    assert received.is_terminal == state.is_terminal


def test_a_state_of_a_task_run_names_that_task_run() -> None:
    message = pb.State()
    state = a_state(StateType.RUNNING, details=StateDetails(task_run_id="another"))

    write_state(state, RUN_ID, message, task_run_id=TASK_RUN_ID)

    assert (message.details.flow_run_id, message.details.task_run_id) == (RUN_ID, TASK_RUN_ID)


def test_every_state_type_of_the_contract_has_a_meaning() -> None:
    assert sorted(STATE_TYPES) == sorted(set(pb.StateType.values()) - {0})
    assert set(STATE_TYPE_NUMBERS) == set(StateType)


def proposed(state: pb.ProposedState) -> ProposedState:
    request = pb.SetFlowRunStateRequest(flow_run_id=RUN_ID, state=state)
    return read_proposal(request, Limits()).state


def faults(state: pb.ProposedState) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        proposed(state)
    return {each.field: each.description for each in caught.value.violations}


def test_a_bare_state_is_proposed_with_nothing_but_its_type() -> None:
    assert proposed(pb.ProposedState(type=pb.STATE_TYPE_RUNNING)) == ProposedState(
        type=StateType.RUNNING
    )


def test_a_state_is_proposed_with_all_it_says() -> None:
    details = pb.StateDetails(
        pause_reschedule=True,
        pause_key="1",
        run_input_keyset=pb.RunInputKeyset(schema="a-schema", response="a-response"),
        transition_id=TRANSITION_ID.upper(),
        cache_key="k" * 2000,
        refresh_cache=True,
        retriable=False,
        untrackable_result=True,
    )
    details.cache_expire_time.FromDatetime(MOMENT)
    details.scheduled_time.FromDatetime(MOMENT)
    details.pause_expire_time.FromDatetime(MOMENT + timedelta(microseconds=1))
    state = pb.ProposedState(
        type=pb.STATE_TYPE_PAUSED,
        name="Suspended",
        message="for you",
        data_json="1.0",
        details=details,
    )

    assert proposed(state) == ProposedState(
        type=StateType.PAUSED,
        name="Suspended",
        message="for you",
        data_json="1.0",
        details=StateDetails(
            scheduled_time=MOMENT,
            pause_expire_time=MOMENT + timedelta(microseconds=1),
            pause_reschedule=True,
            pause_key="1",
            run_input_keyset=RunInputKeyset(schema="a-schema", response="a-response"),
            transition_id=TRANSITION_ID,
            cache_key="k" * 2000,
            cache_expire_time=MOMENT,
            refresh_cache=True,
            retriable=False,
            untrackable_result=True,
        ),
    )


def test_an_empty_name_is_kept_and_not_taken_for_a_missing_one() -> None:
    assert proposed(pb.ProposedState(type=pb.STATE_TYPE_RUNNING, name="")).name == ""


def test_the_ids_in_the_details_that_the_server_sets_are_passed_over() -> None:
    details = pb.StateDetails(
        flow_run_id="nonsense", task_run_id="nonsense", child_flow_run_id="nonsense"
    )

    state = proposed(pb.ProposedState(type=pb.STATE_TYPE_RUNNING, details=details))

    assert state.details == StateDetails()


def test_everything_wrong_in_a_state_is_named_by_its_path() -> None:
    details = pb.StateDetails(
        pause_key="x" * 256,
        run_input_keyset=pb.RunInputKeyset(schema="A", response="b c", description="é"),
        transition_id="x",
        cache_key="x" * 2001,
    )
    details.cache_expire_time.nanos = -1
    details.scheduled_time.nanos = -1
    details.pause_expire_time.seconds = 2**60
    state = pb.ProposedState(name="x" * 256, message="é" * 32769, data_json="NaN", details=details)

    assert set(faults(state)) == {
        "state.type",
        "state.name",
        "state.message",
        "state.data_json",
        "state.details.scheduled_time",
        "state.details.pause_expire_time",
        "state.details.pause_key",
        "state.details.run_input_keyset.schema",
        "state.details.run_input_keyset.response",
        "state.details.run_input_keyset.description",
        "state.details.transition_id",
        "state.details.cache_key",
        "state.details.cache_expire_time",
    }


@pytest.mark.parametrize("number", [0, 10, -1])
def test_a_state_of_an_unknown_type_is_refused(number: int) -> None:
    assert "state.type" in faults(pb.ProposedState(type=number))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["name", "message"])
def test_text_that_cannot_be_stored_is_refused(name: str) -> None:
    state = pb.ProposedState(type=pb.STATE_TYPE_RUNNING, **{name: "a\0"})  # type: ignore[arg-type]

    assert faults(state) == {f"state.{name}": "must not contain the character U+0000"}


def test_a_proposal_without_a_state_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="state: is required"):
        read_proposal(pb.SetFlowRunStateRequest(flow_run_id=RUN_ID), Limits())


def test_a_proposal_holds_what_the_request_says() -> None:
    request = pb.SetFlowRunStateRequest(
        flow_run_id=RUN_ID.upper(),
        state=pb.ProposedState(type=pb.STATE_TYPE_RUNNING),
        force=True,
        expected_version=0,
    )

    assert read_proposal(request, Limits()) == Proposal(
        flow_run_id=RUN_ID,
        state=ProposedState(type=StateType.RUNNING),
        force=True,
        expected_version=0,
    )
