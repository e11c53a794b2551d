"""A database that was in use before task runs were kept: after the upgrade nothing is lost, and what is new is filled in."""

from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest
from alembic import command
from sqlalchemy import Connection, column, insert, select, table

from headgate_server.model.filters import FlowRunSort, RunQuery
from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy, RetryType
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import StateType
from headgate_server.storage import flow_run_lists, schema
from headgate_server.storage.database import Database
from headgate_server.storage.flow_runs import basic
from headgate_server.storage.tables import FLOW_RUN
from headgate_server.storage.times import to_micros
from tests.builders import NOW, a_flow, a_flow_run, a_state

FLOW: Final = a_flow()
BEFORE: Final = timedelta(seconds=7, microseconds=1)
RUNS: Final = {
    "that runs": a_flow_run(
        FLOW, a_state(StateType.RUNNING, timestamp=NOW - BEFORE), total_run_time=BEFORE
    ),
    "that has ended": a_flow_run(
        FLOW, StateType.COMPLETED, total_run_time=timedelta(days=400, microseconds=7)
    ),
    "without a state": a_flow_run(FLOW),
    "of a scheduler": a_flow_run(FLOW, StateType.SCHEDULED, auto_scheduled=True),
    "that its process tries again": a_flow_run(
        FLOW, StateType.SCHEDULED, policy=FlowRunPolicy(retry_type=RetryType.IN_PROCESS)
    ),
    "that a worker tries again": a_flow_run(
        FLOW, StateType.SCHEDULED, policy=FlowRunPolicy(retry_type=RetryType.RESCHEDULE)
    ),
}
FILLED: Final = {
    "that runs": (to_micros(NOW - BEFORE), 7_000_001, 0, 0),
    "that has ended": (None, 400 * 86_400 * 10**6 + 7, 0, 0),
    "without a state": (None, 0, 0, 0),
    "of a scheduler": (None, 0, 1, 0),
    "that its process tries again": (None, 0, 0, 1),
    "that a worker tries again": (None, 0, 0, 0),
}
"""Since when it runs, how long it ran before, whether a scheduler made it, and whether its process tries again."""
MORE: Final = [a_flow_run(FLOW, StateType.COMPLETED, total_run_time=BEFORE) for _ in range(2500)]
"""More than the upgrade takes at once."""

_FLOW_BEFORE: Final = ("id", "name", "create_time", "update_time", "body")
_RUN_BEFORE: Final = ("id", "flow_id", "version", "edition", "name", "state_type", "state_name", "has_tags", "start_time", "end_time", "effective_start_time", "body")  # fmt: skip


def begin(conn: Connection) -> None:
    """Make the schema as it was, with runs in it."""
    made = schema.config()
    made.attributes["connection"] = conn
    command.upgrade(made, "0001")
    flow = {
        "id": FLOW.id,
        "name": FLOW.name,
        "create_time": to_micros(FLOW.create_time),
        "update_time": to_micros(FLOW.update_time),
        "body": msgspec.json.encode(FLOW),
    }
    conn.execute(insert(table("flow", *map(column, _FLOW_BEFORE))), [flow])
    runs = [_row(run) for run in [*RUNS.values(), *MORE]]
    conn.execute(insert(table("flow_run", *map(column, _RUN_BEFORE))), runs)


def _row(run: FlowRun) -> dict[str, Any]:
    start = to_micros(run.start_time)
    return {
        "id": run.id,
        "flow_id": run.flow_id,
        "version": run.version,
        "edition": 3,
        "name": run.name,
        "state_type": run.state and str(run.state.type),
        "state_name": run.state and run.state.name,
        "has_tags": 0,
        "start_time": start,
        "end_time": to_micros(run.end_time),
        "effective_start_time": start,
        "body": msgspec.json.encode(basic(run)),
    }


@pytest.fixture
def upgraded_url(empty_database_url: str) -> str:
    """Return a database of before that was upgraded."""
    schema._run(empty_database_url, begin)
    schema.upgrade(empty_database_url)
    return empty_database_url


async def test_runs_get_the_columns_that_are_new_from_what_is_kept_of_them(
    upgraded_url: str,
) -> None:
    new = (
        FLOW_RUN.c.running_since,
        FLOW_RUN.c.total_run_time,
        FLOW_RUN.c.auto_scheduled,
        FLOW_RUN.c.retries_in_process,
    )

    def read(conn: Connection) -> dict[str, tuple[Any, ...]]:
        rows = conn.execute(select(FLOW_RUN.c.id, FLOW_RUN.c.edition, *new))
        return {row[0]: tuple(row[1:]) for row in rows}

    database = Database.open(upgraded_url)
    found = await database.read(read)
    await database.close()

    assert {name: found[run.id] for name, run in RUNS.items()} == {
        name: (3, *filled) for name, filled in FILLED.items()
    }
    assert {found[run.id] for run in MORE} == {(3, None, 7_000_001, 0, 0)}


async def test_runs_are_read_as_they_were(upgraded_url: str) -> None:
    database = Database.open(upgraded_url)
    page = await database.read(
        flow_run_lists.list_page,
        RunQuery(),
        FlowRunSort.ID_DESC,
        PageRequest(size=5000),
        is_full=False,
    )
    await database.close()

    everything = {run.id: basic(run) for run in [*RUNS.values(), *MORE]}
    assert {run.id: run for run in page.items} == everything
