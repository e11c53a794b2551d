"""Watches: notices on their way to those who watch.

Each message is written before the next is asked for, so a slow watcher slows nobody but itself, and nothing piles up here. One
that stops reading is let go.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Generic, TypeAlias, TypeVar

from headgate import v1 as pb
from headgate_server.metrics import Metrics
from headgate_server.model.errors import SlowConsumerError
from headgate_server.model.server_info import Limits
from headgate_server.model.watching import Notice
from headgate_server.operations.watch import Watching
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert import notices
from headgate_server.rpc.convert.watching import (
    read_watch_flow_runs,
    read_watch_inputs,
    read_watch_task_runs,
)
from headgate_server.rpc.patience import Patience, current_task

RequestT = TypeVar(
    "RequestT", pb.WatchFlowRunsRequest, pb.WatchTaskRunsRequest, pb.WatchFlowRunInputsRequest
)


class Watches(Generic[RequestT]):
    """Lets callers watch, by one method."""

    def __init__(
        self,
        method: str,
        tell: Callable[[RequestT], AsyncGenerator[Notice, None]],
        encode: Callable[[Notice], bytes],
        *,
        metrics: Metrics,
        write_limit: timedelta,
    ) -> None:
        """Make the watches.

        Args:
            method: The full name of the method.
            tell: Tells what a request asks for.
            encode: Turns what is told into a message.
            metrics: Where messages are counted.
            write_limit: How long one message may wait for its watcher to read.
        """
        self._tell: Callable[[RequestT], AsyncGenerator[Notice, None]] = tell
        self._encode = encode
        self._sent = metrics.stream_messages.labels(method)
        self._patience = Patience(write_limit)

    async def send(self, request: RequestT, context: Context) -> None:
        """Send what happens to what is watched, until the watch ends.

        Raises:
            SlowConsumerError: The watcher does not read.
            HeadgateError: Whatever ends the watch or keeps it from beginning.
        """
        task, token = current_task(), request.resume_token
        async with aclosing(self._tell(request)) as told:
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


FlowRunWatches: TypeAlias = Watches[pb.WatchFlowRunsRequest]
TaskRunWatches: TypeAlias = Watches[pb.WatchTaskRunsRequest]
InputWatches: TypeAlias = Watches[pb.WatchFlowRunInputsRequest]


def of_flow_runs(
    watching: Watching, *, limits: Limits, metrics: Metrics, write_limit: timedelta
) -> FlowRunWatches:
    """Make the watches of flow runs.

    Args:
        watching: Tells what happens.
        limits: What a request may hold.
        metrics: Where messages are counted.
        write_limit: How long one message may wait for its watcher to read.
    """
    return Watches(
        "/headgate.v1.FlowRunService/WatchFlowRuns",
        lambda request: watching.flow_runs(read_watch_flow_runs(request, limits)),
        notices.for_flow_runs().encode,
        metrics=metrics,
        write_limit=write_limit,
    )


def of_task_runs(
    watching: Watching, *, limits: Limits, metrics: Metrics, write_limit: timedelta
) -> TaskRunWatches:
    """Make the watches of task runs; the arguments are those of `of_flow_runs`."""
    return Watches(
        "/headgate.v1.TaskRunService/WatchTaskRuns",
        lambda request: watching.task_runs(read_watch_task_runs(request, limits)),
        notices.for_task_runs().encode,
        metrics=metrics,
        write_limit=write_limit,
    )


def of_inputs(
    watching: Watching, *, limits: Limits, metrics: Metrics, write_limit: timedelta
) -> InputWatches:
    """Make the watches of inputs; the arguments are those of `of_flow_runs`."""
    return Watches(
        "/headgate.v1.FlowRunInputService/WatchFlowRunInputs",
        lambda request: watching.inputs(read_watch_inputs(request, limits)),
        notices.for_inputs().encode,
        metrics=metrics,
        write_limit=write_limit,
    )
