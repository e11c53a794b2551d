"""Watchers that write down what they see, and go on from their last token when their stream breaks."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from google.protobuf.duration_pb2 import Duration

from headgate import v1 as pb

_POSITION_SECONDS: Final = 10
_PROGRESS_INTERVAL: Final = Duration(seconds=1)


class Observer:
    """One watcher. Everything that it sees is in `seen`, and each change may be there once only."""

    def __init__(self, watch: Callable[..., Any], request: Any) -> None:
        """Watch nothing yet.

        Args:
            watch: The method that streams.
            request: What to watch.
        """
        self._watch = watch
        self._request = request
        self.seen: list[Any] = []
        """The changes, in the order in which they came."""
        self.snapshots: list[Any] = []
        """What was there when the watch began."""
        self.position = 0
        """Everything up to this revision has been seen."""
        self.breaks = 0
        """How often the stream broke."""
        self._moved = asyncio.Event()
        self._begun = asyncio.Event()

    async def observe(self) -> None:
        """Watch, for ever."""
        while True:
            try:
                async for message in self._watch(self._request, wait_for_ready=True):
                    self._note(message)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                self.breaks += 1
            else:
                raise AssertionError("A watch that has no end came to one.")

    async def begun(self) -> None:
        """Wait until the watch has begun, so that it sees whatever happens from now on."""
        await asyncio.wait_for(self._begun.wait(), _POSITION_SECONDS)

    async def reach(self, revision: int) -> None:
        """Wait until everything up to a revision has been seen."""
        async with asyncio.timeout(_POSITION_SECONDS):
            while self.position < revision:
                self._moved.clear()
                await self._moved.wait()

    def _note(self, message: Any) -> None:
        self._request.resume_token = message.resume_token
        kind = message.WhichOneof("event")
        if kind in {"progress", "snapshot_complete"}:
            self.position = max(self.position, getattr(message, kind).revision)
            self._begun.set()
        elif kind == "snapshot":
            self.snapshots.append(message)
        else:
            assert message.revision > self.position, "A change came twice, or too late."
            self.seen.append(message)
            self.position = message.revision
        self._moved.set()


def watching_runs(channel: grpc.aio.Channel, **request: Any) -> Observer:
    """Return an observer of runs."""
    watch = pb.FlowRunServiceStub(channel).WatchFlowRuns
    return Observer(watch, pb.WatchFlowRunsRequest(**request, progress_interval=_PROGRESS_INTERVAL))


def watching_inputs(channel: grpc.aio.Channel, **request: Any) -> Observer:
    """Return an observer of the inputs of a run."""
    watch = pb.FlowRunInputServiceStub(channel).WatchFlowRunInputs
    return Observer(
        watch, pb.WatchFlowRunInputsRequest(**request, progress_interval=_PROGRESS_INTERVAL)
    )
