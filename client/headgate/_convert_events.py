"""Events of watches: stubs to models. A kind of event that is newer than this client is None."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypedDict

from headgate import events
from headgate import v1 as pb
from headgate._convert import to_datetime, to_flow_run, to_input, to_state, to_state_type
from headgate._convert_task_runs import to_task_run


class _Envelope(TypedDict):
    """What every event says."""

    commit_time: datetime
    resume_token: str
    fragment: bool


def to_flow_run_event(message: pb.WatchFlowRunsResponse) -> events.FlowRunEvent | None:
    """Return the event of a watch on flow runs."""
    kind = message.WhichOneof("event")
    envelope = _envelope(message)
    match kind:
        case None:
            return None
        case "progress" | "snapshot_complete":
            return _ABOUT_THE_WATCH[kind](revision=getattr(message, kind).revision, **envelope)
        case "state_change":
            change = message.state_change
            return events.StateChange(
                state=to_state(change.state),
                previous_state_type=to_state_type(change.previous_state_type),
                previous_state_name=change.previous_state_name or None,
                flow_run=to_flow_run(change.flow_run),
                coalesced=message.coalesced,
                revision=message.revision,
                **envelope,
            )
        case _:
            return _ABOUT_A_RUN[kind](
                flow_run=to_flow_run(getattr(message, kind).flow_run),
                coalesced=message.coalesced,
                revision=message.revision,
                **envelope,
            )


def to_task_run_event(message: pb.WatchTaskRunsResponse) -> events.TaskRunEvent | None:
    """Return the event of a watch on task runs."""
    kind = message.WhichOneof("event")
    envelope = _envelope(message)
    match kind:
        case None:
            return None
        case "progress" | "snapshot_complete":
            return _ABOUT_THE_WATCH[kind](revision=getattr(message, kind).revision, **envelope)
        case "task_state_change":
            change = message.task_state_change
            return events.TaskStateChange(
                state=to_state(change.state),
                previous_state_type=to_state_type(change.previous_state_type),
                previous_state_name=change.previous_state_name or None,
                task_run=to_task_run(change.task_run),
                coalesced=message.coalesced,
                revision=message.revision,
                **envelope,
            )
        case _:
            return _ABOUT_A_TASK_RUN[kind](
                task_run=to_task_run(getattr(message, kind).task_run),
                coalesced=message.coalesced,
                revision=message.revision,
                **envelope,
            )


def to_input_event(message: pb.WatchFlowRunInputsResponse) -> events.FlowRunInputEvent | None:
    """Return the event of a watch on the inputs of a flow run."""
    kind = message.WhichOneof("event")
    envelope = _envelope(message)
    match kind:
        case None:
            return None
        case "progress" | "snapshot_complete":
            return _ABOUT_THE_WATCH[kind](revision=getattr(message, kind).revision, **envelope)
        case _:
            return _ABOUT_AN_INPUT[kind](
                input=to_input(getattr(message, kind)), revision=message.revision, **envelope
            )


def _envelope(
    message: pb.WatchFlowRunsResponse | pb.WatchTaskRunsResponse | pb.WatchFlowRunInputsResponse,
) -> _Envelope:
    return _Envelope(
        commit_time=to_datetime(message.commit_time),
        resume_token=message.resume_token,
        fragment=message.fragment,
    )


_ABOUT_THE_WATCH: Final[Mapping[str, type[events.Progress] | type[events.SnapshotComplete]]] = {
    "progress": events.Progress,
    "snapshot_complete": events.SnapshotComplete,
}

_ABOUT_A_RUN: Final[
    Mapping[
        str,
        type[events.RunUpdate]
        | type[events.Snapshot]
        | type[events.Deleted]
        | type[events.LeftFilter],
    ]
] = {
    "run_update": events.RunUpdate,
    "snapshot": events.Snapshot,
    "deleted": events.Deleted,
    "left_filter": events.LeftFilter,
}

_ABOUT_A_TASK_RUN: Final[
    Mapping[
        str,
        type[events.TaskUpdate]
        | type[events.TaskSnapshot]
        | type[events.TaskDeleted]
        | type[events.TaskLeftFilter],
    ]
] = {
    "task_update": events.TaskUpdate,
    "snapshot": events.TaskSnapshot,
    "deleted": events.TaskDeleted,
    "left_filter": events.TaskLeftFilter,
}

_ABOUT_AN_INPUT: Final[
    Mapping[str, type[events.InputCreated] | type[events.InputDeleted] | type[events.InputSnapshot]]
] = {
    "created": events.InputCreated,
    "deleted": events.InputDeleted,
    "snapshot": events.InputSnapshot,
}
