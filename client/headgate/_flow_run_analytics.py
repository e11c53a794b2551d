"""The calls that tell what many flow runs say together, and what one of them did."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from headgate import v1 as pb
from headgate._convert import from_datetime, from_timedelta
from headgate._convert_analytics import to_dependencies, to_graph, to_history_interval
from headgate._convert_filters import from_filters
from headgate._flow_run_lists import FlowRunLists
from headgate._paging import across_pages
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.graphs import FlowRunGraph, TaskRunDependencies
from headgate.history import HistoryInterval
from headgate.models import Id, Page


class FlowRunAnalytics(FlowRunLists):
    """The calls that tell what many flow runs say together, and what one of them did."""

    async def get_history(
        self,
        start_time: datetime,
        end_time: datetime,
        interval: timedelta,
        *,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> tuple[HistoryInterval, ...]:
        """Count the flow runs that match, by when they were expected to start and how they stand.

        Args:
            start_time: When the first interval begins.
            end_time: Intervals begin before this time; the last one may end after it.
            interval: How long each interval is, from 1 second to 3,650 days.
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs. None: every run.
            task_runs: Conditions on task runs of which the run has at least one. None: none.
            deployments: Conditions on the deployment of the runs. None: none.
            work_pools: Conditions on the work pool of the runs. None: none.
            work_queues: Conditions on the work queue of the runs. None: none.
            timeout: How long the call may take.

        Returns:
            The intervals without a gap, also those without runs; at most 500.

        Raises:
            InvalidRequestError: The interval is too short or too long.
            ValueError: A time has no time zone.
        """
        request = pb.GetFlowRunHistoryRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            start_time=from_datetime(start_time, "start_time"),
            end_time=from_datetime(end_time, "end_time"),
            interval=from_timedelta(interval),
        )
        answer = await self._transport.call(self._stub.GetFlowRunHistory, request, timeout)
        return tuple(map(to_history_interval, answer.intervals))

    async def get_lateness(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        *,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> timedelta | None:
        """Tell how late the flow runs that match start on average; None if no run matches.

        Args:
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs. None: every run.
            task_runs: Conditions on task runs of which the run has at least one. None: none.
            deployments: Conditions on the deployment of the runs. None: none.
            work_pools: Conditions on the work pool of the runs. None: none.
            work_queues: Conditions on the work queue of the runs. None: none.
            timeout: How long the call may take.
        """
        request = pb.GetFlowRunLatenessRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
        )
        answer = await self._transport.call(self._stub.GetFlowRunLateness, request, timeout)
        if not answer.HasField("average_lateness"):
            return None
        return answer.average_lateness.ToTimedelta()

    async def get_graph(
        self,
        flow_run_id: Id,
        *,
        since: datetime | None = None,
        timeout: timedelta | None = None,
    ) -> FlowRunGraph:
        """Read what a flow run did: its task runs and subflow runs, and what depends on what.

        Args:
            flow_run_id: The run.
            since: Leave out what ended before this time. None: nothing.
            timeout: How long the call may take.

        Raises:
            FlowRunNotFoundError: There is no such run.
            GraphTooLargeError: The graph is larger than the server gives.
            ValueError: The time has no time zone.
        """
        request = pb.GetFlowRunGraphRequest(
            flow_run_id=str(flow_run_id),
            since=None if since is None else from_datetime(since, "since"),
        )
        answer = await self._transport.call(self._stub.GetFlowRunGraph, request, timeout)
        return to_graph(answer.graph)

    def iterate_dependencies(
        self, flow_run_id: Id, *, page_size: int = 0, timeout: timedelta | None = None
    ) -> AsyncGenerator[TaskRunDependencies, None]:
        """Yield all task runs of a flow run with what they depend on, reading page after page.

        Args:
            flow_run_id: The run.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list_dependencies(
                flow_run_id, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list_dependencies(
        self,
        flow_run_id: Id,
        *,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[TaskRunDependencies]:
        """Read one page of the task runs of a flow run, in whatever state, with what they depend on.

        They come in the order in which they were expected to start.

        Args:
            flow_run_id: The run.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page. Costs time: prefer tokens.
            timeout: How long the call may take.

        Raises:
            FlowRunNotFoundError: There is no such run.
            PageTokenMismatchError: The token belongs to another list.
        """
        request = pb.ListFlowRunDependenciesRequest(
            flow_run_id=str(flow_run_id), page_size=page_size, page_token=page_token, offset=offset
        )
        answer = await self._transport.call(self._stub.ListFlowRunDependencies, request, timeout)
        return Page(
            items=tuple(map(to_dependencies, answer.task_runs)),
            next_page_token=answer.next_page_token,
        )
