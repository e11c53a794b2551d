"""FlowRunInputService: inputs of flow runs, as the contract tells of them."""

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.inputs import Inputs
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.inputs import (
    read_create_input,
    read_delete_input,
    read_get_input,
    read_list_inputs,
    write_input,
    write_input_page,
)
from headgate_server.rpc.watch import InputWatches


class FlowRunInputServicer(pb.FlowRunInputServiceServicer):
    """Answers calls about inputs."""

    def __init__(self, inputs: Inputs, watches: InputWatches, *, limits: Limits) -> None:
        self._inputs = inputs
        self._watches = watches
        self._limits = limits

    @override
    async def CreateFlowRunInput(
        self, request: pb.CreateFlowRunInputRequest, context: Context
    ) -> pb.CreateFlowRunInputResponse:
        answer = await self._inputs.create(read_create_input(request, self._limits))
        response = pb.CreateFlowRunInputResponse(revision=answer.revision)
        write_input(answer.input, response.input)
        return response

    @override
    async def GetFlowRunInput(
        self, request: pb.GetFlowRunInputRequest, context: Context
    ) -> pb.GetFlowRunInputResponse:
        flow_run_id, key = read_get_input(request, self._limits)
        response = pb.GetFlowRunInputResponse()
        write_input(await self._inputs.get(flow_run_id, key), response.input)
        return response

    @override
    async def ListFlowRunInputs(
        self, request: pb.ListFlowRunInputsRequest, context: Context
    ) -> pb.ListFlowRunInputsResponse:
        response = pb.ListFlowRunInputsResponse()
        page = await self._inputs.list_page(*read_list_inputs(request, self._limits))
        write_input_page(page, response)
        return response

    @override
    async def DeleteFlowRunInput(
        self, request: pb.DeleteFlowRunInputRequest, context: Context
    ) -> pb.DeleteFlowRunInputResponse:
        revision = await self._inputs.delete(read_delete_input(request, self._limits))
        return pb.DeleteFlowRunInputResponse(revision=revision)

    @override
    async def WatchFlowRunInputs(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: pb.WatchFlowRunInputsRequest, context: Context
    ) -> None:
        await self._watches.send(request, context)
