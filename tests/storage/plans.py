"""How the databases mean to go about a list."""

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import Connection, event

from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.database import Database
from headgate_server.storage.tables import METADATA

ListPage: TypeAlias = Callable[[Connection, PageRequest], Page[Any]]


async def plan_of(database: Database, list_page: ListPage) -> list[str]:
    """Return the plans of all statements that reading a list in pages of ten takes, a line for each step."""

    def read(conn: Connection) -> list[str]:
        seen: list[tuple[str, Any]] = []
        request = PageRequest(size=10)
        event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
        while token := list_page(conn, request).next_token:
            request = PageRequest(size=10, token=token)
        statements = list(seen)
        return [step for each in statements for step in explain(conn, *each)]

    return await database.read(read)


def explain(conn: Connection, statement: str, values: Any) -> list[str]:
    """Return the steps of the plan of a statement."""
    if conn.dialect.name == "sqlite":
        return [
            str(row[3]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    # PostgreSQL: a few rows are sorted soonest, so that is forbidden; what it cannot avoid it does all the same.
    for method in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
        conn.exec_driver_sql(f"SET LOCAL enable_{method} = off")
    return [str(row[0]) for row in conn.exec_driver_sql(f"EXPLAIN {statement}", values)]


def detours(plan: list[str]) -> list[str]:
    """Return the steps that sort, and those that read a whole table."""
    return [
        step
        for step in plan
        if "TEMP B-TREE" in step
        or "Sort" in step
        or "Seq Scan" in step
        or step.removeprefix("SCAN ") in METADATA.tables
    ]
