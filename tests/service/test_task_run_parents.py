"""Task runs that stand for subflow runs: they mirror every state of theirs."""

from datetime import timedelta

from headgate import v1 as pb
from tests.builders import NOW
from tests.service.tasks import (
    delete,
    get,
    limit,
    new_task_run,
    propose,
    slots,
    states,
)
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    FAILED,
    PAUSED,
    PENDING,
    REJECT,
    RUNNING,
    World,
    paused,
    reason,
    scheduled_for,
)

A_SECOND = timedelta(seconds=1)
KEPT = '{"type":"literal","value":1}'
RESULT = pb.ProposedState(type=COMPLETED, message="Well", data_json=KEPT)


async def test_the_parent_mirrors_each_state_of_its_subflow(world: World) -> None:
    run = await world.new_run(RUNNING)
    parent = await new_task_run(world, run)
    subflow = await world.new_run(scheduled_for(NOW - A_SECOND), parent_task_run_id=parent.id)
    for state in (PENDING, RUNNING, RESULT):
        await world.propose(subflow, state)

    mirrored = (await states(world, parent))[1:]
    originals = await world.states(subflow)

    assert [(each.type, each.name) for each in mirrored] == [
        (each.type, each.name) for each in originals
    ]
    assert {each.details.child_flow_run_id for each in mirrored} == {subflow.id}
    assert {each.details.task_run_id for each in mirrored} == {parent.id}
    assert {each.details.flow_run_id for each in mirrored} == {run.id}
    assert {each.details.task_run_id for each in originals} == {parent.id}
    assert (mirrored[-1].message, mirrored[-1].data_json) == ("Well", KEPT)
    assert not {each.id for each in mirrored} & {each.id for each in originals}
    standing = await get(world, parent)
    assert (standing.state, standing.run_count) == (mirrored[-1], 1)


async def test_the_parent_follows_rejections_and_resumes_too(world: World) -> None:
    parent = await new_task_run(world)
    subflow = await world.new_run(RUNNING, parent_task_run_id=parent.id, retries=1)

    retried = await world.propose(subflow, FAILED)
    after_retry = (await get(world, parent)).state
    await world.propose(subflow, RUNNING)
    await world.propose(subflow, paused())
    after_pause = (await get(world, parent)).state
    await world.resume(subflow)
    after_resume = (await get(world, parent)).state

    assert retried.status == REJECT
    assert after_retry.name == "AwaitingRetry"
    assert after_pause.type == PAUSED
    assert after_resume.type == RUNNING


async def test_the_end_of_a_subflow_frees_the_slots_of_its_parent(world: World) -> None:
    await limit(world, "db", 1)
    parent = await new_task_run(world, tags=["db"])
    await propose(world, parent, RUNNING)
    subflow = await world.new_run(RUNNING, parent_task_run_id=parent.id)
    held = await slots(world, "db")

    await world.propose(subflow, COMPLETED)

    assert held == [parent.id]
    assert await slots(world, "db") == []


async def test_a_subflow_whose_parent_is_deleted_goes_on_alone(world: World) -> None:
    parent = await new_task_run(world)
    subflow = await world.new_run(RUNNING, parent_task_run_id=parent.id)
    await delete(world, parent)

    answer = await world.propose(subflow, COMPLETED)

    assert answer.status == ACCEPT
    assert await reason(get(world, parent)) == "TASK_RUN_NOT_FOUND"
