"""Watchers: streams that are open all the time and note when what arrives. Everything here runs in a worker."""

import asyncio
from collections.abc import Sequence
from time import monotonic_ns, time_ns
from typing import Final, TypeAlias

import grpc.aio
import msgspec

from benchmarks.load import Sent
from headgate import v1 as pb

Method: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"

WATCH_RUNS: Final = "/headgate.v1.FlowRunService/WatchFlowRuns"

_OPENED_AT_ONCE: Final = 250
"""Also the streams of one connection. A server refuses what it has not begun to answer beyond some thousand calls."""
_PATIENCE_SECONDS: Final = 20
_LOOK_SECONDS: Final = 0.01
_SECOND: Final = 1_000_000_000


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    """How long events took to reach watchers, in seconds: one for each event and watcher, ascending."""

    since_sent: list[float]
    since_commit: list[float]
    """Since the server's commit time. Empty for what has none."""


class _Watchers:
    """Some open streams of one method."""

    def __init__(self) -> None:
        self.arrivals: list[list[tuple[int, bytes]]] = []
        self.channels: list[grpc.aio.Channel] = []
        self.tasks: list[asyncio.Task[None]] = []


_open: dict[str, _Watchers] = {}


async def open_watches(name: str, target: str, method: str, request: bytes, count: int) -> None:
    """Open more streams under a name, and return once each has had its first message, which is left out of all counts."""
    group = _open.setdefault(name, _Watchers())
    for first in range(0, count, _OPENED_AT_ONCE):
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = grpc.aio.insecure_channel(target, options=options)
        group.channels.append(channel)
        watch: Method = channel.unary_stream(method)
        ready = []
        for _ in range(min(_OPENED_AT_ONCE, count - first)):
            began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            arrivals: list[tuple[int, bytes]] = []
            group.arrivals.append(arrivals)
            call = watch(request, wait_for_ready=True)
            group.tasks.append(asyncio.create_task(_read(call, arrivals, began)))
            ready.append(began)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*ready)


async def _read(
    call: Call,
    arrivals: list[tuple[int, bytes]],
    began: "asyncio.Future[None]",
) -> None:
    """Note everything that arrives after what a stream begins with."""
    try:
        while not began.done():
            message = _bytes(await call.read())
            if not pb.WatchFlowRunsResponse.FromString(message).HasField("snapshot"):
                began.set_result(None)
        while True:
            message = _bytes(await call.read())
            arrivals.append((monotonic_ns(), message))
    except grpc.aio.AioRpcError as error:
        if not began.done():
            began.set_exception(error)


def _bytes(message: object) -> bytes:
    """Return a message of a stream, which is typed as if it could be its end."""
    assert isinstance(message, bytes), "The stream has ended"
    return message


async def close_watches(name: str) -> None:
    """Close the streams of a name."""
    group = _open.pop(name)
    for channel in group.channels:
        await channel.close()
    for task in group.tasks:
        task.cancel()
    await asyncio.gather(*group.tasks, return_exceptions=True)


async def a_message(name: str) -> bytes:
    """Return a message that arrives under a name, or has arrived and is not yet collected."""
    arrivals = _open[name].arrivals[0]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not arrivals:  # noqa: ASYNC110 - looking now and then disturbs the streams less
            await asyncio.sleep(_LOOK_SECONDS)
    return arrivals[0][1]


async def collect(name: str, sent: Sequence[Sent]) -> Delays:
    """Wait until each stream of a name has everything that was sent; return how long it took, and forget it.

    Raises:
        TimeoutError: Something did not arrive.
    """
    group = _open[name]
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while any(len(arrivals) < len(sent) for arrivals in group.arrivals):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(_LOOK_SECONDS)
    since_sent, since_commit = [], []
    wall = time_ns() - monotonic_ns()
    commits = [_commit(message) for _, message in group.arrivals[0]]
    for arrivals in group.arrivals:
        for (arrived, message), each, committed in zip(arrivals, sent, commits, strict=True):
            assert not each.transition_id or each.transition_id == _transition(message)
            since_sent.append((arrived - each.began) / _SECOND)
            if each.transition_id:
                since_commit.append((arrived + wall - committed) / _SECOND)
        arrivals.clear()
    return Delays(since_sent=sorted(since_sent), since_commit=sorted(since_commit))


def _commit(message: bytes) -> int:
    """Return when a change was committed, in nanoseconds since 1970."""
    return pb.WatchFlowRunsResponse.FromString(message).commit_time.ToNanoseconds()


def _transition(message: bytes) -> str:
    event = pb.WatchFlowRunsResponse.FromString(message)
    return event.state_change.state.details.transition_id
