"""The blocking face: everything that `headgate.Client` has, without await.

Methods have the names, arguments, results and errors of their namesakes; what is an async iterator
there is an iterator here, with `close()`. A client may be used by several threads at once. Ctrl-C
ends a call that blocks. There is no logic here: each method runs its namesake in an event loop that
all clients of this face share.

Example:
    ```python
    from headgate.sync import Client

    with Client() as client:
        run = client.flow_runs.wait_for_flow_run(flow_run_id)
    ```
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from datetime import timedelta
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar
from weakref import finalize

from grpc import ChannelCredentials

from headgate import client as awaiting
from headgate import flow_runs, flows, inputs, server, variables
from headgate._portal import PORTAL, BlockingIterator
from headgate._transport import DEFAULT_TIMEOUT

ArgumentsP = ParamSpec("ArgumentsP")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
NamesakeT_co = TypeVar("NamesakeT_co", covariant=True)

__all__ = [
    "BlockingIterator",
    "Client",
    "FlowRunInputs",
    "FlowRuns",
    "Flows",
    "Server",
    "Variables",
]


class _Face(Generic[NamesakeT_co]):
    """The blocking face of one object."""

    def __init__(self, namesake: NamesakeT_co) -> None:
        self._namesake = namesake


def _call(
    method: Callable[Concatenate[NamesakeT_co, ArgumentsP], Coroutine[Any, Any, ResultT]],
) -> Callable[Concatenate[_Face[NamesakeT_co], ArgumentsP], ResultT]:
    """Return the blocking face of a method that is awaited."""

    @wraps(method)
    def call(
        self: _Face[NamesakeT_co], /, *args: ArgumentsP.args, **kwargs: ArgumentsP.kwargs
    ) -> ResultT:
        return PORTAL.run(method(self._namesake, *args, **kwargs))

    return call


def _iteration(
    method: Callable[Concatenate[NamesakeT_co, ArgumentsP], AsyncGenerator[ItemT, None]],
) -> Callable[Concatenate[_Face[NamesakeT_co], ArgumentsP], BlockingIterator[ItemT]]:
    """Return the blocking face of a method that returns an async iterator."""

    @wraps(method)
    def iterate(
        self: _Face[NamesakeT_co], /, *args: ArgumentsP.args, **kwargs: ArgumentsP.kwargs
    ) -> BlockingIterator[ItemT]:
        return BlockingIterator(PORTAL, method(self._namesake, *args, **kwargs))

    return iterate


class Flows(_Face[flows.Flows]):
    """Keeps flows: the blocking face of `headgate.flows.Flows`."""

    create = _call(flows.Flows.create)
    get = _call(flows.Flows.get)
    get_by_name = _call(flows.Flows.get_by_name)
    list = _call(flows.Flows.list)
    iterate = _iteration(flows.Flows.iterate)
    count = _call(flows.Flows.count)
    update = _call(flows.Flows.update)
    delete = _call(flows.Flows.delete)


class FlowRuns(_Face[flow_runs.FlowRuns]):
    """Keeps flow runs: the blocking face of `headgate.flow_runs.FlowRuns`."""

    create = _call(flow_runs.FlowRuns.create)
    get = _call(flow_runs.FlowRuns.get)
    list = _call(flow_runs.FlowRuns.list)
    iterate = _iteration(flow_runs.FlowRuns.iterate)
    count = _call(flow_runs.FlowRuns.count)
    update = _call(flow_runs.FlowRuns.update)
    delete = _call(flow_runs.FlowRuns.delete)
    set_state = _call(flow_runs.FlowRuns.set_state)
    list_states = _call(flow_runs.FlowRuns.list_states)
    iterate_states = _iteration(flow_runs.FlowRuns.iterate_states)
    resume = _call(flow_runs.FlowRuns.resume)
    wait = _call(flow_runs.FlowRuns.wait)
    watch_flow_run = _iteration(flow_runs.FlowRuns.watch_flow_run)
    watch_flow_runs = _iteration(flow_runs.FlowRuns.watch_flow_runs)
    wait_for_flow_run = _call(flow_runs.FlowRuns.wait_for_flow_run)
    wait_for_flow_runs = _call(flow_runs.FlowRuns.wait_for_flow_runs)
    flow_runs_as_completed = _iteration(flow_runs.FlowRuns.flow_runs_as_completed)
    pause_flow_run = _call(flow_runs.FlowRuns.pause_flow_run)
    suspend_flow_run = _call(flow_runs.FlowRuns.suspend_flow_run)
    resume_flow_run = _call(flow_runs.FlowRuns.resume_flow_run)
    cancel_flow_run = _call(flow_runs.FlowRuns.cancel_flow_run)
    wait_for_resume = _call(flow_runs.FlowRuns.wait_for_resume)


class FlowRunInputs(_Face[inputs.FlowRunInputs]):
    """Keeps inputs of flow runs: the blocking face of `headgate.inputs.FlowRunInputs`."""

    create = _call(inputs.FlowRunInputs.create)
    get = _call(inputs.FlowRunInputs.get)
    list = _call(inputs.FlowRunInputs.list)
    iterate = _iteration(inputs.FlowRunInputs.iterate)
    delete = _call(inputs.FlowRunInputs.delete)
    watch = _iteration(inputs.FlowRunInputs.watch)
    send_input = _call(inputs.FlowRunInputs.send_input)
    receive_input = _iteration(inputs.FlowRunInputs.receive_input)


class Variables(_Face[variables.Variables]):
    """Keeps variables: the blocking face of `headgate.variables.Variables`."""

    create = _call(variables.Variables.create)
    get = _call(variables.Variables.get)
    list = _call(variables.Variables.list)
    iterate = _iteration(variables.Variables.iterate)
    update = _call(variables.Variables.update)
    delete = _call(variables.Variables.delete)


class Server(_Face[server.Server]):
    """Tells what the server is: the blocking face of `headgate.server.Server`."""

    get_info = _call(server.Server.get_info)


class Client:
    """A connection to a headgate server, for use without asyncio.

    It has the parts of `headgate.Client`: `flows`, `flow_runs`, `inputs`, `variables`, `server`.
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
            credentials: How to secure the connection. None: not at all.
            timeout: How long a call may take, with its repeats, unless it says otherwise.
        """

        async def connect() -> awaiting.Client:
            return awaiting.Client(target, credentials=credentials, timeout=timeout)

        PORTAL.enter()
        self._leave = finalize(self, PORTAL.leave)
        self._client = PORTAL.run(connect())
        self.flows = Flows(self._client.flows)
        self.flow_runs = FlowRuns(self._client.flow_runs)
        self.inputs = FlowRunInputs(self._client.inputs)
        self.variables = Variables(self._client.variables)
        self.server = Server(self._client.server)

    @property
    def target(self) -> str:
        """Where the server is."""
        return self._client.target

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connection. What is under way in other threads ends with ClientClosedError."""
        if self._leave.alive:
            PORTAL.run(self._client.close())
            self._leave()
