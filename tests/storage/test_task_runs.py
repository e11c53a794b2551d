"""Task runs, the results that answer to cache keys, and slots, as rows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, event

from headgate_server.model.conflicts import DataConflictError
from headgate_server.model.flows import Flow
from headgate_server.model.ids import new_id
from headgate_server.model.states import StateDetails, StateType
from headgate_server.model.task_runs import TaskInput, TaskInputKind, TaskRun, TaskRunPolicy
from headgate_server.storage import concurrency_slots, task_cache, task_runs
from headgate_server.storage.database import Database
from headgate_server.storage.tables import CONCURRENCY_SLOT, TASK_RUN, TASK_RUN_STATE, TASK_RUN_TAG
from tests.builders import NOW, a_flow, a_flow_run, a_limit, a_state, a_task_run
from tests.storage.plans import detours, explain
from tests.storing import count_rows, store

FLOW: Final[Flow] = a_flow(name="flow")
FLOW_RUN: Final = a_flow_run(FLOW, StateType.RUNNING)
WHOLE: Final = a_task_run(
    FLOW_RUN,
    a_state(
        StateType.SCHEDULED,
        "AwaitingRetry",
        version=3,
        message="Oh",
        data_json='{"n": 1}',
        details=StateDetails(scheduled_time=NOW, cache_key="key", retriable=False),
    ),
    dynamic_key="0-ä'\"%",
    task_version="1",
    cache_key="key",
    cache_expire_time=NOW,
    policy=TaskRunPolicy(
        retries=2, retry_delays=(timedelta(seconds=1.5), timedelta()), retry_jitter_factor=0.5
    ),
    task_inputs={
        "x": (TaskInput(kind=TaskInputKind.TASK_RUN, value=new_id()),),
        "y": (
            TaskInput(kind=TaskInputKind.PARAMETER, value="n"),
            TaskInput(kind=TaskInputKind.CONSTANT, value="int"),
        ),
        "z": (),
    },
    tags=("b", "a", "b"),
    run_count=2,
    flow_run_run_count=1,
    expected_start_time=NOW,
    next_scheduled_start_time=NOW,
    start_time=NOW,
    end_time=NOW,
    total_run_time=timedelta(microseconds=7),
)
"""A task run with everything."""


async def begin(database: Database, *tasks: TaskRun) -> None:
    """Store a flow run with task runs."""
    await store(database, flows=[FLOW], runs=[FLOW_RUN], tasks=tasks)


class TestTaskRuns:
    async def test_what_is_stored_is_read_again(self, database: Database) -> None:
        bare = a_task_run(FLOW_RUN)
        await begin(database, WHOLE, bare)

        full = await database.read(task_runs.load_full, [WHOLE.id, bare.id, new_id()])
        basic = await database.read(task_runs.load_basic, [WHOLE.id, bare.id])
        loaded = await database.read(task_runs.load, [WHOLE.id])

        assert full == {WHOLE.id: WHOLE, bare.id: bare}
        assert basic == {WHOLE.id: task_runs.basic(WHOLE), bare.id: bare}
        assert WHOLE.state is not None
        assert basic[WHOLE.id].state == replace(WHOLE.state, data_json=None)
        assert loaded[WHOLE.id].task_run == basic[WHOLE.id]
        assert await count_rows(database, TASK_RUN, TASK_RUN_STATE, TASK_RUN_TAG) == {
            "task_run": 2,
            "task_run_state": 1,
            "task_run_tag": 2,
        }

    async def test_task_runs_are_found_by_their_keys(self, database: Database) -> None:
        other = a_task_run(FLOW_RUN, task_key=WHOLE.dynamic_key, dynamic_key=WHOLE.task_key)
        await begin(database, WHOLE, other)
        keys = [
            (FLOW_RUN.id, WHOLE.task_key, WHOLE.dynamic_key),
            (FLOW_RUN.id, WHOLE.dynamic_key, WHOLE.task_key),
            (FLOW_RUN.id, WHOLE.task_key, WHOLE.task_key),
            (new_id(), WHOLE.task_key, WHOLE.dynamic_key),
        ]

        found = await database.read(task_runs.ids_by_key, keys)

        assert found == {keys[0]: WHOLE.id, keys[1]: other.id}

    async def test_the_keys_of_a_task_run_are_its_own(self, database: Database) -> None:
        await begin(database, WHOLE)

        with pytest.raises(DataConflictError):
            await store(database, tasks=[replace(WHOLE, id=new_id())])

    async def test_a_task_run_is_written_and_deleted_at_the_edition_it_was_loaded_at(
        self, database: Database
    ) -> None:
        await begin(database, WHOLE)
        loaded = await database.read(task_runs.load, [WHOLE.id])
        renamed = replace(WHOLE, name="another")

        def write(conn: Connection) -> tuple[set[str], set[str], set[str]]:
            first = task_runs.update(conn, [(renamed, loaded[WHOLE.id])])
            stale = task_runs.changed(conn, {WHOLE.id: loaded[WHOLE.id].edition})
            gone = task_runs.delete(conn, [(WHOLE.id, loaded[WHOLE.id].edition + 1)])
            return first, stale, gone

        first, stale, gone = await database.write(write)

        # SQLite: nobody else writes while a transaction does, so nothing is ever stale there.
        is_shared = database.kind.value.lower() == "postgresql"
        assert (first, stale, gone) == ({WHOLE.id}, {WHOLE.id} if is_shared else set(), {WHOLE.id})
        tables = (TASK_RUN, TASK_RUN_STATE, TASK_RUN_TAG)
        assert await count_rows(database, *tables) == {}

    async def test_a_task_run_that_has_moved_on_is_not_written(self, postgresql_url: str) -> None:
        database = Database.open(postgresql_url)
        await begin(database, WHOLE)
        loaded = (await database.read(task_runs.load, [WHOLE.id]))[WHOLE.id]
        stale = task_runs.LoadedTask(task_run=loaded.task_run, edition=loaded.edition - 1)

        written = await database.write(
            lambda conn: task_runs.update(conn, [(replace(WHOLE, name="another"), stale)])
        )
        gone = await database.write(
            lambda conn: task_runs.delete(conn, [(WHOLE.id, stale.edition)])
        )

        assert (written, gone) == (set(), set())
        assert await database.read(task_runs.load_full, [WHOLE.id]) == {WHOLE.id: WHOLE}
        await database.close()

    async def test_the_transitions_that_were_made_are_known(self, database: Database) -> None:
        states = [
            a_state(StateType.PENDING, version=number, details=StateDetails(transition_id=made))
            for number, made in enumerate(["t1", None, "t2"], 1)
        ]
        task_run = a_task_run(FLOW_RUN, states[0])
        await begin(database, task_run)
        rest = [(task_run.id, state) for state in states[1:]]
        await database.write(lambda conn: task_runs.insert_states(conn, rest))
        asked = [(task_run.id, each) for each in ("t1", "t2", "t3", None)]

        loaded, made = await database.read(
            task_runs.load_for_transitions, [*asked, (new_id(), "t1")]
        )

        assert list(loaded) == [task_run.id]
        assert made == {(task_run.id, "t1"), (task_run.id, "t2")}


class TestSlots:
    async def test_limits_come_in_the_order_of_tags_with_what_is_taken(
        self, database: Database
    ) -> None:
        tasks = [a_task_run(FLOW_RUN) for _ in range(3)]
        await begin(database, *tasks)
        limits = [a_limit(tag, 5) for tag in ("b", "a", "c", "B")]
        await store(database, limits=limits)
        slots = [(limits[0].id, tasks[0].id), (limits[0].id, tasks[1].id)]

        def take(conn: Connection) -> None:
            concurrency_slots.take(conn, slots)
            concurrency_slots.take(conn, slots[:1])

        await database.write(take)
        found = await database.write(
            lambda conn: concurrency_slots.lock_limits(conn, ["c", "b", "B", "nobody's", "a"])
        )

        assert [(each.tag, each.slots, each.taken) for each in found] == [
            ("B", 5, 0),
            ("a", 5, 0),
            ("b", 5, 2),
            ("c", 5, 0),
        ]

    async def test_slots_are_given_back_one_by_one(self, database: Database) -> None:
        tasks = [a_task_run(FLOW_RUN) for _ in range(2)]
        await begin(database, *tasks)
        limits = [a_limit(tag, 5) for tag in "ab"]
        await store(database, limits=limits)
        slots = {(limit.id, task.id) for limit in limits for task in tasks}
        gone = (limits[0].id, tasks[1].id)

        await database.write(lambda conn: concurrency_slots.take(conn, slots))
        await database.write(lambda conn: concurrency_slots.give_back(conn, [gone, gone]))

        held = await database.read(concurrency_slots.held_by, [each.id for each in tasks])
        assert held == slots - {gone}
        assert await count_rows(database, CONCURRENCY_SLOT) == {"concurrency_slot": 3}


PAIRS: Final = [(WHOLE.id, new_id()), (new_id(), None)]
READS: Final = [
    pytest.param(lambda conn: task_runs.load_for_transitions(conn, PAIRS), id="for transitions"),
    pytest.param(lambda conn: task_runs.load_full(conn, [WHOLE.id]), id="whole"),
    pytest.param(lambda conn: task_runs.ids_by_key(conn, [("a", "b", "c")]), id="by keys"),
    pytest.param(lambda conn: task_cache.newest(conn, ["key"], NOW), id="kept results"),
    pytest.param(lambda conn: concurrency_slots.held_by(conn, [WHOLE.id]), id="held slots"),
    pytest.param(lambda conn: concurrency_slots.lock_limits(conn, ["a"]), id="limits"),
]


@pytest.mark.parametrize("read", READS)
async def test_everything_is_looked_up_along_an_index(
    database: Database, read: Callable[[Connection], object]
) -> None:
    await begin(database, WHOLE)
    await store(database, limits=[a_limit("a", 1)])

    def plan(conn: Connection) -> list[str]:
        seen: list[tuple[str, Any]] = []
        event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
        read(conn)
        return [step for each in list(seen) for step in explain(conn, *each)]

    steps = await database.read(plan)

    # A few rows are put in the order of tags before they are locked; nothing else is sorted.
    assert steps
    assert [each for each in detours(steps) if "tag" not in each and "ORDER BY" not in each] == []
