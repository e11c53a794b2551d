from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from headgate import v1 as pb
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import StateType
from headgate_server.model.watching import Notice, NoticeKind
from headgate_server.rpc.convert.notices import (
    SHARED_MAX,
    NoticeEncoder,
    for_flow_runs,
    for_inputs,
    for_task_runs,
)
from tests.builders import NOW, a_flow, a_flow_run, a_state, a_task_run, an_input

HERE = "here"
THERE = "there"

FLOW = a_flow()
BEFORE = a_flow_run(FLOW, a_state(StateType.PENDING, "Taken"), name="before")
AFTER = replace(BEFORE, name="after", version=2, state=a_state(StateType.RUNNING, version=2))
INPUT = an_input(BEFORE, "key")
TASK_BEFORE = a_task_run(BEFORE, a_state(StateType.PENDING, "Taken"), name="before")
TASK_AFTER = replace(
    TASK_BEFORE, name="after", version=2, state=a_state(StateType.RUNNING, version=2)
)


def an_event(kind: EventKind, revision: int = 7, **parts: Any) -> Event:
    change = Change(kind=kind, flow_run_id=BEFORE.id, **parts)
    return Event(revision=revision, last_revision=revision, commit_time=NOW, change=change)


def a_notice(event: Event, kind: NoticeKind = NoticeKind.CHANGED, **facts: Any) -> Notice:
    return Notice(kind=kind, resume_token=HERE, event=event, **facts)


def sent(notice: Notice, encoder: NoticeEncoder[Any] | None = None) -> pb.WatchFlowRunsResponse:
    return pb.WatchFlowRunsResponse.FromString((encoder or for_flow_runs()).encode(notice))


def sent_input(notice: Notice) -> pb.WatchFlowRunInputsResponse:
    return pb.WatchFlowRunInputsResponse.FromString(for_inputs().encode(notice))


def sent_task_run(notice: Notice) -> pb.WatchTaskRunsResponse:
    return pb.WatchTaskRunsResponse.FromString(for_task_runs().encode(notice))


STATE_CHANGE = an_event(EventKind.STATE_CHANGE, before=BEFORE, after=AFTER)
TASK_STATE_CHANGE = an_event(
    EventKind.TASK_STATE_CHANGE, task_before=TASK_BEFORE, task_after=TASK_AFTER
)


def test_a_state_change_tells_the_state_the_one_before_and_the_run() -> None:
    message = sent(a_notice(STATE_CHANGE))

    change = message.state_change
    assert change.state.type == pb.STATE_TYPE_RUNNING
    assert change.state.details.flow_run_id == BEFORE.id
    assert change.previous_state_type == pb.STATE_TYPE_PENDING
    assert change.previous_state_name == "Taken"
    assert change.flow_run.name == "after"
    assert change.flow_run.state == change.state


def test_every_event_tells_its_place_and_its_time() -> None:
    message = sent(a_notice(STATE_CHANGE))

    assert message.resume_token == HERE
    assert message.revision == 7
    assert message.commit_time.ToDatetime() == NOW.replace(tzinfo=None)
    assert not message.fragment
    assert not message.coalesced


@pytest.mark.parametrize(
    "before", [None, a_flow_run(FLOW)], ids=["a new run", "a run without a state"]
)
def test_the_first_state_of_a_run_has_none_before(before: FlowRun | None) -> None:
    event = an_event(EventKind.STATE_CHANGE, before=before, after=AFTER)

    change = sent(a_notice(event)).state_change

    assert change.previous_state_type == pb.STATE_TYPE_UNSPECIFIED
    assert change.previous_state_name == ""


def test_an_update_tells_the_run_as_it_now_stands() -> None:
    event = an_event(EventKind.RUN_UPDATE, before=BEFORE, after=AFTER)

    assert sent(a_notice(event)).run_update.flow_run.name == "after"


def test_a_deletion_tells_the_run_as_it_was() -> None:
    event = an_event(EventKind.RUN_DELETED, before=BEFORE)

    assert sent(a_notice(event)).deleted.flow_run.name == "before"


