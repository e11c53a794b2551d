"""Two servers on one PostgreSQL: whoever comes second decides anew, and nothing is lost or done twice."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.util import await_only

from headgate_server.model.errors import DatabaseUnavailableError
from headgate_server.storage.bulk import BulkUpdate
from headgate_server.storage.writer import LostRace, Outcome, Work, Written
from tests.fakes import FakeClock
from tests.servers import Server, running_servers
from tests.storage.works import NOTE, Note, Noted, RefusedError, changes_of

_UPDATE = BulkUpdate(NOTE.c.name, NOTE.c.count, NOTE.c.count)


@pytest.fixture
async def servers(postgresql_url: str, clock: FakeClock) -> AsyncIterator[list[Server]]:
    """Return two servers on one database with two notes."""
    async with running_servers(2, postgresql_url, clock) as pair:
        await pair[0].database.write(NOTE.metadata.create_all)
        await pair[0].database.write(
            lambda conn: conn.execute(insert(NOTE).values([("a", 0), ("b", 0)]))
        )
        yield pair


class Meeting:
    """Makes the first two that come wait for each other, in the middle of their transactions."""

    def __init__(self) -> None:
        self._barrier = asyncio.Barrier(2)
        self._expected = 2

    def attend(self) -> None:
        """Wait for the other, unless the meeting is over."""
        if self._expected:
            self._expected -= 1
            await_only(self._barrier.wait())


def counts(conn: Connection) -> dict[str, int]:
    """Return the counts of all notes."""
    return {
        row.name: row.count_
        for row in conn.execute(select(NOTE.c.name, NOTE.c.count.label("count_")))
    }


async def test_two_servers_that_change_one_row_both_have_their_way(
    servers: list[Server],
) -> None:
    meeting = Meeting()

    def count_up(
        conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        seen = counts(conn)
        meeting.attend()
        (note,) = commands
        count = seen[note.name]
        won = _UPDATE.run(conn, [((count,), (count + 1,), note.name)], [count])
        return [Written(Noted(name=note.name)) if won else LostRace(RefusedError("Too slow."))]

    work = Work(count_up, Noted)
    await asyncio.gather(*(server.writer.write(work, Note(name="a")) for server in servers))

    assert await servers[0].database.read(counts) == {"a": 2, "b": 0}
    assert sum(server.lost_races for server in servers) == 1


async def test_of_two_servers_that_insert_one_row_the_second_is_told_by_its_own_check(
    servers: list[Server],
) -> None:
    meeting = Meeting()

    def insert_new(
        conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        taken = counts(conn)
        meeting.attend()
        (note,) = commands
        if note.name in taken:
            return [RefusedError("It is there.")]
        conn.execute(insert(NOTE).values(name=note.name, count=1))
        return [Written(Noted(name=note.name))]

    work = Work(insert_new, Noted)
    answers = await asyncio.gather(
        *(server.writer.write(work, Note(name="c")) for server in servers), return_exceptions=True
    )

    assert sorted(type(answer).__name__ for answer in answers) == ["Noted", "RefusedError"]


async def test_two_servers_that_wait_for_each_other_are_untangled(
    servers: list[Server],
) -> None:
    meeting = Meeting()

    def touch_both(
        conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        (note,) = commands
        for number, name in enumerate(note.name):
            if number == 1:
                meeting.attend()
            conn.execute(
                text("UPDATE note SET count = count + 1 WHERE name = :name"), {"name": name}
            )
        return [Written(Noted(name=note.name))]

    work = Work(touch_both, Noted)
    await asyncio.gather(
        servers[0].writer.write(work, Note(name="ab")),
        servers[1].writer.write(work, Note(name="ba")),
    )

    assert await servers[0].database.read(counts) == {"a": 2, "b": 2}


async def test_a_repeat_at_another_server_gets_the_first_answer(
    servers: list[Server],
) -> None:
    meeting = Meeting()
    made: list[str] = []

    def note_down(
        conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        if commands:
            meeting.attend()
            made.append(f"{len(made)}")
            conn.execute(insert(NOTE).values(name=f"made-{made[-1]}", count=1))
        return [Written(Noted(name=made[-1]), changes_of("a1")) for _ in commands]

    work = Work(note_down, Noted)
    note = Note(name="a", request_id="r")
    answers = await asyncio.gather(*(server.writer.write(work, note) for server in servers))

    assert answers[0] == answers[1]
    assert len(await servers[0].database.read(counts)) == 3


async def test_the_log_of_two_servers_has_neither_gaps_nor_repeats(
    servers: list[Server],
) -> None:
    def note_down(
        _conn: Connection, _now: datetime, commands: Sequence[Note]
    ) -> list[Outcome[Noted]]:
        return [Written(Noted(name=each.name), changes_of(each.name)) for each in commands]

    work = Work(note_down, Noted)
    for _ in range(10):
        await asyncio.gather(
            *(server.writer.write(work, Note(name=f"n{n}")) for server in servers for n in (1, 2))
        )

    revisions = [event.revision for server in servers for event in server.published]
    assert sorted(revisions) == list(range(1, 61))
    for server in servers:
        own = [event.revision for event in server.published]
        assert own == sorted(own)


async def test_a_server_whose_connection_is_cut_says_so_and_goes_on(
    servers: list[Server],
) -> None:
    def cut(conn: Connection, _now: datetime, _commands: object) -> list[Outcome[Noted]]:
        conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return []

    def succeed(_conn: Connection, _now: datetime, _commands: object) -> list[Outcome[Noted]]:
        return [Written(Noted(name="a"))]

    with pytest.raises(DatabaseUnavailableError):
        await servers[0].writer.write(Work(cut, Noted), Note(name="a"))

    assert await servers[0].writer.write(Work(succeed, Noted), Note(name="a")) == Noted(name="a")
