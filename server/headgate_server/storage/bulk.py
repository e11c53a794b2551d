"""Statements over many rows at once, for the paths where each row counts.

The text of each statement is made once, from the tables. SQLite takes the rows one by one in C through `executemany`;
PostgreSQL takes them as one array per column. Both are given plain tuples in the order of the columns named. The drivers
of connections that write are asked directly: what SQLAlchemy does around a statement costs more than such a statement itself.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Select,
    Text,
    column,
    literal_column,
    table,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import BigInteger, Integer, LargeBinary
from sqlalchemy.util import await_only

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
            _ask_postgresql(conn, self._postgresql, _transposed(rows))


class BulkAppend:
    """Inserts rows that are numbered on from a counter, and moves the counter. The last step of a transaction.

    The first two columns are given as places among the new rows, from 1 on; what is written is the counter before, plus these.
    """

    def __init__(self, counter: Column[Any], *columns: Column[Any]) -> None:
        table, log = columns[0].table.name, counter.table.name
        first, second, *others = (column.name for column in columns)
        into = f"INTO {table} ({', '.join(column.name for column in columns)})"
        self._advance = (
            f"UPDATE {log} SET {counter.name} = {counter.name} + ? RETURNING {counter.name}"
        )
        self._insert = f"INSERT {into} VALUES (? + ?, ? + ?{', ?' * len(others)})"
        # PostgreSQL: one journey, for others wait for the counter from here to the commit.
        arrays = _arrays(columns, offset=1)
        self._postgresql = (
            f"WITH moved AS (UPDATE {log} SET {counter.name} = {counter.name} + $1::bigint "
            f"RETURNING {counter.name} AS head), "
            f"appended AS (INSERT {into} SELECT {first} + head - $1, {second} + head - $1, "
            f"{', '.join(others)} FROM moved, {arrays} "
            f"AS given({', '.join(column.name for column in columns)})) SELECT head FROM moved"
        )

    def run(self, conn: Connection, rows: Sequence[Row]) -> int:
        """Insert the rows, at least one, and return the counter as it was before."""
        if conn.dialect.name != "sqlite":
            ((head,),) = _ask_postgresql(conn, self._postgresql, (len(rows), *_transposed(rows)))
            return int(head) - len(rows)
        ((head,),) = _ask_sqlite(conn, self._advance, (len(rows),))
        before = head - len(rows)
        _change_sqlite(
            conn, self._insert, [(row[0], before, row[1], before, *row[2:]) for row in rows]
        )
        return int(before)


class BulkUpdate:
    """Updates rows by key, each only if its guard column still has the value expected."""

    def __init__(self, key: Column[Any], guard: Column[Any], *columns: Column[Any]) -> None:
        self._table, self._key, self._guard = key.table.name, key.name, guard.name
        self._names = [column.name for column in columns]
        table, names = self._table, self._names
        self._narrow: dict[tuple[int, ...], str] = {}
        given = ", ".join(f"new_{name}" for name in [*names, "key", "guard"])
        self.width = len(columns) + 2
        """How many parameters the statement has on PostgreSQL."""
        # PostgreSQL: rows are locked in the order of their keys first, so that two servers never wait for each other.
        self._held = (
            f"WITH given AS (SELECT * FROM {_arrays((*columns, key, guard))} AS given({given})), "
            f"held AS MATERIALIZED (SELECT t.{key.name} AS held_key FROM {table} t JOIN given "
            f"ON t.{key.name} = new_key AND t.{guard.name} = new_guard "
            f"ORDER BY t.{key.name} FOR NO KEY UPDATE OF t)"
        )
        self._change = (
            f"UPDATE {table} t SET {', '.join(f'{name} = new_{name}' for name in names)} "
            f"FROM given JOIN held ON held_key = new_key "
            f"WHERE t.{key.name} = new_key RETURNING t.{key.name} AS updated_key"
        )
        self._postgresql = f"{self._held} {self._change}"

    def postgresql(self, before: str, after: str) -> str:
        """Return the statement for PostgreSQL as the beginning of a larger one, with its last part between two texts."""
        return f"{self._held}, {before}{self._change}{after}"

    def run(
        self, conn: Connection, rows: Sequence[tuple[Row, Row, Any]], guards: Sequence[Any]
    ) -> set[Any]:
        """Update rows, and return the keys of those that were.

        Args:
            conn: The connection that writes.
            rows: The values before, the values after, and the key of each row.
            guards: The value that the guard of each row must have.
        """
        if not rows:
            return set()
        if conn.dialect.name != "sqlite":
            whole = [(*new, key, guard) for (_, new, key), guard in zip(rows, guards, strict=True)]
            return {key for (key,) in _ask_postgresql(conn, self._postgresql, _transposed(whole))}
        # SQLite: an update writes each index of the columns it names anew, even where nothing changes: so it names few.
        alike: dict[tuple[int, ...], list[Row]] = {}
        for (old, new, key), guard in zip(rows, guards, strict=True):
            places = tuple(place for place, value in enumerate(new) if value != old[place])
            alike.setdefault(places, []).append((*(new[place] for place in places), key, guard))
        for places, narrow in alike.items():
            _change_sqlite(conn, self._sqlite(places), narrow)
        return {key for _, _, key in rows}

    def _sqlite(self, places: tuple[int, ...]) -> str:
        """Return the statement that sets the columns at these places."""
        if places not in self._narrow:
            sets = ", ".join(f"{self._names[place]} = ?" for place in places)
            self._narrow[places] = (
                f"UPDATE {self._table} SET {sets} WHERE {self._key} = ? AND {self._guard} = ?"
            )
        return self._narrow[places]


class BulkUpdateAndInsert:
    """Updates rows as `BulkUpdate` does, and inserts rows of another table under those that were updated.

    PostgreSQL: with one statement, for each is a journey.
    """

    def __init__(self, update: BulkUpdate, owner: Column[Any], *columns: Column[Any]) -> None:
        """Make it of an update, and of the columns of the other table, which begin with the key of the row they are under."""
        self._update = update
        self._insert = BulkInsert(owner, *columns)
        names = ", ".join(column.name for column in (owner, *columns))
        arrays = _arrays((owner, *columns), offset=update.width)
        self._postgresql = (
            f"{update.postgresql('won AS (', ')')}, inserted AS ("
            f"INSERT INTO {owner.table.name} ({names}) SELECT more.* FROM {arrays} AS more({names}) "
            f"JOIN won ON won.updated_key = more.{owner.name}) SELECT updated_key FROM won"
        )

    def run(
        self,
        conn: Connection,
        rows: Sequence[tuple[Row, Row, Any]],
        guards: Sequence[Any],
        under: Sequence[Row],
    ) -> set[Any]:
        """Update rows as `BulkUpdate.run` does, and insert rows under those that were; return their keys."""
        if not rows:
            return set()
        if conn.dialect.name == "sqlite" or not under:
            updated = self._update.run(conn, rows, guards)
            self._insert.run(conn, [row for row in under if row[0] in updated])
            return updated
        whole = [(*new, key, guard) for (_, new, key), guard in zip(rows, guards, strict=True)]
        values = (*_transposed(whole), *_transposed(under))
        return {key for (key,) in _ask_postgresql(conn, self._postgresql, values)}


class BulkDelete:
    """Deletes rows by key, each only if its guard column still has the value expected."""

    def __init__(self, key: Column[Any], guard: Column[Any]) -> None:
        table, given = key.table.name, f"t.{key.name} = given_key AND t.{guard.name} = given_guard"
        self._sqlite = f"DELETE FROM {table} WHERE {key.name} = ? AND {guard.name} = ?"
        # PostgreSQL: locked in the order of keys, as in BulkUpdate.
        self._postgresql = (
            f"WITH given AS (SELECT * FROM {_arrays((key, guard))} AS given(given_key, given_guard)), "
            f"held AS MATERIALIZED (SELECT given_key, given_guard FROM {table} t "
            f"JOIN given ON {given} ORDER BY t.{key.name} FOR UPDATE OF t) "
            f"DELETE FROM {table} t USING held WHERE {given} RETURNING t.{key.name}"
        )

    def run(self, conn: Connection, rows: Sequence[Row]) -> set[Any]:
        """Delete the rows, given as key and guard; return the keys of those that were."""
        if not rows:
            return set()
        if conn.dialect.name == "sqlite":
            _change_sqlite(conn, self._sqlite, rows)
            return {row[0] for row in rows}
        answer = _ask_postgresql(conn, self._postgresql, _transposed(rows))
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
        return _ask_postgresql(conn, self._postgresql, (list(keys),))


class BulkSelectTuples:
    """Selects the rows whose key of several columns is among many, with one statement."""

    def __init__(self, statement: Select[Any], *key: Column[Any]) -> None:
        among = tuple_(*key).op("IN")
        extracted = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(key)))
        listed = among(literal_column(f"(SELECT {extracted} FROM json_each(?))"))
        self._sqlite = str(statement.where(listed).compile(dialect=_SQLITE))
        unnested = among(literal_column(f"(SELECT * FROM {_arrays(key)})"))
        self._postgresql = str(statement.where(unnested).compile(dialect=_POSTGRESQL))

    def run(self, conn: Connection, keys: Sequence[Row]) -> Sequence[Row]:
        """Return the rows found, in no order; keys without a row are left out."""
        if not keys:
            return ()
        if conn.dialect.name == "sqlite":
            return _ask_sqlite(conn, self._sqlite, (msgspec.json.encode(keys).decode(),))
        return _ask_postgresql(conn, self._postgresql, _transposed(keys))


class BulkLookup:
    """Selects what belongs to many given pairs of texts, with one statement."""

    GIVEN: Final = table("given", column("first", Text), column("second", Text))
    """The pairs, to join other tables with."""

    def __init__(self, statement: Select[Any]) -> None:
        """Make it of a statement that selects from `GIVEN`."""
        first, second = (f"json_extract(value, '$[{place}]')" for place in (0, 1))
        in_json = f"SELECT {first}, {second} FROM json_each(?)"
        in_arrays = "SELECT * FROM unnest($1::text[], $2::text[])"
        given = f"WITH {self.GIVEN.name} (first, second) AS"
        self._sqlite = f"{given} ({in_json}) {statement.compile(dialect=_SQLITE)}"
        self._postgresql = f"{given} ({in_arrays}) {statement.compile(dialect=_POSTGRESQL)}"

    def run(self, conn: Connection, pairs: Sequence[tuple[str, str | None]]) -> Sequence[Row]:
        """Return the rows found, in no order."""
        if not pairs:
            return ()
        if conn.dialect.name == "sqlite":
            return _ask_sqlite(conn, self._sqlite, (msgspec.json.encode(pairs).decode(),))
        return _ask_postgresql(conn, self._postgresql, _transposed(pairs))


def _change_sqlite(conn: Connection, statement: str, rows: Sequence[Row]) -> None:
    """SQLite: execute a statement once for each row. Only the connection that writes does that."""
    driver: Any = conn.connection.driver_connection
    driver.executemany(statement, rows)


def _ask_sqlite(conn: Connection, statement: str, parameters: Row) -> Sequence[Row]:
    """SQLite: execute a statement and return its rows."""
    if not conn.get_execution_options().get("asks_driver"):
        return conn.exec_driver_sql(statement, parameters).fetchall()
    driver: Any = conn.connection.driver_connection
    rows: Sequence[Row] = driver.execute(statement, parameters).fetchall()
    return rows


def _ask_postgresql(conn: Connection, statement: str, parameters: Row) -> Sequence[Row]:
    """PostgreSQL: execute a statement and return its rows, if it gives any."""
    if not conn.get_execution_options().get("asks_driver"):
        return conn.exec_driver_sql(statement, parameters).fetchall()
    driver: Any = conn.connection.driver_connection
    rows: Sequence[Row] = await_only(driver.fetch(statement, *parameters))
    return rows


def _arrays(columns: Sequence[Column[Any]], *, offset: int = 0) -> str:
    """Return the call that makes rows of arrays, one array per column; `offset` parameters come before them."""
    arrays = (f"${place}::{_type_of(column)}[]" for place, column in enumerate(columns, 1 + offset))
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
    "BulkAppend",
    "BulkDelete",
    "BulkInsert",
    "BulkLookup",
    "BulkSelect",
    "BulkSelectTuples",
    "BulkUpdate",
    "BulkUpdateAndInsert",
    "Row",
]
