"""The calls that read many flow runs, or the many states of one."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import to_flow_run, to_state
from headgate._convert_filters import from_filters
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.enums import FlowRunSort, FlowRunView
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import FlowRun, Id, Page
from headgate.states import State


class FlowRunLists:
    """The calls that read many flow runs, or the many states of one."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.FlowRunServiceStub(transport.calls)

    async def count(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        *,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> int:
        """Count the flow runs that match.

        Args:
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs. None: every run.
            task_runs: The run has at least one task run that matches. None: does not matter.
            deployments: The run has a deployment that still exists and matches. None: does not
                matter.
            work_pools: The run waits in a queue of a pool that matches. None: does not matter.
            work_queues: The run waits in a queue that matches. None: does not matter.
            timeout: How long the call may take.
        """
        request = pb.CountFlowRunsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
        )
        return (await self._transport.call(self._stub.CountFlowRuns, request, timeout)).count

    def iterate_states(
        self, flow_run_id: Id, *, page_size: int = 0, timeout: timedelta | None = None
    ) -> AsyncGenerator[State, None]:
        """Yield all states of a flow run from first to last, reading page after page.

        Args:
            flow_run_id: The run. One that does not exist has no states.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list_states(
                flow_run_id, page_size=page_size, page_token=token, timeout=timeout
            )
        )

    async def list_states(
        self,
        flow_run_id: Id,
        *,
        page_size: int = 0,
        page_token: str = "",
        timeout: timedelta | None = None,
    ) -> Page[State]:
        """Read one page of the states of a flow run, by version ascending, with their data.

        Args:
            flow_run_id: The run. One that does not exist has no states.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to another list.
        """
        request = pb.ListFlowRunStatesRequest(
            flow_run_id=str(flow_run_id), page_size=page_size, page_token=page_token
        )
        answer = await self._transport.call(self._stub.ListFlowRunStates, request, timeout)
        return Page(
            items=tuple(to_state(state) for state in answer.states),
            next_page_token=answer.next_page_token,
        )

    def iterate(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        *,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: FlowRunSort = FlowRunSort.ID_DESC,
        view: FlowRunView = FlowRunView.BASIC,
        page_size: int = 0,
        offset: int = 0,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[FlowRun, None]:
        """Yield all flow runs that match, reading page after page.

        Args:
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs. None: every run.
            task_runs: The run has at least one task run that matches. None: does not matter.
            deployments: The run has a deployment that still exists and matches. None: does not
                matter.
            work_pools: The run waits in a queue of a pool that matches. None: does not matter.
            work_queues: The run waits in a queue that matches. None: does not matter.
            sort: The order.
            view: How much to read of each run.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            offset: How many to skip.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                flows,
                flow_runs,
                task_runs=task_runs,
                deployments=deployments,
                work_pools=work_pools,
                work_queues=work_queues,
                sort=sort,
                view=view,
                page_size=page_size,
                page_token=token,
                offset=offset,
                min_revision=min_revision,
                timeout=timeout,
            )
        )

    async def list(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        *,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: FlowRunSort = FlowRunSort.ID_DESC,
        view: FlowRunView = FlowRunView.BASIC,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        min_revision: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[FlowRun]:
        """Read one page of the flow runs that match.

        Args:
            flows: Conditions on the flow of the runs. None: any flow.
            flow_runs: Conditions on the runs. None: every run.
            task_runs: The run has at least one task run that matches. None: does not matter.
            deployments: The run has a deployment that still exists and matches. None: does not
                matter.
            work_pools: The run waits in a queue of a pool that matches. None: does not matter.
            work_queues: The run waits in a queue that matches. None: does not matter.
            sort: The order.
            view: How much to read of each run.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page. Costs time: prefer tokens.
            min_revision: Do not answer from before this revision. 0: does not matter.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
            RevisionNotReachedError: The server has not seen `min_revision` in time.
        """
        request = pb.ListFlowRunsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            sort=pb.FlowRunSort.Value(f"FLOW_RUN_SORT_{sort}"),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
            view=pb.FlowRunView.Value(f"FLOW_RUN_VIEW_{view}"),
            min_revision=min_revision,
        )
        answer = await self._transport.call(self._stub.ListFlowRuns, request, timeout)
        return Page(
            items=tuple(to_flow_run(run) for run in answer.flow_runs),
            next_page_token=answer.next_page_token,
        )
