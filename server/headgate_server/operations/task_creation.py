"""Creation of task runs, many at once inside the writer's transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from headgate_server.model.conflicts import TaskRunExistsError
from headgate_server.model.errors import FlowRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.ids import new_id
from headgate_server.model.names import random_name
from headgate_server.model.task_commands import CreateTaskRun
from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.engine import orchestrate_task
from headgate_server.orchestration.policies import MINIMAL_TASK_POLICY
from headgate_server.storage import flow_runs, task_runs
from headgate_server.storage.database import Connection
from headgate_server.storage.task_runs import Key
from headgate_server.storage.writer import Outcome, Written


class CreatedTaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """The task run that a request to create leads to."""

    task_run: TaskRun
    created: bool
    """Whether this request made it."""
    revision: int = 0
    """Revision of the change; 0 when nothing was written."""


def create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateTaskRun]
) -> list[Outcome[CreatedTaskRun]]:
    """Create task runs, or find those that have the keys. The first states are written without rules."""
    batch = _Batch(conn, now, commands)
    outcomes = [batch.create(command) for command in commands]
    batch.write()
    return outcomes


class _Batch:
    """The facts that some creations need, and what they made so far."""

    def __init__(self, conn: Connection, now: datetime, commands: Sequence[CreateTaskRun]) -> None:
        self._conn = conn
        self._now = now
        self._ids = task_runs.ids_by_key(conn, list({_key_of(each) for each in commands}))
        given = [each.task_run_id for each in commands if each.task_run_id]
        self._task_runs = task_runs.load_full(conn, list({*self._ids.values(), *given}))
        self._flow_runs = set(
            flow_runs.load_basic(conn, list({each.flow_run_id for each in commands}))
        )
        self._made: list[TaskRun] = []

    def create(self, command: CreateTaskRun) -> Outcome[CreatedTaskRun]:
        """Make one task run, or find the one that has the keys."""
        key = _key_of(command)
        # PostgreSQL: one that was deleted a moment ago is there no longer.
        standing = self._task_runs.get(self._ids.get(key, ""))
        if standing is not None:
            return Written(CreatedTaskRun(task_run=standing, created=False))
        if command.flow_run_id not in self._flow_runs:
            return FlowRunNotFoundError(command.flow_run_id)
        if command.task_run_id in self._task_runs:
            return TaskRunExistsError(command.task_run_id)
        task_run = self._new_task_run(command)
        self._made.append(task_run)
        self._task_runs[task_run.id] = task_run
        self._ids[key] = task_run.id
        change = Change(
            kind=EventKind.TASK_STATE_CHANGE,
            flow_run_id=task_run.flow_run_id,
            task_after=task_runs.basic(task_run),
        )
        return Written(CreatedTaskRun(task_run=task_run, created=True), (change,))

    def _new_task_run(self, command: CreateTaskRun) -> TaskRun:
        """Return a task run with its first state."""
        bare = TaskRun(
            id=command.task_run_id or new_id(),
            flow_run_id=command.flow_run_id,
            task_key=command.task_key,
            dynamic_key=command.dynamic_key,
            name=command.name or random_name(),
            create_time=self._now,
            update_time=self._now,
            task_version=command.task_version,
            cache_key=command.cache_key,
            cache_expire_time=command.cache_expire_time,
            policy=command.policy,
            task_inputs=command.task_inputs,
            tags=command.tags,
        )
        decision = orchestrate_task(
            bare, command.state, policy=MINIMAL_TASK_POLICY, now=self._now, state_id=new_id()
        )
        return decision.run

    def write(self) -> None:
        """Write the task runs that were made, and their states."""
        if self._made:
            task_runs.insert(self._conn, self._made)
            task_runs.insert_states(
                self._conn, [(each.id, each.state) for each in self._made if each.state is not None]
            )


def _key_of(command: CreateTaskRun) -> Key:
    """Return what a flow run has at most one task run with."""
    return (command.flow_run_id, command.task_key, command.dynamic_key)
