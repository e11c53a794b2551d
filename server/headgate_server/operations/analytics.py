"""Analytics: what many runs say together, and what one flow run did. Nothing is written."""

from collections.abc import Callable
from datetime import datetime, timedelta

from headgate_server.model.filters import RunQuery
from headgate_server.model.graphs import FlowRunGraph
from headgate_server.model.history import HistoryInterval, HistorySpan
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.task_runs import TaskRun
from headgate_server.storage.database import Database
from headgate_server.storage.dependencies import list_page
from headgate_server.storage.graph import read_graph
from headgate_server.storage.history import flow_run_history, task_run_history
from headgate_server.storage.lateness import average_lateness


class Analytics:
    """Answers questions about runs as they stand now."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime], graph_nodes_max: int
    ) -> None:
        """Ask a database.

        Args:
            database: What is asked.
            clock: Tells the time, for estimates.
            graph_nodes_max: How many nodes a graph may have.
        """
        self._database = database
        self._clock = clock
        self._graph_nodes_max = graph_nodes_max

    async def flow_run_history(
        self, query: RunQuery, span: HistorySpan
    ) -> tuple[HistoryInterval, ...]:
        """Return how many of the flow runs that match were expected when, and how they stand."""
        return await self._database.read(flow_run_history, query, span, self._clock())

    async def task_run_history(
        self, query: RunQuery, span: HistorySpan
    ) -> tuple[HistoryInterval, ...]:
        """Return how many of the task runs that match were expected when, and how they stand."""
        return await self._database.read(task_run_history, query, span, self._clock())

    async def average_lateness(self, query: RunQuery) -> timedelta | None:
        """Return the mean lateness of the flow runs that match; None if none does."""
        return await self._database.read(average_lateness, query, self._clock())

    async def graph(self, flow_run_id: str, since: datetime | None) -> FlowRunGraph:
        """Return the graph of a flow run, without the nodes that ended before a time.

        Raises:
            FlowRunNotFoundError: There is no such run.
            GraphTooLargeError: The graph has more nodes than the server gives.
        """
        return await self._database.read(read_graph, flow_run_id, since, self._graph_nodes_max)

    async def list_dependencies(self, flow_run_id: str, page: PageRequest) -> Page[TaskRun]:
        """Return a page of the task runs of a flow run, in BASIC view.

        Raises:
            FlowRunNotFoundError: There is no such run.
            PageTokenMismatchError: The token belongs to another list.
        """
        return await self._database.read(list_page, flow_run_id, page)
