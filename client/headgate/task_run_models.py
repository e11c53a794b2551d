"""Task runs as the service keeps them, as values: like the others in `headgate.models`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from headgate.enums import TaskInputKind
from headgate.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunPolicy:
    """The retries of a task run."""

    retries: int | None = None
    """How often a failure is answered by a retry. None: never."""
    retry_delays: tuple[timedelta, ...] = ()
    """The times before the first retry, the second and so on; the last one serves all that follow. Empty: none."""
    retry_jitter_factor: float | None = None
    """How far delays are spread at random: they are at most 1 plus this times as long. None: not at all."""


@dataclass(frozen=True, slots=True)
class TaskInput:
    """Where one value that was handed to a task came from."""

    kind: TaskInputKind
    """What kind of source it is."""
    value: str
    """The id of the task run, the name of the parameter, or the type of the constant."""

    @classmethod
    def from_task_run(cls, task_run_id: UUID | str) -> "TaskInput":
        """Return that a value is the result of a task run."""
        return cls(TaskInputKind.TASK_RUN, str(task_run_id))

    @classmethod
    def from_parameter(cls, name: str) -> "TaskInput":
        """Return that a value is a parameter of the flow run."""
        return cls(TaskInputKind.PARAMETER, name)

    @classmethod
    def from_constant(cls, type_name: str) -> "TaskInput":
        """Return that a value stands in the code, with the name of its type."""
        return cls(TaskInputKind.CONSTANT, type_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One execution of a task within a flow run, with its current state."""

    id: UUID
    """The id of the task run."""
    flow_run_id: UUID
    """The flow run that the task run belongs to."""
    task_key: str
    """Names the task within its program."""
    dynamic_key: str
    """Tells the runs of one task in one flow run apart."""
    name: str
    """The name of the task run. Not unique."""
    create_time: datetime
    """When the task run was created."""
    update_time: datetime
    """When the task run was last changed, by a state or by an update."""
    version: int
    """How many states were written: 0 before the first, then the version of the current state."""
    state: State | None = None
    """The current state. None only for a task run without any state."""
    task_version: str | None = None
    """The version of the task's code."""
    cache_key: str | None = None
    """Names the result that the task run shares with others, as its creator said."""
    cache_expire_time: datetime | None = None
    """Until when the result may be taken over, as its creator said."""
    policy: TaskRunPolicy = TaskRunPolicy()
    """Retries of the task run."""
    task_inputs: Mapping[str, tuple[TaskInput, ...]] = field(default_factory=dict, hash=False)
    """Where the values of the task's parameters came from, by the name of the parameter."""
    tags: tuple[str, ...] = ()
    """Labels for finding task runs, in the order given; concurrency limits hold for tags."""
    run_count: int = 0
    """How often the task run entered RUNNING since it last left a terminal state."""
    flow_run_run_count: int = 0
    """The run count of the flow run when the task run last entered RUNNING."""
    expected_start_time: datetime | None = None
    """When the task run was first expected to start."""
    next_scheduled_start_time: datetime | None = None
    """When the task run is due. Set only while it is SCHEDULED."""
    start_time: datetime | None = None
    """When the task run first entered RUNNING."""
    end_time: datetime | None = None
    """When the task run ended. Set only on started task runs in a terminal state."""
    total_run_time: timedelta = timedelta()
    """The time spent in RUNNING states that have ended."""
    estimated_run_time: timedelta = timedelta()
    """`total_run_time`, plus the time since the current state began if that is RUNNING."""
    estimated_start_time_delta: timedelta = timedelta()
    """How late the task run started, or how late it is by now; never negative."""

    @property
    def is_final(self) -> bool:
        """Whether the task run does no more work. One without a state has not even begun."""
        return self.state is not None and self.state.is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedTaskRun:
    """The answer to creating a task run."""

    task_run: TaskRun
    """The task run as it now stands, in FULL view."""
    created: bool
    """Whether this call created it; false if the flow run had one with the same keys."""
    revision: int
    """The revision of the change; 0 when nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedTaskRun:
    """The answer to changing a task run."""

    task_run: TaskRun
    """The task run as it now stands, in FULL view."""
    revision: int
    """The revision of the change."""
