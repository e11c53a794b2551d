"""Plans of histories, lateness, graphs and dependencies: each finds its rows by an index."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event

from headgate_server.model.filters import FlowRunFilter, IdFilter, RunQuery, StateFilter
from headgate_server.model.history import HistorySpan
from headgate_server.model.paging import PageRequest
from headgate_server.model.server_info import DatabaseKind
from headgate_server.model.states import StateType
from headgate_server.storage import dependencies, leads, task_runs
from headgate_server.storage.database import Database
from headgate_server.storage.graph import read_graph
from headgate_server.storage.history import flow_run_history, task_run_history
from headgate_server.storage.lateness import average_lateness
from tests.builders import NOW, a_flow, a_flow_run, a_task_run
from tests.storing import store

FLOW: Final = a_flow()
RUN: Final = a_flow_run(FLOW, StateType.RUNNING, expected_start_time=NOW)
SPAN: Final = HistorySpan(start=NOW, end=NOW + timedelta(hours=1), interval=timedelta(minutes=1))
COMPLETED: Final = RunQuery(
    flow_runs=FlowRunFilter(state=StateFilter(type_any=(StateType.COMPLETED,)))
)
OF_THE_RUN: Final = RunQuery(flow_runs=FlowRunFilter(id=IdFilter(any=(RUN.id,))))

Question = Callable[[Connection], object]
QUESTIONS: Final[dict[str, tuple[Question, str]]] = {
    "the history of all runs": (
        lambda conn: flow_run_history(conn, RunQuery(), SPAN, NOW),
        "ix_flow_run_expected_start_time_id",
    ),
    "the history of runs in a state that most are in": (
        lambda conn: flow_run_history(conn, COMPLETED, SPAN, NOW),
        "ix_flow_run_expected_start_time_id",
    ),
    "the history of all task runs": (
        lambda conn: task_run_history(conn, RunQuery(), SPAN, NOW),
        "ix_task_run_expected_start_time_id",
    ),
    "the history of the task runs of a run": (
        lambda conn: task_run_history(conn, OF_THE_RUN, SPAN, NOW),
        "ix_task_run_flow_run_id_expected_start_time_id",
    ),
    "the lateness of a run": (
        lambda conn: average_lateness(conn, OF_THE_RUN, NOW),
        "pk_flow_run",
    ),
    "a graph": (
        lambda conn: read_graph(conn, RUN.id, NOW, 1000),
        "ix_flow_run_parent_task_run_id",
    ),
    "dependencies": (
        lambda conn: dependencies.list_page(conn, RUN.id, PageRequest(size=5)),
        "ix_task_run_flow_run_id_expected_start_time_id",
    ),
}
"""What is asked, and the index that it must go along; SQLite calls that of a primary key its own."""
LEFT_TO_POSTGRESQL: Final = {
    "the history of runs in a state that most are in",
    "the history of the task runs of a run",
}
"""Where another index is as good, and the statistics decide."""


async def fill(database: Database) -> None:
    """Store runs and task runs, most of them long before the time that is asked about."""
    runs = [
        a_flow_run(
            FLOW, StateType.COMPLETED, expected_start_time=NOW - timedelta(hours=100 - hours)
        )
        for hours in range(100)
    ]
    tasks = [
        replace(a_task_run(run, StateType.COMPLETED), expected_start_time=run.expected_start_time)
        for run in (RUN, *runs)
        for _ in range(5)
    ]
    await store(database, flows=[FLOW], runs=[RUN, *runs])

    def insert(conn: Connection) -> None:
        task_runs.insert(conn, tasks)
        if conn.dialect.name == "postgresql":
            # What the database does by itself sooner or later.
            conn.exec_driver_sql("ANALYZE")

    await database.write(insert)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_what_is_asked_about_is_found_by_an_index(
    database: Database, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leads, "_FEW", 10)
    ask, index = QUESTIONS[question]
    await fill(database)

    plan = await database.read(plan_of, ask)

    scans = ("Seq Scan", "SCAN flow_run", "SCAN task_run", "SCAN subflow_run")
    assert [step for step in plan if any(scan in step for scan in scans)] == []
    if database.kind is DatabaseKind.SQLITE or question not in LEFT_TO_POSTGRESQL:
        names = (index, index.replace("pk_", "autoindex_"))
        assert any(name in step for step in plan for name in names), plan


def plan_of(conn: Connection, ask: Question) -> list[str]:
    """Return the steps of the plans of all statements that a question takes."""
    seen: list[tuple[str, Any]] = []
    event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
    ask(conn)
    statements = list(seen)
    if conn.dialect.name == "postgresql":
        # A few rows are read as a whole soonest, so that is forbidden.
        for method in ("seqscan", "bitmapscan"):
            conn.exec_driver_sql(f"SET LOCAL enable_{method} = off")
    return [step for each in statements for step in _explain(conn, *each)]


def _explain(conn: Connection, statement: str, values: Any) -> list[str]:
    is_sqlite = conn.dialect.name == "sqlite"
    plan = conn.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}", values)
    return [str(row[3] if is_sqlite else row[0]) for row in plan]
