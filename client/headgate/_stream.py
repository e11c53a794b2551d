"""A stream of events that survives broken connections and restarted servers.

Whatever ends a stream before its time, it goes on after the last event that came, without a gap and
without telling anything twice.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeVar

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

RequestT = TypeVar("RequestT", pb.WatchFlowRunsRequest, pb.WatchFlowRunInputsRequest)
EventT = TypeVar("EventT", pb.WatchFlowRunsResponse, pb.WatchFlowRunInputsResponse)

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


async def unbroken(
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
    failures = 0
    while True:
        fault: CallError | None = None
        try:
            async with aclosing(_until_it_breaks(transport, method, request, told)) as events:
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
        if told.is_fresh:
            told.is_fresh, is_patient, failures = False, True, 0
        failures += 1
        if fault and failures >= _FIRST_ATTEMPTS and not is_patient:
            raise fault
        _report(failures, fault)
        asked = fault.retry_delay if fault else None
        await asyncio.sleep(transport.backoff.seconds(failures, asked))


async def _until_it_breaks(
    transport: Transport,
    method: UnaryStreamMultiCallable[RequestT, EventT],
    request: RequestT,
    told: "_Told",
) -> AsyncGenerator[EventT, None]:
    """Yield the events of one stream that were not told before."""
    seconds = request.progress_interval.ToTimedelta().total_seconds() or _PROGRESS_SECONDS
    silence_seconds = _SILENT_INTERVALS * seconds + _SILENT_GRACE_SECONDS
    snapshot: list[EventT] = []
    async with aclosing(transport.stream(method, request)) as messages:
        while (message := await _next(messages, silence_seconds)) is not None:
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


async def _next(messages: AsyncGenerator[EventT, None], seconds: float) -> EventT | None:
    async with asyncio.timeout(seconds):
        return await anext(messages, None)


@dataclass(slots=True)
class _Told:
    """What was told last, so that nothing is told twice when a stream resumes."""

    revision: int = 0
    at_revision: set[tuple[str | None, str, int]] = field(default_factory=set)
    is_fresh: bool = False
    """Whether anything was told since this was last set back."""

    def is_new(self, message: pb.WatchFlowRunsResponse | pb.WatchFlowRunInputsResponse) -> bool:
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


def _about(
    message: pb.WatchFlowRunsResponse | pb.WatchFlowRunInputsResponse,
) -> tuple[str | None, str, int]:
    kind = message.WhichOneof("event")
    if isinstance(message, pb.WatchFlowRunInputsResponse):
        return kind, (message.deleted if kind == "deleted" else message.created).id, 0
    run = getattr(message, kind).flow_run if kind else pb.FlowRun()
    return kind, run.id, run.version


def _is_passing(error: CallError) -> bool:
    """Tell whether a stream that ended so can go on where it stopped."""
    return isinstance(error, _PASSING) or (error.reason is None and error.code in _TRANSPORT_FAULTS)


def _report(failures: int, fault: CallError | None) -> None:
    level = logging.WARNING if failures == 1 and not isinstance(fault, _EXPECTED) else logging.DEBUG
    _log.log(level, "The watch broke and is resumed: %s", fault or "it fell silent or ended early")
