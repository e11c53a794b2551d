"""Bad requests to every method: each is refused as the contract says, and the server goes on serving."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain
from typing import Any, Final

import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.acceptance.fuzz import documented
from tests.acceptance.fuzz.requests import Requests
from tests.acceptance.fuzz.stage import Stage
from tests.acceptance.program import Program
from tests.service.world import COMPLETED, RUNNING, World, the_error_info, violated_fields

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SEED = int(os.environ.get("HEADGATE_TEST_SEED", "1"))
"""Chooses the requests; name another to try others."""
SERVICES: Final = (
    "FlowRunInputService",
    "FlowRunService",
    "FlowService",
    "ServerService",
    "VariableService",
)
VALUES: Final = 200
"""Values tried for each field of each method."""
MADE_UP: Final = 600
GARBLED: Final = 600
NOISE: Final = 10
AT_ONCE: Final = 16
CALL_SECONDS: Final = 10
STREAM_SECONDS: Final = 0.03
"""How long to listen to a stream that was not refused."""


class Fuzz:
    """Sends bad requests, and keeps what was wrong with the answers."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._codes = documented.codes()
        self._reasons = documented.reasons()
        self.answers: Counter[str] = Counter()
        """How often each status was answered."""
        self.wrong: list[str] = []
        """What no server should have answered, and to what."""

    async def send(self, method: MethodDescriptor, requests: Iterator[bytes]) -> None:
        """Send requests, some at once."""
        name = f"/{method.containing_service.full_name}/{method.name}"
        send = self._listen if method.server_streaming else self._call

        async def one_after_the_other() -> None:
            for request in requests:
                await self._judged(name, method, request, send(name, method, request))

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))

    async def _call(self, name: str, method: MethodDescriptor, request: bytes) -> None:
        call = self._channel.unary_unary(
            name, response_deserializer=GetMessageClass(method.output_type).FromString
        )
        await call(request, timeout=CALL_SECONDS)

    async def _listen(self, name: str, method: MethodDescriptor, request: bytes) -> None:
        call: Any = self._channel.unary_stream(
            name, response_deserializer=GetMessageClass(method.output_type).FromString
        )(request)
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                async for _ in call:
                    pass
        except TimeoutError:
            call.cancel()

    async def _judged(
        self, name: str, method: MethodDescriptor, request: bytes, sent: Any
    ) -> None:
        try:
            await sent
            self.answers["OK"] += 1
        except grpc.aio.AioRpcError as error:
            self.answers[error.code().name] += 1
            if fault := self._fault(name, error):
                shown = GetMessageClass(method.input_type)()
                try:
                    shown.ParseFromString(request)
                    text = str(shown)
                except Exception:
                    text = request.hex()
                self.wrong.append(f"{name}: {fault}\n{text[:2000]}")

    def _fault(self, name: str, error: grpc.aio.AioRpcError) -> str:
        """Return what is wrong with a refusal."""
        try:
            info = the_error_info(error)
        except AssertionError:
            return f"{error.code().name} has no reason: {error.details()}"
        told = f"{error.code().name} {info.reason} {dict(info.metadata)}: {error.details()}"
        if info.reason in {"INTERNAL", "DEADLINE_EXCEEDED", "DATABASE_UNAVAILABLE"}:
            return told
        if info.reason not in self._reasons[name]:
            return f"not documented: {told}"
        if self._codes[info.reason] != error.code().name:
            return f"a reason of another code: {told}"
        if info.reason == "INVALID_REQUEST" and not violated_fields(error):
            return f"names no field: {told}"
        return ""


@pytest.fixture
async def channel(
    new_program: Callable[..., Program], database_url: str
) -> AsyncIterator[grpc.aio.Channel]:
    program = new_program(database_url, max_wait="1s", log_level="warning")
    await asyncio.to_thread(program.start)
    async with grpc.aio.insecure_channel(program.target) as opened:
        yield opened


async def test_every_method_refuses_bad_requests_as_its_comment_says(
    channel: grpc.aio.Channel,
) -> None:
    print(f"HEADGATE_TEST_SEED={SEED}")  # noqa: T201 - shown if the test fails
    chance, fuzz, stage = random.Random(SEED), Fuzz(channel), Stage(channel)
    for service in SERVICES:
        for method in descriptor_pool.Default().FindServiceByName(f"headgate.v1.{service}").methods:
            await stage.set_up()
            bad = Requests(stage.valid(method.name), stage.known(), chance)
            everything = chain(
                bad.with_one_wrong(VALUES), bad.made_up(MADE_UP), bad.garbled(GARBLED), bad.noise(NOISE)
            )
            import time; t=time.perf_counter(); n=sum(fuzz.answers.values()); await fuzz.send(method, everything); print(method.name, sum(fuzz.answers.values())-n, round(time.perf_counter()-t,2), len(fuzz.wrong))

    print(fuzz.answers, len(fuzz.wrong)); open('/tmp/acc/wrong.txt','w').write('\n=====\n'.join(fuzz.wrong))
    assert len(fuzz.wrong) == 0
    assert set(fuzz.answers) >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}
    await assert_serving(channel)


async def assert_serving(channel: grpc.aio.Channel) -> None:
    """Check that the server is well and does what it is for."""
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", *(f"headgate.v1.{name}" for name in SERVICES)):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    world = World(channel)
    run = await world.new_run()
    watch = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    await watch.take(2)
    for state in (RUNNING, COMPLETED):
        await world.propose(run, state)
    assert [each.state_change.state.type for each in await watch.take(2)] == [RUNNING, COMPLETED]
    watch.cancel()
