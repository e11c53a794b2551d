"""Commands about task runs: what callers ask the service to do with them, as values."""

from collections.abc import Mapping
from datetime import datetime

from headgate_server.model.commands import Command
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_runs import TaskInput, TaskRunPolicy


class CreateTaskRun(Command, frozen=True, kw_only=True):
    """Create a task run, or return the one that its flow run has for the keys."""

    flow_run_id: str
    task_key: str
    dynamic_key: str
    task_run_id: str | None = None
    """None lets the server choose."""
    name: str = ""
    """Empty draws a random one."""
    state: ProposedState = ProposedState(type=StateType.PENDING)
    task_version: str | None = None
    cache_key: str | None = None
    cache_expire_time: datetime | None = None
    policy: TaskRunPolicy = TaskRunPolicy()
    task_inputs: Mapping[str, tuple[TaskInput, ...]] = {}
    tags: tuple[str, ...] = ()
    request_id: str | None = None


class UpdateTaskRun(Command, frozen=True, kw_only=True):
    """Rename a task run."""

    task_run_id: str
    name: str = ""
    """Empty draws a random one."""
    expected_version: int | None = None
    request_id: str | None = None


class DeleteTaskRun(Command, frozen=True, kw_only=True):
    """Delete a task run with its states."""

    task_run_id: str
    expected_version: int | None = None
    request_id: str | None = None


class TaskProposal(Command, frozen=True, kw_only=True):
    """A state proposed for a task run."""

    task_run_id: str
    state: ProposedState
    force: bool = False
    expected_version: int | None = None
