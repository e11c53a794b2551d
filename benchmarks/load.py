"""Load: callers that call again as soon as they are answered. Everything here runs in a worker.

Requests are made of prepared bytes and answers are read after the turn, so that the callers cost as little as they can and cost
the same for every method.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic_ns, perf_counter
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import grpc.aio
import msgspec

from benchmarks.noop import CALL, POKE, SET_STATE
from benchmarks.servers import Endpoint
from headgate import Client
from headgate import v1 as pb

Multicallable: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
Step: TypeAlias = Callable[[int], Awaitable[object]]
"""What the caller of that number does again and again."""

SERVICE: Final = "/headgate.v1.FlowRunService"
CREATE: Final = f"{SERVICE}/CreateFlowRun"
_GET: Final = f"{SERVICE}/GetFlowRun"
_LIST: Final = f"{SERVICE}/ListFlowRuns"
_ANY_ID: Final = str(uuid4())
NO_RUN: Final = str(UUID(int=0))
"""For the units, which do not look at it."""
_SETTLE_SECONDS: Final = 0.05

_channels: dict[str, grpc.aio.Channel] = {}


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """How hard and how long to load."""

    callers: int
    seconds: float
    warm_seconds: float


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn measured."""

    steps: int
    seconds: float
    latencies: list[float]
    """Seconds of each step, ascending."""
    server_seconds: float
    """Processor time of the server."""
    database_seconds: float
    """Processor time of the database, where it runs outside the server."""


