"""Messages to and from flow runs at any time, as inputs on named channels.

A message on channel `c` is an input whose key is `c-<uuid>`. Nothing is deleted by receiving, and
every receiver gets every message; a position tells where a receiver stands.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar, overload
from uuid import UUID, uuid4

from headgate import v1 as pb
from headgate._convert import from_timedelta
from headgate._convert_events import to_input_event
from headgate._input_calls import InputCalls
from headgate._schemas import Form, from_value, to_plain
from headgate._spans import Span, to_seconds
from headgate._stream import converted, unbroken
from headgate._transport import Transport
from headgate.errors import ReceiveTimeoutError
from headgate.events import (
    FlowRunInputEvent,
    InputCreated,
    InputSnapshot,
    Progress,
    SnapshotComplete,
)
from headgate.models import FlowRunInput, Id
from headgate.states import Json

ValueT = TypeVar("ValueT")

DEFAULT_CHANNEL: Final = "inbox"
"""The channel of messages for which nobody chose one."""

_DEFAULT_TIMEOUT_SECONDS: Final = 3600

_CHANNEL: Final = re.compile("[a-z0-9-]+")
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message that was received, with what is known of it."""

    value: Json = field(hash=False)
    """The value, as the type that was asked for."""
    key: str
    """The key of the input that carried it."""
    flow_run_id: UUID
    """The flow run it was sent to."""
    sender: str | None
    """Who sent it, free text."""
    create_time: datetime
    """When it was sent."""
    resume_token: str
    """The position after this message, with which another receiver can go on.

    Empty for messages that were there when the receiver began, until the last of them.
    """


