"""The calls that read many deployments."""

from collections.abc import AsyncGenerator
from datetime import timedelta

from headgate import v1 as pb
from headgate._convert_deployments import to_deployment
from headgate._convert_filters import from_filters
from headgate._paging import across_pages
from headgate._transport import Transport
from headgate.deployment_models import Deployment
from headgate.enums import DeploymentSort, DeploymentView
from headgate.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate.models import Page


class DeploymentLists:
    """The calls that read many deployments."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.DeploymentServiceStub(transport.calls)

    async def count(
        self,
        flows: FlowFilter | None = None,
        deployments: DeploymentFilter | None = None,
        *,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        timeout: timedelta | None = None,
    ) -> int:
        """Count the deployments that match.

        Args:
            flows: Conditions on the flow of the deployments. None: any flow.
            deployments: Conditions on the deployments. None: every deployment.
            flow_runs: Conditions on flow runs of the deployments. None: whether or not.
            task_runs: Conditions on task runs of these flow runs. None: whether or not.
            work_pools: Conditions on the work pool of the deployments. None: whether or not.
            work_queues: Conditions on the work queue of the deployments. None: whether or not.
            timeout: How long the call may take.
        """
        request = pb.CountDeploymentsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
        )
        return (await self._transport.call(self._stub.CountDeployments, request, timeout)).count

    def iterate(
        self,
        flows: FlowFilter | None = None,
        deployments: DeploymentFilter | None = None,
        *,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: DeploymentSort = DeploymentSort.NAME_ASC,
        view: DeploymentView = DeploymentView.BASIC,
        page_size: int = 0,
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> AsyncGenerator[Deployment, None]:
        """Yield all deployments that match, reading page after page.

        Args:
            flows: Conditions on the flow of the deployments. None: any flow.
            deployments: Conditions on the deployments. None: every deployment.
            flow_runs: Conditions on flow runs of the deployments. None: whether or not.
            task_runs: Conditions on task runs of these flow runs. None: whether or not.
            work_pools: Conditions on the work pool of the deployments. None: whether or not.
            work_queues: Conditions on the work queue of the deployments. None: whether or not.
            sort: The order.
            view: How much to read of each deployment.
            page_size: How many to read at once; 0 means 200, at most 1,000.
            offset: How many to skip.
            timeout: How long the reading of one page may take.
        """
        return across_pages(
            lambda token: self.list(
                flows,
                deployments,
                flow_runs=flow_runs,
                task_runs=task_runs,
                work_pools=work_pools,
                work_queues=work_queues,
                sort=sort,
                view=view,
                page_size=page_size,
                page_token=token,
                offset=offset,
                timeout=timeout,
            )
        )

    async def list(
        self,
        flows: FlowFilter | None = None,
        deployments: DeploymentFilter | None = None,
        *,
        flow_runs: FlowRunFilter | None = None,
        task_runs: TaskRunFilter | None = None,
        work_pools: WorkPoolFilter | None = None,
        work_queues: WorkQueueFilter | None = None,
        sort: DeploymentSort = DeploymentSort.NAME_ASC,
        view: DeploymentView = DeploymentView.BASIC,
        page_size: int = 0,
        page_token: str = "",
        offset: int = 0,
        timeout: timedelta | None = None,
    ) -> Page[Deployment]:
        """Read one page of the deployments that match.

        Args:
            flows: Conditions on the flow of the deployments. None: any flow.
            deployments: Conditions on the deployments. None: every deployment.
            flow_runs: Conditions on flow runs of the deployments. None: whether or not.
            task_runs: Conditions on task runs of these flow runs. None: whether or not.
            work_pools: Conditions on the work pool of the deployments. None: whether or not.
            work_queues: Conditions on the work queue of the deployments. None: whether or not.
            sort: The order.
            view: How much to read of each deployment.
            page_size: How many to return at most; 0 means 200, at most 1,000.
            page_token: The `next_page_token` of the page before. Empty: the first page.
            offset: How many to skip before the first page. Costs time: prefer tokens.
            timeout: How long the call may take.

        Raises:
            PageTokenMismatchError: The token belongs to a list with other arguments.
        """
        request = pb.ListDeploymentsRequest(
            **from_filters(flows, flow_runs, task_runs, deployments, work_pools, work_queues),
            sort=pb.DeploymentSort.Value(f"DEPLOYMENT_SORT_{sort}"),
            page_size=page_size,
            page_token=page_token,
            offset=offset,
            view=pb.DeploymentView.Value(f"DEPLOYMENT_VIEW_{view}"),
        )
        answer = await self._transport.call(self._stub.ListDeployments, request, timeout)
        return Page(
            items=tuple(map(to_deployment, answer.deployments)),
            next_page_token=answer.next_page_token,
        )
