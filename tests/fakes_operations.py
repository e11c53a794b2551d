"""Stand-ins for the operations, and the real door before them: a server on loopback that answers what a test tells it to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from inspect import signature
from typing import Any, get_type_hints

import grpc.aio

from headgate_server.metrics import Metrics
from headgate_server.model.server_info import Limits
from headgate_server.model.watching import Notice
from headgate_server.operations.analytics import Analytics
from headgate_server.operations.batches import Batches
from headgate_server.operations.concurrency_limits import ConcurrencyLimits
from headgate_server.operations.deployment_runs import DeploymentRuns
from headgate_server.operations.deployments import Deployments
from headgate_server.operations.flow_runs import FlowRuns
from headgate_server.operations.flows import Flows
from headgate_server.operations.inputs import Inputs
from headgate_server.operations.resume import Resuming
from headgate_server.operations.scheduling import Scheduling
from headgate_server.operations.server import ServerFacts
from headgate_server.operations.task_runs import TaskRuns
from headgate_server.operations.task_transitions import TaskTransitions
from headgate_server.operations.transitions import Transitions
from headgate_server.operations.variables import Variables
from headgate_server.operations.waiting import Waiting
from headgate_server.rpc.assemble import Operations, add_services, new_health
from tests.fakes import FakeClock


class Scripted:
    """Stands in for one kind of operations: answers what it is told to, and remembers what it was asked.

    An answer that is an exception is raised, one that is a function is awaited. What is asked must fit the real operation.
    """

    def __init__(self, kind: type) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[Any, ...]] = []
        self._kind = kind

    def __getattr__(self, name: str) -> Callable[..., Any]:
        real = getattr(self._kind, name)

        async def answer(*args: object, **kwargs: object) -> object:
            bound = signature(real).bind(self, *args, **kwargs)
            self.asked.append(bound.args[1:] + tuple(bound.kwargs.values()))
            told = self.answers[name]
            if isinstance(told, BaseException):
                raise told
            return await told(*args, **kwargs) if callable(told) else told

        return answer


class ScriptedWatching:
    """Stands in for the watches: tells what it is told to, and then waits, ends or fails."""

    def __init__(self) -> None:
        self.notices: Iterable[Notice] = ()
        self.end: BaseException | None = None
        self.is_endless = False
        self.asked: list[object] = []
        self.closed = asyncio.Event()

    async def flow_runs(self, request: object) -> AsyncGenerator[Notice, None]:
        self.asked.append(request)
        try:
            for notice in self.notices:
                yield notice
            if self.is_endless:
                await asyncio.Event().wait()
            if self.end is not None:
                raise self.end
        finally:
            self.closed.set()

    task_runs = inputs = flow_runs


class Door:
    """A server that listens, what stands behind its door, and a channel to it."""

    target: str
    channel: grpc.aio.Channel

    def __init__(self) -> None:
        self.flows = Scripted(Flows)
        self.flow_runs = Scripted(FlowRuns)
        self.transitions = Scripted(Transitions)
        self.resuming = Scripted(Resuming)
        self.inputs = Scripted(Inputs)
        self.variables = Scripted(Variables)
        self.deployments = Scripted(Deployments)
        self.deployment_runs = Scripted(DeploymentRuns)
        self.scheduling = Scripted(Scheduling)
        self.task_runs = Scripted(TaskRuns)
        self.task_transitions = Scripted(TaskTransitions)
        self.concurrency_limits = Scripted(ConcurrencyLimits)
        self.analytics = Scripted(Analytics)
        self.batches = Scripted(Batches)
        self.waiting = Scripted(Waiting)
        self.watching = ScriptedWatching()
        self.facts = Scripted(ServerFacts)
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.health = new_health()
        self.is_draining = False

    @asynccontextmanager
    async def open(
        self, limits: Limits, *, write_limit: timedelta = timedelta(seconds=30)
    ) -> AsyncIterator[None]:
        """Listen on loopback, and close when done."""
        server = grpc.aio.server()
        add_services(
            server,
            self._operations(),
            health=self.health,
            limits=limits,
            clock=self.clock,
            metrics=self.metrics,
            is_draining=lambda: self.is_draining,
            write_limit=write_limit,
        )
        self.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        async with grpc.aio.insecure_channel(self.target) as self.channel:
            yield
        await server.stop(None)

    def count(self, name: str, **labels: str) -> float:
        """Return what a metric has counted so far."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def _operations(self) -> Operations:
        """Return what stands behind the door. What no test scripts is never told an answer."""
        kinds = get_type_hints(Operations)
        rooms: dict[str, Any] = {name: Scripted(kind) for name, kind in kinds.items()}
        rooms |= {name: room for name, room in vars(self).items() if name in rooms}
        return Operations(**rooms | {"server": self.facts})
