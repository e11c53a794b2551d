"""The health of a server, as load balancers ask for it."""

from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES: Final = (
    "headgate.v1.ConcurrencyLimitService",
    "headgate.v1.DeploymentService",
    "headgate.v1.FlowRunInputService",
    "headgate.v1.FlowRunService",
    "headgate.v1.FlowService",
    "headgate.v1.ServerService",
    "headgate.v1.TaskRunService",
    "headgate.v1.VariableService",
    "headgate.v1.WorkPoolService",
)
"""The services of the contract."""


class Health:
    """What a server says of itself."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = health_pb2_grpc.HealthStub(channel)

    async def of(self, service: str) -> int:
        """Return how a service is; no name means the server as a whole."""
        answer = await self._stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)

    async def of_all(self) -> set[int]:
        """Return how the services and the server as a whole are."""
        return {await self.of(service) for service in ("", *SERVICES)}

    def watch(self) -> "HealthWatch":
        """Return what tells how the server is whenever that changes."""
        return HealthWatch(self._stub.Watch(health_pb2.HealthCheckRequest()))


class HealthWatch:
    """Tells how a server is, now and whenever it changes."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def next(self) -> int:
        """Wait for the next change, and return how the server is."""
        return int((await self._call.read()).status)
