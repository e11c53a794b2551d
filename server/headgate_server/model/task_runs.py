"""Task runs: executions of a task within a flow run. Knows nothing of rules, storage or the wire."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from headgate_server.model.states import State


class TaskInputKind(StrEnum):
    """Where a value that was handed to a task came from."""

    TASK_RUN = "TASK_RUN"
    """It is the result of another task run."""
    PARAMETER = "PARAMETER"
    """It is a parameter of the flow run."""
    CONSTANT = "CONSTANT"
    """It stands in the code."""


class TaskInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one value that was handed to a task came from."""

    kind: TaskInputKind
    value: str
    """The id of the task run, the name of the parameter, or the type of the constant."""


class TaskRunPolicy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Retries of a task run."""

    retries: int | None = None
    """How often a FAILED proposal is answered by AwaitingRetry; None means never."""
    retry_delays: tuple[timedelta, ...] = ()
    """Times before the first retry, the second and so on; the last one serves all that follow. None means no delay."""
    retry_jitter_factor: float | None = None
    """How far delays are spread at random, 0 and more; None leaves them as they are."""


class TaskRun(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One execution of a task, with its current state."""

    id: str
    flow_run_id: str
    task_key: str
    """Names the task within its program."""
    dynamic_key: str
    """Tells the runs of one task in one flow run apart."""
    name: str
    create_time: datetime
    update_time: datetime
    version: int = 0
    """How many states were written."""
    state: State | None = None
    task_version: str | None = None
    cache_key: str | None = None
    cache_expire_time: datetime | None = None
    policy: TaskRunPolicy = TaskRunPolicy()
    task_inputs: Mapping[str, tuple[TaskInput, ...]] = {}
    """Where the values of each parameter of the task came from."""
    tags: tuple[str, ...] = ()
    run_count: int = 0
    """How often the task run entered RUNNING since it last left a terminal state."""
    flow_run_run_count: int = 0
    """The run count of the flow run when this task run last entered RUNNING."""
    expected_start_time: datetime | None = None
    next_scheduled_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    total_run_time: timedelta = timedelta()
    """Time spent in RUNNING states that have ended."""


class TaskRunSort(StrEnum):
    """The orders of a list of task runs; missing values come last, ties are broken by id in the same direction."""

    ID_DESC = "ID_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"
