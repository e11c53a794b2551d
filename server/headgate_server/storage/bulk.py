"""Statements over many rows at once, for the paths where each row counts.

The text of each statement is made once, from the tables. SQLite takes the rows one by one in C through `executemany`;
PostgreSQL takes them as one array per column. Both are given plain tuples in the order of the columns named. The connection
that writes to SQLite is asked directly: what SQLAlchemy does around a statement costs more than such a statement itself.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    literal_column,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import ClauseElement
from sqlalchemy.types import BigInteger, Integer, LargeBinary

Row: TypeAlias = tuple[Any, ...]

_SQLITE = sqlite.dialect()
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


class BulkInsert:
    """Inserts rows into a table with one statement."""

    def __init__(self, *columns: Column[Any], ignore_conflicts: bool = False) -> None:
        into = f"INTO {columns[0].table.name} ({', '.join(column.name for column in columns)})"
        self._sqlite = (
            f"INSERT {'OR IGNORE ' if ignore_conflicts else ''}{into} "
            f"VALUES ({', '.join('?' for _ in columns)})"
        )
        self._postgresql = (
            f"INSERT {into} SELECT * FROM {_arrays(columns)}"
            f"{' ON CONFLICT DO NOTHING' if ignore_conflicts else ''}"
        )

    def run(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Insert the rows; none is fine."""
        if not rows:
            return
        if conn.dialect.name == "sqlite":
            _change_sqlite(conn, self._sqlite, rows)
        else:
            conn.exec_driver_sql(self._postgresql, _transposed(rows))


class BulkUpdate:
    """Updates rows by key, each only if its guard column still has the value expected."""

    def __init__(self, key: Column[Any], guard: Column[Any], *columns: Column[Any]) -> None:
        table, names = key.table.name, [column.name for column in columns]
        self._sqlite = (
            f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in names)} "
            f"WHERE {key.name} = ? AND {guard.name} = ?"
        )
        given = ", ".join(f"new_{name}" for name in [*names, "key", "guard"])
        # PostgreSQL: rows are locked in the order of their keys first, so that two servers never wait for each other.
        self._postgresql = (
            f"WITH given AS (SELECT * FROM {_arrays((*columns, key, guard))} AS given({given})), "
            f"held AS MATERIALIZED (SELECT t.{key.name} AS held_key FROM {table} t JOIN given "
            f"ON t.{key.name} = new_key AND t.{guard.name} = new_guard "
            f"ORDER BY t.{key.name} FOR NO KEY UPDATE OF t) "
            f"UPDATE {table} t SET {', '.join(f'{name} = new_{name}' for name in names)} "
            f"FROM given JOIN held ON held_key = new_key "
            f"WHERE t.{key.name} = new_key RETURNING t.{key.name}"
        )

    def run(self, conn: Connection, rows: Sequence[Row]) -> set[Any]:
        """Update the rows, given as the new values, the key and the guard; return the keys of those that were."""
        if not rows:
            return set()
        if conn.dialect.name == "sqlite":
            _change_sqlite(conn, self._sqlite, rows)
            return {row[-2] for row in rows}
        answer = conn.exec_driver_sql(self._postgresql, _transposed(rows))
        return {key for (key,) in answer}


class BulkDelete:
    """Deletes rows by key, each only if its guard column still has the value expected."""

    def __init__(self, key: Column[Any], guard: Column[Any]) -> None:
        table = key.table.name
        self._sqlite = f"DELETE FROM {table} WHERE {key.name} = ? AND {guard.name} = ?"
        # PostgreSQL: locked in the order of keys, as in BulkUpdate.
        self._postgresql = (
            f"WITH held AS MATERIALIZED (SELECT t.{key.name} AS held_key FROM {table} t "
            f"JOIN {_arrays((key, guard))} AS given(given_key, given_guard) "
            f"ON t.{key.name} = given_key AND t.{guard.name} = given_guard "
            f"ORDER BY t.{key.name} FOR UPDATE OF t) "
            f"DELETE FROM {table} t USING held WHERE t.{key.name} = held_key RETURNING t.{key.name}"
        )

    def run(self, conn: Connection, rows: Sequence[Row]) -> set[Any]:
        """Delete the rows, given as key and guard; return the keys of those that were."""
        if not rows:
            return set()
        if conn.dialect.name == "sqlite":
            _change_sqlite(conn, self._sqlite, rows)
            return {row[0] for row in rows}
        answer = conn.exec_driver_sql(self._postgresql, _transposed(rows))
        return {key for (key,) in answer}


