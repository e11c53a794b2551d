"""The client: it opens the connections, holds what can be done over them, and closes them."""

from datetime import timedelta
from types import TracebackType
from typing import Self

from grpc import ChannelCredentials

from headgate._transport import DEFAULT_TIMEOUT, Transport
from headgate.concurrency_limits import ConcurrencyLimits
from headgate.deployments import Deployments
from headgate.flow_runs import FlowRuns
from headgate.flows import Flows
from headgate.inputs import FlowRunInputs
from headgate.server import Server
from headgate.task_runs import TaskRuns
from headgate.variables import Variables
from headgate.work_pools import WorkPools
from headgate.work_queues import WorkQueues
from headgate.workers import Workers


class Client:
    """A connection to a headgate server, for use with asyncio.

    Create it while an event loop runs, use it in that loop, and close it. The server is reached with the first call, not before. For code without asyncio there is
    `headgate.sync.Client`.

    Attributes:
        flows: Flows, the workflows that runs belong to.
        flow_runs: Flow runs and their states, and the helpers that watch, wait, pause and resume.
        deployments: Flows with the parameters, the schedules and the work queue that runs get.
        task_runs: Task runs, the executions of tasks within flow runs, and their states.
        inputs: What is left with flow runs: schemas, questions, answers and messages.
        concurrency_limits: How many task runs with a tag are RUNNING at once.
        work_pools: Infrastructure that runs flow runs.
        work_queues: The lines in which runs wait for the workers of a work pool.
        workers: The programs that run them, and what they may start.
        variables: Texts that answers to pauses may refer to by name.
        server: What the server is and what it takes.

    Example:
        ```python
        async with headgate.Client() as client:
            flow = (await client.flows.create("etl")).flow
            run = (await client.flow_runs.create(flow.id, parameters={"day": 1})).flow_run
        ```
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        credentials: ChannelCredentials | None = None,
        timeout: timedelta = DEFAULT_TIMEOUT,
    ) -> None:
        """Prepare the connection.

        Args:
            target: Where the server is, as `host:port` or any name that gRPC understands. None:
                what the environment says in `HEADGATE_TARGET`, else `127.0.0.1:4244`.
            credentials: How to secure the connection, for example
                `grpc.ssl_channel_credentials()`. None: not at all.
            timeout: How long a call may take, with its repeats, unless it says otherwise.

        Raises:
            RuntimeError: No event loop is running.
        """
        self._transport = Transport(target, credentials=credentials, timeout=timeout)
        self.flows = Flows(self._transport)
        self.inputs = FlowRunInputs(self._transport)
        self.flow_runs = FlowRuns(self._transport, self.inputs)
        self.deployments = Deployments(self._transport)
        self.task_runs = TaskRuns(self._transport)
        self.concurrency_limits = ConcurrencyLimits(self._transport)
        self.work_pools = WorkPools(self._transport)
        self.work_queues = WorkQueues(self._transport)
        self.workers = Workers(self._transport)
        self.variables = Variables(self._transport)
        self.server = Server(self._transport)

    @property
    def target(self) -> str:
        """Where the server is."""
        return self._transport.target

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connection. What is under way ends with ClientClosedError."""
        await self._transport.close()