class FlowRunMessages(InputCalls):
    """Sends messages to flow runs, and receives them."""

    def __init__(self, transport: Transport) -> None:
        """Use this way to the server."""
        super().__init__(transport)
        self._watch_stub = pb.FlowRunInputServiceStub(transport.watches)

    def watch(
        self,
        flow_run_id: Id,
        *,
        key_prefix: str = "",
        send_initial_state: bool = False,
        resume_token: str = "",
        progress_interval: timedelta | None = None,
    ) -> AsyncGenerator[FlowRunInputEvent, None]:
        """Yield every input that is created for or deleted from a flow run, in order.

        Args:
            flow_run_id: The run.
            key_prefix: Text that the keys begin with, exactly. Empty: all.
            send_initial_state: Tell first which inputs there are, oldest first, as
                `InputSnapshot`s and `SnapshotComplete`.
            resume_token: Go on after this position, which an event of an earlier watch of the
                same run and prefix tells. Empty: begin now.
            progress_interval: How often to tell `Progress` while nothing happens, 1 second to 5
                minutes. None: keep it from the caller.

        Returns:
            The events. They end only with the run, or when the caller stops. Use
            `contextlib.aclosing` to end the watch early at a certain point.

        Raises:
            FlowRunNotFoundError: There is no such run, or it was deleted meanwhile.
            RevisionCompactedError: The changes after the position are no longer kept.
            EpochChangedError: The position comes from another database.
            ServerUnreachableError: The server was never reached. A connection that is lost later
                is made again, for as long as it takes, and the watch goes on without a gap.

        Example:
            ```python
            async for event in client.inputs.watch(flow_run_id, send_initial_state=True):
                if isinstance(event, headgate.SnapshotComplete):
                    break
                print(event.input.key)
            ```
        """
        request = pb.WatchFlowRunInputsRequest(
            flow_run_id=str(flow_run_id),
            key_prefix=key_prefix,
            resume_token=resume_token,
            send_initial_state=send_initial_state,
            progress_interval=None
            if progress_interval is None
            else from_timedelta(progress_interval),
        )
        return self._watch(request, has_progress=progress_interval is not None)

    async def send_input(
        self,
        run_input: Form,
        flow_run_id: Id,
        *,
        channel: str = DEFAULT_CHANNEL,
        sender: str | None = None,
        timeout: timedelta | None = None,
    ) -> FlowRunInput:
        """Send a message to a flow run, whatever it is doing and whether or not it listens.

        Args:
            run_input: The message: an instance of a pydantic model, or any JSON value.
            flow_run_id: The run.
            channel: Where the receiver listens: lower-case letters, digits and dashes.
            sender: Who sends it, free text.
            timeout: How long the call may take.

        Returns:
            The input that carries the message.

        Raises:
            FlowRunNotFoundError: There is no such run.
            ValueError: The message is not JSON, or the channel has other characters.

        Example:
            ```python
            await client.inputs.send_input({"volume": 11}, flow_run_id, channel="knobs")
            ```
        """
        key = f"{_prefix(channel)}{uuid4()}"
        created = await self.create(
            flow_run_id, key, to_plain(run_input), sender=sender, timeout=timeout
        )
        return created.input

    @overload
    def receive_input(
        self,
        flow_run_id: Id,
        input_type: Form = None,
        *,
        with_metadata: Literal[True],
        channel: str = DEFAULT_CHANNEL,
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        raise_timeout_error: bool = False,
        resume_token: str = "",
    ) -> AsyncGenerator[Message, None]: ...

    @overload
    def receive_input(
        self,
        flow_run_id: Id,
        input_type: type[ValueT],
        *,
        with_metadata: Literal[False] = False,
        channel: str = DEFAULT_CHANNEL,
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        raise_timeout_error: bool = False,
        resume_token: str = "",
    ) -> AsyncGenerator[ValueT, None]: ...

    @overload
    def receive_input(
        self,
        flow_run_id: Id,
        input_type: None = None,
        *,
        with_metadata: Literal[False] = False,
        channel: str = DEFAULT_CHANNEL,
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        raise_timeout_error: bool = False,
        resume_token: str = "",
    ) -> AsyncGenerator[Json, None]: ...

    def receive_input(
        self,
        flow_run_id: Id,
        input_type: Form = None,
        *,
        with_metadata: bool = False,
        channel: str = DEFAULT_CHANNEL,
        timeout: Span | None = _DEFAULT_TIMEOUT_SECONDS,
        raise_timeout_error: bool = False,
        resume_token: str = "",
    ) -> AsyncGenerator[Json, None]:
        """Yield the messages to a flow run: those that are there, oldest first, then new ones.

        Args:
            flow_run_id: The run.
            input_type: What the messages are: a pydantic model, or any type that pydantic knows.
                None: plain JSON values.
            with_metadata: Whether to yield each as `Message`, with its sender and position.
            channel: Which messages: those that were sent on this very channel.
            timeout: How long to wait for each message, in seconds or as a timedelta. 0: take only
                what is there. None: for ever.
            raise_timeout_error: Whether to raise when the time is up, instead of ending silently.
            resume_token: Take only what came after this position, which the metadata of an
                earlier message on the channel tell. Empty: everything.

        Returns:
            The messages. Use `contextlib.aclosing` to stop listening at a certain point.

        Raises:
            ReceiveTimeoutError: No message came in time, and `raise_timeout_error` is set.
            FlowRunNotFoundError: There is no such run, or it was deleted meanwhile.
            RevisionCompactedError: The messages after the position are no longer all known.
            EpochChangedError: The position comes from another database.
            ValueError: A message is not of the type, the channel has other characters than `a-z`,
                `0-9` and `-`, or the timeout is negative.

        Example:
            ```python
            async for message in client.inputs.receive_input(flow_run_id, timeout=0):
                print(message)
            ```
        """
        prefix = _prefix(channel)
        seconds = None if timeout is None else to_seconds(timeout, "timeout")
        request = pb.WatchFlowRunInputsRequest(
            flow_run_id=str(flow_run_id),
            key_prefix=prefix,
            resume_token=resume_token,
            send_initial_state=not resume_token,
        )
        if seconds is not None:
            # Progress tells when what came after a position is all there.
            interval = timedelta(seconds=min(max(seconds, 1), 15))
            request.progress_interval.CopyFrom(from_timedelta(interval))
        messages = self._receive(request, seconds, raise_timeout_error=raise_timeout_error)
        return _shaped(messages, input_type, with_metadata=with_metadata)

    async def _receive(
        self,
        request: pb.WatchFlowRunInputsRequest,
        seconds: float | None,
        *,
        raise_timeout_error: bool,
    ) -> AsyncGenerator[tuple[FlowRunInput, str], None]:
        """Yield messages with their positions. The time runs once what was there is told."""
        loop = asyncio.get_running_loop()
        earlier: list[FlowRunInput] = []
        deadline: float | None = None
        events = self._watch(request, has_progress=True)
        async with aclosing(events):
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        event = await anext(events)
                except TimeoutError:
                    if raise_timeout_error:
                        raise ReceiveTimeoutError("No input came in time.") from None
                    return
                arrived: list[FlowRunInput] = []
                match event:
                    case InputSnapshot():
                        earlier.append(event.input)
                    case SnapshotComplete():
                        arrived, earlier = earlier, []
                    case InputCreated():
                        arrived = [event.input]
                arrived = [each for each in arrived if _is_message(each.key, request.key_prefix)]
                for each in arrived:
                    yield each, event.resume_token if each is arrived[-1] else ""
                is_live = deadline is not None or isinstance(event, SnapshotComplete | Progress)
                if seconds is not None and is_live and (arrived or deadline is None):
                    deadline = loop.time() + seconds

    def _watch(
        self, request: pb.WatchFlowRunInputsRequest, *, has_progress: bool
    ) -> AsyncGenerator[FlowRunInputEvent, None]:
        messages = unbroken(
            self._transport, self._watch_stub.WatchFlowRunInputs, request, has_end=False
        )
        return converted(messages, to_input_event, has_progress=has_progress)


async def _shaped(
    messages: AsyncGenerator[tuple[FlowRunInput, str], None],
    input_type: Form,
    *,
    with_metadata: bool,
) -> AsyncGenerator[Json, None]:
    async with aclosing(messages):
        async for message, resume_token in messages:
            value = from_value(input_type, message.value)
            if not with_metadata:
                yield value
                continue
            yield Message(
                value=value,
                key=message.key,
                flow_run_id=message.flow_run_id,
                sender=message.sender,
                create_time=message.create_time,
                resume_token=resume_token,
            )


def _prefix(channel: str) -> str:
    if not _CHANNEL.fullmatch(channel):
        raise ValueError(f"channel has other characters than a-z, 0-9 and -: {channel!r}.")
    return f"{channel}-"


def _is_message(key: str, prefix: str) -> bool:
    """Tell whether a key is one of a channel, and not one of a longer name."""
    return _UUID.fullmatch(key.removeprefix(prefix)) is not None
