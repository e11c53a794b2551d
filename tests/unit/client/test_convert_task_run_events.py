"""Events of watches on task runs: stubs to models."""

from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import headgate
from headgate import v1 as pb
from headgate._convert import to_datetime
from headgate._convert_events import to_task_run_event
from headgate._convert_task_runs import to_task_run

POSITION = "position"
SOME_TIME = Timestamp(seconds=1_900_000_000, nanos=123_456_000)
TASK_RUN = pb.TaskRun(
    id=str(UUID(int=1)),
    flow_run_id=str(UUID(int=2)),
    task_key="task",
    dynamic_key="0",
    name="name",
    create_time=SOME_TIME,
    update_time=SOME_TIME,
    version=1,
)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("task_update", headgate.TaskUpdate),
        ("snapshot", headgate.TaskSnapshot),
        ("deleted", headgate.TaskDeleted),
        ("left_filter", headgate.TaskLeftFilter),
    ],
)
def test_events_about_a_task_run_carry_the_task_run(
    field: str, kind: type[headgate.TaskUpdate]
) -> None:
    message = pb.WatchTaskRunsResponse(
        resume_token=POSITION, commit_time=SOME_TIME, revision=7, fragment=True, coalesced=True
    )
    getattr(message, field).task_run.CopyFrom(TASK_RUN)

    assert to_task_run_event(message) == kind(
        task_run=to_task_run(TASK_RUN),
        resume_token=POSITION,
        commit_time=to_datetime(SOME_TIME),
        revision=7,
        fragment=True,
        coalesced=True,
    )


@pytest.mark.parametrize(
    ("previous_type", "previous_name", "expected"),
    [
        pytest.param(pb.STATE_TYPE_UNSPECIFIED, "", (None, None), id="the first"),
        pytest.param(
            pb.STATE_TYPE_SCHEDULED,
            "Late",
            (headgate.StateType.SCHEDULED, "Late"),
            id="a later one",
        ),
    ],
)
def test_a_change_of_state_carries_the_state_and_the_one_before(
    previous_type: "pb.StateType.ValueType", previous_name: str, expected: tuple[object, object]
) -> None:
    message = pb.WatchTaskRunsResponse(revision=7, resume_token=POSITION)
    change = message.task_state_change
    change.task_run.CopyFrom(TASK_RUN)
    change.state.id, change.state.type = str(UUID(int=4)), pb.STATE_TYPE_PENDING
    change.previous_state_type, change.previous_state_name = previous_type, previous_name

    event = to_task_run_event(message)

    assert isinstance(event, headgate.TaskStateChange)
    assert event.state.is_pending
    assert event.task_run == to_task_run(TASK_RUN)
    assert (event.previous_state_type, event.previous_state_name) == expected


@pytest.mark.parametrize(
    ("field", "kind"),
    [("snapshot_complete", headgate.SnapshotComplete), ("progress", headgate.Progress)],
)
def test_events_about_the_watch_tell_its_revision(
    field: str, kind: type[headgate.Progress]
) -> None:
    message = pb.WatchTaskRunsResponse(resume_token=POSITION)
    getattr(message, field).revision = 9

    event = to_task_run_event(message)

    assert isinstance(event, kind)
    assert event.revision == 9


def test_events_of_a_newer_kind_are_none() -> None:
    assert to_task_run_event(pb.WatchTaskRunsResponse(resume_token=POSITION)) is None
