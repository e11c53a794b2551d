"""A door in front of a server that fails on demand: it refuses, loses answers, and breaks streams.

It passes bytes on and knows of the contract only which methods stream. It runs in threads, so that it
serves any event loop, and it can be stopped and started again on its port like a server.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status

STREAMS = ("WatchFlowRuns", "WatchTaskRuns", "WatchFlowRunInputs", "WatchDueFlowRuns")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How a call fails. Without a reason it looks as if the transport had failed."""

    code: StatusCode = StatusCode.UNAVAILABLE
    reason: str | None = None
    is_answer_lost: bool = False
    """Whether the call reaches the server, and only its answer is lost."""
    retry_delay: timedelta | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    after_events: int = 0
    """How many events a stream passes on before it fails."""

    def end(self, context: grpc.ServicerContext) -> None:
        """End a call with this fault. A stream ends well if the code is OK."""
        if self.code is StatusCode.OK:
            return
        if self.reason is None:
            context.abort(self.code, "broken on purpose")
        context.abort_with_status(
            rpc_status.to_status(
                rich_status(
                    self.code,
                    "refused on purpose",
                    ErrorInfo(reason=self.reason, domain="headgate", metadata=dict(self.metadata)),
                    retry_delay=self.retry_delay,
                )
            )
        )


def rich_status(
    code: StatusCode, message: str, *details: Message, retry_delay: timedelta | None = None
) -> Status:
    """Return the status of a refused call as the contract describes it."""
    status = Status(code=code.value[0], message=message)
    if retry_delay is not None:
        retry = RetryInfo()
        retry.retry_delay.FromTimedelta(retry_delay)
        details += (retry,)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


class FaultyDoor:
    """The door. It opens on what stands behind it, unless a fault was ordered."""

    def __init__(self, behind: str) -> None:
        """Stand in front of the server at this address."""
        self.calls: dict[str, list[bytes]] = defaultdict(list)
        """What was asked for, by method."""
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._always: dict[str, Fault] = {}
        self._behind = behind
        self._changed = threading.Condition()
        self._streams: set[_Stream] = set()
        self._server: grpc.Server | None = None
        self._channel: grpc.Channel | None = None
        self._port = 0

    @property
    def target(self) -> str:
        """Where the door is."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> Self:
        """Listen, at the port of the time before."""
        self._channel = grpc.insecure_channel(
            self._behind, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self._server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers([_Handlers(self)])
        self._port = self._server.add_insecure_port(f"127.0.0.1:{self._port}")
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None and self._channel is not None:
            self._server.stop(None).wait()
            self._channel.close()
            self._server = self._channel = None

    def fail(self, method: str, *faults: Fault) -> None:
        """Let the next calls of a method fail, one with each fault."""
        self._faults[method].extend(faults)

    def always_fail(self, method: str, fault: Fault) -> None:
        """Let every call of a method fail."""
        self._always[method] = fault

    def break_streams(self, fault: Fault) -> None:
        """End the streams that are open."""
        with self._changed:
            for stream in self._streams:
                stream.fault = fault
                stream.upstream.cancel()

    def wait_for_calls(self, method: str, count: int) -> None:
        """Block until a method was called so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.calls[method]) >= count, 10), (
                f"{method} was called {len(self.calls[method])} times"
            )

    def wait_until_no_streams(self) -> None:
        """Block until no stream is open any more."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._streams, 10), "a stream stayed open"

    def pass_call(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Carry a call to the server and back."""
        fault = self._note(method, request)
        if fault and not fault.is_answer_lost:
            fault.end(context)
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._open().unary_unary(method)
        try:
            answer: bytes = call(request, timeout=context.time_remaining())
        except grpc.RpcError as error:
            _pass_trailers(error, context)
            context.abort(error.code(), error.details() or "")
        if fault:
            fault.end(context)
        return answer

    def pass_stream(
        self, method: str, request: bytes, context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Carry a stream from the server."""
        with self._changed:
            fault = self._note(method, request)
            is_refused = fault is not None and not fault.after_events
            stream = None if is_refused else self._open_stream(method, request)
        if fault is not None and stream is None:
            fault.end(context)
            return
        assert stream is not None
        context.add_callback(stream.upstream.cancel)
        try:
            for number, event in enumerate(stream.upstream, start=1):
                yield event
                if fault and number == fault.after_events:
                    stream.fault = fault
                    break
        except grpc.RpcError as error:
            if stream.fault is None:
                _pass_trailers(error, context)
                context.abort(error.code(), error.details() or "")
        finally:
            stream.upstream.cancel()
            with self._changed:
                self._streams.discard(stream)
                self._changed.notify_all()
        if stream.fault:
            stream.fault.end(context)

    def _open_stream(self, method: str, request: bytes) -> "_Stream":
        open_stream: grpc.UnaryStreamMultiCallable[bytes, bytes]
        open_stream = self._open().unary_stream(method)
        stream = _Stream(open_stream(request))
        self._streams.add(stream)
        return stream

    def _note(self, method: str, request: bytes) -> Fault | None:
        name = method.rpartition("/")[2]
        with self._changed:
            self.calls[name].append(request)
            self._changed.notify_all()
            ordered = self._faults[name]
            return ordered.pop(0) if ordered else self._always.get(name)

    def _open(self) -> grpc.Channel:
        assert self._channel is not None, "the door is closed"
        return self._channel


def _pass_trailers(error: grpc.RpcError, context: grpc.ServicerContext) -> None:
    trailers = tuple((each.key, each.value) for each in error.trailing_metadata())
    context.set_trailing_metadata(trailers)


@dataclass(eq=False)
class _Stream:
    """A stream that is open."""

    upstream: Any
    fault: Fault | None = None


class _Handlers(grpc.GenericRpcHandler):
    """Takes every method there is, as bytes."""

    def __init__(self, door: FaultyDoor) -> None:
        self._door = door

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = details.method
        if method.endswith(STREAMS):
            return grpc.unary_stream_rpc_method_handler(
                lambda request, context: self._door.pass_stream(method, request, context)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._door.pass_call(method, request, context)
        )
