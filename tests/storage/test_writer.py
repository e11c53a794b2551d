"""The writer: many changes in one transaction, each with a fate of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from headgate_server.metrics import Metrics
from headgate_server.model.conflicts import DataConflictError, RequestIdReusedError
from headgate_server.model.errors import OverloadedError, ServerDrainingError
from headgate_server.model.events import Event
from headgate_server.storage.database import Database
from headgate_server.storage.writer import ATTEMPTS, BATCH_SIZE, LostRace, Work, Writer, Written
from tests.fakes import FakeClock
from tests.storage.works import NOTE, Note, Noted, Notes, RefusedError, notes_in


@pytest.fixture(autouse=True)
async def notes_table(database: Database) -> None:
    await database.write(NOTE.metadata.create_all)


@pytest.fixture
def idle_writer(database: Database, clock: FakeClock, metrics: Metrics) -> Writer:
    """Return a writer that does not run, and lets two changes wait."""
    return Writer(database, clock=clock, publish=lambda _: None, metrics=metrics, waiting_max=2)


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """Return what became of calls made at once: answers and errors."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_what_is_acknowledged_is_seen_by_everybody(
    writer: Writer, database: Database
) -> None:
    answer = await writer.write(Notes().work, Note(name="a"))

    assert answer == Noted(name="a")
    assert await database.read(notes_in) == {"a"}


