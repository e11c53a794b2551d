"""Stubs to models and back: nothing is lost, and nothing a server sends is too new."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import headgate
from headgate import (
    DatabaseKind,
    ProposedState,
    RunInputKeyset,
    StateDetails,
    StateType,
    Verdict,
    VerdictStatus,
)
from headgate import v1 as pb
from headgate._convert import (
    from_datetime,
    from_proposed_state,
    from_timedelta,
    to_datetime,
    to_flow_run,
    to_input,
    to_server_info,
    to_state,
    to_verdict,
)
from headgate._convert_events import to_flow_run_event, to_input_event
from headgate._flow_run_update import flow_run_update
from headgate.models import UNSET

MessageT = TypeVar("MessageT", bound=Message)

TIMES = st.datetimes(timezones=st.just(UTC))
SPANS = st.timedeltas(timedelta(days=-3650), timedelta(days=3650))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
POSITION = "t"
SOME_TIME = Timestamp(seconds=1_900_000_000, nanos=123_456_000)


@given(TIMES)
def test_a_time_comes_back_to_the_microsecond(time: datetime) -> None:
    assert to_datetime(from_datetime(time, "time")) == time


@given(SPANS)
def test_a_span_comes_back_to_the_microsecond(span: timedelta) -> None:
    assert from_timedelta(span).ToTimedelta() == span


def test_a_time_of_any_zone_is_told_in_utc() -> None:
    time = datetime(2030, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))

    back = to_datetime(from_datetime(time, "time"))

    assert back == time
    assert back.tzinfo is UTC


def test_a_time_without_a_zone_is_refused_by_the_name_of_the_field() -> None:
    state = headgate.Scheduled(datetime(2030, 1, 1))  # noqa: DTZ001

    with pytest.raises(ValueError, match=r"state\.details\.scheduled_time has no time zone"):
        from_proposed_state(state)


DETAILS = st.builds(
    StateDetails,
    flow_run_id=st.none() | st.uuids(),
    task_run_id=st.none() | st.uuids(),
    scheduled_time=st.none() | TIMES,
    pause_expire_time=st.none() | TIMES,
    pause_reschedule=st.booleans(),
    pause_key=TEXTS,
    run_input_keyset=st.none()
    | st.builds(RunInputKeyset, schema=TEXTS, response=TEXTS, description=TEXTS),
    transition_id=st.none() | st.uuids(),
    child_flow_run_id=st.none() | st.uuids(),
    cache_key=TEXTS,
    cache_expire_time=st.none() | TIMES,
    refresh_cache=st.booleans(),
    retriable=st.none() | st.booleans(),
    untrackable_result=st.booleans(),
)


@given(
    st.builds(
        ProposedState,
        type=st.sampled_from([kind for kind in StateType if kind is not StateType.UNKNOWN]),
        name=st.none() | TEXTS,
        message=st.none() | TEXTS,
        data=st.none()
        | st.dictionaries(TEXTS, st.integers() | st.floats(allow_nan=False, allow_infinity=False)),
        details=DETAILS,
    )
)
def test_a_proposed_state_loses_nothing_on_the_way(proposed: ProposedState) -> None:
    message = from_proposed_state(proposed)
    written = pb.State(id=str(uuid4()), timestamp=SOME_TIME, version=1)
    sent = pb.ProposedState.FromString(message.SerializeToString())
    for field, value in sent.ListFields():
        if field.name == "details":
            written.details.CopyFrom(value)
        else:
            setattr(written, field.name, value)

    back = to_state(written)

    assert back.type is proposed.type
    assert sent.HasField("name") is (proposed.name is not None)
    assert (back.name or None) == (proposed.name or None)
    assert (back.message, back.data) == (proposed.message, proposed.data)
    assert back.details == proposed.details


def test_an_unknown_type_cannot_be_proposed() -> None:
    with pytest.raises(ValueError, match=r"state\.type cannot be UNKNOWN"):
        from_proposed_state(ProposedState(type=StateType.UNKNOWN))


def of(kind: type[MessageT], **fields: Any) -> MessageT:
    """Return a message of these fields, nested ones as dicts."""
    return kind(**fields)


def a_run(**fields: Any) -> pb.FlowRun:
    return pb.FlowRun(
        id=str(UUID(int=1)),
        flow_id=str(UUID(int=2)),
        name="brisk-otter",
        create_time=SOME_TIME,
        update_time=SOME_TIME,
        **fields,
    )


def test_a_run_from_a_newer_server_is_read_as_far_as_it_is_known() -> None:
    newer = {"id": str(UUID(int=3)), "type": 77, "name": "Dreaming", "is_terminal": True}
    policy = {"retry_type": 9}

    run = to_flow_run(a_run(state=newer, policy=policy))

    assert run.state is not None
    assert run.state.type is StateType.UNKNOWN
    assert run.state.name == "Dreaming"
    assert run.is_final
    assert run.policy.retry_type is headgate.RetryType.UNKNOWN


def test_a_run_in_basic_view_says_so_with_none() -> None:
    run = to_flow_run(a_run())

    assert run.parameters is run.context is run.job_variables is None
    assert run.state is None
    assert not run.is_final


def test_empty_objects_are_not_missing_ones() -> None:
    run = to_flow_run(a_run(parameters_json="{}", context_json="{}", job_variables_json="{}"))

    assert run.parameters == run.context == run.job_variables == {}


def test_optional_texts_of_a_run_are_none_or_what_was_sent() -> None:
    bare = to_flow_run(a_run())
    full = to_flow_run(a_run(flow_version="", deployment_id=str(UUID(int=5)), work_queue_name="q"))

    assert (bare.flow_version, bare.deployment_id, bare.work_queue_name) == (None, None, None)
    assert (full.flow_version, full.deployment_id, full.work_queue_name) == ("", UUID(int=5), "q")


@pytest.mark.parametrize(
    ("answer", "status", "reason", "delay"),
    [
        (of(pb.SetFlowRunStateResponse, status=1, accept={}), "ACCEPT", "", None),
        (of(pb.SetFlowRunStateResponse, status=2, reject={"reason": "no"}), "REJECT", "no", None),
        (of(pb.SetFlowRunStateResponse, status=3, abort={"reason": "stop"}), "ABORT", "stop", None),
        (
            of(
                pb.SetFlowRunStateResponse,
                status=4,
                wait={"reason": "soon", "delay": from_timedelta(timedelta(seconds=7))},
            ),
            "WAIT",
            "soon",
            timedelta(seconds=7),
        ),
        (of(pb.ResumeFlowRunResponse, status=1, accept={}), "ACCEPT", "", None),
        (of(pb.ResumeFlowRunResponse, status=2, reject={"reason": "no"}), "REJECT", "no", None),
        (of(pb.ResumeFlowRunResponse, status=3, abort={"reason": "stop"}), "ABORT", "stop", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_verdicts_tell_their_status_reason_and_delay(
    answer: pb.SetFlowRunStateResponse, status: str, reason: str, delay: timedelta | None
) -> None:
    verdict = to_verdict(answer)

    assert verdict == Verdict(
        status=VerdictStatus(status), state=None, version=0, reason=reason, delay=delay
    )
    assert verdict.is_accepted is (status == "ACCEPT")


def test_an_input_keeps_its_value_exactly() -> None:
    value = to_input(
        pb.FlowRunInput(
            id=str(UUID(int=1)), flow_run_id=str(UUID(int=2)), key="k", value_json="[1, 1.0, null]"
        )
    )

    assert repr(value.value) == "[1, 1.0, None]"
    assert value.sender is None


def test_a_database_of_a_newer_kind_is_unknown() -> None:
    info = to_server_info(of(pb.GetServerInfoResponse, database_kind=9))

    assert info.database_kind is DatabaseKind.UNKNOWN


# Events.


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("run_update", headgate.RunUpdate),
        ("snapshot", headgate.Snapshot),
        ("deleted", headgate.Deleted),
        ("left_filter", headgate.LeftFilter),
    ],
)
def test_events_about_a_run_carry_the_run(field: str, kind: type[headgate.RunUpdate]) -> None:
    message = pb.WatchFlowRunsResponse(
        resume_token=POSITION, commit_time=SOME_TIME, revision=7, fragment=True, coalesced=True
    )
    getattr(message, field).flow_run.CopyFrom(a_run())

    event = to_flow_run_event(message)

    assert event == kind(
        flow_run=to_flow_run(a_run()),
        resume_token=POSITION,
        commit_time=to_datetime(SOME_TIME),
        revision=7,
        fragment=True,
        coalesced=True,
    )


def test_the_first_state_of_a_run_has_none_before_it() -> None:
    message = pb.WatchFlowRunsResponse(revision=1)
    message.state_change.flow_run.CopyFrom(a_run())
    message.state_change.state.id = str(UUID(int=4))
    message.state_change.state.type = pb.STATE_TYPE_PENDING

    event = to_flow_run_event(message)

    assert isinstance(event, headgate.StateChange)
    assert event.state.is_pending
    assert (event.previous_state_type, event.previous_state_name) == (None, None)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            of(pb.WatchFlowRunsResponse, snapshot_complete={"revision": 9}),
            headgate.SnapshotComplete,
        ),
        (of(pb.WatchFlowRunsResponse, progress={"revision": 9}), headgate.Progress),
    ],
    ids=["snapshot_complete", "progress"],
)
def test_events_about_the_watch_tell_its_revision(
    message: pb.WatchFlowRunsResponse, kind: type[headgate.Progress]
) -> None:
    event = to_flow_run_event(message)

    assert isinstance(event, kind)
    assert event.revision == 9


def test_events_of_a_newer_kind_are_none() -> None:
    assert to_flow_run_event(pb.WatchFlowRunsResponse(resume_token=POSITION)) is None
    assert to_input_event(pb.WatchFlowRunInputsResponse(resume_token=POSITION)) is None


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("created", headgate.InputCreated),
        ("deleted", headgate.InputDeleted),
        ("snapshot", headgate.InputSnapshot),
    ],
)
def test_events_about_an_input_carry_the_input(
    field: str, kind: type[headgate.InputCreated]
) -> None:
    message = pb.WatchFlowRunInputsResponse(revision=3)
    getattr(message, field).MergeFrom(
        pb.FlowRunInput(id=str(UUID(int=1)), flow_run_id=str(UUID(int=2)), key="k", value_json="5")
    )

    event = to_input_event(message)

    assert isinstance(event, kind)
    assert (event.input.key, event.input.value, event.revision) == ("k", 5, 3)


# Updates.


def test_an_update_names_what_is_given_and_clears_what_is_none() -> None:
    request = flow_run_update(
        UUID(int=1),
        name="new",
        flow_version=None,
        parameters={"x": 1},
        tags=[],
        infrastructure_pid=UNSET,
        job_variables=UNSET,
        retries=3,
        retry_delay=None,
    )

    assert sorted(request.update_mask.paths) == [
        "flow_version",
        "name",
        "parameters_json",
        "policy.retries",
        "policy.retry_delay",
        "tags",
    ]
    assert request.flow_run == of(
        pb.FlowRun,
        id=str(UUID(int=1)),
        name="new",
        parameters_json='{"x":1}',
        policy={"retries": 3},
    )
