"""Events: what changed, in the order of the log."""

from datetime import datetime
from enum import StrEnum

import msgspec

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.task_runs import TaskRun


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
    TASK_STATE_CHANGE = "TASK_STATE_CHANGE"
    """A task run took a new state."""
    TASK_UPDATE = "TASK_UPDATE"
    """A task run changed without taking a new state."""
    TASK_DELETED = "TASK_DELETED"
    """A task run was deleted, alone or with its flow run."""


class Change(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What happened to one run or input. The part of an event that is known before it is committed."""

    kind: EventKind
    flow_run_id: str
    """The run; for inputs and task runs the run that they belong to."""
    before: FlowRun | None = None
    """The run before, in BASIC view and without the data of its state; None for a new run and for inputs."""
    after: FlowRun | None = None
    """The run after, in BASIC view and without the data of its state; None for a deleted run and for inputs."""
    flow: Flow | None = None
    """The flow of the run when it changed, so that filters on it can be judged long afterwards; None for inputs."""
    input: FlowRunInput | None = None
    """The input that was created or deleted."""
    task_before: TaskRun | None = None
    """The task run before, without the data of its state; None for a new one and for other kinds."""
    task_after: TaskRun | None = None
    """The task run after, without the data of its state; None for a deleted one and for other kinds."""

    @property
    def task_run_id(self) -> str | None:
        """The task run; None for other kinds."""
        task_run = self.task_after or self.task_before
        return None if task_run is None else task_run.id

    @property
    def subject_id(self) -> str:
        """What changed: the task run, or else the run, for inputs the run that they belong to."""
        return self.task_run_id or self.flow_run_id

    @property
    def is_deletion(self) -> bool:
        """Whether what changed, a run or a task run, is there no more."""
        return self.after is None and self.task_after is None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which events may concern somebody, told by what stands beside them in the log. Others surely do not."""

    of_task_runs: bool = False
    """Whether they tell of task runs, or else of runs and inputs."""
    flow_run_ids: frozenset[str] | None = None
    """Only those of these runs, for inputs and task runs of the runs that they belong to; None takes all."""
    task_run_ids: frozenset[str] | None = None
    """Only those of these task runs; None takes all."""

    def covers(self, change: Change) -> bool:
        """Return whether an event of this change is in scope."""
        task_run_id = change.task_run_id
        return (
            (task_run_id is not None) is self.of_task_runs
            and (self.flow_run_ids is None or change.flow_run_id in self.flow_run_ids)
            and (self.task_run_ids is None or task_run_id in self.task_run_ids)
        )


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
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
