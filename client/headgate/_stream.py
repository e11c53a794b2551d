"""A stream of events that survives broken connections and restarted servers.

Whatever ends a stream before its time, it goes on after the last event that came, without a gap and
without telling anything twice.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode
from grpc.aio import UnaryStreamMultiCallable

from headgate import v1 as pb
from headgate._transport import Transport
from headgate.errors import (
    CallError,
    OverloadedError,
    ServerDrainingError,
    SlowConsumerError,
    UnavailableError,
    WatchAgedError,
)
from headgate.events import Progress

RequestT = TypeVar(
    "RequestT", pb.WatchFlowRunsRequest, pb.WatchTaskRunsRequest, pb.WatchFlowRunInputsRequest
)
EventT = TypeVar(
    "EventT", pb.WatchFlowRunsResponse, pb.WatchTaskRunsResponse, pb.WatchFlowRunInputsResponse
)
StreamRequestT = TypeVar(
    "StreamRequestT",
    pb.WatchFlowRunsRequest,
    pb.WatchTaskRunsRequest,
    pb.WatchFlowRunInputsRequest,
    pb.WatchDueFlowRunsRequest,
)
StreamEventT = TypeVar("StreamEventT", bound=Message)
ToldT = TypeVar("ToldT")
_Message: TypeAlias = (
    pb.WatchFlowRunsResponse | pb.WatchTaskRunsResponse | pb.WatchFlowRunInputsResponse
)

_log = logging.getLogger(__name__)

_FIRST_ATTEMPTS: Final = 5
"""How often to try before there was any event: a server that was never there is an error."""

_PROGRESS_SECONDS: Final = 15.0
"""How often the server tells where it stands, unless the request says otherwise."""

_SILENT_INTERVALS: Final = 3
_SILENT_GRACE_SECONDS: Final = 10.0
"""How many intervals without a sign of life, and how long besides, until a stream is given up."""

_PASSING: Final = (UnavailableError, OverloadedError, SlowConsumerError)
_EXPECTED: Final = (WatchAgedError, ServerDrainingError)
_TRANSPORT_FAULTS: Final = (StatusCode.CANCELLED, StatusCode.INTERNAL, StatusCode.UNKNOWN)


def unbroken(
    transport: Transport,
    method: UnaryStreamMultiCallable[RequestT, EventT],
    request: RequestT,
    *,
    has_end: bool,
    is_patient: bool = False,
) -> AsyncGenerator[EventT, None]:
    """Yield the events of a watch, and resume it for as long as nobody stops.

    A snapshot is held back until it is complete: one that broke off and began anew may leave out
    what the first half told.

    Args:
        transport: The way to the server.
        method: The method to call.
        request: What to watch. Its resume token follows the events.
        has_end: Whether the watch ends by itself when the server ends it with OK.
        is_patient: Whether to go on trying if there was never any event.

    Raises:
        CallError: The watch cannot begin, or cannot go on where it stopped.
        ClientClosedError: The client is or was closed.
    """
    told = _Told()

    def begin() -> AsyncGenerator[EventT, None]:
        return _until_it_breaks(transport, method, request, told)

    return renewed(transport, begin, told, has_end=has_end, is_patient=is_patient)


async def renewed(
    transport: Transport,
    begin: Callable[[], AsyncGenerator[ToldT, None]],
    life: "Life",
    *,
    has_end: bool,
    is_patient: bool = False,
) -> AsyncGenerator[ToldT, None]:
    """Yield what a stream tells, and begin it again when it breaks, for as long as nobody stops.

    Args:
        transport: The way to the server.
        begin: Begins the stream.
        life: Knows whether the stream has told anything.
        has_end: Whether the stream ends by itself when the server ends it with OK.
        is_patient: Whether to go on trying if there was never any event.

    Raises:
        CallError: The stream cannot begin, or cannot go on.
        ClientClosedError: The client is or was closed.
    """
    failures = 0
    while True:
        fault: CallError | None = None
        try:
            async with aclosing(begin()) as events:
                async for event in events:
                    yield event
            if has_end:
                return
        except TimeoutError:
            pass  # nothing came for too long: somebody on the way has forgotten the stream
        except CallError as error:
            if not _is_passing(error):
                raise
            fault = error
        if life.is_fresh:
            life.is_fresh, is_patient, failures = False, True, 0
        failures += 1
        if fault and failures >= _FIRST_ATTEMPTS and not is_patient:
            raise fault
        _report(failures, fault)
        asked = fault.retry_delay if fault else None
        await asyncio.sleep(transport.backoff.seconds(failures, asked))


async def converted(
    messages: AsyncGenerator[EventT, None],
    convert: Callable[[EventT], ToldT | None],
    *,
    has_progress: bool,
) -> AsyncGenerator[ToldT, None]:
    """Yield messages as the events that they are.

    Args:
        messages: The messages. They are closed at the end.
        convert: Returns the event of a message; None if it is of a kind that is not known.
        has_progress: Whether to tell of progress, too.
    """
    async with aclosing(messages):
        async for message in messages:
            event = convert(message)
            if event is not None and (has_progress or not isinstance(event, Progress)):
                yield event


async def _until_it_breaks(
    transport: Transport,
    method: UnaryStreamMultiCallable[RequestT, EventT],
    request: RequestT,
    told: "_Told",
) -> AsyncGenerator[EventT, None]:
    """Yield the events of one stream that were not told before."""
    snapshot: list[EventT] = []
    async with aclosing(living(transport, method, request)) as messages:
        async for message in messages:
            told.is_fresh = True
            request.resume_token = message.resume_token
            kind = message.WhichOneof("event")
            if kind == "snapshot":
                snapshot.append(message)
                continue
            if kind == "snapshot_complete":
                for held in snapshot:
                    yield held
                snapshot.clear()
            if told.is_new(message):
                yield message


async def living(
    transport: Transport,
    method: UnaryStreamMultiCallable[StreamRequestT, StreamEventT],
    request: StreamRequestT,
) -> AsyncGenerator[StreamEventT, None]:
    """Yield the messages of one stream, and give it up when there is no sign of life for too long.

    Raises:
        TimeoutError: Nothing came for several intervals of progress.
        CallError: The stream broke.
        ClientClosedError: The client is or was closed.
    """
    seconds = request.progress_interval.ToTimedelta().total_seconds() or _PROGRESS_SECONDS
    silence_seconds = _SILENT_INTERVALS * seconds + _SILENT_GRACE_SECONDS
    async with aclosing(transport.stream(method, request)) as messages:
        while (message := await _next(messages, silence_seconds)) is not None:
            yield message


async def _next(
    messages: AsyncGenerator[StreamEventT, None], seconds: float
) -> StreamEventT | None:
    async with asyncio.timeout(seconds):
        return await anext(messages, None)


@dataclass(slots=True)
class Life:
    """Whether a stream that is begun again and again has told anything."""

    is_fresh: bool = False
    """Whether anything was told since this was last set back."""


@dataclass(slots=True)
class _Told(Life):
    """What was told last, so that nothing is told twice when a stream resumes."""

    revision: int = 0
    at_revision: set[tuple[str | None, str, int]] = field(default_factory=set)

    def is_new(self, message: _Message) -> bool:
        """Tell whether an event was not told before, and remember it."""
        if message.revision == 0:  # it tells of no change
            return True
        if message.revision < self.revision:
            return False
        if message.revision > self.revision:
            self.revision = message.revision
            self.at_revision.clear()
        # Events of one transaction may share a revision: what they are about tells them apart.
        about = _about(message)
        if about in self.at_revision:
            return False
        self.at_revision.add(about)
        return True


def _about(message: _Message) -> tuple[str | None, str, int]:
    kind = message.WhichOneof("event")
    if kind is None:
        return kind, "", 0
    event = getattr(message, kind)
    match message:
        case pb.WatchFlowRunsResponse():
            return kind, event.flow_run.id, event.flow_run.version
        case pb.WatchTaskRunsResponse():
            return kind, event.task_run.id, event.task_run.version
        case _:
            return kind, event.id, 0


def _is_passing(error: CallError) -> bool:
    """Tell whether a stream that ended so can go on where it stopped."""
    return isinstance(error, _PASSING) or (error.reason is None and error.code in _TRANSPORT_FAULTS)


def _report(failures: int, fault: CallError | None) -> None:
    level = logging.WARNING if failures == 1 and not isinstance(fault, _EXPECTED) else logging.DEBUG
    _log.log(level, "The watch broke and is resumed: %s", fault or "it fell silent or ended early")
