"""VariableService: variables, as the contract tells of them."""

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.model.server_info import Limits
from headgate_server.operations.variables import Variables
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.variables import (
    read_create_variable,
    read_delete_variable,
    read_get_variable,
    read_list_variables,
    read_update_variable,
    write_variable,
    write_variable_page,
)


class VariableServicer(pb.VariableServiceServicer):
    """Answers calls about variables."""

    def __init__(self, variables: Variables, *, limits: Limits) -> None:
        self._variables = variables
        self._limits = limits

    @override
    async def CreateVariable(
        self, request: pb.CreateVariableRequest, context: Context
    ) -> pb.CreateVariableResponse:
        variable = await self._variables.create(read_create_variable(request, self._limits))
        response = pb.CreateVariableResponse()
        write_variable(variable, response.variable)
        return response

    @override
    async def GetVariable(
        self, request: pb.GetVariableRequest, context: Context
    ) -> pb.GetVariableResponse:
        variable = await self._variables.get(read_get_variable(request, self._limits))
        response = pb.GetVariableResponse()
        write_variable(variable, response.variable)
        return response

    @override
    async def ListVariables(
        self, request: pb.ListVariablesRequest, context: Context
    ) -> pb.ListVariablesResponse:
        response = pb.ListVariablesResponse()
        page = await self._variables.list_page(*read_list_variables(request, self._limits))
        write_variable_page(page, response)
        return response

    @override
    async def UpdateVariable(
        self, request: pb.UpdateVariableRequest, context: Context
    ) -> pb.UpdateVariableResponse:
        variable = await self._variables.update(read_update_variable(request, self._limits))
        response = pb.UpdateVariableResponse()
        write_variable(variable, response.variable)
        return response

    @override
    async def DeleteVariable(
        self, request: pb.DeleteVariableRequest, context: Context
    ) -> pb.DeleteVariableResponse:
        await self._variables.delete(read_delete_variable(request, self._limits))
        return pb.DeleteVariableResponse()
