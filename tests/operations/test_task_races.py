"""Two servers on one PostgreSQL that change the same task runs: nothing is lost, and no limit is exceeded."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.util import await_only

from headgate_server.model.commands import DeleteFlowRun
from headgate_server.model.events import EventKind
from headgate_server.model.states import ProposedState, State, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import TaskVerdict, VerdictStatus
from headgate_server.operations.deletion import DeletedFlowRun, delete_all
from headgate_server.storage import events, task_runs
from headgate_server.storage.tables import TASK_RUN
from headgate_server.storage.task_runs import LoadedTask
from headgate_server.storage.writer import Work
from tests.builders import a_state
from tests.fakes import FakeClock
from tests.operations.tasks import TaskWorld, proposal
from tests.servers import Server, running_servers

ACCEPT: Final = VerdictStatus.ACCEPT


@pytest.fixture
async def servers(postgresql_url: str, clock: FakeClock) -> AsyncIterator[list[Server]]:
    """Return two servers on one database."""
    async with running_servers(2, postgresql_url, clock) as pair:
        yield pair


@pytest.fixture
async def worlds(servers: list[Server]) -> list[TaskWorld]:
    """Return the same world as each of the two servers sees it."""
    first, second = (TaskWorld(each.database, each.writer) for each in servers)
    await first.begin()
    second.flow, second.flow_run = first.flow, first.flow_run
    return [first, second]


async def most_running_at_once(world: TaskWorld) -> int:
    """Return how many task runs were RUNNING at once at most, by the log."""
    happened, _ = await world.database.read(events.read, 0, 10_000)
    running: set[str] = set()
    most = 0
    for event in happened:
        after = event.change.task_after
        if after is not None and after.state is not None:
            is_running = after.state.type is StateType.RUNNING
            (running.add if is_running else running.discard)(after.id)
            most = max(most, len(running))
    return most


async def test_states_that_two_servers_write_are_numbered_without_a_gap(
    worlds: list[TaskWorld], servers: list[Server]
) -> None:
    task_run = await worlds[0].task()

    await asyncio.gather(
        *(world.propose(task_run, StateType.RUNNING) for _ in range(5) for world in worlds)
    )

    states = await worlds[0].states(task_run)
    assert [each.version for each in states] == list(range(1, 12))
    times = [each.timestamp for each in states]
    assert times == sorted(set(times))
    stored = await worlds[0].stored(task_run)
    assert (stored.version, stored.run_count) == (11, 10)
    assert len(servers[0].published) + len(servers[1].published) == 10


async def test_of_proposals_at_two_servers_for_one_version_one_is_accepted(
    worlds: list[TaskWorld],
) -> None:
    made = await worlds[0].tasks(10)

    answers = await asyncio.gather(
        *(
            world.propose(each, StateType.RUNNING, expected_version=1)
            for each in made
            for world in worlds
        ),
        return_exceptions=True,
    )

    accepted = [each for each in answers if isinstance(each, TaskVerdict)]
    assert sorted(each.task_run.id for each in accepted) == sorted(each.id for each in made)


async def test_two_servers_give_away_no_more_slots_than_there_are(
    worlds: list[TaskWorld],
) -> None:
    await worlds[0].limit("a", 2)
    await worlds[0].limit("b", 5)
    made = await worlds[0].tasks(16, tags=("b", "a"))

    async def live(world: TaskWorld, task_run: TaskRun) -> None:
        while (await world.propose(task_run, StateType.RUNNING)).status is not ACCEPT:
            pass  # asking again is all that can be done
        await world.propose(task_run, StateType.COMPLETED)

    async with asyncio.timeout(15):
        await asyncio.gather(*(live(worlds[place % 2], each) for place, each in enumerate(made)))

    assert 1 <= await most_running_at_once(worlds[0]) <= 2
    assert await worlds[0].slots() == {}


async def test_a_slot_is_given_away_only_when_it_surely_got_free(
    worlds: list[TaskWorld], servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = worlds[0]
    await world.limit("a", 1)
    first, second = await world.tasks(2, tags=("a",))
    await world.propose(first, StateType.RUNNING)
    update_now, overtaken = task_runs.update, [first.id]

    def update_too_late(
        conn: Connection,
        changed: Sequence[tuple[TaskRun, LoadedTask]],
        states: Sequence[tuple[str, State]],
    ) -> set[str]:
        if overtaken:
            row = TASK_RUN.c.id == overtaken.pop()
            conn.execute(update(TASK_RUN).where(row).values(edition=TASK_RUN.c.edition + 1))
        return update_now(conn, changed, states)

    monkeypatch.setattr(task_runs, "update", update_too_late)
    servers[0].published.clear()
    ended, started = await world.propose_at_once(
        proposal(first, StateType.COMPLETED), proposal(second, StateType.RUNNING)
    )

    assert (ended.status, started.status) == (ACCEPT, ACCEPT)
    assert ended.revision < started.revision
    assert await most_running_at_once(world) == 1


async def test_what_is_refused_was_not_overtaken(
    worlds: list[TaskWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    task_run = await worlds[0].task(a_state(StateType.COMPLETED, data_json="1"))
    load_now, waiting = task_runs.load_for_transitions, [worlds[1]]

    def load_and_be_overtaken(
        conn: Connection, transitions: Sequence[tuple[str, str | None]]
    ) -> tuple[dict[str, LoadedTask], set[tuple[str, str]]]:
        loaded = load_now(conn, transitions)
        if waiting:
            await_only(waiting.pop().propose(task_run, StateType.RUNNING, force=True))
        return loaded

    monkeypatch.setattr(task_runs, "load_for_transitions", load_and_be_overtaken)
    verdict = await worlds[0].propose(task_run, StateType.FAILED)

    assert verdict.status is ACCEPT
    states = await worlds[0].states(task_run)
    assert [each.type for each in states] == ["COMPLETED", "RUNNING", "FAILED"]


async def test_subflow_runs_at_two_servers_share_a_parent_in_peace(
    worlds: list[TaskWorld],
) -> None:
    parent = await worlds[0].task()
    runs = [await worlds[0].subflow_of(parent) for _ in range(6)]

    await asyncio.gather(
        *(
            worlds[place % 2].propose_for_flow(run, ProposedState(type=state_type))
            for place, run in enumerate(runs)
            for state_type in (StateType.RUNNING, StateType.COMPLETED)
        )
    )

    states = await worlds[0].states(parent)
    assert [each.version for each in states] == list(range(1, 14))
    told = [(each.details.child_flow_run_id, each.type) for each in states[1:]]
    assert sorted(told) == sorted(
        (run.id, each) for run in runs for each in (StateType.RUNNING, StateType.COMPLETED)
    )


async def test_a_flow_run_is_deleted_while_its_task_runs_change(
    worlds: list[TaskWorld], servers: list[Server]
) -> None:
    made = await worlds[0].tasks(20)
    work = Work(delete_all, DeletedFlowRun)
    command = DeleteFlowRun(flow_run_id=worlds[0].flow_run.id)
    deletion = asyncio.create_task(servers[1].writer.write(work, command))

    answers = await asyncio.gather(
        *(worlds[0].propose(each, StateType.RUNNING) for each in made),
        deletion,
        return_exceptions=True,
    )

    happened, _ = await worlds[0].database.read(events.read, 0, 10_000)
    kinds = [event.change.kind for event in happened]
    written = [each for each in answers if isinstance(each, TaskVerdict)]
    assert kinds.count(EventKind.TASK_STATE_CHANGE) == len(written)
    assert kinds[-21:] == [*[EventKind.TASK_DELETED] * 20, EventKind.RUN_DELETED]
    last = {
        event.change.task_before.id: event.change.task_before
        for event in happened[-21:-1]
        if event.change.task_before
    }
    assert {each.task_run.id for each in written} == {
        task_run_id for task_run_id, each in last.items() if each.version == 2
    }
