"""The health service of gRPC: whether calls can be served.

All services stand on one database, so they are well or ill together. Health is told while the server drains too, for that is when
load balancers need to know.
"""

import asyncio
from collections.abc import Iterable

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from headgate_server.model.errors import ServerDrainingError
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.errors import ServiceUnknownError


class Health:
    """Tells whether the services are well. Not serving until it is told otherwise."""

    def __init__(self, services: Iterable[str]) -> None:
        """Tell of these services, by their full names, and of the server as a whole."""
        self._services = frozenset({"", *services})
        self._is_serving = False
        self._is_draining = False
        self._changed = asyncio.Event()

    def set(self, *, is_serving: bool) -> None:
        """Say whether calls can be served. Does nothing once the server drains."""
        if is_serving != self._is_serving and not self._is_draining:
            self._is_serving = is_serving
            self._wake_watchers()

    def drain(self) -> None:
        """Say for good that calls are not served, and end the watches of health once they know."""
        self._is_serving = False
        self._is_draining = True
        self._wake_watchers()

    async def Check(  # noqa: N802 - the protocol names it
        self, request: HealthCheckRequest, _context: Context
    ) -> HealthCheckResponse:
        """Answer how a service is.

        Raises:
            ServiceUnknownError: There is no such service.
        """
        if request.service not in self._services:
            raise ServiceUnknownError
        return HealthCheckResponse(status=self._status_of(request.service))

    async def Watch(  # noqa: N802 - the protocol names it
        self, request: HealthCheckRequest, context: Context
    ) -> None:
        """Send how a service is, now and whenever it changes.

        Raises:
            ServerDrainingError: The server is shutting down.
        """
        sent = None
        while True:
            changed = self._changed  # taken before the status, so that no change falls between
            status = self._status_of(request.service)
            if status != sent:
                await context.write(HealthCheckResponse(status=status))
                sent = status
            if self._is_draining:
                raise ServerDrainingError
            await changed.wait()

    def _status_of(self, service: str) -> int:
        if service not in self._services:
            return HealthCheckResponse.SERVICE_UNKNOWN
        if self._is_serving:
            return HealthCheckResponse.SERVING
        return HealthCheckResponse.NOT_SERVING

    def _wake_watchers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
