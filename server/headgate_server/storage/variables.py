"""Variables, as rows."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, update

from headgate_server.model.variables import Variable
from headgate_server.storage.bulk import BulkInsert, BulkSelect
from headgate_server.storage.tables import VARIABLE

_ENCODE: Final = msgspec.json.Encoder().encode
decode_variable: Final = msgspec.json.Decoder(Variable).decode

_INSERT: Final = BulkInsert(VARIABLE.c.name, VARIABLE.c.body)
_BY_NAME: Final = BulkSelect(select(VARIABLE.c.body), VARIABLE.c.name)
# In the order of names, so that two servers never wait for each other.
_LOCK: Final = BulkSelect(
    select(VARIABLE.c.body).order_by(VARIABLE.c.name).with_for_update(), VARIABLE.c.name
)
_UPDATE: Final = (
    update(VARIABLE)
    .where(VARIABLE.c.name == bindparam("variable_name"))
    .values(body=bindparam("new_body"))
)


class _Value(msgspec.Struct, frozen=True):
    """What hydration needs of a variable."""

    name: str
    value: str


_DECODE_VALUE: Final = msgspec.json.Decoder(_Value).decode


def get(conn: Connection, name: str) -> Variable | None:
    """Return the variable with this name; None if there is none."""
    return get_many(conn, [name]).get(name)


def get_many(conn: Connection, names: Sequence[str]) -> dict[str, Variable]:
    """Return the variables that exist among these, by name."""
    found = (decode_variable(body) for (body,) in _BY_NAME.run(conn, names))
    return {variable.name: variable for variable in found}


def get_values(conn: Connection) -> dict[str, str]:
    """Return the values of all variables, by name."""
    bodies = conn.execute(select(VARIABLE.c.body)).scalars()
    return {each.name: each.value for each in map(_DECODE_VALUE, bodies)}


def lock(conn: Connection, names: Sequence[str]) -> dict[str, Variable]:
    """Return the variables that exist among these, by name, and let nobody else change them until the commit."""
    found = (decode_variable(body) for (body,) in _LOCK.run(conn, names))
    return {variable.name: variable for variable in found}


def insert(conn: Connection, variables: Sequence[Variable]) -> None:
    """Insert variables whose names are free."""
    # In the order of names, so that two servers never wait for each other.
    rows = [(each.name, _ENCODE(each)) for each in variables]
    _INSERT.run(conn, sorted(rows))


def update_bodies(conn: Connection, variables: Sequence[Variable]) -> None:
    """Write variables that are locked, as they now stand."""
    if variables:
        rows = [{"variable_name": each.name, "new_body": _ENCODE(each)} for each in variables]
        conn.execute(_UPDATE, rows)


def delete_names(conn: Connection, names: Sequence[str]) -> None:
    """Delete variables that are locked."""
    conn.execute(delete(VARIABLE).where(VARIABLE.c.name.in_(names)))