class BulkSelect:
    """Selects the rows whose key is among many, with one statement."""

    def __init__(self, statement: Select[Any], key: Column[Any]) -> None:
        listed = key.op("IN")(literal_column("(SELECT value FROM json_each(?))"))
        self._sqlite = str(statement.where(listed).compile(dialect=_SQLITE))
        among = key == literal_column(f"ANY($1::{_type_of(key)}[])")
        self._postgresql = str(statement.where(among).compile(dialect=_POSTGRESQL))

    def run(self, conn: Connection, keys: Sequence[Any]) -> Sequence[Row]:
        """Return the rows found, in no order; keys without a row are left out."""
        if not keys:
            return ()
        if conn.dialect.name == "sqlite":
            return _ask_sqlite(conn, self._sqlite, (msgspec.json.encode(keys).decode(),))
        return conn.exec_driver_sql(self._postgresql, (list(keys),)).fetchall()


class BulkSelectPairs:
    """Selects the rows whose key of two columns is among many, with one statement."""

    def __init__(self, statement: Select[Any], first: Column[Any], second: Column[Any]) -> None:
        pair = tuple_(first, second).op("IN")
        extracted = "json_extract(value, '$[0]'), json_extract(value, '$[1]')"
        listed = pair(literal_column(f"(SELECT {extracted} FROM json_each(?))"))
        self._sqlite = str(statement.where(listed).compile(dialect=_SQLITE))
        among = pair(literal_column(f"(SELECT * FROM {_arrays((first, second))})"))
        self._postgresql = str(statement.where(among).compile(dialect=_POSTGRESQL))

    def run(self, conn: Connection, pairs: Sequence[tuple[Any, Any]]) -> Sequence[Row]:
        """Return the rows found, in no order; pairs without a row are left out."""
        if not pairs:
            return ()
        if conn.dialect.name == "sqlite":
            return _ask_sqlite(conn, self._sqlite, (msgspec.json.encode(pairs).decode(),))
        return conn.exec_driver_sql(self._postgresql, _transposed(pairs)).fetchall()


class Prepared:
    """One statement with a few parameters, whose text is made once."""

    def __init__(
        self, make: Callable[[Callable[[int], ColumnElement[int]]], ClauseElement]
    ) -> None:
        """Make the statement, given what stands for its integer parameters by their place, from 1 on."""
        self._sqlite = str(make(lambda _: literal_column("?", Integer)).compile(dialect=_SQLITE))
        self._postgresql = str(
            make(lambda place: literal_column(f"${place}::bigint", BigInteger)).compile(
                dialect=_POSTGRESQL
            )
        )

    def run(self, conn: Connection, *parameters: int) -> Sequence[Row]:
        """Execute the statement and return its rows."""
        if conn.dialect.name == "sqlite":
            return _ask_sqlite(conn, self._sqlite, parameters)
        return conn.exec_driver_sql(self._postgresql, parameters).fetchall()


def _change_sqlite(conn: Connection, statement: str, rows: Sequence[Row]) -> None:
    """SQLite: execute a statement once for each row. Only the writer's connection does that."""
    driver: Any = conn.connection.driver_connection
    driver.executemany(statement, rows)


def _ask_sqlite(conn: Connection, statement: str, parameters: Row) -> Sequence[Row]:
    """SQLite: execute a statement and return its rows."""
    if conn.dialect.driver != "pysqlite":
        return conn.exec_driver_sql(statement, parameters).fetchall()
    driver: Any = conn.connection.driver_connection
    rows: Sequence[Row] = driver.execute(statement, parameters).fetchall()
    return rows


def _arrays(columns: Sequence[Column[Any]]) -> str:
    """Return the call that makes rows of arrays, one array per column."""
    arrays = (f"${place}::{_type_of(column)}[]" for place, column in enumerate(columns, 1))
    return f"unnest({', '.join(arrays)})"


def _type_of(column: Column[Any]) -> str:
    """Return PostgreSQL's name for the type of a column."""
    for kind, name in ((BigInteger, "bigint"), (Integer, "integer"), (LargeBinary, "bytea")):
        if isinstance(column.type, kind):
            return name
    return "text"


def _transposed(rows: Sequence[Row]) -> tuple[list[Any], ...]:
    """Return the columns of the rows."""
    return tuple(map(list, zip(*rows, strict=True)))


__all__ = [
    "BulkDelete",
    "BulkInsert",
    "BulkSelect",
    "BulkSelectPairs",
    "BulkUpdate",
    "Prepared",
    "Row",
]
