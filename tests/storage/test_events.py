"""The log: dense revisions, whole calls, and an end that moves."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from headgate_server.model.events import Change, Event, EventKind, Scope
from headgate_server.model.states import StateType
from headgate_server.storage import events
from headgate_server.storage.database import Database
from headgate_server.storage.events import LogPosition
from tests.builders import NOW, a_flow, a_flow_run, a_state, a_task_run, an_input
from tests.fakes import FakeClock


def a_change(flow_run_id: str) -> Change:
    return Change(kind=EventKind.INPUT_CREATED, flow_run_id=flow_run_id)


async def append(database: Database, *groups: str, now: datetime = NOW) -> list[Event]:
    """Append groups of changes, each given as the ids of the runs that change."""
    return await database.write(
        lambda conn: events.append(
            conn, [[a_change(each) for each in group] for group in groups], now
        )
    )


async def revisions_after(database: Database, after: int, limit: int = 100) -> list[int]:
    return [event.revision for event in (await database.read(events.read, after, limit))[0]]


async def test_revisions_count_on_without_gaps(database: Database) -> None:
    first = await append(database, "a", "bc")
    second = await append(database, "d")

    assert [event.revision for event in first + second] == [1, 2, 3, 4]
    assert (await database.read(events.position)).revision == 4


async def test_the_changes_of_one_call_name_the_same_last_revision(database: Database) -> None:
    appended = await append(database, "a", "bcd", "e")

    assert [event.last_revision for event in appended] == [1, 4, 4, 4, 5]


async def test_nothing_takes_no_revision(database: Database) -> None:
    assert await append(database) == []
    assert await append(database, "", "") == []
    assert (await database.read(events.position)).revision == 0


async def test_what_is_read_is_what_was_appended(database: Database) -> None:
    flow = a_flow(tags=("a", "b"))
    state = a_state(StateType.RUNNING, message="Grüße, 世界")
    before, after = a_flow_run(flow), a_flow_run(flow, state)
    whole = [
        Change(
            kind=EventKind.STATE_CHANGE, flow_run_id=after.id, before=before, after=after, flow=flow
        ),
        Change(
            kind=EventKind.INPUT_DELETED, flow_run_id=after.id, input=an_input(after, "question")
        ),
    ]
    now = NOW + timedelta(microseconds=1)

    appended = await database.write(lambda conn: events.append(conn, [whole], now))

    assert await database.read(events.read, 0, 10) == (appended, True)
    assert [event.change for event in appended] == whole
    assert {event.commit_time for event in appended} == {now}


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [
        pytest.param(0, 10, [1, 2, 3, 4], id="all"),
        pytest.param(2, 10, [3, 4], id="after a revision"),
        pytest.param(0, 3, [1, 2, 3], id="limited"),
        pytest.param(4, 10, [], id="at the end"),
    ],
)
async def test_events_are_read_in_order(
    database: Database, after: int, limit: int, expected: list[int]
) -> None:
    await append(database, "ab", "cd")

    assert await revisions_after(database, after, limit) == expected


async def test_events_of_some_runs_are_read_alone(database: Database) -> None:
    await append(database, "abc", "ab")

    scope = Scope(flow_run_ids=frozenset({"a", "c"}))

    found, _ = await database.read(events.read, 1, 10, scope)

    assert [(event.revision, event.change.flow_run_id) for event in found] == [(3, "c"), (4, "a")]


ONE_RUN = a_flow_run(a_flow())
TASKS = [a_task_run(ONE_RUN) for _ in range(2)]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(Scope(), [1, 6], id="no task runs"),
        pytest.param(Scope(flow_run_ids=frozenset({ONE_RUN.id})), [6], id="one run"),
        pytest.param(Scope(of_task_runs=True), [2, 3, 4, 5], id="task runs"),
        pytest.param(
            Scope(of_task_runs=True, flow_run_ids=frozenset({ONE_RUN.id})),
            [2, 3, 4],
            id="task runs of one run",
        ),
        pytest.param(
            Scope(of_task_runs=True, task_run_ids=frozenset({TASKS[1].id})),
            [3, 4],
            id="one task run",
        ),
        pytest.param(
            Scope(of_task_runs=True, task_run_ids=frozenset()), [], id="no task run at all"
        ),
    ],
)
async def test_events_in_scope_are_read_alone(
    database: Database, scope: Scope, expected: list[int]
) -> None:
    elsewhere = a_task_run(a_flow_run(a_flow()))
    changes = [
        a_change("a"),
        Change(kind=EventKind.TASK_STATE_CHANGE, flow_run_id=ONE_RUN.id, task_after=TASKS[0]),
        Change(
            kind=EventKind.TASK_UPDATE,
            flow_run_id=ONE_RUN.id,
            task_before=TASKS[1],
            task_after=TASKS[1],
        ),
        Change(kind=EventKind.TASK_DELETED, flow_run_id=ONE_RUN.id, task_before=TASKS[1]),
        Change(
            kind=EventKind.TASK_STATE_CHANGE,
            flow_run_id=elsewhere.flow_run_id,
            task_after=elsewhere,
        ),
        a_change(ONE_RUN.id),
    ]
    appended = await database.write(lambda conn: events.append(conn, [changes], NOW))

    found, is_all = await database.read(events.read, 0, 10, scope)

    assert ([event.revision for event in found], is_all) == (expected, True)
    assert found == [event for event in appended if scope.covers(event.change)]


async def test_a_transaction_that_is_undone_takes_no_revision(database: Database) -> None:
    def append_and_fail(conn: Connection) -> None:
        events.append(conn, [[a_change("a")]], NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(append_and_fail)

    assert [event.revision for event in await append(database, "b")] == [1]


async def test_old_events_are_dropped_and_the_log_says_from_where_it_is_kept(
    database: Database, clock: FakeClock
) -> None:
    await append(database, "abc", now=clock())
    clock.advance(timedelta(days=1))
    await append(database, "de", now=clock())

    dropped = await database.write(lambda conn: events.trim(conn, clock(), 100))

    position = await database.read(events.position)
    assert dropped == 3
    assert (position.oldest_revision, position.revision) == (3, 5)
    assert await revisions_after(database, position.oldest_revision) == [4, 5]


async def test_events_are_dropped_a_number_at_a_time(database: Database, clock: FakeClock) -> None:
    await append(database, "abcde", now=clock())
    clock.advance(timedelta(days=1))

    dropped = [await database.write(lambda conn: events.trim(conn, clock(), 2)) for _ in range(4)]

    assert dropped == [2, 2, 1, 0]
    assert (await database.read(events.position)).oldest_revision == 5


async def test_young_events_are_kept(database: Database) -> None:
    await append(database, "abc")

    assert await database.write(lambda conn: events.trim(conn, NOW, 100)) == 0
    assert await revisions_after(database, 0) == [1, 2, 3]


async def test_revisions_go_on_after_everything_was_dropped(
    database: Database, clock: FakeClock
) -> None:
    await append(database, "abc", now=clock())
    clock.advance(timedelta(days=1))
    await database.write(lambda conn: events.trim(conn, clock(), 100))

    assert [event.revision for event in await append(database, "d")] == [4]


async def test_a_new_epoch_leaves_the_log_as_it_is(database: Database) -> None:
    await append(database, "abc")
    before = await database.read(events.position)

    await database.write(lambda conn: events.change_epoch(conn, "another"))

    after = await database.read(events.position)
    assert before.epoch != "another"
    assert after == LogPosition(
        revision=before.revision, oldest_revision=before.oldest_revision, epoch="another"
    )
