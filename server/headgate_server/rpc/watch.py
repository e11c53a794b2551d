"""Watches: notices on their way to those who watch.

Each message is written before the next is asked for, so a slow watcher slows nobody but itself, and nothing piles up here. One
that stops reading is let go.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta

from prometheus_client import Counter

from headgate import v1 as pb
from headgate_server.metrics import Metrics
from headgate_server.model.errors import SlowConsumerError
from headgate_server.model.server_info import Limits
from headgate_server.model.watching import Notice
from headgate_server.operations.watch import Watching
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert import notices
from headgate_server.rpc.convert.watching import read_watch_flow_runs, read_watch_inputs
from headgate_server.rpc.patience import Patience, current_task


class FlowRunWatches:
    """Lets callers watch flow runs."""

    def __init__(
        self, watching: Watching, *, limits: Limits, metrics: Metrics, write_limit: timedelta
    ) -> None:
        """Make the watches.

        Args:
            watching: Tells what happens.
            limits: What a request may hold.
            metrics: Where messages are counted.
            write_limit: How long one message may wait for its watcher to read.
        """
        self._watching = watching
        self._limits = limits
        sent = metrics.stream_messages.labels("/headgate.v1.FlowRunService/WatchFlowRuns")
        self._sender = _Sender(notices.for_flow_runs().encode, sent, write_limit)

    async def send(self, request: pb.WatchFlowRunsRequest, context: Context) -> None:
        """Send what happens to the runs that are watched, until the watch ends.

        Raises:
            SlowConsumerError: The watcher does not read.
            HeadgateError: Whatever ends the watch or keeps it from beginning.
        """
        told = self._watching.flow_runs(read_watch_flow_runs(request, self._limits))
        await self._sender.send(told, context, request.resume_token)


class InputWatches:
    """Lets callers watch the inputs of flow runs."""

    def __init__(
        self, watching: Watching, *, limits: Limits, metrics: Metrics, write_limit: timedelta
    ) -> None:
        """Make the watches; the arguments are those of `FlowRunWatches`."""
        self._watching = watching
        self._limits = limits
        sent = metrics.stream_messages.labels("/headgate.v1.FlowRunInputService/WatchFlowRunInputs")
        self._sender = _Sender(notices.for_inputs().encode, sent, write_limit)

    async def send(self, request: pb.WatchFlowRunInputsRequest, context: Context) -> None:
        """Send what happens to the inputs that are watched, until the watch ends.

        Raises:
            SlowConsumerError: The watcher does not read.
            HeadgateError: Whatever ends the watch or keeps it from beginning.
        """
        told = self._watching.inputs(read_watch_inputs(request, self._limits))
        await self._sender.send(told, context, request.resume_token)


class _Sender:
    """Writes notices to the streams of one method."""

    def __init__(
        self, encode: Callable[[Notice], bytes], sent: Counter, write_limit: timedelta
    ) -> None:
        self._encode = encode
        self._sent = sent
        self._patience = Patience(write_limit)

    async def send(self, told: AsyncGenerator[Notice, None], context: Context, token: str) -> None:
        """Write what is told until it ends; `token` is where the watcher stands before."""
        task = current_task()
        async with aclosing(told):
            async for notice in told:
                content = self._encode(notice)
                self._patience.begin(task)
                try:
                    await context.write(content)
                except asyncio.CancelledError:
                    if self._patience.is_lost_with(task):
                        raise SlowConsumerError(token) from None
                    raise
                finally:
                    self._patience.end(task)
                self._sent.inc()
                token = notice.resume_token
