"""Task runs that stand for subflow runs: whatever those do, they do."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from headgate_server.model.commands import CreateFlowRun, Proposal, Resume
from headgate_server.model.events import Event, EventKind
from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.ids import new_id
from headgate_server.model.states import ProposedState, State, StateDetails, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.operations.creation import CreatedFlowRun, create_all
from headgate_server.operations.resume import Resuming
from headgate_server.operations.transitions import Transitions
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Work, Writer
from tests.builders import NOW, a_state
from tests.fakes import FakeClock
from tests.operations.tasks import TaskWorld

AN_HOUR: Final = timedelta(hours=1)


@pytest.fixture
async def parent(task_world: TaskWorld) -> TaskRun:
    """Return the task run that stands for the subflow run."""
    return await task_world.task()


@pytest.fixture
async def subflow(task_world: TaskWorld, parent: TaskRun) -> FlowRun:
    """Return a subflow run that is PENDING."""
    return await task_world.subflow_of(parent)


async def state_of(task_world: TaskWorld, task_run: TaskRun) -> State:
    """Return the state that a task run is in."""
    state = (await task_world.stored(task_run)).state
    assert state is not None
    return state


def groups(published: Sequence[Event]) -> list[tuple[EventKind, int]]:
    """Return what happened, with the last revision of what happened together."""
    return [(event.change.kind, event.last_revision) for event in published]


@pytest.mark.parametrize("force", [False, True], ids=["proposed", "forced"])
async def test_the_parent_takes_a_copy_of_the_state(
    task_world: TaskWorld,
    parent: TaskRun,
    subflow: FlowRun,
    published: list[Event],
    force: bool,  # noqa: FBT001 - a column of the table
) -> None:
    proposed = ProposedState(
        type=StateType.RUNNING,
        name="Humming",
        message="Here we go",
        data_json='{"n": 1}',
        details=StateDetails(transition_id=new_id()),
    )

    verdict = await task_world.propose_for_flow(subflow, proposed, force=force)

    written, copy = verdict.run.state, await state_of(task_world, parent)
    assert written is not None
    assert copy == replace(
        written,
        id=copy.id,
        version=2,
        details=StateDetails(task_run_id=parent.id, child_flow_run_id=subflow.id),
    )
    assert copy.id != written.id
    assert groups(published) == [(EventKind.STATE_CHANGE, 2), (EventKind.TASK_STATE_CHANGE, 2)]
    assert published[1].change.flow_run_id == task_world.flow_run.id
    assert verdict.revision == 2


async def test_a_substitute_reaches_the_parent(task_world: TaskWorld, parent: TaskRun) -> None:
    run = await task_world.subflow_of(
        parent, StateType.RUNNING, run_count=1, policy=FlowRunPolicy(retries=1)
    )

    await task_world.propose_for_flow(run, ProposedState(type=StateType.FAILED))

    assert (await state_of(task_world, parent)).name == "AwaitingRetry"
    assert (await task_world.stored(parent)).next_scheduled_start_time == NOW


async def test_a_refused_state_leaves_the_parent_alone(
    task_world: TaskWorld, parent: TaskRun, subflow: FlowRun, published: list[Event]
) -> None:
    await task_world.propose_for_flow(subflow, ProposedState(type=StateType.PENDING))

    assert await task_world.stored(parent) == parent
    assert published == []


async def test_the_parent_follows_where_its_own_rules_would_not_let_it(
    task_world: TaskWorld,
) -> None:
    ended = await task_world.task(a_state(StateType.COMPLETED, data_json="1"))
    run = await task_world.subflow_of(ended)
    await task_world.propose_for_flow(task_world.flow_run, ProposedState(type=StateType.CANCELLED))

    await task_world.propose_for_flow(run, ProposedState(type=StateType.RUNNING))

    assert (await state_of(task_world, ended)).type is StateType.RUNNING


async def test_the_slots_of_the_parent_are_given_back_when_the_subflow_ends(
    task_world: TaskWorld,
) -> None:
    await task_world.limit("a", 1)
    parent = await task_world.task(tags=("a",))
    await task_world.propose(parent, StateType.RUNNING)
    run = await task_world.subflow_of(parent, StateType.RUNNING)

    await task_world.propose_for_flow(run, ProposedState(type=StateType.COMPLETED))

    assert await task_world.slots() == {}


async def test_several_states_of_one_batch_reach_the_parents_in_order(
    task_world: TaskWorld, parent: TaskRun, subflow: FlowRun, published: list[Event]
) -> None:
    other = await task_world.task()
    other_subflow = await task_world.subflow_of(other)
    second = await task_world.subflow_of(parent)

    await task_world.propose_for_flows_at_once(
        (subflow, StateType.RUNNING),
        (other_subflow, StateType.RUNNING),
        (second, StateType.RUNNING),
        (subflow, StateType.COMPLETED),
    )

    states = await task_world.states(parent)
    assert [(each.version, each.type, each.details.child_flow_run_id) for each in states] == [
        (1, StateType.PENDING, None),
        (2, StateType.RUNNING, subflow.id),
        (3, StateType.RUNNING, second.id),
        (4, StateType.COMPLETED, subflow.id),
    ]
    assert (await state_of(task_world, other)).type is StateType.RUNNING
    assert [revision for _, revision in groups(published)] == [2, 2, 4, 4, 6, 6, 8, 8]


async def test_a_new_subflow_run_shows_its_first_state(
    task_world: TaskWorld, parent: TaskRun, writer: Writer, published: list[Event]
) -> None:
    due = NOW + AN_HOUR
    command = CreateFlowRun(
        flow_id=task_world.flow.id,
        state=ProposedState(
            type=StateType.SCHEDULED, details=StateDetails(scheduled_time=due), data_json="1"
        ),
        parent_task_run_id=parent.id,
        idempotency_key="key",
    )
    create = Work(create_all, CreatedFlowRun)

    created = await writer.write(create, command)
    again = await writer.write(create, command)

    copy = await state_of(task_world, parent)
    assert (created.created, again.created) == (True, False)
    assert (copy.type, copy.data_json, copy.version) == (StateType.SCHEDULED, "1", 2)
    assert copy.details == StateDetails(
        scheduled_time=due, task_run_id=parent.id, child_flow_run_id=created.run.id
    )
    assert groups(published) == [(EventKind.STATE_CHANGE, 2), (EventKind.TASK_STATE_CHANGE, 2)]


async def test_a_resumed_subflow_run_takes_its_parent_along(
    task_world: TaskWorld,
    parent: TaskRun,
    database: Database,
    writer: Writer,
    clock: FakeClock,
) -> None:
    run = await task_world.subflow_of(parent, StateType.RUNNING)
    await task_world.propose_for_flow(run, ProposedState(type=StateType.PAUSED))
    resuming = Resuming(database, writer, clock=clock, answer_bytes=1000)

    verdict = await resuming.resume(Resume(flow_run_id=run.id))

    assert verdict.status is VerdictStatus.ACCEPT
    types = [each.type for each in await task_world.states(parent)]
    assert types == [StateType.PENDING, StateType.PAUSED, StateType.RUNNING]


async def test_a_subflow_run_that_is_late_makes_its_parent_late(
    task_world: TaskWorld, parent: TaskRun, writer: Writer
) -> None:
    run = await task_world.subflow_of(parent, StateType.SCHEDULED)

    await Transitions(writer).mark_late(
        Proposal(flow_run_id=run.id, state=ProposedState(type=StateType.SCHEDULED, name="Late"))
    )

    assert (await state_of(task_world, parent)).name == "Late"


async def test_a_batch_of_runs_without_parent_touches_no_task_run(
    task_world: TaskWorld, parent: TaskRun, published: list[Event]
) -> None:
    await task_world.propose_for_flow(task_world.flow_run, ProposedState(type=StateType.COMPLETED))

    assert groups(published) == [(EventKind.STATE_CHANGE, 1)]
    assert await task_world.stored(parent) == parent
