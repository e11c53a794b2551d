"""Due runs on their way to the workers that wait for them."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

from headgate import v1 as pb
from headgate_server.metrics import Metrics
from headgate_server.model.errors import SlowConsumerError
from headgate_server.model.server_info import Limits
from headgate_server.operations.due import DueRuns
from headgate_server.rpc.access_log import Context
from headgate_server.rpc.convert.workers import encode_due_notice, read_watch_due
from headgate_server.rpc.patience import Patience, current_task


class DueRunWatches:
    """Lets workers wait for the runs that they may start.

    Each message is written before the next is asked for, so a slow worker slows nobody but itself. One that stops reading is let
    go.
    """

    def __init__(
        self, due: DueRuns, *, limits: Limits, metrics: Metrics, write_limit: timedelta
    ) -> None:
        """Make the watches.

        Args:
            due: Tells what is due.
            limits: What a request may hold.
            metrics: Where messages are counted.
            write_limit: How long one message may wait for its worker to read.
        """
        self._due = due
        self._limits = limits
        self._sent = metrics.stream_messages.labels("/headgate.v1.WorkPoolService/WatchDueFlowRuns")
        self._patience = Patience(write_limit)

    async def send(self, request: pb.WatchDueFlowRunsRequest, context: Context) -> None:
        """Send runs as they become due, until the stream ends.

        Raises:
            SlowConsumerError: The worker does not read.
            HeadgateError: Whatever ends the stream or keeps it from beginning.
        """
        task = current_task()
        async with aclosing(self._due.watch(read_watch_due(request, self._limits))) as told:
            async for notice in told:
                content = encode_due_notice(notice)
                self._patience.begin(task)
                try:
                    await context.write(content)
                except asyncio.CancelledError:
                    if self._patience.is_lost_with(task):
                        raise SlowConsumerError from None
                    raise
                finally:
                    self._patience.end(task)
                self._sent.inc()
