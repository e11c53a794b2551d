"""FlowService: flows, as the contract tells of them."""

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.flows import Flows
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.flows import (
    read_count_flows,
    read_create_flow,
    read_delete_flow,
    read_get_flow,
    read_list_flows,
    read_update_flow,
    write_flow,
    write_flow_page,
)


class FlowServicer(pb.FlowServiceServicer):
    """Answers calls about flows."""

    def __init__(self, flows: Flows, *, limits: Limits) -> None:
        self._flows = flows
        self._limits = limits

    @override
    async def CreateFlow(
        self, request: pb.CreateFlowRequest, context: Context
    ) -> pb.CreateFlowResponse:
        flow, created = await self._flows.create(read_create_flow(request, self._limits))
        response = pb.CreateFlowResponse(created=created)
        write_flow(flow, response.flow)
        return response

    @override
    async def GetFlow(self, request: pb.GetFlowRequest, context: Context) -> pb.GetFlowResponse:
        flow_id, name = read_get_flow(request, self._limits)
        response = pb.GetFlowResponse()
        write_flow(await self._flows.get(flow_id, name), response.flow)
        return response

    @override
    async def ListFlows(
        self, request: pb.ListFlowsRequest, context: Context
    ) -> pb.ListFlowsResponse:
        query, sort, page = read_list_flows(request, self._limits)
        response = pb.ListFlowsResponse()
        write_flow_page(await self._flows.list_page(query, sort, page), response)
        return response

    @override
    async def CountFlows(
        self, request: pb.CountFlowsRequest, context: Context
    ) -> pb.CountFlowsResponse:
        query = read_count_flows(request, self._limits)
        return pb.CountFlowsResponse(count=await self._flows.count(query))

    @override
    async def UpdateFlow(
        self, request: pb.UpdateFlowRequest, context: Context
    ) -> pb.UpdateFlowResponse:
        flow_id, tags = read_update_flow(request, self._limits)
        response = pb.UpdateFlowResponse()
        write_flow(await self._flows.update_tags(flow_id, tags), response.flow)
        return response

    @override
    async def DeleteFlow(
        self, request: pb.DeleteFlowRequest, context: Context
    ) -> pb.DeleteFlowResponse:
        deleted = await self._flows.delete(read_delete_flow(request, self._limits))
        return pb.DeleteFlowResponse(deleted_flow_runs=deleted)
