"""The server itself: what it is and what it takes."""

from datetime import timedelta

from headgate import v1 as pb
from headgate._convert import to_server_info
from headgate._transport import Transport
from headgate.models import ServerInfo


class Server:
    """Tells what the server is and what it takes."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        self._transport = transport
        self._stub = pb.ServerServiceStub(transport.calls)

    async def get_info(self, *, timeout: timedelta | None = None) -> ServerInfo:
        """Read the server's version, capabilities, limits, database and head revision.

        Args:
            timeout: How long the call may take with its repeats. None: the client's default.

        Raises:
            UnavailableError: The server or its database cannot be reached.
        """
        request = pb.GetServerInfoRequest()
        return to_server_info(
            await self._transport.call(self._stub.GetServerInfo, request, timeout)
        )
