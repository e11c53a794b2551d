"""Calls over a connection that fails: what is safe is tried again, and nothing is done twice."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from grpc import StatusCode

import headgate
from headgate import Client, NewFlowRunInput, VerdictStatus, errors
from headgate import v1 as pb
from tests.client.conftest import MakeRun
from tests.client.faults import Fault, FaultyDoor

BROKEN = Fault()
LOST_ANSWER = Fault(is_answer_lost=True)


async def test_a_call_is_tried_again_until_it_succeeds(shaky: Client, door: FaultyDoor) -> None:
    door.fail("GetServerInfo", *[BROKEN] * 4)

    assert (await shaky.server.get_info()).epoch

    assert len(door.calls["GetServerInfo"]) == 5


async def test_after_five_attempts_a_call_has_failed(shaky: Client, door: FaultyDoor) -> None:
    door.always_fail("GetServerInfo", BROKEN)

    with pytest.raises(errors.ServerUnreachableError) as caught:
        await shaky.server.get_info()

    assert caught.value.attempts == len(door.calls["GetServerInfo"]) == 5


async def test_what_will_not_get_better_is_not_tried_again(shaky: Client, door: FaultyDoor) -> None:
    door.always_fail("GetServerInfo", Fault(code=StatusCode.INTERNAL, reason="INTERNAL"))

    with pytest.raises(errors.InternalError):
        await shaky.server.get_info()

    assert len(door.calls["GetServerInfo"]) == 1


async def test_all_attempts_share_one_deadline(shaky: Client, door: FaultyDoor) -> None:
    shaky._transport.backoff = headgate._retry.Backoff(first_seconds=60)
    door.always_fail("GetServerInfo", BROKEN)

    async with asyncio.timeout(5):
        with pytest.raises(errors.ServerUnreachableError) as caught:
            await shaky.server.get_info(timeout=timedelta(seconds=1))

    assert caught.value.attempts == 1


async def test_an_overloaded_server_is_asked_again_when_it_wants(
    shaky: Client, door: FaultyDoor
) -> None:
    door.fail(
        "GetServerInfo",
        Fault(
            code=StatusCode.RESOURCE_EXHAUSTED,
            reason="OVERLOADED",
            retry_delay=timedelta(milliseconds=50),
        ),
    )
    loop = asyncio.get_running_loop()
    began = loop.time()

    await shaky.server.get_info()

    assert loop.time() - began >= 0.05


async def test_a_lost_answer_does_not_make_a_second_run(
    shaky: Client, door: FaultyDoor, flow_id: UUID
) -> None:
    door.fail("CreateFlowRun", LOST_ANSWER, LOST_ANSWER)

    created = await shaky.flow_runs.create(flow_id)

    ours = headgate.FlowFilter(id=headgate.IdFilter(any=[flow_id]))
    assert created.created
    assert await shaky.flow_runs.count(ours) == 1
    ids = {
        pb.CreateFlowRunRequest.FromString(sent).request_id for sent in door.calls["CreateFlowRun"]
    }
    assert len(ids) == 1
    assert len(door.calls["CreateFlowRun"]) == 3


async def test_each_logical_call_has_a_request_id_of_its_own(
    shaky: Client, door: FaultyDoor, flow_id: UUID
) -> None:
    await shaky.flow_runs.create(flow_id)
    await shaky.flow_runs.create(flow_id)

    first, second = (
        pb.CreateFlowRunRequest.FromString(sent).request_id for sent in door.calls["CreateFlowRun"]
    )
    assert UUID(first) != UUID(second)


async def test_a_lost_answer_does_not_hide_that_a_run_was_deleted(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run()
    door.fail("DeleteFlowRun", LOST_ANSWER)

    assert await shaky.flow_runs.delete(run.id) > 0


@pytest.mark.parametrize(
    ("expected_version", "inputs"),
    [
        (None, ()),
        (1, ()),
        (None, (NewFlowRunInput(key="note", value=1),)),
        (1, (NewFlowRunInput(key="note", value=1),)),
    ],
    ids=["plain", "at a version", "with an input", "at a version with an input"],
)
async def test_a_state_whose_answer_was_lost_is_accepted_once(
    shaky: Client,
    door: FaultyDoor,
    a_run: MakeRun,
    expected_version: int | None,
    inputs: tuple[NewFlowRunInput, ...],
) -> None:
    run = await a_run(headgate.Pending())
    door.fail("SetFlowRunState", LOST_ANSWER)

    verdict = await shaky.flow_runs.set_state(
        run.id, headgate.Running(), expected_version=expected_version, inputs=inputs
    )

    assert (verdict.status, verdict.version, verdict.created) == (VerdictStatus.ACCEPT, 2, True)
    assert verdict.reason == ""
    assert verdict.state is not None
    assert verdict.state.is_running
    assert len((await shaky.flow_runs.list_states(run.id)).items) == 2


async def test_a_repeat_of_the_callers_own_is_rejected(client: Client, a_run: MakeRun) -> None:
    run = await a_run(headgate.Pending())
    details = headgate.StateDetails(transition_id=UUID(int=5))
    await client.flow_runs.set_state(run.id, headgate.Running(details=details))

    verdict = await client.flow_runs.set_state(run.id, headgate.Running(details=details))

    assert verdict.status is VerdictStatus.REJECT
    assert verdict.reason == "This run has already made this state transition."


async def test_a_real_version_mismatch_stays_one(
    shaky: Client, door: FaultyDoor, a_run: MakeRun
) -> None:
    run = await a_run(headgate.Pending())
    door.fail("SetFlowRunState", BROKEN)

    with pytest.raises(errors.VersionMismatchError):
        await shaky.flow_runs.set_state(run.id, headgate.Running(), expected_version=7)


async def test_calls_outlive_a_server_that_restarts(shaky: Client, door: FaultyDoor) -> None:
    await shaky.server.get_info()
    door.stop()
    shaky._transport.backoff = headgate._retry.Backoff()

    call = asyncio.create_task(shaky.server.get_info())
    await asyncio.sleep(0)
    door.start()

    assert (await call).epoch


async def test_closing_the_client_ends_what_is_under_way(server_target: str) -> None:
    client = Client(server_target)
    waiting = asyncio.create_task(
        client.flow_runs.wait_for_flow_run(
            (await client.flow_runs.create((await client.flows.create("f")).flow.id)).flow_run.id
        )
    )
    events = client.flow_runs.watch_flow_runs(send_initial_state=True)
    await anext(events)

    await client.close()

    with pytest.raises(errors.ClientClosedError):
        await waiting
    with pytest.raises(errors.ClientClosedError):
        async for _ in events:
            pass
