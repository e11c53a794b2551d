"""ServerService: what the server is, as the contract tells of it."""

from typing_extensions import override

from headgate import v1 as pb
from headgate_server.operations.server import ServerFacts
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.server_info import write_server_info


class ServerServicer(pb.ServerServiceServicer):
    """Answers calls about the server."""

    def __init__(self, facts: ServerFacts) -> None:
        self._facts = facts

    @override
    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: Context
    ) -> pb.GetServerInfoResponse:
        response = pb.GetServerInfoResponse()
        write_server_info(await self._facts.info(), response)
        return response
