"""DeleteFlowRun: a run with what is its own, and nothing else."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.storage.tables import (
    FLOW_RUN,
    FLOW_RUN_INPUT,
    FLOW_RUN_PAYLOAD,
    FLOW_RUN_STATE,
    FLOW_RUN_TAG,
    IDEMPOTENCY_KEY,
    TASK_RUN,
)
from tests.service.seeds import task_run_of
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    new_input,
    paused,
    reason,
    refused,
    violations,
)
from tests.storing import count_rows


async def test_a_run_goes_with_everything_that_is_its_own(app: App, world: World) -> None:
    run = await world.new_run(
        tags=["a"], parameters_json='{"a":1}', idempotency_key="key", deployment_id=str(uuid4())
    )
    await world.propose(run, RUNNING)
    await world.propose(run, paused(), inputs=[new_input("question")])
    await task_run_of(app, run.id)

    answer = await world.delete(run)

    assert answer.revision > 0
    assert await reason(world.get(run)) == "FLOW_RUN_NOT_FOUND"
    assert await world.states(run) == []
    tables = (FLOW_RUN, FLOW_RUN_PAYLOAD, FLOW_RUN_TAG, FLOW_RUN_STATE, FLOW_RUN_INPUT)
    assert await count_rows(app.database, *tables, IDEMPOTENCY_KEY, TASK_RUN) == {}


async def test_any_state_may_be_deleted_and_no_rule_is_asked(world: World) -> None:
    runs = [await world.new_run(state) for state in pb.StateType.values() if state]

    await asyncio.gather(*(world.delete(run) for run in runs))

    assert await world.listed() == []


async def test_subflow_runs_stay_and_lose_their_parent(app: App, world: World) -> None:
    parent = await world.new_run()
    child = await world.new_run(parent_task_run_id=await task_run_of(app, parent.id))
    watch = world.watch(send_initial_state=True)
    await watch.take(3)

    await world.delete(parent)

    left = await world.get(child)
    assert not left.HasField("parent_task_run_id")
    assert left.version == child.version
    orphan = pb.FlowRunFilter(parent_task_run_id=pb.ReferenceFilter(is_null=True))
    assert [run.id for run in await world.listed(flow_runs=orphan)] == [child.id]
    events = await watch.take(2)
    assert [event.WhichOneof("event") for event in events] == ["deleted", "run_update"]
    assert not events[1].run_update.flow_run.HasField("parent_task_run_id")
    assert (await world.propose(child, RUNNING)).state.details.task_run_id == ""


async def test_a_run_that_is_not_there_is_not_found(world: World) -> None:
    run_id = str(uuid4())

    code, info = await refused(world.delete(run_id))

    assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
    assert info.metadata["flow_run_id"] == run_id


async def test_of_many_at_once_one_deletes_the_run(world: World) -> None:
    run = await world.new_run()

    answers = await asyncio.gather(*(world.delete(run) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(answer, pb.DeleteFlowRunResponse) for answer in answers) == 1


async def test_the_version_expected_must_be_the_current_one(world: World) -> None:
    run = await world.new_run(COMPLETED)
    await world.propose(run, RUNNING)

    code, info = await refused(world.delete(run, expected_version=1))

    assert (code, info.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
    assert info.metadata["current_version"] == "2"
    assert (await world.get(run)).version == 2
    await world.delete(run, expected_version=2)
    assert await world.listed() == []


async def test_a_request_id_tells_a_repeat_from_a_run_that_never_was(world: World) -> None:
    run, request_id = await world.new_run(), str(uuid4())

    first = await world.delete(run, request_id=request_id)
    again = await world.delete(run, request_id=request_id)

    assert again == first
    assert await reason(world.delete(run)) == "FLOW_RUN_NOT_FOUND"
    assert await reason(world.delete(str(uuid4()), request_id=request_id)) == "REQUEST_ID_REUSED"


async def test_proposals_that_come_with_a_deletion_find_the_run_or_do_not(world: World) -> None:
    run = await world.new_run(PENDING)

    async def proposed() -> str:
        try:
            await world.propose(run, RUNNING)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    calls: list[Any] = [proposed() for _ in range(10)]
    *outcomes, _ = await asyncio.gather(*calls, world.delete(run))

    assert set(outcomes) <= {"OK", "NOT_FOUND"}
    assert await world.states(run) == []


async def test_what_makes_no_sense_is_refused_all_at_once(world: World) -> None:
    found = await violations(world.delete("x", expected_version=-1, request_id="y"))

    assert sorted(found) == ["expected_version", "flow_run_id", "request_id"]
