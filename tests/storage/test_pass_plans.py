"""Plans of what the passes look for: each page is entered where the one before ended, and nothing is sorted."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event

from headgate_server.model.states import TERMINAL, StateType
from headgate_server.storage import cancelled, retention
from headgate_server.storage.database import Database
from headgate_server.storage.due import Place
from tests.builders import NOW

AFTER: Final[Place] = (1, "run")
Question = Callable[[Connection], object]
QUESTIONS: Final[dict[str, tuple[Question, str]]] = {
    "task runs of cancelled runs": (
        lambda conn: cancelled.task_runs(conn, StateType.RUNNING, AFTER, 200),
        "ix_task_run_state_type_expected_start_time_id",
    ),
    "subflow runs of cancelled runs": (
        lambda conn: cancelled.subflow_runs(conn, StateType.CANCELLING, AFTER, 200),
        "ix_flow_run_state_type_effective_start_time_id",
    ),
    "roots that ended long ago": (
        lambda conn: retention.started_roots(conn, TERMINAL, NOW, AFTER, 200),
        "ix_flow_run_end_time_id",
    ),
    "roots that never started": (
        lambda conn: retention.unstarted_roots(conn, StateType.CANCELLED, NOW, AFTER, 200),
        "ix_flow_run_state_type_effective_start_time_id",
    ),
}


def plan_of(conn: Connection, ask: Question) -> list[str]:
    """Return the steps of the plan of the one statement that a question takes."""
    seen: list[tuple[str, Any]] = []
    event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
    ask(conn)
    ((statement, values),) = seen
    if conn.dialect.name == "sqlite":
        return [
            str(row[3]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    # PostgreSQL: tables without rows are read whole and sorted soonest, so that is forbidden.
    for method in ("seqscan", "bitmapscan", "sort", "incremental_sort", "hashjoin", "mergejoin"):
        conn.exec_driver_sql(f"SET LOCAL enable_{method} = off")
    return [str(row[0]) for row in conn.exec_driver_sql(f"EXPLAIN {statement}", values)]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_pass_walks_along_an_index(database: Database, question: str) -> None:
    ask, index = QUESTIONS[question]

    plan = await database.read(plan_of, ask)

    assert [step for step in plan if index in step], plan
    assert not [step for step in plan if "TEMP B-TREE" in step or "Sort" in step], plan
