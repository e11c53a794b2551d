"""FlowRunInputService: inputs left with a run, read by key, listed from oldest to newest, taken away."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.world import (
    COMPLETED,
    World,
    new_input,
    reason,
    refused,
    violations,
    when,
)

A_SECOND = timedelta(seconds=1)


async def read(world: World, run: pb.FlowRun, key: str) -> pb.FlowRunInput:
    """Read one input."""
    request = pb.GetFlowRunInputRequest(flow_run_id=run.id, key=key)
    return (await world.inputs.GetFlowRunInput(request)).input


async def deleted(world: World, run: pb.FlowRun, key: str, **fields: Any) -> int:
    """Delete one input, and return the revision of that."""
    request = pb.DeleteFlowRunInputRequest(flow_run_id=run.id, key=key, **fields)
    return (await world.inputs.DeleteFlowRunInput(request)).revision


async def listed(world: World, run_id: str, **fields: Any) -> pb.ListFlowRunInputsResponse:
    """List the inputs of a run."""
    request = pb.ListFlowRunInputsRequest(flow_run_id=run_id, **fields)
    return await world.inputs.ListFlowRunInputs(request)


async def keys(world: World, run: pb.FlowRun, **fields: Any) -> list[str]:
    """Return the keys of the inputs on the first page of a list."""
    return [each.key for each in (await listed(world, run.id, **fields)).inputs]


class TestCreate:
    async def test_an_input_is_kept_as_it_is_given(self, world: World, clock: FakeClock) -> None:
        run = await world.new_run()
        clock.advance(A_SECOND)
        text = ' {"big": 1152921504606846977, "one": 1.0, "ü": [null]} '

        request = pb.CreateFlowRunInputRequest(
            flow_run_id=run.id.upper(),
            input=pb.NewFlowRunInput(key="a-1", value_json=text, sender="somebody / else"),
        )
        answer = await world.inputs.CreateFlowRunInput(request)

        made = answer.input
        assert answer.revision > 0
        assert UUID(made.id).version == 7
        assert (made.flow_run_id, made.key, made.value_json) == (run.id, "a-1", text)
        assert made.sender == "somebody / else"
        assert when(made.create_time) == NOW + A_SECOND
        assert await read(world, run, "a-1") == made

    async def test_any_json_is_a_value_and_a_sender_may_be_missing(self, world: World) -> None:
        run = await world.new_run()
        for number, value in enumerate(("1", "1.0", '"a"', "null", "[]", "true", "{}")):
            request = pb.CreateFlowRunInputRequest(
                flow_run_id=run.id, input=pb.NewFlowRunInput(key=str(number), value_json=value)
            )
            made = (await world.inputs.CreateFlowRunInput(request)).input

            assert made.value_json == value
            assert not made.HasField("sender")

    async def test_keys_follow_the_rule(self, world: World) -> None:
        run = await world.new_run()
        wrong = ["my key", "user!123", "product?", "my(key)", "my&key", "A", "a_b", "é", "a\n", "٣"]

        for key in ("", "-", "0", "a-z0-9", "x" * 255):
            assert (await world.leave(run, key)).key == key
        for key in wrong:
            assert await violations(world.leave(run, key)) == ["input.key"]

    async def test_any_state_takes_inputs(self, world: World) -> None:
        for state in pb.StateType.values()[1:]:
            run = await world.new_run(state)
            assert (await world.leave(run, "key")).flow_run_id == run.id

    async def test_a_key_is_taken_once_for_each_run(self, world: World) -> None:
        run, other = await world.new_run(), await world.new_run()
        await world.leave(run, "key", 1)
        await world.leave(other, "key", 2)

        code, info = await refused(world.leave(run, "key", 3))

        assert (code, info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "INPUT_KEY_EXISTS")
        assert dict(info.metadata) == {"flow_run_id": run.id, "key": "key"}
        assert await world.input_values(run) == {"key": 1}

    async def test_of_many_at_once_one_gets_the_key(self, world: World) -> None:
        run = await world.new_run()

        answers = await asyncio.gather(
            *(world.leave(run, "key", number) for number in range(10)), return_exceptions=True
        )

        assert sum(isinstance(answer, pb.FlowRunInput) for answer in answers) == 1

    async def test_a_run_that_is_not_there_is_not_found(self, world: World) -> None:
        run_id = str(uuid4())

        code, info = await refused(world.leave(run_id, "key"))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
        assert info.metadata["flow_run_id"] == run_id

    async def test_a_repeat_answers_like_the_first(self, world: World) -> None:
        run, request_id = await world.new_run(), str(uuid4())

        first = await world.leave(run, "key", 1, request_id=request_id)
        again = await world.leave(run, "key", 1, request_id=request_id)

        assert again == first
        assert await reason(world.leave(run, "key", 2, request_id=request_id)) == (
            "REQUEST_ID_REUSED"
        )

    async def test_everything_that_is_wrong_is_listed_at_once(self, world: World) -> None:
        wrong = pb.CreateFlowRunInputRequest(
            flow_run_id="x",
            input=pb.NewFlowRunInput(key="A", value_json="{", sender="x" * 256),
            request_id="y",
        )
        missing = pb.CreateFlowRunInputRequest()

        assert sorted(await violations(world.inputs.CreateFlowRunInput(wrong))) == [
            *("flow_run_id", "input.key", "input.sender", "input.value_json", "request_id"),
        ]
        assert {"flow_run_id", "input"} <= set(
            await violations(world.inputs.CreateFlowRunInput(missing))
        )


class TestRead:
    async def test_a_key_must_be_exact(self, world: World) -> None:
        run, other = await world.new_run(), await world.new_run()
        await world.leave(run, "key")

        for wrong_run, wrong_key in ((run, "ke"), (run, "KEY"), (run, "k%"), (other, "key")):
            code, info = await refused(read(world, wrong_run, wrong_key))
            assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_INPUT_NOT_FOUND")
            assert dict(info.metadata) == {"flow_run_id": wrong_run.id, "key": wrong_key}


class TestList:
    async def test_inputs_come_from_oldest_to_newest(self, world: World, clock: FakeClock) -> None:
        run = await world.new_run()
        for key in "cab":
            await world.leave(run, key)
            clock.advance(A_SECOND)
        clock.advance(-A_SECOND * 60)
        await world.leave(run, "early")

        assert await keys(world, run) == ["early", "c", "a", "b"]

    async def test_those_of_one_moment_come_in_the_order_of_their_writing(
        self, world: World
    ) -> None:
        run = await world.new_run()
        given = [f"{number % 10}-{number}" for number in range(20)]
        for key in given:
            await world.leave(run, key)

        assert await keys(world, run) == given

    async def test_a_prefix_is_exact_and_has_no_wildcards(self, world: World) -> None:
        run = await world.new_run()
        for key in ("a", "a-b", "a1", "b-a", ""):
            await world.leave(run, key)

        found = {
            prefix: await keys(world, run, key_prefix=prefix)
            for prefix in ("", "a", "a-", "A", "%", "_", "a_", "x")
        }

        assert found == {
            "": ["a", "a-b", "a1", "b-a", ""],
            "a": ["a", "a-b", "a1"],
            "a-": ["a-b"],
            **{prefix: [] for prefix in ("A", "%", "_", "a_", "x")},
        }

    async def test_keys_that_were_seen_are_left_out(self, world: World) -> None:
        run = await world.new_run()
        for key in "abc":
            await world.leave(run, key)

        assert await keys(world, run, exclude_keys=["a", "c", "nobody"]) == ["b"]
        assert await keys(world, run, exclude_keys=["a"], page_size=1) == ["b"]

    async def test_pages_hold_every_input_once_while_others_come(self, world: World) -> None:
        run = await world.new_run()
        for number in range(7):
            await world.leave(run, f"old-{number}")
        seen, token = [], ""
        while True:
            page = await listed(world, run.id, page_size=3, page_token=token)
            seen += [each.key for each in page.inputs]
            token = page.next_page_token
            if not token:
                break
            await world.leave(run, f"new-{len(seen)}")

        assert seen == [f"old-{number}" for number in range(7)] + ["new-3", "new-6"]

    async def test_the_token_of_another_list_is_refused(self, world: World) -> None:
        run, other = await world.new_run(), await world.new_run()
        for key in "ab":
            await world.leave(run, key)
        token = (await listed(world, run.id, page_size=1)).next_page_token

        calls = [
            listed(world, other.id, page_token=token),
            listed(world, run.id, page_token=token, key_prefix="a"),
            listed(world, run.id, page_token=token, exclude_keys=["a"]),
            listed(world, run.id, page_token="x"),
        ]

        assert [await reason(call) for call in calls] == ["PAGE_TOKEN_MISMATCH"] * 4

    async def test_a_run_that_is_not_there_has_no_inputs(self, world: World) -> None:
        assert await listed(world, str(uuid4())) == pb.ListFlowRunInputsResponse()


class TestDelete:
    async def test_an_input_is_gone_and_its_key_is_free(self, world: World) -> None:
        run = await world.new_run(COMPLETED)
        await world.leave(run, "key", 1)
        await world.leave(run, "key-2", 2)

        revision = await deleted(world, run, "key")

        assert revision > 0
        assert await world.input_values(run) == {"key-2": 2}
        await world.leave(run, "key", 3)
        assert await world.input_values(run) == {"key-2": 2, "key": 3}

    async def test_what_is_not_there_is_not_found(self, world: World) -> None:
        run = await world.new_run()

        code, info = await refused(deleted(world, run, "key"))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_INPUT_NOT_FOUND")
        assert dict(info.metadata) == {"flow_run_id": run.id, "key": "key"}

    async def test_of_many_at_once_one_deletes_it(self, world: World) -> None:
        run = await world.new_run()
        await world.leave(run, "key")

        answers = await asyncio.gather(
            *(deleted(world, run, "key") for _ in range(10)), return_exceptions=True
        )

        assert sum(isinstance(answer, int) for answer in answers) == 1

    async def test_a_request_id_tells_a_repeat_from_that(self, world: World) -> None:
        run, request_id = await world.new_run(), str(uuid4())
        await world.leave(run, "key")
        first = await deleted(world, run, "key", request_id=request_id)
        await world.leave(run, "key", "another")

        again = await deleted(world, run, "key", request_id=request_id)

        assert again == first
        assert await world.input_values(run) == {"key": "another"}

    async def test_one_may_be_replaced_again_and_again(self, world: World) -> None:
        run = await world.new_run()

        async def replace(number: int) -> None:
            await world.leave(run, f"key-{number}", 0)
            for value in range(1, 4):
                await deleted(world, run, f"key-{number}")
                await world.leave(run, f"key-{number}", value)

        await asyncio.gather(*(replace(number) for number in range(10)))

        assert await world.input_values(run) == {f"key-{number}": 3 for number in range(10)}


async def test_an_input_of_a_new_input_is_told_in_the_same_words(world: World) -> None:
    run = await world.new_run()
    await world.propose(run, COMPLETED, inputs=[new_input("rides", 1, sender="flow")])

    rode = await read(world, run, "rides")

    assert (rode.value_json, rode.sender, rode.flow_run_id) == ("1", "flow", run.id)
