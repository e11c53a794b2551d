"""Lists of deployments, and counts."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, select

from headgate_server.model.deployments import Deployment, DeploymentSort
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.deployments import SELECTED, read_deployment
from headgate_server.storage.narrowing import conditions_for_deployments
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import DEPLOYMENT

__all__ = ["count", "list_page"]

_ORDERS: Final[Mapping[DeploymentSort, Order]] = {
    DeploymentSort.NAME_ASC: Order(key=DEPLOYMENT.c.name, id=DEPLOYMENT.c.id),
    DeploymentSort.NAME_DESC: Order(key=DEPLOYMENT.c.name, id=DEPLOYMENT.c.id, is_descending=True),
    DeploymentSort.CREATED_DESC: Order(
        key=DEPLOYMENT.c.create_time, id=DEPLOYMENT.c.id, is_descending=True
    ),
    DeploymentSort.UPDATED_DESC: Order(
        key=DEPLOYMENT.c.update_time, id=DEPLOYMENT.c.id, is_descending=True
    ),
}


def list_page(
    conn: Connection, query: RunQuery, sort: DeploymentSort, page: PageRequest
) -> Page[Deployment]:
    """Return a page of the deployments that match, and that have what else is asked for.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = conditions_for_deployments(conn, query)
    found = read_page(conn, SELECTED, conditions, _ORDERS[sort], page, "deployments", query)
    return Page(items=tuple(map(read_deployment, found.items)), next_token=found.next_token)


def count(conn: Connection, query: RunQuery) -> int:
    """Return how many deployments match, and have what else is asked for."""
    statement = select(func.count()).select_from(DEPLOYMENT)
    return conn.execute(statement.where(*conditions_for_deployments(conn, query))).scalar_one()
