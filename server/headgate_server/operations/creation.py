"""Creation of flow runs, many at once inside the writer's transaction."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from headgate_server.model.commands import CreateFlowRun
from headgate_server.model.errors import FlowNotFoundError, TaskRunNotFoundError
from headgate_server.model.events import Change, EventKind
from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.ids import new_id
from headgate_server.model.names import random_name
from headgate_server.operations.mirroring import mirror
from headgate_server.orchestration.engine import orchestrate
from headgate_server.orchestration.policies import MINIMAL_FLOW_POLICY
from headgate_server.storage import flow_runs, flows, idempotency_keys
from headgate_server.storage.database import Connection
from headgate_server.storage.idempotency_keys import Holder
from headgate_server.storage.writer import Outcome, Written

Key = tuple[str, str]
"""A flow id and an idempotency key."""


class CreatedFlowRun(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The run that a request to create leads to."""

    run: FlowRun
    created: bool
    """Whether this request made it."""
    revision: int = 0
    """Revision of the change; 0 when nothing was written."""


def create_all(
    conn: Connection, now: datetime, commands: Sequence[CreateFlowRun]
) -> list[Outcome[CreatedFlowRun]]:
    """Create runs, or find those that hold the keys. The first states are written without rules."""
    batch = _Batch(conn, now, commands)
    outcomes = [batch.create(command) for command in commands]
    batch.write()
    return mirror(conn, now, outcomes, lambda answer: answer.created)


class _Batch:
    """The facts that some creations need, and what they made so far."""

    def __init__(self, conn: Connection, now: datetime, commands: Sequence[CreateFlowRun]) -> None:
        self._conn = conn
        self._now = now
        self._flows = flows.get_many(conn, list({each.flow_id for each in commands}))
        parents = [each.parent_task_run_id for each in commands if each.parent_task_run_id]
        self._parents = flow_runs.task_runs_among(conn, parents) if parents else set()
        keys = [key for each in commands if (key := _key_of(each))]
        self._found = idempotency_keys.find(conn, keys) if keys else {}
        self._holders = dict(self._found)
        held = [holder.flow_run_id for holder in self._found.values()]
        self._runs = flow_runs.load_full(conn, held)
        self._made: list[FlowRun] = []

    def create(self, command: CreateFlowRun) -> Outcome[CreatedFlowRun]:
        """Make one run, or find the one that holds the key."""
        flow = self._flows.get(command.flow_id)
        if flow is None:
            return FlowNotFoundError(command.flow_id)
        if command.parent_task_run_id and command.parent_task_run_id not in self._parents:
            return TaskRunNotFoundError(command.parent_task_run_id)
        key = _key_of(command)
        holder = self._holder_of(key) if key else None
        if key and holder:
            if command.idempotency_ttl and holder.expire_time:
                renewed = self._now + command.idempotency_ttl
                self._holders[key] = replace(holder, expire_time=renewed)
            return Written(CreatedFlowRun(run=self._runs[holder.flow_run_id], created=False))
        run = self._new_run(command)
        self._made.append(run)
        self._runs[run.id] = run
        if key:
            ttl = command.idempotency_ttl
            self._holders[key] = Holder(
                flow_run_id=run.id, expire_time=None if ttl is None else self._now + ttl
            )
        change = Change(
            kind=EventKind.STATE_CHANGE,
            flow_run_id=run.id,
            after=flow_runs.basic(run),
            flow=flow,
        )
        return Written(CreatedFlowRun(run=run, created=True), (change,))

    def _holder_of(self, key: Key) -> Holder | None:
        """Return who holds a key now; PostgreSQL: nobody if that run was deleted a moment ago."""
        holder = self._holders.get(key)
        if holder is None or holder.flow_run_id not in self._runs:
            return None
        return holder if holder.holds_at(self._now) else None

    def _new_run(self, command: CreateFlowRun) -> FlowRun:
        """Return a run with its first state."""
        bare = FlowRun(
            id=new_id(),
            flow_id=command.flow_id,
            name=command.name or random_name(),
            create_time=self._now,
            update_time=self._now,
            flow_version=command.flow_version,
            deployment_id=command.deployment_id,
            deployment_version=command.deployment_version,
            work_queue_id=command.work_queue_id,
            work_queue_name=command.work_queue_name,
            auto_scheduled=command.auto_scheduled,
            parent_task_run_id=command.parent_task_run_id,
            idempotency_key=command.idempotency_key or None,
            tags=command.tags,
            policy=FlowRunPolicy(retries=command.retries, retry_delay=command.retry_delay),
            parameters_json=command.parameters_json,
            context_json=command.context_json,
            job_variables_json=command.job_variables_json,
        )
        decision = orchestrate(
            bare, command.state, policy=MINIMAL_FLOW_POLICY, now=self._now, state_id=new_id()
        )
        return decision.run

    def write(self) -> None:
        """Write the runs that were made, their states and who holds which key."""
        if self._made:
            flow_runs.insert(self._conn, self._made)
            flow_runs.insert_states(
                self._conn, [(run.id, run.state) for run in self._made if run.state is not None]
            )
        moved = {
            key: holder for key, holder in self._holders.items() if self._found.get(key) != holder
        }
        if moved:
            gone = [key for key in moved if key in self._found]
            idempotency_keys.replace(self._conn, moved, gone)


def _key_of(command: CreateFlowRun) -> Key | None:
    """Return the idempotency key that a run shall hold; None without one."""
    return (command.flow_id, command.idempotency_key) if command.idempotency_key else None