@pytest.mark.parametrize("kind", [EventKind.STATE_CHANGE, EventKind.RUN_UPDATE])
def test_a_run_that_left_is_told_as_it_now_stands(kind: EventKind) -> None:
    event = an_event(kind, before=BEFORE, after=AFTER)

    message = sent(a_notice(event, NoticeKind.LEFT))

    assert message.WhichOneof("event") == "left_filter"
    assert message.left_filter.flow_run.name == "after"


def test_estimates_in_an_event_are_made_for_the_time_of_its_commit() -> None:
    state = a_state(StateType.RUNNING, timestamp=NOW - timedelta(seconds=3))
    event = an_event(EventKind.RUN_UPDATE, before=BEFORE, after=replace(AFTER, state=state))

    run = sent(a_notice(event)).run_update.flow_run

    assert run.estimated_run_time.ToTimedelta() == timedelta(seconds=3)


def test_what_differs_from_watcher_to_watcher_is_not_shared() -> None:
    encoder = for_flow_runs()
    sent(a_notice(STATE_CHANGE, is_fragment=True, is_coalesced=True), encoder)

    second = sent(replace(a_notice(STATE_CHANGE), resume_token=THERE), encoder)

    assert second.resume_token == THERE
    assert not second.fragment
    assert not second.coalesced
    assert second.state_change.flow_run.name == "after"


def test_a_fragment_and_a_coalesced_event_say_so() -> None:
    message = sent(a_notice(STATE_CHANGE, is_fragment=True, is_coalesced=True))

    assert message.fragment
    assert message.coalesced


def test_the_forms_of_one_event_are_kept_apart() -> None:
    encoder = for_flow_runs()

    forms = [
        sent(a_notice(STATE_CHANGE, kind), encoder)
        for kind in (NoticeKind.CHANGED, NoticeKind.LEFT)
    ]

    assert [form.WhichOneof("event") for form in forms] == ["state_change", "left_filter"]


def test_an_event_is_turned_into_bytes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = for_flow_runs()
    first = encoder.encode(a_notice(STATE_CHANGE))
    monkeypatch.setattr(encoder, "_write_event", None)

    assert encoder.encode(a_notice(STATE_CHANGE)) == first


def test_only_the_newest_events_are_kept_as_bytes() -> None:
    encoder = for_flow_runs()
    for revision in range(SHARED_MAX + 10):
        encoder.encode(a_notice(an_event(EventKind.RUN_UPDATE, revision, after=AFTER)))

    assert len(encoder._shared) == SHARED_MAX
    assert min(revision for revision, _ in encoder._shared) == 10


def test_a_snapshot_tells_a_run_at_the_time_of_the_snapshot() -> None:
    run = replace(AFTER, state=a_state(StateType.RUNNING))
    notice = Notice(
        kind=NoticeKind.SNAPSHOT,
        resume_token=HERE,
        flow_run=run,
        time=NOW + timedelta(seconds=2),
    )

    message = sent(notice)

    assert message.snapshot.flow_run.name == "after"
    assert message.snapshot.flow_run.estimated_run_time.ToTimedelta() == timedelta(seconds=2)
    assert message.commit_time.ToDatetime() == (NOW + timedelta(seconds=2)).replace(tzinfo=None)
    assert message.revision == 0


@pytest.mark.parametrize(
    ("kind", "name"),
    [(NoticeKind.SNAPSHOT_COMPLETE, "snapshot_complete"), (NoticeKind.PROGRESS, "progress")],
)
def test_where_a_watch_stands_is_told_by_revision(kind: NoticeKind, name: str) -> None:
    notice = Notice(kind=kind, resume_token=HERE, revision=9, time=NOW)

    for message in sent(notice), sent_input(notice), sent_task_run(notice):
        assert message.WhichOneof("event") == name
        assert getattr(message, name).revision == 9
        assert message.revision == 0
        assert message.resume_token == HERE
        assert message.HasField("commit_time")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(EventKind.INPUT_CREATED, "created"), (EventKind.INPUT_DELETED, "deleted")],
)
def test_an_input_that_comes_or_goes_is_told(kind: EventKind, name: str) -> None:
    message = sent_input(a_notice(an_event(kind, input=INPUT), is_fragment=True))

    assert message.WhichOneof("event") == name
    assert getattr(message, name).id == INPUT.id
    assert (message.revision, message.fragment) == (7, True)


