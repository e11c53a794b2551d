"""CreateFlowRun, asked again: idempotency keys and request ids."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc

from headgate import v1 as pb
from headgate_server.app import App
from tests.fakes import FakeClock
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    lasting,
    reason,
    refused,
    violations,
)

A_DAY = timedelta(days=1)


async def created(world: World, flow_id: str, **fields: Any) -> pb.CreateFlowRunResponse:
    """Create a run, and return the whole answer."""
    return await world.runs.CreateFlowRun(pb.CreateFlowRunRequest(flow_id=flow_id, **fields))


class TestIdempotencyKeys:
    async def test_a_repeat_returns_the_run_as_it_is(self, world: World, clock: FakeClock) -> None:
        flow = await world.new_flow()
        first = await created(world, flow.id, idempotency_key="key", name="first", tags=["a"])
        await world.propose(first.flow_run, RUNNING)
        before = await world.get(first.flow_run)
        clock.advance(A_DAY * 1000)

        again = await created(
            world,
            flow.id,
            idempotency_key="key",
            name="second",
            state=pb.ProposedState(type=COMPLETED),
            parameters_json='{"other": 1}',
            tags=["b"],
        )

        assert (first.created, again.created, again.revision) == (True, False, 0)
        for computed in ("estimated_run_time", "estimated_start_time_delta"):
            before.ClearField(computed)
            again.flow_run.ClearField(computed)
        assert again.flow_run == before
        assert len(await world.states(first.flow_run)) == 2

    async def test_a_key_belongs_to_one_flow(self, world: World) -> None:
        flows = [await world.new_flow() for _ in range(2)]

        answers = [await created(world, flow.id, idempotency_key="key") for flow in flows]

        assert all(answer.created for answer in answers)

    async def test_keys_are_told_apart_by_case_and_an_empty_one_is_none(self, world: World) -> None:
        flow = await world.new_flow()

        answers = [
            await created(world, flow.id, idempotency_key=key) for key in ("key", "KEY", "", "")
        ]

        assert all(answer.created for answer in answers)
        assert [answer.flow_run.HasField("idempotency_key") for answer in answers] == [
            *(True, True, False, False)
        ]

    async def test_of_many_at_once_one_creates_the_run_and_all_get_it(self, world: World) -> None:
        flow = await world.new_flow()

        answers = await asyncio.gather(
            *(created(world, flow.id, idempotency_key="key") for _ in range(20))
        )

        assert sum(answer.created for answer in answers) == 1
        assert len({answer.flow_run.id for answer in answers}) == 1

    async def test_a_key_is_free_once_its_run_is_deleted(self, world: World) -> None:
        flow = await world.new_flow()
        first = await created(world, flow.id, idempotency_key="key")
        await world.delete(first.flow_run)

        again = await created(world, flow.id, idempotency_key="key")

        assert again.created
        assert again.flow_run.id != first.flow_run.id

    async def test_a_key_with_an_end_is_held_until_exactly_then(
        self, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        first = await created(world, flow.id, idempotency_key="key", idempotency_ttl=lasting(A_DAY))

        clock.advance(A_DAY - timedelta(microseconds=1))
        held = await created(world, flow.id, idempotency_key="key")
        clock.advance(timedelta(microseconds=1))
        free = await created(world, flow.id, idempotency_key="key")

        assert (held.created, held.flow_run.id) == (False, first.flow_run.id)
        assert free.created
        kept = await world.get(first.flow_run)
        assert kept.idempotency_key == "key", "the run remembers which key made it"

    async def test_each_repeat_with_an_end_renews_it(self, world: World, clock: FakeClock) -> None:
        flow = await world.new_flow()
        given: dict[str, Any] = {"idempotency_key": "key", "idempotency_ttl": lasting(A_DAY)}
        first = await created(world, flow.id, **given)

        answers = []
        for _ in range(3):
            clock.advance(A_DAY - timedelta(seconds=1))
            answers.append(await created(world, flow.id, **given))
        clock.advance(A_DAY)
        late = await created(world, flow.id, **given)

        assert {answer.flow_run.id for answer in answers} == {first.flow_run.id}
        assert late.created

    async def test_a_repeat_without_an_end_renews_nothing(
        self, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        await created(world, flow.id, idempotency_key="key", idempotency_ttl=lasting(A_DAY))

        clock.advance(A_DAY / 2)
        await created(world, flow.id, idempotency_key="key")
        clock.advance(A_DAY / 2)

        assert (await created(world, flow.id, idempotency_key="key")).created

    async def test_a_repeat_with_an_end_gives_none_to_a_key_that_has_none(
        self, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        await created(world, flow.id, idempotency_key="key")
        ended = {"idempotency_key": "key", "idempotency_ttl": lasting(A_DAY)}

        await created(world, flow.id, **ended)
        clock.advance(A_DAY * 2)

        assert not (await created(world, flow.id, **ended)).created

    async def test_an_expired_key_that_was_dropped_makes_a_new_run_too(
        self, app: App, world: World, clock: FakeClock
    ) -> None:
        flow = await world.new_flow()
        await created(world, flow.id, idempotency_key="key", idempotency_ttl=lasting(A_DAY))
        clock.advance(A_DAY)

        await app.passes.trim(A_DAY * 365)

        assert (await created(world, flow.id, idempotency_key="key")).created

    async def test_an_end_is_ahead_and_not_too_far(self, world: World) -> None:
        for span in (timedelta(), timedelta(seconds=-1), timedelta(days=3651)):
            ttl = lasting(span)
            call = created(world, str(uuid4()), idempotency_key="key", idempotency_ttl=ttl)

            assert await violations(call) == ["idempotency_ttl"]

    async def test_an_end_without_a_key_is_refused(self, world: World) -> None:
        call = created(world, str(uuid4()), idempotency_ttl=lasting(A_DAY))

        assert await violations(call) == ["idempotency_ttl"]


class TestRequestIds:
    async def test_a_repeat_answers_like_the_first(self, world: World, clock: FakeClock) -> None:
        flow, request_id = await world.new_flow(), str(uuid4())
        first = await created(world, flow.id, request_id=request_id)
        await world.propose(first.flow_run, RUNNING)
        clock.advance(timedelta(hours=23))

        again = await created(world, flow.id, request_id=request_id.upper())

        assert again.created
        assert again.revision == first.revision
        assert again.flow_run.id == first.flow_run.id
        assert again.flow_run.state.type == PENDING

    async def test_an_id_is_remembered_for_a_day(self, world: World, clock: FakeClock) -> None:
        flow, request_id = await world.new_flow(), str(uuid4())
        first = await created(world, flow.id, request_id=request_id)
        clock.advance(A_DAY)

        again = await created(world, flow.id, request_id=request_id)

        assert again.flow_run.id != first.flow_run.id

    async def test_of_many_at_once_one_creates_the_run_and_all_answer_alike(
        self, world: World
    ) -> None:
        flow, request_id = await world.new_flow(), str(uuid4())

        answers = await asyncio.gather(
            *(created(world, flow.id, request_id=request_id) for _ in range(10))
        )

        assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1
        assert len(await world.listed()) == 1

    async def test_an_id_of_a_different_request_is_refused(self, world: World) -> None:
        flow, request_id = await world.new_flow(), str(uuid4())
        await created(world, flow.id, request_id=request_id)

        code, info = await refused(created(world, flow.id, name="x", request_id=request_id))

        assert (code, info.reason) == (*(grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED"),)
        assert info.metadata["request_id"] == request_id

    async def test_what_was_refused_may_be_asked_again(self, world: World) -> None:
        flow, request_id = await world.new_flow(), str(uuid4())
        missing = created(world, str(uuid4()), request_id=request_id)
        assert await reason(missing) == "FLOW_NOT_FOUND"

        assert (await created(world, flow.id, request_id=request_id)).created
