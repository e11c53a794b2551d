"""DeploymentService: deployments and their schedules, as the contract tells of them."""

from collections.abc import Callable
from datetime import datetime

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.deployment_runs import DeploymentRuns
from headgate_server.operations.deployments import Deployments
from headgate_server.operations.scheduling import Scheduling
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.deployment_runs import read_create_deployment_flow_run
from headgate_server.rpc.convert.deployments import (
    read_count_deployments,
    read_create_deployment,
    read_delete_deployment,
    read_get_deployment,
    read_list_deployments,
    read_update_deployment,
    write_deployment,
    write_deployment_page,
)
from headgate_server.rpc.convert.flow_runs import write_flow_run
from headgate_server.rpc.convert.schedules import read_schedule_deployment


class DeploymentServicer(pb.DeploymentServiceServicer):
    """Answers calls about deployments."""

    def __init__(
        self,
        deployments: Deployments,
        runs: DeploymentRuns,
        scheduling: Scheduling,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        """Make a servicer.

        Args:
            deployments: Creates, replaces, reads, changes and deletes deployments.
            runs: Creates runs of deployments.
            scheduling: Makes runs ahead of their time.
            limits: What a request may hold.
            clock: Tells the time, for estimates.
        """
        self._deployments = deployments
        self._runs = runs
        self._scheduling = scheduling
        self._limits = limits
        self._clock = clock

    @override
    async def CreateDeployment(
        self, request: pb.CreateDeploymentRequest, context: Context
    ) -> pb.CreateDeploymentResponse:
        answer = await self._deployments.create(read_create_deployment(request, self._limits))
        response = pb.CreateDeploymentResponse(created=answer.created)
        write_deployment(answer.deployment, response.deployment)
        return response

    @override
    async def GetDeployment(
        self, request: pb.GetDeploymentRequest, context: Context
    ) -> pb.GetDeploymentResponse:
        which, is_full = read_get_deployment(request, self._limits)
        deployment = await self._deployments.get(*which)
        response = pb.GetDeploymentResponse()
        write_deployment(deployment, response.deployment, is_full=is_full)
        return response

    @override
    async def ListDeployments(
        self, request: pb.ListDeploymentsRequest, context: Context
    ) -> pb.ListDeploymentsResponse:
        query, sort, page, is_full = read_list_deployments(request, self._limits)
        found = await self._deployments.list_page(query, sort, page)
        response = pb.ListDeploymentsResponse()
        write_deployment_page(found, response, is_full=is_full)
        return response

    @override
    async def CountDeployments(
        self, request: pb.CountDeploymentsRequest, context: Context
    ) -> pb.CountDeploymentsResponse:
        count = await self._deployments.count(read_count_deployments(request, self._limits))
        return pb.CountDeploymentsResponse(count=count)

    @override
    async def UpdateDeployment(
        self, request: pb.UpdateDeploymentRequest, context: Context
    ) -> pb.UpdateDeploymentResponse:
        deployment = await self._deployments.update(read_update_deployment(request, self._limits))
        response = pb.UpdateDeploymentResponse()
        write_deployment(deployment, response.deployment)
        return response

    @override
    async def DeleteDeployment(
        self, request: pb.DeleteDeploymentRequest, context: Context
    ) -> pb.DeleteDeploymentResponse:
        deleted = await self._deployments.delete(read_delete_deployment(request, self._limits))
        return pb.DeleteDeploymentResponse(deleted_flow_runs=deleted)

    @override
    async def CreateDeploymentFlowRun(
        self, request: pb.CreateDeploymentFlowRunRequest, context: Context
    ) -> pb.CreateDeploymentFlowRunResponse:
        answer = await self._runs.create(read_create_deployment_flow_run(request, self._limits))
        response = pb.CreateDeploymentFlowRunResponse(
            created=answer.created, revision=answer.revision
        )
        write_flow_run(answer.run, response.flow_run, self._clock())
        return response

    @override
    async def ScheduleDeployment(
        self, request: pb.ScheduleDeploymentRequest, context: Context
    ) -> pb.ScheduleDeploymentResponse:
        made = await self._scheduling.schedule(read_schedule_deployment(request, self._limits))
        return pb.ScheduleDeploymentResponse(flow_run_ids=made)
