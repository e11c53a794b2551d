"""Random worlds: everything that the service keeps, a few hundred of it, drawn from a seed.

Values are few, so that they meet often, and every one that may be missing sometimes is.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete

from headgate_server.model.deployments import Deployment
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.states import State, StateDetails, StateType
from headgate_server.model.task_runs import TaskInput, TaskInputKind, TaskRun
from headgate_server.model.work_pools import WorkPool, WorkQueue
from headgate_server.storage import deployments, flow_runs, flows, task_runs, work_pools
from headgate_server.storage.tables import FLOW, WORK_POOL
from tests.builders import NOW

T = TypeVar("T")

NAMES: Final = ["", "a", "A", "Ab", "aXb", "a_b", "a%b", r"a\b", "a\nb", "É", "é", "日本", "a b", "d-1-1"]  # fmt: skip
TAGS: Final = ["x", "y", "X", ""]
TEXTS: Final = ["", "1", "2", "q"]
TYPES: Final = ["process", "docker", "Docker"]
STATE_NAMES: Final = ["Running", "Late", "Scheduled", "", "running"]
LENGTHS: Final = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1, microseconds=999_999), timedelta(hours=5)]  # fmt: skip


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a database holds."""

    work_pools: tuple[WorkPool, ...]
    work_queues: tuple[WorkQueue, ...]
    flows: tuple[Flow, ...]
    deployments: tuple[Deployment, ...]
    flow_runs: tuple[FlowRun, ...]
    task_runs: tuple[TaskRun, ...]

    def replace_all(self, conn: Connection) -> None:
        """Make a database hold this world and nothing else."""
        conn.execute(delete(FLOW))
        conn.execute(delete(WORK_POOL))
        for pool in self.work_pools:
            work_pools.insert_pool(conn, pool)
        for queue in self.work_queues:
            work_pools.insert_queue(conn, queue)
        flows.insert_or_get(conn, {flow.name: flow for flow in self.flows})
        deployments.insert(conn, self.deployments)
        # Flow runs and task runs refer to each other.
        flow_runs.insert(conn, [replace(run, parent_task_run_id=None) for run in self.flow_runs])
        task_runs.insert(conn, self.task_runs)
        stored = flow_runs.load(conn, [run.id for run in self.flow_runs])
        flow_runs.update(conn, [(run, stored[run.id]) for run in self.flow_runs])
        flow_runs.insert_states(conn, [(run.id, run.state) for run in self.flow_runs if run.state])
        task_runs.insert_states(conn, [(run.id, run.state) for run in self.task_runs if run.state])


def random_world(seed: int) -> World:
    """Draw a world of a few hundred entities."""
    return _Drawing(Random(seed)).world()  # noqa: S311  the same each time


