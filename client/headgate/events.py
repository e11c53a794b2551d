"""What watches tell, one class for each kind of event."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from headgate.models import FlowRun, FlowRunInput
from headgate.states import State, StateType
from headgate.task_run_models import TaskRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event of a watch says."""

    revision: int
    """The revision of the change, or up to which everything has been told. They never decrease.

    0 on a snapshot of one item, whose revision comes with `SnapshotComplete`.
    """
    commit_time: datetime
    """When the change was committed; when the message was made if it tells of no change."""
    resume_token: str
    """The position after this event: a watch that begins with it tells all that came later."""
    fragment: bool = False
    """Whether more events of the same transaction follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlowRunEvent(Event):
    flow_run: FlowRun
    """The run as it now stands, or as it was last known if it is gone; in BASIC view."""
    coalesced: bool = False
    """With `latest_only`: whether earlier changes of this run were skipped before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange(_FlowRunEvent):
    """A run took a new state."""

    state: State
    """The state that was written, without its data.

    Its version is one more than that of the state told before, so that a gap would show.
    """
    previous_state_type: StateType | None
    """The type of the state before. None for the first state of a run."""
    previous_state_name: str | None
    """The name of the state before. None for the first state of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUpdate(_FlowRunEvent):
    """A run changed without taking a new state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(_FlowRunEvent):
    """A run that matched when the watch began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(_FlowRunEvent):
    """A run was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFilter(_FlowRunEvent):
    """A run that matched no longer does. Nothing more is told of it until it matches again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TaskRunEvent(Event):
    task_run: TaskRun
    """The task run as it now stands, or as it was last known if it is gone; in BASIC view."""
    coalesced: bool = False
    """With `latest_only`: whether earlier changes of it were skipped before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStateChange(_TaskRunEvent):
    """A task run took a new state."""

    state: State
    """The state that was written, without its data.

    Its version is one more than that of the state told before, so that a gap would show.
    """
    previous_state_type: StateType | None
    """The type of the state before. None for the first state of a task run."""
    previous_state_name: str | None
    """The name of the state before. None for the first state of a task run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdate(_TaskRunEvent):
    """A task run changed without taking a new state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot(_TaskRunEvent):
    """A task run that matched when the watch began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeleted(_TaskRunEvent):
    """A task run was deleted, alone or with its flow run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLeftFilter(_TaskRunEvent):
    """A task run that matched no longer does. Nothing more is told of it until it matches again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotComplete(Event):
    """Everything that matched when the watch began has been told; what follows are changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """Nothing happened, and the watch has told everything up to its revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _InputEvent(Event):
    input: FlowRunInput
    """The input, or what it was before it was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCreated(_InputEvent):
    """An input was created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputDeleted(_InputEvent):
    """An input was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSnapshot(_InputEvent):
    """An input that was there when the watch began."""


FlowRunEvent: TypeAlias = (
    StateChange | RunUpdate | Snapshot | SnapshotComplete | Deleted | LeftFilter | Progress
)
"""An event of a watch on flow runs."""

TaskRunEvent: TypeAlias = (
    TaskStateChange
    | TaskUpdate
    | TaskSnapshot
    | SnapshotComplete
    | TaskDeleted
    | TaskLeftFilter
    | Progress
)
"""An event of a watch on task runs."""

FlowRunInputEvent: TypeAlias = (
    InputCreated | InputDeleted | InputSnapshot | SnapshotComplete | Progress
)
"""An event of a watch on the inputs of a flow run."""
