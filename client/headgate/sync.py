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
from headgate import (
    concurrency_limits,
    deployments,
    flow_runs,
    flows,
    inputs,
    server,
    task_runs,
    variables,
    work_pools,
    work_queues,
    workers,
)
from headgate._portal import PORTAL, BlockingIterator
from headgate._transport import DEFAULT_TIMEOUT

ArgumentsP = ParamSpec("ArgumentsP")
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
NamesakeT_co = TypeVar("NamesakeT_co", covariant=True)

__all__ = [
    "BlockingIterator",
    "Client",
    "ConcurrencyLimits",
    "Deployments",
    "FlowRunInputs",
    "FlowRuns",
    "Flows",
    "Server",
    "TaskRuns",
    "Variables",
    "WorkPools",
    "WorkQueues",
    "Workers",
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
    batch_create_flow_runs = _call(flow_runs.FlowRuns.batch_create_flow_runs)
    batch_set_flow_run_states = _call(flow_runs.FlowRuns.batch_set_flow_run_states)
    batch_delete_flow_runs = _call(flow_runs.FlowRuns.batch_delete_flow_runs)
    list_states = _call(flow_runs.FlowRuns.list_states)
    iterate_states = _iteration(flow_runs.FlowRuns.iterate_states)
    get_history = _call(flow_runs.FlowRuns.get_history)
    get_lateness = _call(flow_runs.FlowRuns.get_lateness)
    get_graph = _call(flow_runs.FlowRuns.get_graph)
    list_dependencies = _call(flow_runs.FlowRuns.list_dependencies)
    iterate_dependencies = _iteration(flow_runs.FlowRuns.iterate_dependencies)
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


class Deployments(_Face[deployments.Deployments]):
    """Keeps deployments: the blocking face of `headgate.deployments.Deployments`."""

    create = _call(deployments.Deployments.create)
    get = _call(deployments.Deployments.get)
    get_by_name = _call(deployments.Deployments.get_by_name)
    list = _call(deployments.Deployments.list)
    iterate = _iteration(deployments.Deployments.iterate)
    count = _call(deployments.Deployments.count)
    update = _call(deployments.Deployments.update)
    delete = _call(deployments.Deployments.delete)
    create_flow_run = _call(deployments.Deployments.create_flow_run)
    schedule = _call(deployments.Deployments.schedule)


class TaskRuns(_Face[task_runs.TaskRuns]):
    """Keeps task runs: the blocking face of `headgate.task_runs.TaskRuns`."""

    create = _call(task_runs.TaskRuns.create)
    get = _call(task_runs.TaskRuns.get)
    list = _call(task_runs.TaskRuns.list)
    iterate = _iteration(task_runs.TaskRuns.iterate)
    count = _call(task_runs.TaskRuns.count)
    get_history = _call(task_runs.TaskRuns.get_history)
    update = _call(task_runs.TaskRuns.update)
    delete = _call(task_runs.TaskRuns.delete)
    set_state = _call(task_runs.TaskRuns.set_state)
    list_states = _call(task_runs.TaskRuns.list_states)
    iterate_states = _iteration(task_runs.TaskRuns.iterate_states)
    watch_task_run = _iteration(task_runs.TaskRuns.watch_task_run)
    watch_task_runs = _iteration(task_runs.TaskRuns.watch_task_runs)


class ConcurrencyLimits(_Face[concurrency_limits.ConcurrencyLimits]):
    """Keeps concurrency limits: the blocking face of `headgate.concurrency_limits.ConcurrencyLimits`."""

    create = _call(concurrency_limits.ConcurrencyLimits.create)
    get = _call(concurrency_limits.ConcurrencyLimits.get)
    get_by_tag = _call(concurrency_limits.ConcurrencyLimits.get_by_tag)
    list = _call(concurrency_limits.ConcurrencyLimits.list)
    iterate = _iteration(concurrency_limits.ConcurrencyLimits.iterate)
    reset = _call(concurrency_limits.ConcurrencyLimits.reset)
    delete = _call(concurrency_limits.ConcurrencyLimits.delete)
    delete_by_tag = _call(concurrency_limits.ConcurrencyLimits.delete_by_tag)


class WorkPools(_Face[work_pools.WorkPools]):
    """Keeps work pools: the blocking face of `headgate.work_pools.WorkPools`."""

    create = _call(work_pools.WorkPools.create)
    get = _call(work_pools.WorkPools.get)
    list = _call(work_pools.WorkPools.list)
    iterate = _iteration(work_pools.WorkPools.iterate)
    update = _call(work_pools.WorkPools.update)
    delete = _call(work_pools.WorkPools.delete)


class WorkQueues(_Face[work_queues.WorkQueues]):
    """Keeps work queues: the blocking face of `headgate.work_queues.WorkQueues`."""

    create = _call(work_queues.WorkQueues.create)
    get = _call(work_queues.WorkQueues.get)
    get_status = _call(work_queues.WorkQueues.get_status)
    list = _call(work_queues.WorkQueues.list)
    iterate = _iteration(work_queues.WorkQueues.iterate)
    update = _call(work_queues.WorkQueues.update)
    delete = _call(work_queues.WorkQueues.delete)


class Workers(_Face[workers.Workers]):
    """Keeps workers: the blocking face of `headgate.workers.Workers`."""

    heartbeat = _call(workers.Workers.heartbeat)
    list = _call(workers.Workers.list)
    iterate = _iteration(workers.Workers.iterate)
    poll_flow_runs = _call(workers.Workers.poll_flow_runs)
    watch_due_flow_runs = _iteration(workers.Workers.watch_due_flow_runs)


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

    It has the parts of `headgate.Client`: `flows`, `flow_runs`, `deployments`, `task_runs`,
    `inputs`, `concurrency_limits`, `work_pools`, `work_queues`, `workers`, `variables`, `server`.
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
        self.deployments = Deployments(self._client.deployments)
        self.task_runs = TaskRuns(self._client.task_runs)
        self.concurrency_limits = ConcurrencyLimits(self._client.concurrency_limits)
        self.work_pools = WorkPools(self._client.work_pools)
        self.work_queues = WorkQueues(self._client.work_queues)
        self.workers = Workers(self._client.workers)
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