class _Drawing:
    """Draws a world, piece by piece."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 0
        self._task_run_ids: list[str] = []

    def world(self) -> World:
        draw = self._random
        pools = [self._pool(name) for name in draw.sample(NAMES, 3)]
        queues = [
            self._queue(pool, name, priority)
            for pool in pools
            for priority, name in enumerate(draw.sample(NAMES, draw.randint(0, 4)), start=1)
        ]
        made = [self._flow(name) for name in draw.sample(NAMES, draw.randint(3, 8))]
        # Some flows have no deployments, and some no runs.
        deployed = [
            self._deployment(flow, name, queues)
            for flow in made[1:]
            for name in draw.sample(NAMES, draw.randint(0, 4))
        ]
        runs = [
            self._flow_run(draw.choice(made[:-1]), deployed, queues)
            for _ in range(draw.randint(20, 120))
        ]
        tasks = [self._task_run(draw.choice(runs)) for _ in range(draw.randint(0, 150))]
        # Each task run stands for one subflow run at most.
        for task in draw.sample(tasks, len(tasks) // 4):
            index = draw.randrange(len(runs))
            runs[index] = replace(runs[index], parent_task_run_id=task.id)
        return World(
            work_pools=tuple(pools),
            work_queues=tuple(queues),
            flows=tuple(made),
            deployments=tuple(deployed),
            flow_runs=tuple(runs),
            task_runs=tuple(tasks),
        )

    def _pool(self, name: str) -> WorkPool:
        return WorkPool(
            id=self._id(),
            name=name,
            create_time=NOW,
            update_time=NOW,
            type=self._random.choice(TYPES),
            default_queue_id=self._id(),
        )

    def _queue(self, pool: WorkPool, name: str, priority: int) -> WorkQueue:
        return WorkQueue(
            id=self._id(),
            work_pool_id=pool.id,
            work_pool_name=pool.name,
            name=name,
            create_time=NOW,
            update_time=NOW,
            priority=priority,
        )

    def _flow(self, name: str) -> Flow:
        return Flow(
            id=self._id(),
            name=name,
            tags=self._tags(),
            create_time=self._time(),
            update_time=self._time(),
        )

    def _deployment(self, flow: Flow, name: str, queues: Sequence[WorkQueue]) -> Deployment:
        queue = self._maybe(lambda: self._random.choice(queues), bool(queues))
        return Deployment(
            id=self._id(),
            flow_id=flow.id,
            name=name,
            create_time=self._time(),
            update_time=self._time(),
            is_paused=self._random.random() < 0.5,
            tags=self._tags(),
            work_queue_id=queue.id if queue else None,
            work_queue_name=queue.name if queue else self._text(),
            work_pool_name=queue.work_pool_name if queue else None,
        )

    def _flow_run(
        self, flow: Flow, deployed: Sequence[Deployment], queues: Sequence[WorkQueue]
    ) -> FlowRun:
        draw = self._random
        state = self._state()
        # The deployment or the queue of some runs is gone.
        gone = self._id()
        return FlowRun(
            id=self._id(),
            flow_id=flow.id,
            name=draw.choice(NAMES),
            create_time=NOW,
            update_time=NOW,
            version=0 if state is None else state.version,
            state=state,
            flow_version=self._text(),
            deployment_id=self._maybe(lambda: draw.choice([*(each.id for each in deployed), gone])),
            work_queue_id=self._maybe(lambda: draw.choice([*(each.id for each in queues), gone])),
            work_queue_name=self._text(),
            idempotency_key=self._text(),
            tags=self._tags(),
            expected_start_time=self._maybe(self._time),
            next_scheduled_start_time=self._maybe(
                self._time, state is not None and state.type is StateType.SCHEDULED
            ),
            start_time=self._maybe(self._time),
            end_time=self._maybe(self._time, state is not None and state.is_terminal),
            total_run_time=draw.choice(LENGTHS),
            parameters_json="{}",
            context_json="{}",
            job_variables_json="{}",
        )

    def _task_run(self, run: FlowRun) -> TaskRun:
        draw = self._random
        state = self._state()
        inputs = {
            name: self._inputs() for name in draw.sample(["data", "name"], draw.randint(0, 2))
        }
        task_run_id = self._id()
        self._task_run_ids.append(task_run_id)
        return TaskRun(
            id=task_run_id,
            flow_run_id=run.id,
            task_key=draw.choice(["load", "save"]),
            dynamic_key=task_run_id,
            name=draw.choice(NAMES),
            create_time=NOW,
            update_time=NOW,
            version=0 if state is None else state.version,
            state=state,
            tags=self._tags(),
            task_inputs=inputs,
            expected_start_time=self._maybe(self._time),
            next_scheduled_start_time=self._maybe(self._time),
            start_time=self._maybe(self._time),
            end_time=self._maybe(self._time, state is not None and state.is_terminal),
            total_run_time=draw.choice(LENGTHS),
        )

    def _inputs(self) -> tuple[TaskInput, ...]:
        draw = self._random
        upstream = [*draw.choices(self._task_run_ids, k=2)] if self._task_run_ids else []
        return (
            *(TaskInput(kind=TaskInputKind.TASK_RUN, value=each) for each in upstream),
            TaskInput(kind=TaskInputKind.PARAMETER, value="name"),
            TaskInput(kind=TaskInputKind.CONSTANT, value="int"),
        )[: draw.randint(0, 4)]

    def _state(self) -> State | None:
        draw = self._random
        state_type = draw.choice([*StateType, None])
        if state_type is None:
            return None
        name = draw.choice([*STATE_NAMES, state_type.capitalize()])
        return State(
            id=self._id(),
            type=state_type,
            name=name,
            timestamp=self._time(),
            version=1,
            details=StateDetails(),
        )

    def _id(self) -> str:
        self._count += 1
        # The order of ids is not the order in which they are drawn.
        return f"{self._random.getrandbits(32):08x}-0000-7000-8000-{self._count:012x}"

    def _time(self) -> datetime:
        draw = self._random
        if draw.random() < 0.5:
            return NOW + draw.choice(LENGTHS)
        return NOW + timedelta(microseconds=draw.randrange(3 * 24 * 3600 * 10**6))

    def _tags(self) -> tuple[str, ...]:
        return tuple(self._random.choices(TAGS, k=self._random.randint(0, 3)))

    def _text(self) -> str | None:
        return self._maybe(lambda: self._random.choice(TEXTS))

    def _maybe(self, draw: Callable[[], T], is_possible: bool = True) -> T | None:  # noqa: FBT001, FBT002  a fact about what is drawn
        return draw() if is_possible and self._random.random() < 0.75 else None
