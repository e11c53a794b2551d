"""How what watchers are told reaches them, and how watches end."""

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from structlog.testing import capture_logs

from headgate import v1 as pb
from headgate_server.model.errors import ServerDrainingError
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.model.states import StateType
from headgate_server.model.watch_commands import WatchInputs, WatchRuns, WatchTaskRuns
from headgate_server.model.watching import Notice, NoticeKind
from tests.builders import NOW, a_flow, a_flow_run, a_task_run, an_input
from tests.fakes_operations import Door
from tests.statuses import info_of

RUN = a_flow_run(a_flow(), StateType.RUNNING)
INPUT = an_input(RUN, "key")
TASK_RUN = a_task_run(RUN, StateType.RUNNING)
WATCH = "/headgate.v1.FlowRunService/WatchFlowRuns"
START = "start"
REQUEST = pb.WatchFlowRunsRequest(resume_token=START)


async def read_to_the_end(call: Any) -> tuple[list[pb.WatchFlowRunsResponse], Any]:
    """Return what arrives, and the error after it."""
    received = []
    try:
        while True:
            received.append(await call.read())
    except grpc.aio.AioRpcError as error:
        return received, error


def progress(number: int, padding: int = 0) -> Notice:
    return Notice(
        kind=NoticeKind.PROGRESS,
        resume_token=f"{number}{'x' * padding}",
        revision=number,
        time=NOW,
    )


def changed(kind: EventKind, revision: int, **parts: Any) -> Notice:
    change = Change(kind=kind, flow_run_id=RUN.id, **parts)
    event = Event(revision=revision, last_revision=revision, commit_time=NOW, change=change)
    return Notice(kind=NoticeKind.CHANGED, resume_token=str(revision), event=event)


def watch(door: Door) -> Any:
    return pb.FlowRunServiceStub(door.channel).WatchFlowRuns(REQUEST)


async def test_a_watcher_is_sent_what_happens_in_order_and_then_the_end(door: Door) -> None:
    door.watching.notices = [
        changed(EventKind.STATE_CHANGE, 1, after=RUN),
        changed(EventKind.RUN_UPDATE, 2, after=RUN),
        progress(2),
    ]

    received = [message async for message in watch(door)]

    kinds = [message.WhichOneof("event") for message in received]
    assert kinds == ["state_change", "run_update", "progress"]
    assert [message.resume_token for message in received] == ["1", "2", "2"]
    assert received[0].state_change.flow_run.id == RUN.id
    assert door.watching.asked == [WatchRuns(resume_token=START)]
    assert door.watching.closed.is_set()


async def test_a_watcher_of_task_runs_is_sent_what_happens_in_order(door: Door) -> None:
    door.watching.notices = [
        changed(EventKind.TASK_STATE_CHANGE, 1, task_after=TASK_RUN),
        changed(EventKind.TASK_DELETED, 2, task_before=TASK_RUN),
    ]
    stub = pb.TaskRunServiceStub(door.channel)

    call = stub.WatchTaskRuns(pb.WatchTaskRunsRequest(task_run_ids=[TASK_RUN.id]))
    received = [message async for message in call]

    kinds = [message.WhichOneof("event") for message in received]
    assert kinds == ["task_state_change", "deleted"]
    assert received[1].deleted.task_run.id == TASK_RUN.id
    assert door.watching.asked == [WatchTaskRuns(task_run_ids=(TASK_RUN.id,))]


async def test_a_watcher_of_inputs_is_sent_what_happens_in_order(door: Door) -> None:
    door.watching.notices = [
        changed(EventKind.INPUT_CREATED, 1, input=INPUT),
        changed(EventKind.INPUT_DELETED, 2, input=INPUT),
    ]
    stub = pb.FlowRunInputServiceStub(door.channel)

    call = stub.WatchFlowRunInputs(pb.WatchFlowRunInputsRequest(flow_run_id=RUN.id))
    received = [message async for message in call]

    assert [message.WhichOneof("event") for message in received] == ["created", "deleted"]
    assert received[0].created.key == "key"
    assert door.watching.asked == [WatchInputs(flow_run_id=RUN.id)]


async def test_what_was_sent_before_a_watch_is_ended_arrives_and_then_the_reason(
    door: Door,
) -> None:
    door.watching.notices = [progress(1), progress(2)]
    door.watching.end = ServerDrainingError(START)

    received, error = await read_to_the_end(watch(door))

    assert [message.resume_token for message in received] == ["1", "2"]
    assert info_of(error).metadata["resume_token"] == START


async def test_a_watch_is_closed_when_its_watcher_leaves(door: Door) -> None:
    door.watching.notices = [progress(1)]
    door.watching.is_endless = True
    call = watch(door)
    await call.read()

    with capture_logs() as logs:
        call.cancel()
        await asyncio.wait_for(door.watching.closed.wait(), 5)
        await asyncio.sleep(0)

    assert [entry["code"] for entry in logs] == ["CANCELLED"]


async def test_a_watch_is_closed_when_its_watcher_leaves_while_a_message_waits(
    door: Door,
) -> None:
    door.watching.notices = flood()
    call = watch(door)
    await call.read()

    call.cancel()

    await asyncio.wait_for(door.watching.closed.wait(), 5)


def flood() -> Iterator[Notice]:
    """Return more than fits between a server and a watcher that does not read."""
    return (progress(number, padding=1000) for number in range(100_000))


async def test_a_watcher_that_does_not_read_is_let_go_with_its_last_token(
    impatient_door: Door,
) -> None:
    impatient_door.watching.notices = flood()
    call = watch(impatient_door)
    await call.read()

    await asyncio.wait_for(impatient_door.watching.closed.wait(), 10)

    received, error = await read_to_the_end(call)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert info_of(error).reason == "SLOW_CONSUMER"
    tokens = [message.resume_token for message in received]
    assert info_of(error).metadata["resume_token"] in tokens[-2:]


async def test_a_watcher_that_reads_is_not_let_go(impatient_door: Door) -> None:
    impatient_door.watching.notices = [progress(number) for number in range(500)]

    received = [message.progress.revision async for message in watch(impatient_door)]

    assert received == list(range(500))


async def test_messages_and_streams_are_counted(door: Door) -> None:
    door.watching.notices = [progress(1), progress(2)]

    await asyncio.gather(watch_to_the_end(door), watch_to_the_end(door))

    assert door.count("headgate_rpc_stream_messages_total", method=WATCH) == 4
    assert door.count("headgate_rpc_streams_total", method=WATCH, code="OK") == 2
    assert door.count("headgate_rpc_in_flight", kind="stream") == 0


async def watch_to_the_end(door: Door) -> None:
    async for _ in watch(door):
        pass


async def test_a_wrong_request_to_watch_is_refused_before_anything_is_watched(door: Door) -> None:
    request = pb.WatchFlowRunsRequest(flow_run_ids=["x"], flows=pb.FlowFilter())

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pb.FlowRunServiceStub(door.channel).WatchFlowRuns(request).read()

    assert info_of(caught.value).reason == "INVALID_REQUEST"
    assert door.watching.asked == []