async def test_what_cannot_be_committed_is_not_acknowledged(
    writer: Writer, database: Database
) -> None:
    """The constraint is checked as the very last thing, after all work is done."""

    def break_at_commit(conn: Connection, _now: datetime, commands: object) -> list[Written[Noted]]:
        del commands
        conn.execute(
            text(
                "CREATE TABLE orphan (parent int REFERENCES log(id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        conn.execute(text("INSERT INTO orphan VALUES (99)"))
        return [Written(Noted(name="a"))]

    with pytest.raises(DataConflictError):
        await writer.write(Work(break_at_commit, Noted), Note(name="a"))

    assert await writer.write(Notes().work, Note(name="b")) == Noted(name="b")
    assert await database.read(notes_in) == {"b"}


async def test_changes_asked_for_at_once_share_a_transaction(
    writer: Writer, metrics: Metrics
) -> None:
    notes = Notes()
    names = [f"note-{number:02}x" for number in range(10)]

    answers = await together(*(writer.write(notes.work, Note(name=name)) for name in names))

    assert answers == [Noted(name=name) for name in names]
    assert notes.batches == [names]
    assert metrics.registry.get_sample_value("headgate_batch_size_sum") == 10


async def test_while_one_transaction_is_under_way_the_next_batch_gathers(writer: Writer) -> None:
    loop = asyncio.get_running_loop()
    later: list[asyncio.Task[Noted]] = []

    def ask(call: Coroutine[Any, Any, Noted]) -> None:
        later.append(loop.create_task(call))

    def ask_for_more(note: Note) -> None:
        if note.name == "first":
            for name in ("second", "third"):
                more = writer.write(notes.work, Note(name=name))
                loop.call_soon_threadsafe(ask, more)

    notes = Notes(before=ask_for_more)
    await writer.write(notes.work, Note(name="first"))
    await asyncio.gather(*later)

    assert notes.batches == [["first"], ["second", "third"]]


async def test_a_long_queue_is_written_in_several_transactions(writer: Writer) -> None:
    notes = Notes()

    await together(
        *(writer.write(notes.work, Note(name=f"{each}x")) for each in range(BATCH_SIZE + 1))
    )

    assert [len(batch) for batch in notes.batches] == [BATCH_SIZE, 1]


async def test_a_refused_member_leaves_its_neighbours_their_transaction(
    writer: Writer, database: Database
) -> None:
    notes = Notes()
    names = ["a", "refused", "b"]

    first, refused, last = await together(
        *(writer.write(notes.work, Note(name=name)) for name in names)
    )

    assert (first, last) == (Noted(name="a"), Noted(name="b"))
    assert isinstance(refused, RefusedError)
    assert notes.batches == [names]
    assert await database.read(notes_in) == {"a", "b"}


def raise_for_bad(note: Note) -> None:
    """Fail in a way that nobody has foreseen."""
    if note.name == "bad":
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("before", "bad", "error"),
    [
        pytest.param(raise_for_bad, "bad", ZeroDivisionError, id="a defect"),
        pytest.param(lambda _: None, "taken", DataConflictError, id="a constraint"),
    ],
)
async def test_a_member_that_fails_harms_only_itself(
    writer: Writer,
    database: Database,
    before: Callable[[Note], None],
    bad: str,
    error: type[Exception],
) -> None:
    notes = Notes(before=before)
    await writer.write(notes.work, Note(name="taken"))

    first, failed, last = await together(
        *(writer.write(notes.work, Note(name=name)) for name in ("a", bad, "b"))
    )

    assert (first, last) == (Noted(name="a"), Noted(name="b"))
    assert isinstance(failed, error)
    assert await database.read(notes_in) == {"taken", "a", "b"}


async def test_different_kinds_of_change_share_a_transaction(
    writer: Writer, metrics: Metrics
) -> None:
    one, other = Notes(), Notes()

    await together(
        writer.write(one.work, Note(name="a")),
        writer.write(other.work, Note(name="b")),
        writer.write(one.work, Note(name="c")),
    )

    assert (one.batches, other.batches) == ([["a", "c"]], [["b"]])
    assert metrics.registry.get_sample_value("headgate_batch_size_count") == 1


async def test_more_changes_than_may_wait_are_refused(
    idle_writer: Writer, database: Database
) -> None:
    notes = Notes()
    waiting = [
        asyncio.create_task(idle_writer.write(notes.work, Note(name=name))) for name in ("a", "b")
    ]
    await asyncio.sleep(0)

    with pytest.raises(OverloadedError) as refusal:
        await idle_writer.write(notes.work, Note(name="c"))

    assert refusal.value.retry_delay
    idle_writer.close()
    await idle_writer.run()
    await asyncio.gather(*waiting)
    assert await database.read(notes_in) == {"a", "b"}


async def test_a_change_whose_caller_has_gone_is_not_made(
    idle_writer: Writer, database: Database
) -> None:
    notes = Notes()
    gone, waiting = (
        asyncio.create_task(idle_writer.write(notes.work, Note(name=name))) for name in ("a", "b")
    )
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.sleep(0)
    idle_writer.close()
    await idle_writer.run()

    assert await waiting == Noted(name="b")
    assert await database.read(notes_in) == {"b"}


async def test_a_closed_writer_refuses_new_changes(idle_writer: Writer) -> None:
    idle_writer.close()

    with pytest.raises(ServerDrainingError):
        await idle_writer.write(Notes().work, Note(name="a"))


class TestRequestIds:
    """A request id makes a change safe to repeat."""

    async def test_a_repeat_gets_the_first_answer(
        self, writer: Writer, published: list[Event]
    ) -> None:
        notes = Notes()
        note = Note(name="a1", request_id="r")

        first = await writer.write(notes.work, note)
        second = await writer.write(notes.work, note)

        assert first == second == Noted(name="a1", revision=1)
        assert notes.batches[0] == ["a1"]
        assert len(published) == 1

    async def test_a_repeat_in_the_same_batch_gets_the_first_answer(
        self, writer: Writer, published: list[Event]
    ) -> None:
        notes = Notes()
        note = Note(name="a1", request_id="r")

        answers = await together(*(writer.write(notes.work, note) for _ in range(3)))

        assert answers == [Noted(name="a1", revision=1)] * 3
        assert len(published) == 1

    async def test_another_request_with_the_id_is_refused(self, writer: Writer) -> None:
        notes = Notes()
        await writer.write(notes.work, Note(name="a", request_id="r"))

        with pytest.raises(RequestIdReusedError):
            await writer.write(notes.work, Note(name="b", request_id="r"))

    async def test_another_request_with_the_id_in_the_same_batch_is_refused(
        self, writer: Writer, database: Database
    ) -> None:
        notes = Notes()

        first, second = await together(
            *(writer.write(notes.work, Note(name=name, request_id="r")) for name in ("a", "b"))
        )

        assert first == Noted(name="a")
        assert isinstance(second, RequestIdReusedError)
        assert await database.read(notes_in) == {"a"}

    async def test_a_refused_request_may_be_repeated(self, writer: Writer) -> None:
        notes = Notes()
        refused = Note(name="refused", request_id="r")

        answers = [await together(writer.write(notes.work, refused)) for _ in range(2)]

        assert all(isinstance(answer, RefusedError) for (answer,) in answers)
        assert notes.batches == [["refused"], ["refused"]]

    async def test_an_answer_is_remembered_for_a_day(
        self, writer: Writer, clock: FakeClock, database: Database
    ) -> None:
        notes = Notes()
        await writer.write(notes.work, Note(name="a", request_id="r"))

        clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
        with pytest.raises(RequestIdReusedError):
            await writer.write(notes.work, Note(name="b", request_id="r"))
        clock.advance(timedelta(microseconds=1))
        answer = await writer.write(notes.work, Note(name="b", request_id="r"))

        assert answer == Noted(name="b")
        assert await database.read(notes_in) == {"a", "b"}


class TestLostRaces:
    """A change that was decided on what is no longer so is decided anew."""

    @staticmethod
    def losing(times: int) -> Work[Note, Noted]:
        """Return a work that loses its first races."""
        lost: list[Note] = []

        def carry_out(_conn: Connection, _now: datetime, commands: Any) -> list[Any]:
            if len(lost) < times:
                lost.extend(commands)
                return [LostRace(RefusedError("Too slow."))]
            return [Written(Noted(name=each.name)) for each in commands]

        return Work(carry_out, Noted)

    async def test_a_lost_race_is_run_again(self, writer: Writer, metrics: Metrics) -> None:
        answer = await writer.write(self.losing(ATTEMPTS - 1), Note(name="a"))

        assert answer == Noted(name="a")
        assert metrics.registry.get_sample_value("headgate_lost_races_total") == ATTEMPTS - 1

    async def test_whoever_loses_again_and_again_is_told(self, writer: Writer) -> None:
        with pytest.raises(RefusedError):
            await writer.write(self.losing(ATTEMPTS), Note(name="a"))


class TestEvents:
    """What happened is told once it is committed."""

    async def test_events_are_published_in_the_order_of_the_log(
        self, writer: Writer, published: list[Event]
    ) -> None:
        notes = Notes()

        await together(*(writer.write(notes.work, Note(name=name)) for name in ("a2", "b", "c1")))
        await writer.write(notes.work, Note(name="d1"))

        assert [event.change.flow_run_id for event in published] == ["a2.0", "a2.1", "c1.0", "d1.0"]
        assert [event.revision for event in published] == [1, 2, 3, 4]

    async def test_an_answer_holds_the_revision_of_its_last_change(self, writer: Writer) -> None:
        notes = Notes()

        answers = await together(
            *(writer.write(notes.work, Note(name=name)) for name in ("a2", "b", "c1"))
        )

        assert [answer.revision for answer in answers] == [2, 0, 3]

    async def test_what_was_undone_leaves_no_hole_in_the_log(
        self, writer: Writer, published: list[Event]
    ) -> None:
        notes = Notes(before=raise_for_bad)

        await together(*(writer.write(notes.work, Note(name=name)) for name in ("a1", "bad", "b1")))

        assert [event.revision for event in published] == [1, 2]
