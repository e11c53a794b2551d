"""Deleting flow runs and flows: what is under them goes with them, and is noted in the log."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from headgate_server.model.commands import DeleteFlow, DeleteFlowRun
from headgate_server.model.events import Event, EventKind
from headgate_server.model.states import StateType
from headgate_server.operations.deletion import DeletedFlowRun, delete_all
from headgate_server.operations.flows import Flows
from headgate_server.storage.database import Database
from headgate_server.storage.tables import (
    CONCURRENCY_SLOT,
    FLOW_RUN,
    TASK_RUN,
    TASK_RUN_CACHE,
    TASK_RUN_STATE,
    TASK_RUN_TAG,
)
from headgate_server.storage.writer import Work, Writer
from tests.operations.tasks import TaskWorld
from tests.storing import count_rows

UNDER_TASK_RUNS: Final = (
    TASK_RUN,
    TASK_RUN_STATE,
    TASK_RUN_TAG,
    TASK_RUN_CACHE,
    CONCURRENCY_SLOT,
)

Delete = Callable[[TaskWorld, Writer], Awaitable[None]]


async def delete_run(task_world: TaskWorld, writer: Writer) -> None:
    work = Work(delete_all, DeletedFlowRun)
    await writer.write(work, DeleteFlowRun(flow_run_id=task_world.flow_run.id))


async def delete_flow(task_world: TaskWorld, writer: Writer) -> None:
    flows = Flows(task_world.database, writer)
    await flows.delete(DeleteFlow(flow_id=task_world.flow.id))


@pytest.mark.parametrize("delete", [delete_run, delete_flow], ids=["flow run", "flow"])
class TestTaskRuns:
    async def test_they_go_with_all_that_is_under_them(
        self, task_world: TaskWorld, writer: Writer, database: Database, delete: Delete
    ) -> None:
        await task_world.limit("a", 1)
        runs = await task_world.task(tags=("a",)), await task_world.task()
        await task_world.propose(runs[0], StateType.RUNNING)
        await task_world.propose(runs[1], StateType.COMPLETED, cache_key="key", data_json="1")

        await delete(task_world, writer)

        assert await count_rows(database, *UNDER_TASK_RUNS) == {}

    async def test_each_is_noted_before_its_flow_run(
        self, task_world: TaskWorld, writer: Writer, published: list[Event], delete: Delete
    ) -> None:
        made = await task_world.tasks(3)
        verdict = await task_world.propose(made[1], StateType.RUNNING, data_json="1")
        published.clear()

        await delete(task_world, writer)

        changes = [event.change for event in published]
        assert [change.kind for change in changes] == [
            *[EventKind.TASK_DELETED] * 3,
            EventKind.RUN_DELETED,
        ]
        assert {change.flow_run_id for change in changes} == {task_world.flow_run.id}
        gone = {
            change.task_before.id: change.task_before for change in changes if change.task_before
        }
        assert gone.keys() == {each.id for each in made}
        assert gone[made[0].id] == made[0]
        assert gone[made[1].id].version == verdict.task_run.version
        assert {event.last_revision for event in published} == {published[-1].revision}


async def test_a_subflow_run_stays_and_loses_its_parent(
    task_world: TaskWorld, writer: Writer, database: Database, published: list[Event]
) -> None:
    run = await task_world.subflow_of(await task_world.task())

    await delete_run(task_world, writer)

    assert [event.change.kind for event in published] == [
        EventKind.TASK_DELETED,
        EventKind.RUN_DELETED,
        EventKind.RUN_UPDATE,
    ]
    assert (await task_world.stored_flow_run(run)).parent_task_run_id is None
    assert await count_rows(database, FLOW_RUN) == {"flow_run": 1}


async def test_the_slots_of_a_deleted_flow_run_are_free_for_others(
    task_world: TaskWorld, writer: Writer
) -> None:
    await task_world.limit("a", 1)
    await task_world.propose(await task_world.task(tags=("a",)), StateType.RUNNING)
    await delete_run(task_world, writer)
    await task_world.begin()

    task_run = await task_world.task(tags=("a",))
    await task_world.propose(task_run, StateType.RUNNING)

    assert await task_world.slots() == {"a": {task_run.id}}
