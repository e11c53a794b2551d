"""A stream of due runs that is begun anew whenever it breaks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from grpc.aio import UnaryStreamMultiCallable

from headgate import v1 as pb
from headgate._stream import Life, living, renewed
from headgate._transport import Transport


def begun_anew(
    transport: Transport,
    method: UnaryStreamMultiCallable[pb.WatchDueFlowRunsRequest, pb.WatchDueFlowRunsResponse],
    request: pb.WatchDueFlowRunsRequest,
) -> AsyncGenerator[pb.WatchDueFlowRunsResponse, None]:
    """Yield the messages of a stream, and begin a new one for as long as nobody stops.

    Args:
        transport: The way to the server.
        method: The method to call.
        request: What to wait for.

    Raises:
        CallError: The stream cannot begin, or not any more.
        ClientClosedError: The client is or was closed.
    """
    life = Life()

    async def begin() -> AsyncGenerator[pb.WatchDueFlowRunsResponse, None]:
        async with aclosing(living(transport, method, request)) as messages:
            async for message in messages:
                life.is_fresh = True
                yield message

    return renewed(transport, begin, life, has_end=False)
