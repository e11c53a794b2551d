"""Sends bad requests, and keeps what is wrong with the answers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterator
from typing import Any, Final

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from tests.service.contract import promised_reasons, promised_refusals
from tests.service.world import the_error_info, violated_fields

AT_ONCE: Final = 16
CALL_SECONDS: Final = 10
STREAM_SECONDS: Final = 0.03
"""How long to listen to a stream that was not refused."""
NEVER: Final = frozenset({"INTERNAL", "DEADLINE_EXCEEDED", "DATABASE_UNAVAILABLE", "OVERLOADED"})
"""Reasons that no bad request may bring about, documented or not."""
_SHOWN_CHARACTERS: Final = 2_000


class Sender:
    """Sends requests, some at once."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._reasons = promised_reasons()
        self._refusals = promised_refusals()
        # The one method whose comment names another for its statuses.
        watch_inputs = "FlowRunInputService/WatchFlowRunInputs"
        self._refusals[watch_inputs] |= self._refusals["FlowRunService/WatchFlowRuns"]
        self.answers: Counter[str] = Counter()
        """How often each status was answered."""
        self.wrong: list[str] = []
        """Answers that should not have been given, and to what."""

    async def send(self, method: MethodDescriptor, requests: Iterator[bytes]) -> None:
        """Send requests to a method until there are no more."""
        name = f"{method.containing_service.name}/{method.name}"
        send = self._listen if method.server_streaming else self._call

        async def one_after_the_other() -> None:
            for request in requests:
                fault = await self._fault_of(name, send(name, method, request))
                if fault:
                    self.wrong.append(f"{name}: {fault}\n{_shown(method, request)}")

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))

    async def _call(self, name: str, method: MethodDescriptor, request: bytes) -> None:
        decode = GetMessageClass(method.output_type).FromString
        call: Any = self._channel.unary_unary(f"/headgate.v1.{name}", response_deserializer=decode)
        await call(request, timeout=CALL_SECONDS)

    async def _listen(self, name: str, method: MethodDescriptor, request: bytes) -> None:
        decode = GetMessageClass(method.output_type).FromString
        stream: Any = self._channel.unary_stream(
            f"/headgate.v1.{name}", response_deserializer=decode
        )
        call = stream(request)
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                async for _ in call:
                    pass
        except TimeoutError:
            call.cancel()

    async def _fault_of(self, name: str, answer: Awaitable[None]) -> str:
        """Wait for an answer, and return what is wrong with it."""
        try:
            await answer
        except grpc.aio.AioRpcError as error:
            self.answers[error.code().name] += 1
            return self._fault(name, error)
        self.answers["OK"] += 1
        return ""

    def _fault(self, name: str, error: grpc.aio.AioRpcError) -> str:
        """Return what is wrong with a refusal."""
        told = f"{error.code().name}: {error.details()}"
        try:
            info = the_error_info(error)
        except AssertionError:
            return f"without a reason: {told}"
        told = f"{info.reason} {dict(info.metadata)} {told}"
        if info.reason in NEVER:
            return told
        if info.reason not in self._refusals[name]:
            return f"not documented: {told}"
        if self._reasons[info.reason].code != error.code().name:
            return f"a reason of another code: {told}"
        if info.reason == "INVALID_REQUEST" and not violated_fields(error):
            return f"names no field: {told}"
        return ""


def _shown(method: MethodDescriptor, request: bytes) -> str:
    """Return a request as a person would read it."""
    try:
        text = str(GetMessageClass(method.input_type).FromString(request))
    except DecodeError:
        text = request.hex()
    return text[:_SHOWN_CHARACTERS]