def test_a_snapshot_of_inputs_tells_an_input() -> None:
    notice = Notice(kind=NoticeKind.SNAPSHOT, resume_token=HERE, input=INPUT, time=NOW)

    assert sent_input(notice).snapshot.key == "key"


def test_a_state_change_of_a_task_run_tells_the_state_the_one_before_and_the_task_run() -> None:
    message = sent_task_run(a_notice(TASK_STATE_CHANGE, is_fragment=True, is_coalesced=True))

    change = message.task_state_change
    assert change.state.type == pb.STATE_TYPE_RUNNING
    assert change.state.details.flow_run_id == BEFORE.id
    assert change.state.details.task_run_id == TASK_AFTER.id
    assert change.previous_state_type == pb.STATE_TYPE_PENDING
    assert change.previous_state_name == "Taken"
    assert change.task_run.name == "after"
    assert change.task_run.state == change.state
    assert (message.fragment, message.coalesced, message.revision) == (True, True, 7)


@pytest.mark.parametrize(
    ("kind", "parts", "how", "name", "task_run_name"),
    [
        pytest.param(
            EventKind.TASK_UPDATE,
            {"task_before": TASK_BEFORE, "task_after": TASK_AFTER},
            NoticeKind.CHANGED,
            "task_update",
            "after",
            id="an update",
        ),
        pytest.param(
            EventKind.TASK_DELETED,
            {"task_before": TASK_BEFORE},
            NoticeKind.CHANGED,
            "deleted",
            "before",
            id="a deletion",
        ),
        pytest.param(
            EventKind.TASK_STATE_CHANGE,
            {"task_before": TASK_BEFORE, "task_after": TASK_AFTER},
            NoticeKind.LEFT,
            "left_filter",
            "after",
            id="one that left",
        ),
    ],
)
def test_an_event_of_a_task_run_tells_it_as_it_stands_or_was(
    kind: EventKind, parts: dict[str, Any], how: NoticeKind, name: str, task_run_name: str
) -> None:
    message = sent_task_run(a_notice(an_event(kind, **parts), how))

    assert message.WhichOneof("event") == name
    assert getattr(message, name).task_run.name == task_run_name


def test_a_snapshot_tells_a_task_run_at_the_time_of_the_snapshot() -> None:
    time = NOW + timedelta(seconds=2)
    notice = Notice(kind=NoticeKind.SNAPSHOT, resume_token=HERE, task_run=TASK_AFTER, time=time)

    task_run = sent_task_run(notice).snapshot.task_run

    assert task_run.name == "after"
    assert task_run.estimated_run_time.ToTimedelta() == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("encoder", "event"),
    [
        (for_flow_runs(), an_event(EventKind.INPUT_CREATED, input=INPUT)),
        (for_flow_runs(), an_event(EventKind.STATE_CHANGE, after=a_flow_run(FLOW))),
        (for_flow_runs(), TASK_STATE_CHANGE),
        (for_task_runs(), STATE_CHANGE),
        (for_inputs(), STATE_CHANGE),
    ],
    ids=[
        "an input to a watcher of runs",
        "a state change without a state",
        "a task run to a watcher of runs",
        "a run to a watcher of task runs",
        "a run to a watcher of inputs",
    ],
)
def test_what_no_watcher_is_sent_is_not_sent(encoder: NoticeEncoder[Any], event: Event) -> None:
    with pytest.raises(ValueError, match="is nothing that a watcher"):
        encoder.encode(a_notice(event))
