"""Filling: databases with many runs, made as fast as the tables take them. Everything here runs in a worker."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final
from uuid import UUID, uuid4

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.names import random_name
from headgate_server.model.states import (
    DEFAULT_NAMES,
    LATE_NAME,
    TERMINAL,
    State,
    StateDetails,
    StateType,
)
from headgate_server.model.task_runs import TaskInput, TaskInputKind, TaskRun
from headgate_server.storage import flow_runs, flows, task_runs
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.tables import FLOW_RUN

MANY: Final = 1_000_000
"""What counts as many runs."""
WITH_TASKS: Final = str(UUID(int=1))
"""The id of a run with 1,000 task runs."""

_TASKS: Final = 1_000
_CHUNK: Final = 10_000
_SEED: Final = 20
_FLOWS: Final = 20
_SPACING: Final = timedelta(seconds=1)
"""One run begins after the other."""
_AHEAD: Final = timedelta(days=30)
"""How long before they are due runs are scheduled."""
_KINDS: Final = {
    StateType.COMPLETED: 80,
    StateType.FAILED: 6,
    StateType.SCHEDULED: 6,
    StateType.CRASHED: 3,
    StateType.RUNNING: 3,
    StateType.CANCELLED: 1,
    StateType.PAUSED: 1,
}
"""How many of a hundred runs are in each state."""


async def fill(url: str, count: int) -> None:
    """Store so many runs with their last state, spread over flows, states and times.

    Indexes are made afterwards, which is faster and leaves them as they would be.
    """
    database = Database.open(url, statement_seconds=3600)
    try:
        made = [_flow(place) for place in range(_FLOWS)]
        await database.write(partial(_begin, made=made))
        for runs in _chunks(made, count):
            await database.write(partial(_insert, runs=runs))
        await database.write(_make_indexes)
        await database.write(partial(_insert_tasks, flow_id=made[0].id))
    finally:
        await database.close()
        # What the system has not written yet must not disturb what is measured next.
        os.sync()


async def fill_queue(url: str, work_queue_id: str, count: int) -> None:
    """Store so many runs that are late, in a work queue."""
    database = Database.open(url)
    try:
        flow = _flow(_FLOWS)
        due = datetime.now(UTC) - timedelta(hours=1)
        late = [
            replace(
                _run(flow.id, StateType.SCHEDULED, due - _AHEAD + number * _SPACING, _dice(number)),
                work_queue_id=work_queue_id,
            )
            for number in range(count)
        ]
        runs = [replace(run, state=replace(_state(run), name=LATE_NAME)) for run in late]
        await database.write(lambda conn: flows.insert_or_get(conn, {flow.name: flow}))
        await database.write(partial(_insert, runs=runs))
    finally:
        await database.close()


def _insert_tasks(conn: Connection, flow_id: str) -> None:
    """Store a run with many task runs, each of which waited for the two before it."""
    began = datetime.now(UTC) - timedelta(hours=2)
    run = replace(_run(flow_id, StateType.COMPLETED, began, _dice(0)), id=WITH_TASKS)
    _insert(conn, [run])
    made: list[TaskRun] = []
    for number in range(_TASKS):
        inputs = tuple(
            TaskInput(kind=TaskInputKind.TASK_RUN, value=before.id) for before in made[-2:]
        )
        began += _SPACING
        made.append(_task_run(number, began, inputs))
    task_runs.insert(conn, made)
    task_runs.insert_states(conn, [(each.id, each.state) for each in made if each.state])


def _task_run(number: int, time: datetime, inputs: tuple[TaskInput, ...]) -> TaskRun:
    end = time + _SPACING
    completed = StateType.COMPLETED
    return TaskRun(
        id=new_id(),
        flow_run_id=WITH_TASKS,
        task_key="benchmark",
        dynamic_key=str(number),
        name=f"benchmark-{number}",
        create_time=time,
        update_time=end,
        version=1,
        state=State(
            id=new_id(), type=completed, name=DEFAULT_NAMES[completed], timestamp=end, version=1
        ),
        task_inputs={"before": inputs},
        run_count=1,
        expected_start_time=time,
        start_time=time,
        end_time=end,
    )


def _state(run: FlowRun) -> State:
    assert run.state is not None
    return run.state


def _begin(conn: Connection, made: list[Flow]) -> None:
    for index in FLOW_RUN.indexes:
        index.drop(conn)
    flows.insert_or_get(conn, {flow.name: flow for flow in made})


def _insert(conn: Connection, runs: list[FlowRun]) -> None:
    flow_runs.insert(conn, runs)
    flow_runs.insert_states(conn, [(run.id, run.state) for run in runs if run.state is not None])


def _make_indexes(conn: Connection) -> None:
    for index in FLOW_RUN.indexes:
        index.create(conn)
    if conn.dialect.name == "postgresql":
        # What the database does by itself sooner or later.
        conn.exec_driver_sql("ANALYZE")


def _flow(place: int) -> Flow:
    now = datetime.now(UTC)
    return Flow(id=new_id(), name=f"flow-{place}", create_time=now, update_time=now)


def _chunks(made: list[Flow], count: int) -> Iterator[list[FlowRun]]:
    random = _dice(_SEED)
    kinds = random.choices(list(_KINDS), list(_KINDS.values()), k=count)
    began = datetime.now(UTC) - count * _SPACING
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        yield [
            _run(made[random.randrange(_FLOWS)].id, kinds[place], began + place * _SPACING, random)
            for place in range(first, last)
        ]


def _run(flow_id: str, kind: StateType, time: datetime, random: Random) -> FlowRun:
    """Return a run that began at a time and has come to a state."""
    is_scheduled = kind is StateType.SCHEDULED
    # Far ahead, so that nothing becomes late while we measure.
    due = time + _AHEAD if is_scheduled else time
    duration = timedelta(seconds=random.randrange(1, 600))
    state = State(
        id=new_id(),
        type=kind,
        name=DEFAULT_NAMES[kind],
        timestamp=time + duration,
        version=1,
        details=StateDetails(
            scheduled_time=due if is_scheduled else None, transition_id=str(uuid4())
        ),
    )
    return FlowRun(
        id=new_id(),
        flow_id=flow_id,
        name=random_name(),
        create_time=time,
        update_time=time + duration,
        version=1,
        state=state,
        tags=("nightly",) if random.random() < 0.3 else (),
        run_count=0 if is_scheduled else 1,
        expected_start_time=due,
        next_scheduled_start_time=due if is_scheduled else None,
        start_time=None if is_scheduled else time,
        end_time=time + duration if kind in TERMINAL else None,
        parameters_json="{}",
        context_json="{}",
        job_variables_json="{}",
    )


def _dice(seed: int) -> Random:
    """Return a source of numbers that are the same every time, which is the point."""
    return Random(seed)  # noqa: S311
