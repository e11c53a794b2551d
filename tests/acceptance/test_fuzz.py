"""Bad requests to every method: each is refused as the contract says, and the server goes on serving."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any, Final

import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from headgate import v1 as pb
from tests.acceptance.fuzz.requests import Requests
from tests.acceptance.fuzz.sender import Sender
from tests.acceptance.fuzz.stage import Stage
from tests.acceptance.fuzz.values import JSON_TEXTS
from tests.acceptance.health import SERVICES, SERVING, Health
from tests.acceptance.program import Program
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    REJECT,
    RUNNING,
    World,
    keyset,
    paused,
    refused,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SEED = int(os.environ.get("HEADGATE_TEST_SEED", "1"))
"""Chooses the requests; name another to try others."""
VALUES: Final = 8
"""Values tried for each field of each method."""
MADE_UP: Final = 60
GARBLED: Final = 60
NOISE: Final = 10
MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The longest message that is taken."""


@asynccontextmanager
async def connected(program: Program) -> AsyncIterator[grpc.aio.Channel]:
    """Run a program, and hold a connection to it."""
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as opened:
        yield opened


@pytest.fixture
async def any_channel(
    database_url: str, new_program: Callable[..., Program]
) -> AsyncIterator[grpc.aio.Channel]:
    """Return a connection to a server, once on each kind of database."""
    program = new_program(database_url, max_wait="1s", log_level="warning")
    async with connected(program) as opened:
        yield opened


@pytest.fixture
async def channel(
    sqlite_url: str, new_program: Callable[..., Program]
) -> AsyncIterator[grpc.aio.Channel]:
    """Return a connection to a server."""
    async with connected(new_program(sqlite_url, log_level="warning")) as opened:
        yield opened


async def test_every_method_refuses_bad_requests_as_its_comment_says(
    any_channel: grpc.aio.Channel,
) -> None:
    print(f"HEADGATE_TEST_SEED={SEED}")  # noqa: T201 - shown if the test fails
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    sender, stage = Sender(any_channel), Stage(any_channel)
    for method in every_method():
        await stage.set_up()
        bad = Requests(stage.valid(method.name), stage.known(), chance)
        everything = chain(
            bad.with_one_wrong(VALUES), bad.made_up(MADE_UP), bad.garbled(GARBLED), bad.noise(NOISE)
        )
        await sender.send(method, everything)

    assert sender.wrong == []
    assert set(sender.answers) >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
    await assert_serving(any_channel)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param('{"a": 1}', id="one that fits"),
        pytest.param('{"a": {"approve": [[{}], 1e308]}}', id="a deep one"),
        pytest.param(f'{{"a": {"9" * 5_000}}}', id="one that cannot be read"),
    ],
)
async def test_whatever_a_pause_names_as_its_schema_an_answer_is_taken_or_rejected(
    channel: grpc.aio.Channel, answer: str
) -> None:
    world, flow = World(channel), await World(channel).new_flow()
    statuses = []
    for schema in JSON_TEXTS:
        run = await world.new_run(RUNNING, flow_id=flow.id)
        left = pb.NewFlowRunInput(key=keyset().schema, value_json=schema)
        try:
            await world.propose(run, paused(run_input_keyset=keyset()), inputs=[left])
        except grpc.aio.AioRpcError:
            continue  # it is no JSON text at all
        request = pb.ResumeFlowRunRequest(flow_run_id=run.id, run_input_json=answer)
        statuses.append((await world.runs.ResumeFlowRun(request)).status)

    assert len(statuses) > len(JSON_TEXTS) // 2
    assert set(statuses) <= {ACCEPT, REJECT}
    await assert_serving(channel)


async def test_health_and_reflection_stand_bad_requests(channel: grpc.aio.Channel) -> None:
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    checked = health_pb2.HealthCheckRequest(service="headgate.v1.FlowService")
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="headgate.v1.FlowService")
    for name, valid in (
        ("grpc.health.v1.Health/Check", checked),
        ("grpc.health.v1.Health/Watch", checked),
        ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", asked),
        ("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", asked),
    ):
        bad = Requests(valid, ["", "headgate.v1.FlowRun", "headgate/v1/flow.proto"], chance)
        for request in chain(bad.with_one_wrong(VALUES), bad.garbled(GARBLED), bad.noise(NOISE)):
            ask: Any = channel.stream_stream(f"/{name}")
            call = ask(iter([request]))
            code = await first_code(call)
            assert code.name in {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}, (name, request.hex())

    await assert_serving(channel)


async def test_a_method_that_does_not_exist_is_named_in_the_refusal(
    channel: grpc.aio.Channel,
) -> None:
    for method in (
        "/headgate.v1.FlowService/MakeFlow",
        "/headgate.v2.FlowService/GetFlow",
        "/",
        "/é",
    ):
        call: Any = channel.unary_unary(method)
        code, info = await refused(call(b"\xff"))

        assert (code, info.reason) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND")
        assert info.metadata["method"] == method


async def test_a_message_above_the_limit_is_refused_and_one_below_is_not(
    channel: grpc.aio.Channel,
) -> None:
    create: Any = channel.unary_unary("/headgate.v1.FlowService/CreateFlow")

    with pytest.raises(grpc.aio.AioRpcError) as above:
        await create(b"\x00" * (MESSAGE_BYTES + 1))
    with pytest.raises(grpc.aio.AioRpcError) as below:
        await create(b"\x00" * MESSAGE_BYTES)

    assert above.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert below.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    await assert_serving(channel)


def every_method() -> list[MethodDescriptor]:
    """Return every method of the contract."""
    find = descriptor_pool.Default().FindServiceByName
    return [method for name in SERVICES for method in find(name).methods]


async def first_code(call: Any) -> grpc.StatusCode:
    """Return the code of a call that is refused; OK for one that is not, which is ended then."""
    try:
        async with asyncio.timeout(5):
            await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code()
    call.cancel()
    return grpc.StatusCode.OK


async def assert_serving(channel: grpc.aio.Channel) -> None:
    """Check that the server is well and does what it is for."""
    assert await Health(channel).of_all() == {SERVING}
    world = World(channel)
    run = await world.new_run()
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    await watch.take(2)
    for state in (RUNNING, COMPLETED):
        await world.propose(run, state)
    assert [each.state_change.state.type for each in await watch.take(2)] == [RUNNING, COMPLETED]
    watch.cancel()
