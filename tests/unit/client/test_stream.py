"""A stream of events that breaks: it goes on where it stopped, tells nothing twice and loses nothing."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast
from uuid import UUID

import pytest
from grpc import StatusCode

from headgate import _stream, errors
from headgate import v1 as pb
from headgate._retry import Backoff
from headgate._stream import unbroken
from headgate._transport import Transport

Step = pb.WatchFlowRunsResponse | Exception | None
"""What a stream does next: tell an event, break, or (None) fall silent."""


class ScriptedTransport:
    """A way to a server that plays one script after another, one for each stream."""

    def __init__(self, *scripts: list[Step]) -> None:
        self.backoff = Backoff(first_seconds=0, max_seconds=0)
        self.tokens: list[str] = []
        self._scripts = list(scripts)

    async def stream(
        self, _method: object, request: pb.WatchFlowRunsRequest
    ) -> AsyncGenerator[pb.WatchFlowRunsResponse, None]:
        self.tokens.append(request.resume_token)
        for step in self._scripts.pop(0):
            if isinstance(step, Exception):
                raise step
            if step is None:
                await asyncio.Event().wait()
            else:
                yield step


def change(revision: int, version: int | None = None, run: int = 1) -> pb.WatchFlowRunsResponse:
    event = pb.WatchFlowRunsResponse(revision=revision, resume_token=f"t{revision}")
    event.state_change.flow_run.id = str(UUID(int=run))
    event.state_change.flow_run.version = revision if version is None else version
    return event


def snapshot(run: int) -> pb.WatchFlowRunsResponse:
    event = pb.WatchFlowRunsResponse(resume_token="in-snapshot")
    event.snapshot.flow_run.id = str(UUID(int=run))
    return event


def snapshot_complete(revision: int) -> pb.WatchFlowRunsResponse:
    return pb.WatchFlowRunsResponse(
        resume_token=f"t{revision}", snapshot_complete=pb.SnapshotComplete(revision=revision)
    )


def broken() -> Exception:
    return errors.ServerUnreachableError("broken", code=StatusCode.UNAVAILABLE)


def broken_streams(count: int) -> list[list[Step]]:
    return [[broken()] for _ in range(count)]


async def told(
    transport: ScriptedTransport, *, has_end: bool = True, is_patient: bool = False
) -> list[pb.WatchFlowRunsResponse]:
    request = pb.WatchFlowRunsRequest(send_initial_state=True)
    events: AsyncGenerator[pb.WatchFlowRunsResponse, None] = unbroken(
        cast("Transport", transport),
        cast("Any", None),
        request,
        has_end=has_end,
        is_patient=is_patient,
    )
    return [event async for event in events]


async def test_a_broken_stream_goes_on_after_its_last_event() -> None:
    transport = ScriptedTransport([change(1), change(2), broken()], [broken()], [change(3)])

    events = await told(transport)

    assert [event.revision for event in events] == [1, 2, 3]
    assert transport.tokens == ["", "t2", "t2"]


async def test_what_is_repeated_is_told_once() -> None:
    transport = ScriptedTransport(
        [change(1), change(2), broken()], [change(1), change(2), change(3)]
    )

    events = await told(transport)

    assert [event.revision for event in events] == [1, 2, 3]


async def test_events_of_one_transaction_may_share_a_revision() -> None:
    transport = ScriptedTransport(
        [change(1, run=1), broken()],
        [change(1, run=1), change(1, run=2), change(1, run=1, version=2)],
    )

    events = await told(transport)

    assert [
        (UUID(event.state_change.flow_run.id).int, event.state_change.flow_run.version)
        for event in events
    ] == [(1, 1), (2, 1), (1, 2)]


async def test_half_a_snapshot_is_not_told() -> None:
    transport = ScriptedTransport(
        [snapshot(1), snapshot(2), broken()],
        [snapshot(2), snapshot(3), snapshot_complete(9), change(10)],
    )

    events = await told(transport)

    assert [UUID(event.snapshot.flow_run.id).int for event in events[:2]] == [2, 3]
    assert [event.WhichOneof("event") for event in events[2:]] == [
        "snapshot_complete",
        "state_change",
    ]
    assert transport.tokens == ["", "in-snapshot"]


async def test_a_stream_that_ends_well_without_an_end_goes_on() -> None:
    transport = ScriptedTransport(
        [change(1)], [change(2)], [errors.EpochChangedError("", reason="R")]
    )

    with pytest.raises(errors.EpochChangedError):
        await told(transport, has_end=False)

    assert transport.tokens == ["", "t1", "t2"]


@pytest.mark.parametrize(
    "error",
    [
        errors.WatchAgedError("aged"),
        errors.ServerDrainingError("draining"),
        errors.DatabaseUnavailableError("away"),
        errors.SlowConsumerError("slow"),
        errors.OverloadedError("full"),
        errors.CallError("stopped", code=StatusCode.CANCELLED),
        errors.InternalError("RST_STREAM", code=StatusCode.INTERNAL),
        errors.CallError("gone", code=StatusCode.UNKNOWN),
    ],
    ids=lambda error: type(error).__name__ + error.code.name,
)
async def test_what_passes_is_waited_out(error: errors.CallError) -> None:
    transport = ScriptedTransport([change(1), error], [change(2)])

    assert [event.revision for event in await told(transport)] == [1, 2]


@pytest.mark.parametrize(
    "error",
    [
        errors.RevisionCompactedError("trimmed", reason="GIVEN"),
        errors.EpochChangedError("replaced", reason="GIVEN"),
        errors.ResumeTokenMismatchError("other", reason="GIVEN"),
        errors.FlowRunNotFoundError("gone", reason="GIVEN"),
        errors.MethodNotFoundError("old", reason="GIVEN"),
        errors.InternalError("bug", code=StatusCode.INTERNAL, reason="INTERNAL"),
        errors.UnauthenticatedError("who", code=StatusCode.UNAUTHENTICATED),
        errors.ClientClosedError("closed"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_could_hide_a_gap_or_will_not_pass_is_raised(error: Exception) -> None:
    transport = ScriptedTransport([change(1), error])

    with pytest.raises(type(error)):
        await told(transport)


async def test_a_server_that_was_never_there_is_an_error() -> None:
    transport = ScriptedTransport(*broken_streams(5))

    with pytest.raises(errors.ServerUnreachableError):
        await told(transport)

    assert len(transport.tokens) == 5


async def test_a_server_that_was_there_is_waited_for_as_long_as_it_takes() -> None:
    transport = ScriptedTransport([change(1), broken()], *broken_streams(20), [change(2)])

    assert [event.revision for event in await told(transport)] == [1, 2]


async def test_the_patient_wait_for_a_server_that_was_never_there() -> None:
    transport = ScriptedTransport(*broken_streams(20), [change(1)])

    assert [event.revision for event in await told(transport, is_patient=True)] == [1]


async def test_a_stream_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "_SILENT_GRACE_SECONDS", 0.01)
    monkeypatch.setattr(_stream, "_SILENT_INTERVALS", 0)
    transport = ScriptedTransport([change(1), None], [change(2)])

    assert [event.revision for event in await told(transport)] == [1, 2]


async def test_a_break_is_logged_once_and_not_for_each_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = ScriptedTransport([change(1), broken()], [broken()], [broken()], [change(2)])

    with caplog.at_level(logging.INFO, "headgate"):
        await told(transport)

    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_planned_break_is_not_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport([change(1), errors.WatchAgedError("aged")], [change(2)])

    with caplog.at_level(logging.INFO, "headgate"):
        await told(transport)

    assert not caplog.records
