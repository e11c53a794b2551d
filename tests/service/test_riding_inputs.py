"""Inputs that ride with a state: written with it or not at all, and gone when their pause fires anew."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.world import (
    ABORT,
    ACCEPT,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    WAIT,
    World,
    keyset,
    new_input,
    paused,
    refused,
    scheduled_for,
    violations,
    when,
)

AN_HOUR = timedelta(hours=1)
KEYS = ("paused-1-schema", "paused-1-response", "paused-1-description")
SCHEMA, RESPONSE, DESCRIPTION = KEYS


def asking(question: str, key: str = "1") -> dict[str, Any]:
    """Return what to propose for a pause that asks something: the state, its schema and its description."""
    return {
        "state": paused(key, run_input_keyset=keyset()),
        "inputs": [
            new_input(SCHEMA, {"title": question}),
            new_input(DESCRIPTION, question, sender="flow"),
        ],
    }


async def test_a_pause_and_what_it_asks_appear_together(world: World, clock: FakeClock) -> None:
    run = await world.new_run(RUNNING)
    watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
    await watch.next("snapshot_complete")
    clock.advance(AN_HOUR)

    answer = await world.propose(run, **asking("Why?"))

    assert answer.status == ACCEPT
    assert answer.state.details.run_input_keyset == keyset()
    assert await world.input_values(run) == {SCHEMA: {"title": "Why?"}, DESCRIPTION: "Why?"}
    created = [event.created for event in await watch.take(2)]
    assert {each.key: each.sender for each in created} == {SCHEMA: "", DESCRIPTION: "flow"}
    assert {when(each.create_time) for each in created} == {NOW + AN_HOUR}
    assert created[0].flow_run_id == run.id


async def test_inputs_come_after_their_state_in_the_log(world: World) -> None:
    run = await world.new_run(RUNNING)
    states = world.watch(flow_run_ids=[run.id], send_initial_state=True)
    await states.take(2)
    inputs = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
    await inputs.next("snapshot_complete")

    answer = await world.propose(run, **asking("Why?"))

    change, created = await states.next("state_change"), await inputs.take(2)
    assert [each.revision for each in created] == [change.revision + 1, change.revision + 2]
    assert answer.revision == created[-1].revision, "who has read so far has everything"
    assert [each.fragment for each in (change, *created)] == [False, True, False]


async def test_any_state_may_bring_inputs_also_under_force(world: World) -> None:
    run = await world.new_run()

    await world.propose(run, RUNNING, inputs=[new_input("first", 1), new_input("", 2)])
    await world.propose(run, PENDING, force=True, inputs=[new_input("third", 3)])

    assert await world.input_values(run) == {"first": 1, "": 2, "third": 3}


async def test_what_is_not_written_as_proposed_brings_no_inputs(world: World) -> None:
    cases = {
        "rejected": (await world.new_run(CANCELLED), RUNNING, REJECT),
        "aborted": (await world.new_run(COMPLETED), PAUSED, ABORT),
        "told to wait": (await world.new_run(scheduled_for(NOW + AN_HOUR)), RUNNING, WAIT),
        "replaced by another state": (await world.new_run(scheduled_for(NOW)), CANCELLING, REJECT),
        "retried": (await world.new_run(RUNNING, retries=1), FAILED, REJECT),
    }

    for case, (run, proposed, status) in cases.items():
        answer = await world.propose(run, proposed, inputs=[new_input("key")])

        assert answer.status == status, case
        assert await world.input_values(run) == {}, case


async def test_a_key_that_is_taken_keeps_the_state_from_being_written(world: World) -> None:
    run = await world.new_run()
    await world.leave(run, "taken", "before")

    code, info = await refused(
        world.propose(run, RUNNING, inputs=[new_input("free"), new_input("taken")])
    )

    assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "INPUT_KEY_EXISTS")
    assert dict(info.metadata) == {"flow_run_id": run.id, "key": "taken"}
    assert (await world.get(run)).version == 1
    assert await world.input_values(run) == {"taken": "before"}


async def test_a_key_that_breaks_the_rule_or_repeats_is_refused(world: World) -> None:
    wrong = ["my key", "user!123", "Product", "my(key)", "my&key", "a_b", "ä", "a\n", "fine"]

    found = await violations(
        world.propose(str(uuid4()), RUNNING, inputs=[new_input(key) for key in [*wrong, "fine"]])
    )

    assert found == [f"inputs[{number}].key" for number in (*range(8), 9)]


async def test_of_two_that_bring_the_same_key_at_once_one_is_taken(world: World) -> None:
    run = await world.new_run(RUNNING)

    calls = [world.propose(run, RUNNING, inputs=[new_input("key", n)]) for n in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)

    taken = [each for each in answers if isinstance(each, pb.SetFlowRunStateResponse)]
    assert [answer.version for answer in taken] == [2]
    assert len(await world.input_values(run)) == 1


class TestPausesThatFireAnew:
    async def test_what_was_asked_and_answered_before_is_gone(self, world: World) -> None:
        run = await world.new_run(RUNNING, retries=1)
        await world.leave(run, "other", "kept")
        await world.propose(run, **asking("First?"))
        await world.resume(run, {"answer": 1})
        retried = await world.propose(run, FAILED)
        await world.propose(run, RUNNING)
        watch = world.watch_inputs(flow_run_id=run.id, send_initial_state=True)
        assert {event.snapshot.key for event in await watch.take(5)} >= {*KEYS, "other"}

        answer = await world.propose(run, **asking("Second?"))

        assert retried.state.name == "AwaitingRetry"
        assert answer.status == ACCEPT, "the retry has made the pause key free again"
        assert await world.input_values(run) == {
            "other": "kept",
            SCHEMA: {"title": "Second?"},
            DESCRIPTION: "Second?",
        }
        events = await watch.take(5)
        assert [event.WhichOneof("event") for event in events] == ["deleted"] * 3 + ["created"] * 2
        assert {event.deleted.key for event in events[:3]} == set(KEYS)
        assert [event.fragment for event in events] == [True] * 4 + [False]

    async def test_a_rerun_makes_pause_keys_free_too(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        await world.propose(run, **asking("First?"))
        await world.resume(run, {"answer": 1})
        for state in (FAILED, RUNNING):
            await world.propose(run, state)

        answer = await world.propose(run, **asking("Second?"))

        assert answer.status == ACCEPT
        assert RESPONSE not in await world.input_values(run)

    async def test_a_pause_that_is_refused_takes_nothing_away(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        await world.propose(run, **asking("First?"))
        await world.resume(run, {"answer": 1})

        answer = await world.propose(run, **asking("Second?"))

        assert answer.reject.reason == "This pause has already fired."
        assert set(await world.input_values(run)) == set(KEYS)

    async def test_it_may_bring_nothing_new(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        await world.propose(run, **asking("First?"))
        await world.resume(run, {"answer": 1})

        answer = await world.propose(run, paused("2", run_input_keyset=keyset()))

        assert answer.status == ACCEPT
        assert await world.input_values(run) == {}

    async def test_many_pauses_of_one_run_at_once_are_decided_one_after_the_other(
        self, world: World
    ) -> None:
        run = await world.new_run(RUNNING)
        calls: list[Any] = []
        for number in range(8):
            calls += [world.propose(run, **asking(str(number), key=str(number)))]
            calls += [world.propose(run, RUNNING)]

        answers = await asyncio.gather(*calls)

        fired = [each for each in answers if each.created and each.state.type == PAUSED]
        last = max(fired, key=lambda each: each.version)
        title = last.state.details.pause_key
        assert await world.input_values(run) == {SCHEMA: {"title": title}, DESCRIPTION: title}
        versions = [state.version for state in await world.states(run)]
        assert versions == list(range(1, len(versions) + 1))
