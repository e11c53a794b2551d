"""Lists of variables."""

from typing import Final

from sqlalchemy import Connection, select

from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.variables import Variable
from headgate_server.storage.filters.members import begins_with
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import VARIABLE
from headgate_server.storage.variables import decode_variable

__all__ = ["list_variables"]

_ORDER: Final = Order(id=VARIABLE.c.name)


def list_variables(conn: Connection, name_prefix: str, page: PageRequest) -> Page[Variable]:
    """Return a page of the variables whose names begin with a prefix, exactly, by name.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = [begins_with(VARIABLE.c.name, name_prefix)] if name_prefix else []
    found = read_page(
        conn, select(VARIABLE.c.body), conditions, _ORDER, page, "variables", name_prefix
    )
    return Page(
        items=tuple(decode_variable(row.body) for row in found.items), next_token=found.next_token
    )
