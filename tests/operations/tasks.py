"""A running flow run, and proposals for its task runs, below the door."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Connection, delete, select

from headgate_server.model.commands import Proposal
from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, State, StateDetails, StateType
from headgate_server.model.task_commands import TaskProposal
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import TaskVerdict, Verdict
from headgate_server.operations.task_transitions import TaskTransitions
from headgate_server.operations.transitions import Transitions
from headgate_server.storage import flow_runs, task_runs
from headgate_server.storage.database import Database
from headgate_server.storage.flow_runs import decode_state
from headgate_server.storage.tables import (
    CONCURRENCY_LIMIT,
    CONCURRENCY_SLOT,
    TASK_RUN_CACHE,
    TASK_RUN_STATE,
)
from headgate_server.storage.writer import Writer
from tests.builders import a_flow, a_flow_run, a_limit, a_task_run
from tests.storing import store


def proposal(
    task_run: TaskRun,
    state_type: StateType,
    name: str | None = None,
    *,
    message: str | None = None,
    data_json: str | None = None,
    force: bool = False,
    expected_version: int | None = None,
    **details: object,
) -> TaskProposal:
    """Return a state proposed for a task run."""
    state = ProposedState(
        type=state_type,
        name=name,
        message=message,
        data_json=data_json,
        details=StateDetails(**details),  # type: ignore[arg-type]
    )
    return TaskProposal(
        task_run_id=task_run.id, state=state, force=force, expected_version=expected_version
    )


class TaskWorld:
    """One flow with a run that is RUNNING, once `begin` is done."""

    flow: Flow
    flow_run: FlowRun

    def __init__(self, database: Database, writer: Writer) -> None:
        self.database = database
        self._tasks = TaskTransitions(writer)
        self._flow_runs = Transitions(writer)

    async def begin(self) -> None:
        """Store the flow and its run."""
        self.flow = a_flow(name=new_id())
        self.flow_run = a_flow_run(self.flow, StateType.RUNNING, run_count=1)
        await store(self.database, flows=[self.flow], runs=[self.flow_run])

    async def task(
        self, state: State | StateType | None = StateType.PENDING, **fields: object
    ) -> TaskRun:
        """Store a task run of the flow run, PENDING unless told otherwise."""
        task_run = a_task_run(self.flow_run, state, **fields)
        await store(self.database, tasks=[task_run])
        return task_run

    async def tasks(self, count: int, **fields: object) -> list[TaskRun]:
        """Store so many PENDING task runs."""
        made = [a_task_run(self.flow_run, StateType.PENDING, **fields) for _ in range(count)]
        await store(self.database, tasks=made)
        return made

    async def limit(self, tag: str, slots: int) -> ConcurrencyLimit:
        """Store a limit on a tag."""
        made = a_limit(tag, slots)
        await store(self.database, limits=[made])
        return made

    async def forget_limits_and_results(self) -> None:
        """Delete all limits and all kept results."""

        def forget(conn: Connection) -> None:
            conn.execute(delete(CONCURRENCY_LIMIT))
            conn.execute(delete(TASK_RUN_CACHE))

        await self.database.write(forget)

    async def subflow_of(
        self,
        task_run: TaskRun,
        state: State | StateType | None = StateType.PENDING,
        **fields: object,
    ) -> FlowRun:
        """Store a flow run for which a task run stands."""
        run = a_flow_run(self.flow, state, parent_task_run_id=task_run.id, **fields)
        await store(self.database, runs=[run])
        return run

    async def propose(
        self, task_run: TaskRun, state_type: StateType, *args: str, **fields: object
    ) -> TaskVerdict:
        """Propose a state for a task run."""
        return await self._tasks.propose(proposal(task_run, state_type, *args, **fields))  # type: ignore[arg-type]

    async def propose_at_once(self, *proposals: TaskProposal) -> list[TaskVerdict]:
        """Propose states in one batch, and return the answers in the same order."""
        return await asyncio.gather(*map(self._tasks.propose, proposals))

    async def propose_for_flow(
        self, run: FlowRun, state: ProposedState, *, force: bool = False
    ) -> Verdict:
        """Propose a state for a flow run."""
        return await self._flow_runs.propose(Proposal(flow_run_id=run.id, state=state, force=force))

    async def propose_for_flows_at_once(
        self, *proposals: tuple[FlowRun, StateType]
    ) -> list[Verdict]:
        """Propose states for flow runs in one batch, and return the answers in the same order."""
        return await asyncio.gather(
            *(
                self.propose_for_flow(run, ProposedState(type=state_type))
                for run, state_type in proposals
            )
        )

    async def stored(self, task_run: TaskRun) -> TaskRun:
        """Return a task run as it is stored, with the data of its state."""
        return (await self.database.read(task_runs.load_full, [task_run.id]))[task_run.id]

    async def stored_flow_run(self, run: FlowRun) -> FlowRun:
        """Return a flow run as it is stored."""
        return (await self.database.read(flow_runs.load_full, [run.id]))[run.id]

    async def states(self, task_run: TaskRun) -> Sequence[State]:
        """Return the states of a task run from first to last, without data."""

        def read(conn: Connection) -> list[State]:
            bodies = select(TASK_RUN_STATE.c.body).where(
                TASK_RUN_STATE.c.task_run_id == task_run.id
            )
            ordered = bodies.order_by(TASK_RUN_STATE.c.version)
            return [decode_state(body) for body in conn.execute(ordered).scalars()]

        return await self.database.read(read)

    async def slots(self) -> dict[str, set[str]]:
        """Return who holds slots, by the tag of the limit."""

        def read(conn: Connection) -> dict[str, set[str]]:
            held: dict[str, set[str]] = {}
            rows = select(CONCURRENCY_LIMIT.c.tag, CONCURRENCY_SLOT.c.task_run_id).join_from(
                CONCURRENCY_LIMIT, CONCURRENCY_SLOT
            )
            for tag, task_run_id in conn.execute(rows):
                held.setdefault(tag, set()).add(task_run_id)
            return held

        return await self.database.read(read)
