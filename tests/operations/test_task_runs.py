"""Task runs made, renamed and deleted below the door: what it costs, and what is noted in the log."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest

from headgate_server.model.events import Event, EventKind
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, StateType
from headgate_server.model.task_commands import CreateTaskRun, DeleteTaskRun, UpdateTaskRun
from headgate_server.operations.task_creation import CreatedTaskRun
from headgate_server.operations.task_creation import create_all as create
from headgate_server.operations.task_deletion import DeletedTaskRun
from headgate_server.operations.task_deletion import delete_all as delete
from headgate_server.operations.task_updates import ChangedTaskRun
from headgate_server.operations.task_updates import update_all as update
from headgate_server.storage.database import Connection
from headgate_server.storage.writer import Outcome, Work, Writer, Written
from tests.builders import NOW
from tests.operations.tasks import TaskWorld

Carry = Callable[[Connection, datetime, Sequence[Any]], list[Outcome[Any]]]


def creation(task_world: TaskWorld, **fields: Any) -> CreateTaskRun:
    """Return a wish for a task run with a key of its own."""
    given = {"task_key": "task", "dynamic_key": new_id()} | fields
    return CreateTaskRun(flow_run_id=task_world.flow_run.id, **given)


async def cost(
    task_world: TaskWorld, statements: list[str], carry_out: Carry, commands: Sequence[object]
) -> int:
    """Carry commands out in one transaction, all of which write, and return how many statements that took."""
    statements.clear()
    outcomes = await task_world.database.write(lambda conn: carry_out(conn, NOW, commands))
    assert all(isinstance(each, Written) and each.changes for each in outcomes)
    return len([each for each in statements if "FOR UPDATE" not in each or "WITH" in each])


@pytest.mark.parametrize("count", [1, 150])
async def test_many_cost_as_many_statements_as_one(
    task_world: TaskWorld, statements: list[str], count: int
) -> None:
    creations = [creation(task_world, task_run_id=new_id(), tags=("a",)) for _ in range(count)]
    ids = [each.task_run_id or "" for each in creations]

    costs = [
        await cost(task_world, statements, create, creations),
        await cost(task_world, statements, update, [UpdateTaskRun(task_run_id=i) for i in ids]),
        await cost(task_world, statements, delete, [DeleteTaskRun(task_run_id=i) for i in ids]),
    ]

    assert costs == [6, 3, 3]


async def test_what_happens_is_noted_without_the_data_of_states(
    task_world: TaskWorld, writer: Writer, published: list[Event]
) -> None:
    state = ProposedState(type=StateType.COMPLETED, data_json="1")
    made = await writer.write(
        Work(create, CreatedTaskRun), creation(task_world, name="old", state=state)
    )
    task_run_id = made.task_run.id
    renamed = await writer.write(
        Work(update, ChangedTaskRun), UpdateTaskRun(task_run_id=task_run_id, name="new")
    )
    deleted = await writer.write(
        Work(delete, DeletedTaskRun), DeleteTaskRun(task_run_id=task_run_id)
    )

    assert [each.change.kind for each in published] == [
        EventKind.TASK_STATE_CHANGE,
        EventKind.TASK_UPDATE,
        EventKind.TASK_DELETED,
    ]
    assert [each.revision for each in published] == [
        made.revision,
        renamed.revision,
        deleted.revision,
    ]
    told = [(each.change.task_before, each.change.task_after) for each in published]
    names = [tuple(each and each.name for each in pair) for pair in told]
    assert names == [(None, "old"), ("old", "new"), ("new", None)]
    states = [each.state for pair in told for each in pair if each is not None]
    assert {each and each.type for each in states} == {StateType.COMPLETED}
    assert {each and each.data_json for each in states} == {None}
    assert {each.change.flow_run_id for each in published} == {task_world.flow_run.id}
    assert made.task_run.state is not None
    assert made.task_run.state.data_json == "1"


async def test_a_task_run_that_is_found_is_noted_once(
    task_world: TaskWorld, writer: Writer, published: list[Event]
) -> None:
    wish = creation(task_world)
    work = Work(create, CreatedTaskRun)

    answers = [await writer.write(work, wish) for _ in range(2)]

    assert [each.created for each in answers] == [True, False]
    assert len(published) == 1


async def test_a_deletion_tells_of_the_subflow_run_that_loses_its_parent(
    task_world: TaskWorld, writer: Writer, published: list[Event]
) -> None:
    task_run, other = await task_world.tasks(2)
    subflow = await task_world.subflow_of(task_run)
    await task_world.subflow_of(other)

    await writer.write(Work(delete, DeletedTaskRun), DeleteTaskRun(task_run_id=task_run.id))

    assert [each.change.kind for each in published] == [
        EventKind.TASK_DELETED,
        EventKind.RUN_UPDATE,
    ]
    change = published[1].change
    assert change.before is not None
    assert change.after is not None
    assert (change.before.parent_task_run_id, change.after.parent_task_run_id) == (
        task_run.id,
        None,
    )
    assert change.flow_run_id == subflow.id
    assert {each.last_revision for each in published} == {published[1].revision}
