"""Polling at the database: along an index however many runs there are, and marked without harm by several servers."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event

from headgate_server.model.ids import new_id
from headgate_server.model.states import LATE_NAME, StateType
from headgate_server.model.work_pools import WorkPool, WorkQueue
from headgate_server.storage import flow_runs, polling, work_pools
from headgate_server.storage.database import Database
from tests.builders import NOW, a_flow, a_flow_run
from tests.storage.plans import explain
from tests.storing import store

POOL_ID: Final = new_id()
QUEUE_IDS: Final = [new_id() for _ in range(3)]
INDEX: Final = "ix_flow_run_work_queue_id_waiting"


@pytest.fixture
async def filled(database: Database) -> Database:
    """Return a database with a pool of three queues; in each wait twenty runs, and as many have ended."""
    flow = a_flow()

    def insert(conn: Connection) -> None:
        pool = WorkPool(
            id=POOL_ID,
            name="pool",
            create_time=NOW,
            update_time=NOW,
            type="process",
            default_queue_id=QUEUE_IDS[0],
        )
        work_pools.insert_pool(conn, pool)
        for place, queue_id in enumerate(QUEUE_IDS, start=1):
            queue = WorkQueue(
                id=queue_id,
                work_pool_id=POOL_ID,
                work_pool_name="pool",
                name=f"queue {place}",
                create_time=NOW,
                update_time=NOW,
                priority=place,
            )
            work_pools.insert_queue(conn, queue)

    await database.write(insert)
    runs = [
        a_flow_run(
            flow,
            state_type,
            work_queue_id=queue_id,
            next_scheduled_start_time=NOW + timedelta(seconds=number),
        )
        for queue_id in QUEUE_IDS
        for state_type in (StateType.SCHEDULED, StateType.COMPLETED)
        for number in range(20)
    ]
    await store(database, flows=[flow], runs=runs)
    return database


async def test_waiting_runs_are_read_along_the_index_of_their_queue(filled: Database) -> None:
    def read(conn: Connection) -> list[str]:
        seen: list[tuple[str, Any]] = []
        event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
        places = dict.fromkeys(QUEUE_IDS, 10)
        found = polling.earliest(conn, places, before=NOW, after=None, limit=25)
        polling.count_busy(conn, QUEUE_IDS)
        due = polling.next_time(conn, QUEUE_IDS, NOW)
        statements = list(seen)
        assert (len(found), due) == (3, NOW + timedelta(seconds=1))
        return [step for each in statements for step in explain(conn, *each)]

    plan = await filled.read(read)

    on_runs = [step for step in plan if "flow_run" in step]
    assert on_runs
    assert [step for step in on_runs if INDEX not in step and "Cond" not in step] == []
    assert [step for step in plan if "B-TREE FOR ORDER" in step or "Seq Scan" in step] == []


async def test_late_runs_are_counted_by_the_name_of_their_state(filled: Database) -> None:
    def read(conn: Connection) -> list[str]:
        seen: list[tuple[str, Any]] = []
        event.listen(conn, "before_cursor_execute", lambda *each: seen.append((each[2], each[3])))
        work_pools.count_late(conn, QUEUE_IDS[0], LATE_NAME)
        return explain(conn, *seen[0])

    plan = await filled.read(read)

    assert [step for step in plan if "ix_flow_run_state_name_id" in step]


async def test_runs_forget_queues_that_are_gone_a_number_at_a_time(filled: Database) -> None:
    gone = QUEUE_IDS[1:]

    def forget(conn: Connection) -> int:
        return work_pools.forget_queues(conn, gone, 30)

    assert [await filled.write(forget) for _ in range(4)] == [30, 30, 20, 0]
    left = await filled.read(
        polling.earliest, dict.fromkeys(QUEUE_IDS, 50), before=None, after=None, limit=100
    )
    assert {each.work_queue_id for each in left} == {QUEUE_IDS[0]}


async def test_servers_that_mark_the_same_queues_at_once_do_not_harm_each_other(
    postgresql_url: str,
) -> None:
    queue_ids = [new_id() for _ in range(10)]
    databases = [Database.open(postgresql_url) for _ in range(3)]

    def insert(conn: Connection) -> None:
        work_pools.insert_pool(
            conn,
            WorkPool(
                id=POOL_ID,
                name="pool",
                create_time=NOW,
                update_time=NOW,
                type="process",
                default_queue_id=queue_ids[0],
            ),
        )
        for place, queue_id in enumerate(queue_ids, start=1):
            work_pools.insert_queue(
                conn,
                WorkQueue(
                    id=queue_id,
                    work_pool_id=POOL_ID,
                    work_pool_name="pool",
                    name=str(place),
                    create_time=NOW,
                    update_time=NOW,
                    priority=place,
                ),
            )

    async def mark(database: Database, ids: list[str]) -> None:
        for second in range(20):
            now = NOW + timedelta(seconds=second)
            await database.write(lambda conn, now=now: polling.mark_polled(conn, ids, now))  # type: ignore[misc]

    try:
        await databases[0].write(insert)
        orders = (queue_ids, queue_ids[::-1], queue_ids[5:] + queue_ids[:5])
        await asyncio.gather(
            *(mark(each, ids) for each, ids in zip(databases, orders, strict=True))
        )
        queues = await databases[0].read(work_pools.queues_of, POOL_ID)
    finally:
        for database in databases:
            await database.close()

    assert {queue.last_polled_time for queue in queues} == {NOW + timedelta(seconds=19)}


async def test_a_queue_is_made_once_and_then_found(filled: Database) -> None:
    def find(conn: Connection) -> list[WorkQueue | None]:
        return [
            work_pools.find_or_create_queue(conn, NOW, POOL_ID, "new"),
            work_pools.find_or_create_queue(conn, NOW, POOL_ID, "new"),
            work_pools.find_or_create_queue(conn, NOW, POOL_ID, "queue 2"),
            work_pools.find_or_create_queue(conn, NOW, new_id(), "new"),
        ]

    made, again, known, nowhere = await filled.write(find)

    assert made is not None
    assert made == again
    assert (made.name, made.work_pool_name, made.priority) == ("new", "pool", 4)
    assert known is not None
    assert known.id == QUEUE_IDS[1]
    assert nowhere is None


async def test_a_run_of_a_queue_that_does_not_exist_has_none(database: Database) -> None:
    flow = a_flow()
    run = a_flow_run(flow, StateType.SCHEDULED, work_queue_id=new_id(), work_queue_name="gone")
    await store(database, flows=[flow], runs=[run])

    found = (await database.read(flow_runs.load_basic, [run.id]))[run.id]

    assert (found.work_queue_id, found.work_queue_name, found.work_pool_name) == (
        None,
        "gone",
        None,
    )
