"""Updates of whatever rows a condition names, safe with several servers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select, update

from headgate_server.storage.filters.members import Clause
from headgate_server.storage.membership import is_one_of

__all__ = ["update_held"]


def update_held(
    conn: Connection,
    table: Table,
    condition: Clause,
    values: Mapping[str, Any],
    *,
    limit: int | None = None,
) -> int:
    """Change the rows of a table for which a condition holds, and return how many these were.

    Args:
        conn: The connection of the writer's transaction.
        table: Has a column `id`.
        condition: Which rows.
        values: The new values by column.
        limit: Rows at most; those with the lowest ids. None takes all.
    """
    # In the order of ids, so that two servers never wait for each other.
    listed = select(table.c.id).where(condition).order_by(table.c.id).limit(limit)
    ids = list(conn.execute(listed.with_for_update(key_share=True)).scalars())
    if ids:
        conn.execute(update(table).where(is_one_of(table.c.id, ids)).values(**values))
    return len(ids)
