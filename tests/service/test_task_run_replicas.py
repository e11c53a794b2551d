"""Task runs and limits on several servers of one database: whoever is asked, the answers fit together."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from headgate import v1 as pb
from tests.fakes import FakeClock
from tests.service.replicas import replicas
from tests.service.tasks import (
    delete,
    get,
    limit,
    listed,
    new_task_run,
    propose,
    renamed,
    slots,
    states,
)
from tests.service.world import (
    ACCEPT,
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    texts,
    the_error_info,
)


@pytest.fixture
async def worlds(postgresql_url: str, clock: FakeClock) -> AsyncIterator[list[World]]:
    """Return the service as the callers of three servers see it."""
    async with replicas(3, postgresql_url, clock) as servers:
        yield [world for _, world in servers]


async def test_names_given_on_several_servers_are_all_taken(worlds: list[World]) -> None:
    made = await new_task_run(worlds[0])

    answers = await asyncio.gather(
        *(renamed(world, made, f"{i}-{j}") for i, world in enumerate(worlds) for j in range(10))
    )

    last = max(answers, key=lambda each: each.revision)
    assert len({each.revision for each in answers}) == 30
    for world in worlds:
        assert (await get(world, made)).name == last.task_run.name


async def test_names_and_states_do_not_undo_each_other(worlds: list[World]) -> None:
    made = await new_task_run(worlds[0])

    await asyncio.gather(
        *(propose(worlds[0], made, PENDING) for _ in range(10)),
        *(renamed(worlds[1], made, str(number)) for number in range(10)),
        *(propose(worlds[2], made, PENDING) for _ in range(10)),
    )

    standing = await get(worlds[0], made)
    assert standing.version == 21
    assert standing.name in set(map(str, range(10)))
    assert [each.version for each in await states(worlds[1], made)] == list(range(1, 22))


async def test_a_task_run_is_deleted_once_while_others_change_it(worlds: list[World]) -> None:
    made = await new_task_run(worlds[0])

    answers = await asyncio.gather(
        *(propose(worlds[0], made, PENDING) for _ in range(10)),
        *(delete(world, made) for world in worlds),
        *(renamed(worlds[1], made, str(number)) for number in range(10)),
        return_exceptions=True,
    )

    assert sum(isinstance(each, pb.DeleteTaskRunResponse) for each in answers) == 1
    assert await states(worlds[2], made) == []


async def test_a_parent_that_is_deleted_leaves_its_subflow_whole(worlds: list[World]) -> None:
    made = await new_task_run(worlds[0])
    subflow = await worlds[0].new_run(RUNNING, parent_task_run_id=made.id)

    await asyncio.gather(
        *(worlds[0].propose(subflow, RUNNING) for _ in range(10)),
        delete(worlds[1], made),
        *(worlds[2].propose(subflow, RUNNING) for _ in range(10)),
    )

    standing = await worlds[1].get(subflow)
    assert not standing.HasField("parent_task_run_id")
    assert standing.version == 21
    assert (await worlds[1].propose(subflow, COMPLETED)).status == ACCEPT


async def test_limits_set_and_reset_on_several_servers_stay_whole(worlds: list[World]) -> None:
    run = await worlds[0].new_run(RUNNING)
    made = [await new_task_run(worlds[0], run, tags=["db"]) for _ in range(12)]
    await limit(worlds[0], "db", 2)

    await asyncio.gather(
        *(propose(worlds[i % 3], each, RUNNING) for i, each in enumerate(made)),
        *(limit(worlds[i % 3], "db", 2) for i in range(6)),
        *(
            worlds[i % 3].limits.ResetConcurrencyLimit(
                pb.ResetConcurrencyLimitRequest(tag="db", active_slots=[made[0].id])
            )
            for i in range(3)
        ),
    )

    for each in made:
        await propose(worlds[2], each, COMPLETED)
    assert await slots(worlds[0], "db") == []


async def test_task_runs_made_while_their_flow_run_is_deleted_go_with_it(
    worlds: list[World],
) -> None:
    run = await worlds[0].new_run(RUNNING)

    answers = await asyncio.gather(
        *(new_task_run(worlds[i % 2], run) for i in range(20)),
        worlds[2].delete(run),
        return_exceptions=True,
    )

    refusals = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert {str(the_error_info(each).reason) for each in refusals} <= {"FLOW_RUN_NOT_FOUND"}
    ours = pb.FlowRunFilter(id=pb.IdFilter(any=texts(run.id)))
    assert await listed(worlds[0], task_runs=pb.TaskRunFilter(), flow_runs=ours) == []
    for made in answers:
        if isinstance(made, pb.TaskRun):
            assert await states(worlds[1], made) == []
