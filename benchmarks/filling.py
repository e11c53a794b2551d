"""Filling: databases with many runs, made as fast as the tables take them. Everything here runs in a worker."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final
from uuid import uuid4

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.names import random_name
from headgate_server.model.states import (
    DEFAULT_NAMES,
    TERMINAL,
    State,
    StateDetails,
    StateType,
)
from headgate_server.storage import flow_runs, flows
from headgate_server.storage.database import Connection, Database
from headgate_server.storage.tables import FLOW_RUN

_CHUNK: Final = 10_000
_SEED: Final = 20
_FLOWS: Final = 20
_SPACING: Final = timedelta(seconds=1)
"""One run begins after the other."""
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
    finally:
        await database.close()
        # What the system has not written yet must not disturb what is measured next.
        os.sync()


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
    random = Random(_SEED)  # noqa: S311 - the same every time, which is the point
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
    due = time + timedelta(days=30) if is_scheduled else time
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
