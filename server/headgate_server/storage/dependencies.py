"""The task runs of a flow run with what they depend on, in pages."""

from typing import Final

from sqlalchemy import Connection, select

from headgate_server.model.errors import FlowRunNotFoundError
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage.paging import Order, read_page
from headgate_server.storage.tables import FLOW_RUN, TASK_RUN
from headgate_server.storage.task_runs import decode_task_run

__all__ = ["list_page"]

_ORDER: Final = Order(key=TASK_RUN.c.expected_start_time, id=TASK_RUN.c.id)


def list_page(conn: Connection, flow_run_id: str, page: PageRequest) -> Page[TaskRun]:
    """Return a page of the task runs of a flow run in BASIC view, in the order in which they were expected to start.

    Raises:
        FlowRunNotFoundError: There is no such run.
        PageTokenMismatchError: The token is not of this list.
    """
    if conn.execute(select(FLOW_RUN.c.id).where(FLOW_RUN.c.id == flow_run_id)).first() is None:
        raise FlowRunNotFoundError(flow_run_id)
    found = read_page(
        conn,
        select(TASK_RUN.c.body),
        [TASK_RUN.c.flow_run_id == flow_run_id],
        _ORDER,
        page,
        "dependencies",
        flow_run_id,
    )
    return Page(
        items=tuple(decode_task_run(row.body) for row in found.items), next_token=found.next_token
    )
