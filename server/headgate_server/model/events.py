"""Events: what changed, in the order of the log."""

from datetime import datetime
from enum import StrEnum

import msgspec

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.inputs import FlowRunInput


class EventKind(StrEnum):
    """What happened."""

    STATE_CHANGE = "STATE_CHANGE"
    """A run took a new state."""
    RUN_UPDATE = "RUN_UPDATE"
    """A run changed without taking a new state."""
    RUN_DELETED = "RUN_DELETED"
    """A run was deleted."""
    INPUT_CREATED = "INPUT_CREATED"
    """An input was left with a run."""
    INPUT_DELETED = "INPUT_DELETED"
    """An input was taken from a run."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to one run or input. The part of an event that is known before it is committed."""

    kind: EventKind
    flow_run_id: str
    before: FlowRun | None = None
    """The run before, in BASIC view and without the data of its state; None for a new run and for inputs."""
    after: FlowRun | None = None
    """The run after, in BASIC view and without the data of its state; None for a deleted run and for inputs."""
    flow: Flow | None = None
    """The flow of the run when it changed, so that filters on it can be judged long afterwards; None for inputs."""
    input: FlowRunInput | None = None
    """The input that was created or deleted."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A change with its place in the log."""

    revision: int
    """Place in the log: revisions are dense and increase in the order of commits."""
    last_revision: int
    """The revision of the last event of the same call: they are to be taken together."""
    commit_time: datetime
    change: Change

    @property
    def weight(self) -> int:
        """About how many bytes the event takes in memory."""
        value = self.change.input
        return 4096 if value is None else 4096 + len(value.value_json)
