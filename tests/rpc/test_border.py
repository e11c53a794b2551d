"""What every call passes, whatever it is for."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from structlog.testing import capture_logs

from headgate import v1 as pb
from headgate_server.model.errors import FlowRunNotFoundError, HeadgateError
from headgate_server.model.states import StateType
from headgate_server.operations.waiting import WaitOutcome
from headgate_server.rpc.assemble import SERVICES
from tests.builders import a_flow, a_flow_run
from tests.fakes_operations import Door
from tests.statuses import info_of

RUN = a_flow_run(a_flow(), StateType.RUNNING)
REQUEST = pb.GetFlowRunRequest(flow_run_id=RUN.id)
GET = "/headgate.v1.FlowRunService/GetFlowRun"
WATCH = "/headgate.v1.FlowRunService/WatchFlowRuns"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


async def get(door: Door, **options: Any) -> pb.GetFlowRunResponse:
    return await pb.FlowRunServiceStub(door.channel).GetFlowRun(REQUEST, **options)


def raw(door: Door) -> Any:
    """Return the channel, to send whatever one likes."""
    return door.channel


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


class UnknownError(HeadgateError):
    """An error that somebody forgot to put into the table."""


@pytest.mark.parametrize(
    "method",
    [
        "/headgate.v1.FlowRunService/NoSuchMethod",
        "/headgate.v1.NoSuchService/GetFlowRun",
        "/x",
    ],
)
async def test_a_method_that_does_not_exist_is_refused_by_name(door: Door, method: str) -> None:
    error = await refused(raw(door).unary_unary(method)(b""))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert info_of(error).reason == "METHOD_NOT_FOUND"
    assert dict(info_of(error).metadata) == {"method": method}


async def test_a_stream_that_does_not_exist_is_refused_by_name(door: Door) -> None:
    async def requests() -> Any:
        yield b"one"
        await asyncio.Event().wait()

    error = await refused(raw(door).stream_stream("/x/Y")(requests()).read())

    assert info_of(error).reason == "METHOD_NOT_FOUND"


async def test_methods_that_do_not_exist_are_counted_as_one(door: Door) -> None:
    for name in "abc":
        await refused(raw(door).unary_unary(f"/x/{name}")(b""))

    assert door.count("headgate_rpc_streams_total", method="unknown", code="UNIMPLEMENTED") == 3


async def test_bytes_that_are_no_request_are_refused(door: Door) -> None:
    error = await refused(raw(door).unary_unary(GET)(b"\xff"))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(error).reason == "INVALID_REQUEST"


async def test_bytes_that_are_no_request_for_a_stream_are_refused(door: Door) -> None:
    error = await refused(raw(door).unary_stream(WATCH)(b"\xff").read())

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(error).reason == "INVALID_REQUEST"


async def test_bytes_that_are_no_request_within_a_stream_are_refused(door: Door) -> None:
    error = await refused(raw(door).stream_stream(REFLECTION)(iter([b"\xff"])).read())

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(error).reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "bug", [ZeroDivisionError("secret"), UnknownError("secret"), TimeoutError("secret")]
)
async def test_a_bug_is_told_to_the_caller_by_an_id_and_to_the_log_in_full(
    door: Door, bug: Exception
) -> None:
    door.flow_runs.answers["get"] = bug

    with capture_logs() as logs:
        error = await refused(get(door))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)
    error_id = info_of(error).metadata["error_id"]
    [failure] = [entry for entry in logs if entry["log_level"] == "error"]
    assert failure["error_id"] == error_id
    assert failure["exc_info"] is bug
    [call] = [entry for entry in logs if entry["event"] == "call"]
    assert call["error_id"] == error_id


async def test_a_bug_in_a_stream_is_told_the_same_way(door: Door) -> None:
    door.watching.end = ZeroDivisionError("secret")

    with capture_logs() as logs:
        error = await refused(
            pb.FlowRunServiceStub(door.channel).WatchFlowRuns(pb.WatchFlowRunsRequest()).read()
        )

    assert error.code() is grpc.StatusCode.INTERNAL
    assert info_of(error).metadata["error_id"] in {entry.get("error_id") for entry in logs}


async def test_an_answer_that_cannot_be_encoded_is_a_bug_too(door: Door) -> None:
    door.flow_runs.answers["get"] = "no run at all"

    assert info_of(await refused(get(door))).reason == "INTERNAL"


async def test_new_calls_are_refused_while_the_server_drains(door: Door) -> None:
    door.is_draining = True

    error = await refused(get(door))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert info_of(error).reason == "SERVER_DRAINING"
    assert door.flow_runs.asked == []


async def test_new_watches_are_refused_while_the_server_drains(door: Door) -> None:
    door.is_draining = True

    error = await refused(
        pb.FlowRunServiceStub(door.channel).WatchFlowRuns(pb.WatchFlowRunsRequest()).read()
    )

    assert info_of(error).reason == "SERVER_DRAINING"
    assert door.watching.asked == []


async def test_a_call_that_began_before_the_drain_is_answered(door: Door) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def answer(*_: object, **__: object) -> object:
        began.set()
        await go_on.wait()
        return RUN

    door.flow_runs.answers["get"] = answer
    call = asyncio.ensure_future(get(door))
    await began.wait()

    door.is_draining = True
    go_on.set()

    assert (await call).flow_run.id == RUN.id


async def test_a_call_that_takes_too_long_is_ended(impatient_door: Door) -> None:
    ended = asyncio.Event()

    async def answer(*_: object, **__: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    impatient_door.flow_runs.answers["get"] = answer

    error = await refused(get(impatient_door))

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert info_of(error).reason == "DEADLINE_EXCEEDED"
    assert ended.is_set()


async def test_work_ends_when_its_caller_leaves(door: Door) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def answer(*_: object, **__: object) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    door.flow_runs.answers["get"] = answer
    call = pb.FlowRunServiceStub(door.channel).GetFlowRun(REQUEST)
    await began.wait()

    call.cancel()

    await asyncio.wait_for(ended.wait(), 5)


async def test_work_ends_when_its_deadline_passes(door: Door) -> None:
    ended = asyncio.Event()

    async def answer(*_: object, **__: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    door.flow_runs.answers["get"] = answer

    await refused(get(door, timeout=0.05))

    await asyncio.wait_for(ended.wait(), 5)


async def test_calls_are_timed_by_method_and_code(door: Door) -> None:
    door.flow_runs.answers["get"] = RUN
    await get(door)
    door.flow_runs.answers["get"] = FlowRunNotFoundError(RUN.id)
    await refused(get(door))

    counts = [
        door.count("headgate_rpc_duration_seconds_count", method=GET, code=code)
        for code in ("OK", "NOT_FOUND")
    ]

    assert counts == [1, 1]


async def test_calls_in_flight_are_counted(door: Door) -> None:
    during = []

    async def answer(*_: object, **__: object) -> object:
        during.append(door.count("headgate_rpc_in_flight", kind="unary"))
        return RUN

    door.flow_runs.answers["get"] = answer

    await get(door)

    assert during == [1]
    assert door.count("headgate_rpc_in_flight", kind="unary") == 0


async def test_each_call_is_one_line_in_the_log(door: Door) -> None:
    door.flow_runs.answers["get"] = RUN
    metadata = (
        ("x-request-id", "mine"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )

    with capture_logs() as logs:
        await get(door, metadata=metadata)

    [line] = logs
    assert line.pop("duration_ms") > 0
    assert line.pop("peer").startswith("ipv4:127.0.0.1:")
    assert line == {
        "event": "call",
        "log_level": "info",
        "method": GET,
        "code": "OK",
        "request_id": "mine",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }


async def test_a_refused_call_is_one_line_in_the_log_with_its_reason(door: Door) -> None:
    door.flow_runs.answers["get"] = FlowRunNotFoundError(RUN.id)

    with capture_logs() as logs:
        await refused(get(door))

    [line] = logs
    assert (line["log_level"], line["code"], line["reason"]) == (
        "info",
        "NOT_FOUND",
        "FLOW_RUN_NOT_FOUND",
    )


@pytest.mark.parametrize("traceparent", ["", "00-0-0-01", "x" * 1000])
async def test_a_trace_that_cannot_be_read_is_passed_over(door: Door, traceparent: str) -> None:
    door.flow_runs.answers["get"] = RUN

    with capture_logs() as logs:
        await get(door, metadata=(("traceparent", traceparent),))

    assert "trace_id" not in logs[0]


async def test_many_calls_at_once_keep_their_answers_apart(door: Door) -> None:
    async def answer(run_ids: tuple[str, ...], *_: object) -> WaitOutcome:
        await asyncio.sleep(0)
        return WaitOutcome(done=False, runs=(a_flow_run(a_flow(), id=run_ids[0]),))

    door.waiting.answers["wait"] = answer
    stub = pb.FlowRunServiceStub(door.channel)
    ids = [f"0189f7e5-7d4c-7cc0-a4b1-{number:012x}" for number in range(50)]

    answers = await asyncio.gather(
        *(stub.WaitFlowRuns(pb.WaitFlowRunsRequest(flow_run_ids=[each])) for each in ids)
    )

    assert [answer.flow_runs[0].id for answer in answers] == ids


async def test_every_method_of_the_contract_is_served(door: Door) -> None:
    pool = descriptor_pool.Default()
    methods = [
        f"/{service}/{method.name}"
        for service in SERVICES
        for method in pool.FindServiceByName(service).methods
    ]

    errors = [await refused(raw(door).unary_unary(method)(b"\xff")) for method in methods]

    assert {info_of(error).reason for error in errors} == {"INVALID_REQUEST"}


def test_every_service_of_the_contract_is_served() -> None:
    stubs = {name.removesuffix("Stub") for name in dir(pb) if name.endswith("ServiceStub")}

    assert {service.removeprefix("headgate.v1.") for service in SERVICES} == stubs
