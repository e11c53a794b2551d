"""Lists of the inputs of a run."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, select

from headgate_server.model.inputs import FlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.storage.filters.members import begins_with
from headgate_server.storage.inputs import COLUMNS, input_of
from headgate_server.storage.membership import is_none_of
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import FLOW_RUN_INPUT

__all__ = ["list_inputs"]

_ORDER: Final = Order(key=FLOW_RUN_INPUT.c.create_time, id=FLOW_RUN_INPUT.c.id)


def list_inputs(
    conn: Connection,
    flow_run_id: str,
    key_prefix: str,
    exclude_keys: Collection[str],
    page: PageRequest,
) -> Page[FlowRunInput]:
    """Return a page of the inputs of a run, oldest first. A run that does not exist has none.

    Args:
        conn: The connection.
        flow_run_id: The run.
        key_prefix: What the keys begin with, exactly.
        exclude_keys: Keys to leave out.
        page: Which page.

    Raises:
        PageTokenMismatchError: The token is not of this list.
    """
    conditions = [
        FLOW_RUN_INPUT.c.flow_run_id == flow_run_id,
        *([begins_with(FLOW_RUN_INPUT.c.key, key_prefix)] if key_prefix else []),
        *([is_none_of(FLOW_RUN_INPUT.c.key, exclude_keys)] if exclude_keys else []),
    ]
    found = read_page(
        conn,
        select(*COLUMNS),
        conditions,
        _ORDER,
        page,
        "inputs",
        flow_run_id,
        key_prefix,
        sorted(exclude_keys),
    )
    return Page(
        items=tuple(input_of(row[: len(COLUMNS)]) for row in found.items),
        next_token=found.next_token,
    )