class Written(msgspec.Struct, frozen=True):
    """A state that was acknowledged."""

    flow_run_id: str
    version: int
    transition_id: str


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A change or a poke that watchers are to see."""

    began: int
    """When it was sent, on the monotonic clock that all processes share, in nanoseconds."""
    answered: int
    transition_id: str = ""


def callable_at(target: str, method: str) -> Multicallable:
    """Return a method that takes and gives bytes, on a connection that is kept."""
    channel = _channels.get(target)
    if channel is None:
        channel = _channels[target] = grpc.aio.insecure_channel(target)
    return channel.unary_unary(method)


class StateRequests:
    """Makes proposals of one state, each with a transition id of its own."""

    def __init__(self, run_ids: Sequence[str], type: pb.StateType.ValueType) -> None:
        state = pb.ProposedState(type=type, details=pb.StateDetails(transition_id=_ANY_ID))
        self._parts = {
            run_id: pb.SetFlowRunStateRequest(flow_run_id=run_id, state=state)
            .SerializeToString()
            .split(_ANY_ID.encode())
            for run_id in run_ids
        }

    def make(self, run_id: str) -> tuple[bytes, str]:
        """Return the bytes of a proposal, and its transition id."""
        transition_id = str(uuid4())
        head, tail = self._parts[run_id]
        return head + transition_id.encode() + tail, transition_id


async def make_runs(target: str, count: int, name: str) -> tuple[str, list[str]]:
    """Make a flow with some runs that are RUNNING; return its id and theirs."""
    async with grpc.aio.insecure_channel(target) as channel:
        made = await pb.FlowServiceStub(channel).CreateFlow(
            pb.CreateFlowRequest(name=name), wait_for_ready=True, timeout=30
        )
        flow_id = str(made.flow.id)
        request = pb.CreateFlowRunRequest(
            flow_id=flow_id,
            state=pb.ProposedState(type=pb.STATE_TYPE_RUNNING),
            parameters_json='{"rows": 1000, "dry": false}',
            tags=["benchmark"],
        )
        create = pb.FlowRunServiceStub(channel).CreateFlowRun
        answers = await asyncio.gather(*(awaitable(create(request)) for _ in range(count)))
    return flow_id, [str(answer.flow_run.id) for answer in answers]


async def set_states(
    endpoint: Endpoint, run_ids: list[str], turn: Turn
) -> tuple[Sample, list[Written]]:
    """Let callers propose RUNNING for running runs, no two for one run at once.

    Returns:
        What was measured, and the states that were acknowledged, also before and after the turn.
    """
    requests = StateRequests(run_ids, pb.STATE_TYPE_RUNNING)
    call = callable_at(endpoint.target, SET_STATE)
    answered: list[tuple[str, str, bytes]] = []
    shares = [run_ids[place :: turn.callers] for place in range(turn.callers)]
    turns = [0] * turn.callers

    async def step(place: int) -> None:
        share = shares[place]
        turns[place] += 1
        run_id = share[turns[place] % len(share)]
        request, transition_id = requests.make(run_id)
        answered.append((run_id, transition_id, await call(request)))

    sample = await measure(endpoint, turn, step)
    return sample, [_read(*each) for each in answered]


async def call_bare(endpoint: Endpoint, turn: Turn) -> Sample:
    """Let callers call a method that has no border."""
    requests = StateRequests([NO_RUN], pb.STATE_TYPE_RUNNING)
    call = callable_at(endpoint.target, CALL)

    async def step(_place: int) -> None:
        request, _ = requests.make(NO_RUN)
        await call(request)

    return await measure(endpoint, turn, step)


async def live_lives(endpoint: Endpoint, flow_id: str, turn: Turn) -> Sample:
    """Let callers take runs from creation over RUNNING to COMPLETED, in three calls."""
    create, change = (callable_at(endpoint.target, method) for method in (CREATE, SET_STATE))
    creation = pb.CreateFlowRunRequest(
        flow_id=flow_id, parameters_json='{"rows": 1000, "dry": false}'
    ).SerializeToString()

    async def step(_place: int) -> None:
        run_id = pb.CreateFlowRunResponse.FromString(await create(creation)).flow_run.id
        for type in (pb.STATE_TYPE_RUNNING, pb.STATE_TYPE_COMPLETED):
            request, transition_id = StateRequests([run_id], type).make(run_id)
            _read(run_id, transition_id, await change(request))

    return await measure(endpoint, turn, step)


async def get_runs(endpoint: Endpoint, run_ids: list[str], turn: Turn) -> Sample:
    """Let callers read runs in FULL view."""
    call = callable_at(endpoint.target, _GET)
    requests = [pb.GetFlowRunRequest(flow_run_id=each).SerializeToString() for each in run_ids]
    turns = iter(range(2**62))

    async def step(_place: int) -> None:
        await call(requests[next(turns) % len(requests)])

    return await measure(endpoint, turn, step)


async def read_pages(target: str, request: bytes, count: int) -> tuple[list[float], int]:
    """Read a page several times; return how many seconds each took, and how many runs it had."""
    call = callable_at(target, _LIST)
    seconds = []
    answer = b""
    for _ in range(count):
        began = perf_counter()
        answer = await call(request)
        seconds.append(perf_counter() - began)
    return seconds, len(pb.ListFlowRunsResponse.FromString(answer).flow_runs)


async def ask(target: str, method: str, request: bytes, count: int) -> list[float]:
    """Ask the same several times; return how many seconds each answer took."""
    call = callable_at(target, method)
    seconds = []
    for _ in range(count):
        began = perf_counter()
        await call(request)
        seconds.append(perf_counter() - began)
    return seconds


async def change_paced(target: str, run_id: str, count: int, interval: float) -> list[Sent]:
    """Change a running run now and then; return when."""
    requests = StateRequests([run_id], pb.STATE_TYPE_RUNNING)
    call = callable_at(target, SET_STATE)
    sent = []
    for _ in range(count):
        request, transition_id = requests.make(run_id)
        began = monotonic_ns()
        await call(request)
        sent.append(Sent(began=began, answered=monotonic_ns(), transition_id=transition_id))
        await asyncio.sleep(interval)
    return sent


async def poke_paced(target: str, message: bytes, count: int, interval: float) -> list[Sent]:
    """Have the bare fan-out send a message now and then; return when."""
    call = callable_at(target, POKE)
    sent = []
    for _ in range(count):
        began = monotonic_ns()
        await call(message)
        sent.append(Sent(began=began, answered=monotonic_ns()))
        await asyncio.sleep(interval)
    return sent


async def wait_for_ends(target: str, run_ids: list[str]) -> list[tuple[float, float]]:
    """End runs that the client waits for.

    Returns:
        For each the seconds to the return of `wait_for_flow_run`, since the change was sent and since it was acknowledged.
    """
    change = callable_at(target, SET_STATE)
    spans = []
    async with Client(target) as client:

        async def wait(run_id: str) -> float:
            run = await client.flow_runs.wait_for_flow_run(run_id, timeout=30)
            assert run.is_final
            return perf_counter()

        for run_id in run_ids:
            waiting = asyncio.create_task(wait(run_id))
            await asyncio.sleep(_SETTLE_SECONDS)
            request, transition_id = StateRequests([run_id], pb.STATE_TYPE_COMPLETED).make(run_id)
            sent = perf_counter()
            answer = await change(request)
            acknowledged = perf_counter()
            returned = await waiting
            _read(run_id, transition_id, answer)
            spans.append((returned - sent, returned - acknowledged))
    return spans


async def measure(endpoint: Endpoint, turn: Turn, step: Step) -> Sample:
    """Let callers repeat a step, and look at them for a while."""
    latencies: list[float] = []
    is_over = False

    async def repeat(place: int) -> None:
        while not is_over:
            began = perf_counter()
            await step(place)
            latencies.append(perf_counter() - began)

    callers = [asyncio.create_task(repeat(place)) for place in range(turn.callers)]
    await asyncio.sleep(turn.warm_seconds)
    first, began = len(latencies), perf_counter()
    server, database = endpoint.server_seconds(), endpoint.database_seconds()
    await asyncio.sleep(turn.seconds)
    last, seconds = len(latencies), perf_counter() - began
    server = endpoint.server_seconds() - server
    database = endpoint.database_seconds() - database
    is_over = True
    await asyncio.gather(*callers)
    return Sample(
        steps=last - first,
        seconds=seconds,
        latencies=sorted(latencies[first:last]),
        server_seconds=server,
        database_seconds=database,
    )


def _read(run_id: str, transition_id: str, answer: bytes) -> Written:
    """Make sure that a proposal was accepted."""
    read = pb.SetFlowRunStateResponse.FromString(answer)
    assert read.status == pb.VERDICT_STATUS_ACCEPT, read
    return Written(run_id, read.version, transition_id)


def awaitable(call: Any) -> Awaitable[Any]:
    """Return a call of a stub, which is typed as if it were blocking, as what it is."""
    awaitable: Awaitable[Any] = call
    return awaitable
