"""The border: what every call passes on its way in and out, unary or stream, ours or not.

It decodes requests and encodes answers, refuses calls while the server drains, ends calls that take too long, turns errors into
statuses, counts, times and logs. It is one handler that gRPC asks for every method: cheaper than interceptors, and it also sees
the methods that do not exist.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from prometheus_client import Gauge

from headgate_server.metrics import Metrics
from headgate_server.model.errors import FieldViolation, InvalidRequestError, ServerDrainingError
from headgate_server.rpc import outcomes
from headgate_server.rpc.access_log import AccessLog, Context
from headgate_server.rpc.errors import DeadlineExceededError, MethodNotFoundError
from headgate_server.rpc.outcomes import CANCELLED, OK, Outcomes
from headgate_server.rpc.patience import Patience, current_task

Behavior: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
"""A method of a servicer. One that streams writes its messages to the context, whole or in bytes, and returns nothing."""
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_UNKNOWN: Final = "unknown"
"""Counts all methods that do not exist, for callers may make up any number of them."""


class Border(grpc.GenericRpcHandler):
    """Stands between gRPC and the servicers."""

    def __init__(
        self, *, metrics: Metrics, is_draining: Callable[[], bool], call_limit: timedelta
    ) -> None:
        """Make a border without services. Logging must be configured before.

        Args:
            metrics: Where calls are counted and timed.
            is_draining: Tells whether new calls are refused.
            call_limit: The longest that a unary call may take.
        """
        self._metrics = metrics
        self._is_draining = is_draining
        self._log = AccessLog()
        self._patience = Patience(call_limit)
        self._open_streams = metrics.rpc_in_flight.labels("stream")
        self._handlers: dict[str, Handler] = {}
        metrics.rpc_in_flight.labels("unary").set_function(self._patience.__len__)

    def add_service(
        self,
        service: ServiceDescriptor,
        servicer: object,
        *,
        name: str | None = None,
        is_refused_while_draining: bool = True,
    ) -> None:
        """Let calls of a service through.

        Args:
            service: Describes the service.
            servicer: Has a coroutine function for each of its methods, by the same name.
            name: The full name to serve it by. None takes its own.
            is_refused_while_draining: Whether new calls are refused while the server drains.
        """
        is_closed = self._is_draining if is_refused_while_draining else _never
        for method in service.methods:
            full_name = f"/{name or service.full_name}/{method.name}"
            behavior: Behavior = getattr(servicer, method.name)
            self._handlers[full_name] = self._handler(full_name, method, behavior, is_closed)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Return what answers a call; for a method that does not exist, what refuses it."""
        method = handler_call_details.method
        return self._handlers.get(method) or self._handler_of_unknown(method)

    def _handler(
        self, name: str, method: MethodDescriptor, behavior: Behavior, is_closed: Callable[[], bool]
    ) -> Handler:
        decode = _decoder(method.input_type)
        if not method.server_streaming:
            noted = outcomes.of_unary_calls(self._metrics, self._log, name)
            unary = _UnaryMethod(behavior, decode, is_closed, noted, self._patience)
            return grpc.unary_unary_rpc_method_handler(unary.answer)
        noted = outcomes.of_streams(self._metrics, self._log, name)
        if method.client_streaming:
            stream = _StreamMethod(behavior, _each(decode), is_closed, noted, self._open_streams)
            return grpc.stream_stream_rpc_method_handler(stream.run, response_serializer=_encode)
        stream = _StreamMethod(behavior, decode, is_closed, noted, self._open_streams)
        return grpc.unary_stream_rpc_method_handler(stream.run, response_serializer=_encode)

    def _handler_of_unknown(self, method: str) -> Handler:
        async def refuse(_requests: object, _context: Context) -> None:
            raise MethodNotFoundError(method)

        noted = outcomes.of_streams(self._metrics, self._log, method, label=_UNKNOWN)
        stream = _StreamMethod(refuse, lambda requests: requests, _never, noted, self._open_streams)
        return grpc.stream_stream_rpc_method_handler(stream.run)


class _UnaryMethod:
    """Carries the calls of a unary method in and out."""

    def __init__(
        self,
        behavior: Behavior,
        decode: Callable[[bytes], Any],
        is_closed: Callable[[], bool],
        noted: Outcomes,
        patience: Patience,
    ) -> None:
        self._behavior = behavior
        self._decode = decode
        self._is_closed = is_closed
        self._outcomes = noted
        self._patience = patience

    async def answer(self, request: bytes, context: Context) -> bytes:
        """Answer a call. Bytes in and bytes out, so that gRPC turns no error into a status of its own."""
        task = current_task()
        began = self._patience.begin(task)
        try:
            if self._is_closed():
                raise ServerDrainingError  # noqa: TRY301 - the border refuses in one place
            response = await self._behavior(self._decode(request), context)
            answer: bytes = response.SerializeToString()
        except asyncio.CancelledError:
            if self._patience.is_lost_with(task):
                await self._outcomes.refuse(context, DeadlineExceededError(), began)
            self._outcomes.note(context, CANCELLED, began)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told in the same form
            await self._outcomes.refuse(context, error, began)
        finally:
            self._patience.end(task)
        self._outcomes.note(context, OK, began)
        return answer


class _StreamMethod:
    """Carries the calls of a streaming method in and out."""

    def __init__(
        self,
        behavior: Behavior,
        decode: Callable[[Any], Any],
        is_closed: Callable[[], bool],
        noted: Outcomes,
        open_streams: Gauge,
    ) -> None:
        self._behavior = behavior
        self._decode = decode
        self._is_closed = is_closed
        self._outcomes = noted
        self._open_streams = open_streams

    async def run(self, request: Any, context: Context) -> None:
        """Answer a call, for as long as it lasts."""
        began = perf_counter()
        self._open_streams.inc()
        try:
            if self._is_closed():
                raise ServerDrainingError  # noqa: TRY301 - the border refuses in one place
            await self._behavior(self._decode(request), context)
        except asyncio.CancelledError:
            self._outcomes.note(context, CANCELLED, began)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told in the same form
            await self._outcomes.refuse(context, error, began)
        finally:
            self._open_streams.dec()
        self._outcomes.note(context, OK, began)


def _decoder(message: Descriptor) -> Callable[[bytes], Message]:
    """Make what decodes a message, or says that it is none."""
    parse = GetMessageClass(message).FromString

    def decode(content: bytes) -> Message:
        try:
            return parse(content)
        except DecodeError:
            violation = FieldViolation("", f"must be the bytes of a {message.full_name}")
            raise InvalidRequestError([violation]) from None

    return decode


def _each(decode: Callable[[bytes], Message]) -> Callable[[AsyncIterator[bytes]], object]:
    """Make what decodes a stream of messages."""

    async def decode_each(contents: AsyncIterator[bytes]) -> AsyncIterator[Message]:
        async for content in contents:
            yield decode(content)

    return decode_each


def _encode(message: Message | bytes) -> bytes:
    """Encode a message of a stream, unless it is encoded already."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def _never() -> bool:
    return False
