"""The way to a server: connections, deadlines, repeats and the error border.

Knows no method by name, but that some requests bear an id by which they can be sent again.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar
from uuid import uuid4

from google.protobuf.message import Message
from grpc import ChannelCredentials
from grpc.aio import (
    AioRpcError,
    Channel,
    UnaryStreamMultiCallable,
    UnaryUnaryMultiCallable,
    insecure_channel,
    secure_channel,
)

from headgate._retry import DEFAULT_BACKOFF, Backoff, may_retry
from headgate._rpc_errors import from_rpc_error
from headgate.errors import CallError, ClientClosedError

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

DEFAULT_TARGET: Final = "127.0.0.1:4244"
"""Where a server listens unless it was told otherwise."""

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
"""How long a call may take unless the caller says otherwise."""

_MAX_ATTEMPTS: Final = 5

_REQUEST_ID: Final = "request_id"

_CLOSED: Final = "The client is closed."

_MAX_MESSAGE_BYTES: Final = 64 * 2**20

_CHANNEL_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # The repeats of this module decide when to try again: connecting must not lag behind them.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Otherwise channels to one target share a connection, and watches could hold up calls.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[ResponseT]):
    """What a call brought, and what it took."""

    message: ResponseT
    """What the server answered."""
    attempts: int
    """How often the call was made, the last time with success."""


class Transport:
    """Two connections to one server: one for calls and one for watches."""

    def __init__(
        self,
        target: str | None = None,
        *,
        credentials: ChannelCredentials | None = None,
        timeout: timedelta = DEFAULT_TIMEOUT,
        backoff: Backoff = DEFAULT_BACKOFF,
    ) -> None:
        """Prepare the connections; they are made with the first call.

        Args:
            target: Where the server is. None: what `HEADGATE_TARGET` says, else `DEFAULT_TARGET`.
            credentials: How to secure the connections. None: not at all.
            timeout: How long a call may take unless it says otherwise.
            backoff: How long to wait before a call is repeated.

        Raises:
            RuntimeError: No event loop is running.
        """
        asyncio.get_running_loop()
        self.target = target or os.environ.get("HEADGATE_TARGET") or DEFAULT_TARGET
        self.backoff = backoff
        self._timeout = timeout
        self.calls = _open(self.target, credentials)
        self.watches = _open(self.target, credentials)
        self._closed = False

    async def close(self) -> None:
        """Close the connections. What is under way ends with ClientClosedError."""
        self._closed = True
        await self.calls.close()
        await self.watches.close()

    async def call(
        self,
        method: UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        timeout: timedelta | None,
    ) -> ResponseT:
        """Make a call and return the answer. Arguments and errors are those of `ask`."""
        return (await self.ask(method, request, timeout)).message

    async def ask(
        self,
        method: UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        timeout: timedelta | None,
    ) -> Answer[ResponseT]:
        """Make a call, repeat it where that is safe, and return the answer.

        A request that can bear a request id gets one, which all attempts share.

        Args:
            method: The method to call.
            request: What to send.
            timeout: How long the call may take with all its repeats. None: the default.

        Raises:
            CallError: The last attempt failed.
            ClientClosedError: The client is or was closed.
        """
        _name_request(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._timeout if timeout is None else timeout).total_seconds()
        attempt = 1
        while True:
            try:
                message = await self._call_once(method, request, deadline - loop.time())
            except CallError as error:
                error.attempts = attempt
                pause = self.backoff.seconds(attempt, error.retry_delay)
                is_last = attempt == _MAX_ATTEMPTS or loop.time() + pause >= deadline
                if is_last or not may_retry(error, request):
                    raise
                await asyncio.sleep(pause)
                attempt += 1
            else:
                return Answer(message=message, attempts=attempt)

    async def _call_once(
        self,
        method: UnaryUnaryMultiCallable[RequestT, ResponseT],
        request: RequestT,
        seconds: float,
    ) -> ResponseT:
        with self._error_border():
            return await method(request, timeout=seconds)

    async def stream(
        self, method: UnaryStreamMultiCallable[RequestT, ResponseT], request: RequestT
    ) -> AsyncGenerator[ResponseT, None]:
        """Open a stream, without a deadline, and yield what comes until it ends with OK.

        Args:
            method: The method to call, on `watches`.
            request: What to send.

        Raises:
            CallError: The stream broke, or never began.
            ClientClosedError: The client is or was closed.
        """
        with self._error_border():
            call = method(request)
            try:
                async for message in call:
                    yield message
            finally:
                call.cancel()

    @contextmanager
    def _error_border(self) -> Iterator[None]:
        if self._closed:
            raise ClientClosedError(_CLOSED)
        try:
            yield
        except AioRpcError as error:
            raise from_rpc_error(error) from error
        except asyncio.CancelledError:
            # Closing a channel cancels its calls, which looks like a cancelled caller.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise ClientClosedError(_CLOSED) from None
            raise


def _name_request(request: Message) -> None:
    if _REQUEST_ID in request.DESCRIPTOR.fields_by_name and not getattr(request, _REQUEST_ID):
        setattr(request, _REQUEST_ID, str(uuid4()))


def _open(target: str, credentials: ChannelCredentials | None) -> Channel:
    if credentials is None:
        return insecure_channel(target, options=_CHANNEL_OPTIONS)
    return secure_channel(target, credentials, options=_CHANNEL_OPTIONS)
