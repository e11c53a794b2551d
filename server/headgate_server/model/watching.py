"""What a watcher is sent: events, and where it stands among them."""

from datetime import datetime
from enum import StrEnum

import msgspec

from headgate_server.model.events import Event
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.task_runs import TaskRun


class NoticeKind(StrEnum):
    """What a watcher is told."""

    CHANGED = "CHANGED"
    """The event itself: a state change, an update or a deletion of something that matches."""
    LEFT = "LEFT"
    """The event made a run stop matching, or showed that it no longer does."""
    SNAPSHOT = "SNAPSHOT"
    """Something that matched when the watch began."""
    SNAPSHOT_COMPLETE = "SNAPSHOT_COMPLETE"
    """All that matched when the watch began has been sent."""
    PROGRESS = "PROGRESS"
    """Nothing happened; everything up to here has been sent."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one watcher."""

    kind: NoticeKind
    resume_token: str
    """The position after this message."""
    revision: int = 0
    """For SNAPSHOT_COMPLETE and PROGRESS: everything up to here has been sent."""
    time: datetime | None = None
    """When the message was made, for those without an event."""
    event: Event | None = None
    """For CHANGED and LEFT."""
    flow_run: FlowRun | None = None
    """For SNAPSHOT of a run."""
    input: FlowRunInput | None = None
    """For SNAPSHOT of an input."""
    task_run: TaskRun | None = None
    """For SNAPSHOT of a task run."""
    is_fragment: bool = False
    """Whether more of the same call follows."""
    is_coalesced: bool = False
    """Whether earlier changes of this run were skipped."""
