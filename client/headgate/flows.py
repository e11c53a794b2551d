"""Flows, the workflows that runs belong to."""

from collections.abc import AsyncGenerator, Iterable
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import to_flow
from headgate._convert_filters import from_filters
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.enums import FlowSort
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import CreatedFlow, Flow, Id, Page


class Flows:
    """Keeps flows, the workflows that runs belong to.

    Every method takes `timeout`, how long the call may take with its repeats (None: the client's
    default), and may raise what any call may: `InvalidRequestError`, `UnavailableError`,
    `OverloadedError`, `DeadlineExceededError`, `InternalError` and `ClientClosedError`.
    """

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.FlowServiceStub(transport.calls)

    async def create(
        self, name: str, *, tags: Iterable[str] = (), timeout: timedelta | None = None
    ) -> CreatedFlow:
        """Create a flow, or return the one that has the name.

        Args:
            name: The name, unique, up to 255 characters without `/`, `%`, `&`, `<` and `>`.
            tags: Labels for finding flows. Used only if the flow is new.
            timeout: How long the call may take.

        Returns:
            The flow, and whether it is new.

        Raises:
            InvalidRequestError: The name or a tag is not allowed.
        """
        request = pb.CreateFlowRequest(name=name, tags=tags)
        answer = await self._transport.call(self._stub.CreateFlow, request, timeout)
        return CreatedFlow(flow=to_flow(answer.flow), created=answer.created)

    async def get(self, flow_id: Id, *, timeout: timedelta | None = None) -> Flow:
        """Read one flow by id.

        Args:
            flow_id: The flow.
            timeout: How long the call may take.

        Raises:
            FlowNotFoundError: There is none.
        """
        request = pb.GetFlowRequest(flow_id=str(flow_id))
        return to_flow((await self._transport.call(self._stub.GetFlow, request, timeout)).flow)

    async def get_by_name(self, name: str, *, timeout: timedelta | None = None) -> Flow:
        """Read one flow by name.

        Args:
            name: The name, exactly.
            timeout: How long the call may take.

        Raises:
            FlowNotFoundError: There is none.
        """
        request = pb.GetFlowRequest(name=name)
        return to_flow((await self._transport.call(self._stub.GetFlow, request, timeout)).flow)

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
        """Count the flows that match.

        Args:
            flows: Conditions on the flows. None: every flow.
            flow_runs: The flow has at least one run that matches. None: does not matter.
            task_runs: The flow has a run with a task run that matches. None: does not matter.
            deployments: The flow has at least one deployment that matches. None: does not matter.
            work_pools: The flow has a deployment to a pool that matches. None: does not matter.
            work_queues: The flow has a deployment to a queue that matches. None: does not matter.
            timeout: How long the call may take.
        """
        request = pb.CountFlowsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
        )
        return (await self._transport.call(self._stub.CountFlows, request, timeout)).count

    async def update(
        self, flow_id: Id, *, tags: Iterable[str], timeout: timedelta | None = None
    ) -> Flow:
        """Replace the tags of a flow.

        Args:
            flow_id: The flow.
            tags: The new tags.
            timeout: How long the call may take.

        Returns:
            The flow as it now stands.

        Raises:
            FlowNotFoundError: There is none.
        """
        request = pb.UpdateFlowRequest(flow_id=str(flow_id), tags=tags)
        return to_flow((await self._transport.call(self._stub.UpdateFlow, request, timeout)).flow)

    async def delete(self, flow_id: Id, *, timeout: timedelta | None = None) -> int:
        """Delete a flow with its runs, their states and their inputs.

        Args:
            flow_id: The flow.
            timeout: How long the call may take.

        Returns:
            How many runs were deleted with it.

        Raises:
            FlowNotFoundError: There is none.
        """
        request = pb.DeleteFlowRequest(flow_id=str(flow_id))
        answer = await self._transport.call(self._stub.DeleteFlow, request, timeout)
        return answer.deleted_flow_runs

    def iterate(
        self,
        flows: FlowFilter | None = None,
        flow_runs: FlowRunFilter | None = None,
        *,
        task_runs: TaskRunFilter | None = None,
        deployments: DeploymentFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: FlowSort = FlowSort.NAME_ASC,
        page_size: int = 0,
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[Flow, None]:
        """Yield all flows that match, reading page after page.

        Args:
            flows: Conditions on the flows. None: every flow.
            flow_runs: The flow has at least one run that matches. None: does not matter.
            task_runs: The flow has a run with a task run that matches. None: does not matter.
            deployments: The flow has at least one deployment that matches. None: does not matter.
            work_pools: The flow has a deployment to a pool that matches. None: does not matter.
            work_queues: The flow has a deployment to a queue that matches. None: does not matter.
            sort: The order.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            offset: How many to skip.
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
                page_size=page_size,
                page_token=token,
                offset=offset,
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
        sort: FlowSort = FlowSort.NAME_ASC,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[Flow]:
        """Read one page of the flows that match.

        Args:
            flows: Conditions on the flows. None: every flow.
            flow_runs: The flow has at least one run that matches. None: does not matter.
            task_runs: The flow has a run with a task run that matches. None: does not matter.
            deployments: The flow has at least one deployment that matches. None: does not matter.
            work_pools: The flow has a deployment to a pool that matches. None: does not matter.
            work_queues: The flow has a deployment to a queue that matches. None: does not matter.
            sort: The order.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListFlowsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            sort=pb.FlowSort.Value(f"FLOW_SORT_{sort}"),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
        )
        answer = await self._transport.call(self._stub.ListFlows, request, timeout)
        return Page(
            items=tuple(to_flow(flow) for flow in answer.flows),
            next_page_token=answer.next_page_token,
        )
