"""Lists of flows, and counts."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, select

from headgate_server.model.filters import RunQuery
from headgate_server.model.flows import Flow, FlowSort
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.flows import decode_flow
from headgate_server.storage.narrowing import conditions_for_flows
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import FLOW

__all__ = ["count", "list_page"]

_ORDERS: Final[Mapping[FlowSort, Order]] = {
    # Names are unique, so they need no second key.
    FlowSort.NAME_ASC: Order(id=FLOW.c.name),
    FlowSort.NAME_DESC: Order(id=FLOW.c.name, is_descending=True),
    FlowSort.CREATED_DESC: Order(key=FLOW.c.create_time, id=FLOW.c.id, is_descending=True),
    FlowSort.UPDATED_DESC: Order(key=FLOW.c.update_time, id=FLOW.c.id, is_descending=True),
}


def list_page(conn: Connection, query: RunQuery, sort: FlowSort, page: PageRequest) -> Page[Flow]:
    """Return a page of the flows that match, and that have what else is asked for.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = conditions_for_flows(conn, query)
    found = read_page(conn, select(FLOW.c.body), conditions, _ORDERS[sort], page, "flows", query)
    return Page(
        items=tuple(decode_flow(row.body) for row in found.items), next_token=found.next_token
    )


def count(conn: Connection, query: RunQuery) -> int:
    """Return how many flows match, and have what else is asked for."""
    statement = select(func.count()).select_from(FLOW)
    return conn.execute(statement.where(*conditions_for_flows(conn, query))).scalar_one()
