"""Waiting for the answer to a pause: it comes, or whatever else ends the pause ends the wait."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pydantic
import pytest
from grpc import StatusCode

import headgate
from headgate import Client, errors
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

APPROVAL = {"type": "object", "properties": {"approved": {"type": "boolean"}}}


class Approval(pydantic.BaseModel):
    approved: bool
    by: str = "nobody"


async def test_whoever_waits_gets_the_answer_as_the_type_asked_for(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, schema=Approval)
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_resume(run.id, schema=Approval))
    await asyncio.to_thread(door.wait_for_calls, "WatchFlowRuns", 1)

    await client.flow_runs.resume_flow_run(run.id, {"approved": True, "by": "me"})

    assert await waiting == Approval(approved=True, by="me")


@pytest.mark.parametrize(
    ("schema", "run_input", "answer"),
    [
        (APPROVAL, {"approved": False}, {"approved": False}),
        ({"type": "object"}, None, {}),
        (int, {"value": 5}, 5),
        (list[int], {"value": [1, 2]}, [1, 2]),
    ],
    ids=["schema", "nothing", "number", "list"],
)
async def test_an_answer_that_was_given_before_is_there_at_once(
    client: Client, a_run: MakeRun, schema: Any, run_input: dict[str, Any] | None, answer: object
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, key="k", schema=schema)
    await client.flow_runs.resume_flow_run(run.id, run_input)

    told = await client.flow_runs.wait_for_resume(run.id, key="k", schema=schema, timeout=0)

    assert told == answer


async def test_a_pause_that_asked_for_nothing_has_no_answer(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id)
    await client.flow_runs.resume_flow_run(run.id)

    assert await client.flow_runs.wait_for_resume(run.id) is None


async def test_each_pause_has_its_own_answer(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    for key, value in (("first", 1), ("second", 2)):
        await client.flow_runs.pause_flow_run(run.id, key=key, schema=int)
        await client.flow_runs.resume_flow_run(run.id, {"value": value})
    await client.flow_runs.pause_flow_run(run.id, key="third")

    assert await client.flow_runs.wait_for_resume(run.id, key="first", schema=int) == 1
    assert await client.flow_runs.wait_for_resume(run.id, key="second", schema=int) == 2


async def test_a_run_that_was_never_paused_has_no_resume_to_wait_for(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()

    with pytest.raises(errors.NotPausedError):
        await client.flow_runs.wait_for_resume(run.id)
    with pytest.raises(errors.FlowRunNotFoundError):
        await client.flow_runs.wait_for_resume(uuid4())


async def end_by_cancelling(client: Client, run_id: UUID) -> None:
    await client.flow_runs.cancel_flow_run(run_id)


async def end_by_completing(client: Client, run_id: UUID) -> None:
    await client.flow_runs.set_state(run_id, headgate.Completed(), force=True)


async def end_by_failing(client: Client, run_id: UUID) -> None:
    await client.flow_runs.set_state(run_id, headgate.Failed(), force=True)


async def end_by_deleting(client: Client, run_id: UUID) -> None:
    await client.flow_runs.delete(run_id)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (end_by_cancelling, errors.FlowRunCancelledError),
        (end_by_completing, errors.PauseEndedError),
        (end_by_failing, errors.PauseEndedError),
        (end_by_deleting, errors.FlowRunNotFoundError),
    ],
    ids=["cancelled", "completed", "failed", "deleted"],
)
async def test_whatever_ends_a_pause_ends_the_wait(
    shaky: Client,
    door: FaultyDoor,
    client: Client,
    a_run: MakeRun,
    end: Any,
    error: type[Exception],
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id)
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_resume(run.id))
    await asyncio.to_thread(door.wait_for_calls, "WatchFlowRuns", 1)

    await end(client, run.id)

    with pytest.raises(error) as caught:
        await waiting
    assert type(caught.value) is error


async def test_a_pause_that_expires_ends_the_wait(client: Client, a_run: MakeRun) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, timeout=0)

    with pytest.raises(
        errors.FlowPauseTimeoutError, match=r"^Flow run was paused and never resumed\.$"
    ) as caught:
        await client.flow_runs.wait_for_resume(run.id)

    assert caught.value.state is not None
    assert caught.value.state.is_failed


async def test_the_time_to_wait_may_be_shorter_than_the_pause(
    client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id)

    with pytest.raises(errors.FlowPauseTimeoutError) as caught:
        await client.flow_runs.wait_for_resume(run.id, timeout=0.05)

    assert caught.value.state is not None
    assert caught.value.state.is_paused


async def test_waiting_for_an_answer_survives_a_lost_connection(
    shaky: Client, door: FaultyDoor, client: Client, a_run: MakeRun
) -> None:
    run = await a_run()
    await client.flow_runs.pause_flow_run(run.id, schema=int)
    waiting = asyncio.create_task(shaky.flow_runs.wait_for_resume(run.id, schema=int))
    await asyncio.to_thread(door.wait_for_calls, "WatchFlowRuns", 1)

    door.fail("WatchFlowRuns", Fault(code=StatusCode.OUT_OF_RANGE, reason="REVISION_COMPACTED"))
    door.break_streams(Fault())
    await client.flow_runs.resume_flow_run(run.id, {"value": 3})

    assert await waiting == 3
