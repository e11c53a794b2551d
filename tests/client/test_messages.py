"""Messages to flow runs on named channels, and the watch on inputs beneath them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pydantic
import pytest

from headgate import (
    Client,
    InputCreated,
    InputDeleted,
    InputSnapshot,
    Message,
    Progress,
    SnapshotComplete,
    errors,
)
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

ItemT = TypeVar("ItemT")


class Greeting(pydantic.BaseModel):
    words: str


async def every(items: AsyncGenerator[ItemT, None]) -> list[ItemT]:
    return [item async for item in items]


async def take(items: AsyncGenerator[ItemT, None], count: int) -> list[ItemT]:
    return [await anext(items) for _ in range(count)]


async def test_messages_that_are_there_come_oldest_first(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    for value in (1, 1.0, None, {"a": [2**70]}, "text"):
        await client.inputs.send_input(value, run.id)

    received = await every(client.inputs.receive_input(run.id, timeout=0))

    assert repr(received) == repr([1, 1.0, None, {"a": [2**70]}, "text"])


async def test_messages_that_come_later_are_received(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    messages = client.inputs.receive_input(run.id)
    await client.inputs.send_input("first", run.id)
    assert await take(messages, 1) == ["first"]

    await client.inputs.send_input("second", run.id)
    await client.inputs.send_input("third", run.id)

    assert await take(messages, 2) == ["second", "third"]


async def test_models_are_sent_and_received_as_models(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.send_input(Greeting(words="hello"), run.id)

    received = await every(client.inputs.receive_input(run.id, Greeting, timeout=0))

    assert received == [Greeting(words="hello")]


async def test_a_message_of_another_type_is_loud(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.send_input("no number", run.id)

    with pytest.raises(ValueError, match="validation error"):
        await every(client.inputs.receive_input(run.id, int, timeout=0))


async def test_channels_do_not_mix_however_alike_their_names(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    for channel in ("a", "a-b", "ab"):
        await client.inputs.send_input(channel, run.id, channel=channel)
    await client.inputs.create(run.id, "a-response", "no message")

    for channel in ("a", "a-b", "ab"):
        messages = client.inputs.receive_input(run.id, channel=channel, timeout=0)
        assert await every(messages) == [channel]


async def test_the_key_of_a_message_is_its_channel_and_a_uuid(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()

    sent = await client.inputs.send_input(1, run.id, channel="knobs", sender="me")

    assert sent.key.startswith("knobs-")
    assert len(sent.key) == len("knobs-") + 36
    assert sent.sender == "me"


async def test_metadata_tell_who_sent_what_and_where_to_go_on(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    for value in (1, 2):
        await client.inputs.send_input(value, run.id, sender="me")
    messages = client.inputs.receive_input(run.id, int, with_metadata=True)
    earlier = await take(messages, 2)
    sent = await client.inputs.send_input(3, run.id)
    [later] = await take(messages, 1)

    assert [message.value for message in earlier] == [1, 2]
    assert [bool(message.resume_token) for message in earlier] == [False, True]
    assert later == Message(
        value=3,
        key=sent.key,
        flow_run_id=run.id,
        sender=None,
        create_time=sent.create_time,
        resume_token=later.resume_token,
    )


async def test_another_receiver_goes_on_where_one_stopped(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.send_input(1, run.id)
    [message] = await take(client.inputs.receive_input(run.id, with_metadata=True), 1)
    await client.inputs.send_input(2, run.id)

    rest = client.inputs.receive_input(run.id, resume_token=message.resume_token, timeout=0)

    assert await every(rest) == [2]


async def test_a_new_receiver_gets_everything_again(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.send_input(1, run.id)

    for _ in range(2):
        assert await every(client.inputs.receive_input(run.id, timeout=0)) == [1]


async def test_the_time_starts_again_with_each_message(
    client: Client, a_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await a_run()
    deadlines: list[float] = []
    timeout_at = asyncio.timeout_at

    def noted(when: float | None) -> asyncio.Timeout:
        deadlines.append(when or 0)
        return timeout_at(when)

    monkeypatch.setattr("headgate._messages.asyncio.timeout_at", noted)
    messages = client.inputs.receive_input(run.id, timeout=3600)
    for number in range(3):
        await client.inputs.send_input(number, run.id)
        await take(messages, 1)

    told = list(dict.fromkeys(deadlines))
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] <= asyncio.get_running_loop().time() + 3600


async def test_the_end_of_the_time_is_an_error_for_who_asks(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    messages = client.inputs.receive_input(run.id, timeout=0.01, raise_timeout_error=True)

    with pytest.raises(errors.ReceiveTimeoutError):
        await anext(messages)


async def test_messages_are_received_once_through_broken_connections(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    await client.inputs.send_input(0, run.id)
    messages = shaky.inputs.receive_input(run.id)
    await take(messages, 1)
    door.always_fail("WatchFlowRunInputs", Fault(after_events=1))
    door.break_streams(Fault())

    for value in range(1, 6):
        await client.inputs.send_input(value, run.id)

    assert await take(messages, 5) == [1, 2, 3, 4, 5]


async def test_a_lost_answer_does_not_send_a_message_twice(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()
    door.fail("CreateFlowRunInput", Fault(is_answer_lost=True))

    await shaky.inputs.send_input("once", run.id)

    assert await every(shaky.inputs.receive_input(run.id, timeout=0)) == ["once"]


@pytest.mark.parametrize("channel", ["", "Big", "a_b", "a\n"], ids=repr)
async def test_a_channel_is_made_of_what_keys_are_made_of(client: Client, channel: str) -> None:
    with pytest.raises(ValueError, match="channel has other characters"):
        client.inputs.receive_input(uuid4(), channel=channel)
    with pytest.raises(ValueError, match="channel has other characters"):
        await client.inputs.send_input(1, uuid4(), channel=channel)


async def test_a_run_that_is_not_there_takes_no_messages(client: Client) -> None:
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.inputs.send_input(1, uuid4())
    with pytest.raises(errors.FlowRunNotFoundError):
        await anext(client.inputs.receive_input(uuid4()))


async def test_receiving_ends_with_the_run(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.send_input(1, run.id)
    messages: AsyncGenerator[Any, None] = client.inputs.receive_input(run.id)
    await take(messages, 1)

    await client.flow_runs.delete(run.id)

    with pytest.raises(errors.FlowRunNotFoundError):
        await anext(messages)


# The watch beneath.


async def test_inputs_are_told_as_they_come_and_go(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.inputs.create(run.id, "a-1", 1)
    async with aclosing(
        client.inputs.watch(run.id, key_prefix="a-", send_initial_state=True)
    ) as events:
        there, complete = await take(events, 2)
        await client.inputs.create(run.id, "b-1", 0)
        await client.inputs.create(run.id, "a-2", 2)
        await client.inputs.delete(run.id, "a-1")
        came, went = await take(events, 2)

    assert isinstance(there, InputSnapshot)
    assert isinstance(complete, SnapshotComplete)
    assert isinstance(came, InputCreated)
    assert isinstance(went, InputDeleted)
    assert (there.input.key, came.input.key, went.input.key) == ("a-1", "a-2", "a-1")
    assert complete.revision < came.revision < went.revision


async def test_progress_is_told_to_who_asks(client: Client, a_run: MakeRun) -> None:
    run = await a_run()

    [event] = await take(client.inputs.watch(run.id, progress_interval=timedelta(seconds=1)), 1)

    assert isinstance(event, Progress)


async def test_another_watch_can_go_on_from_a_position(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    [complete] = await take(client.inputs.watch(run.id, send_initial_state=True), 1)
    await client.inputs.create(run.id, "k", 1)

    [event] = await take(client.inputs.watch(run.id, resume_token=complete.resume_token), 1)

    assert isinstance(event, InputCreated)
