"""The writer with many commands of one caller, and with work that takes several transactions."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from headgate_server.metrics import Metrics
from headgate_server.model.errors import OverloadedError, ServerDrainingError
from headgate_server.model.events import Event
from headgate_server.storage.database import Database
from headgate_server.storage.writer import (
    ATTEMPTS,
    BATCH_SIZE,
    LostRace,
    Outcome,
    Unfinished,
    Work,
    Writer,
    Written,
)
from tests.fakes import FakeClock
from tests.storage.works import NOTE, Note, Noted, Notes, RefusedError, changes_of, notes_in


@pytest.fixture(autouse=True)
async def notes_table(database: Database) -> None:
    await database.write(NOTE.metadata.create_all)


class TestWriteEach:
    async def test_each_command_has_an_answer_or_an_error_of_its_own(
        self, writer: Writer, database: Database
    ) -> None:
        notes = Notes()

        answers = await writer.write_each(
            notes.work, [Note(name="a"), Note(name="refused"), Note(name="b")]
        )

        assert (answers[0], answers[2]) == (Noted(name="a"), Noted(name="b"))
        assert isinstance(answers[1], RefusedError)
        assert notes.batches == [["a", "refused", "b"]]
        assert await database.read(notes_in) == {"a", "b"}

    async def test_commands_that_lost_a_race_are_tried_again_in_their_order(
        self, writer: Writer
    ) -> None:
        tried: list[list[str]] = []

        def lose_once(
            _conn: Connection, _now: datetime, commands: Sequence[Note]
        ) -> list[Outcome[Noted]]:
            tried.append([each.name for each in commands])
            if len(tried) == 1:
                lost = LostRace(RefusedError("No."))
                return [lost, lost, Written(Noted(name="c"))]
            return [Written(Noted(name=each.name)) for each in commands]

        answers = await writer.write_each(
            Work(lose_once, Noted), [Note(name="a"), Note(name="b"), Note(name="c")]
        )

        assert answers == [Noted(name="a"), Noted(name="b"), Noted(name="c")]
        assert tried == [["a", "b", "c"], ["a", "b"]]

    async def test_none_is_fine(self, writer: Writer) -> None:
        assert await writer.write_each(Notes().work, []) == []

    async def test_more_than_a_transaction_takes_is_written_in_several(
        self, writer: Writer
    ) -> None:
        notes = Notes()
        names = [f"{number}x" for number in range(BATCH_SIZE + 1)]

        answers = await writer.write_each(notes.work, [Note(name=name) for name in names])

        assert answers == [Noted(name=name) for name in names]
        assert [len(batch) for batch in notes.batches] == [BATCH_SIZE, 1]

    async def test_all_of_them_are_refused_where_there_is_no_room_or_no_writer(
        self, database: Database, clock: FakeClock, metrics: Metrics
    ) -> None:
        writer = Writer(
            database, clock=clock, publish=lambda _: None, metrics=metrics, waiting_max=0
        )

        with pytest.raises(OverloadedError):
            await writer.write_each(Notes().work, [Note(name="a")])
        writer.close()
        with pytest.raises(ServerDrainingError):
            await writer.write_each(Notes().work, [Note(name="a")])


class Steps(Struct, frozen=True, kw_only=True):
    """What is left of a request that takes many steps."""

    request: Note
    left: int

    @property
    def request_id(self) -> str | None:
        return self.request.request_id


class TestUnfinished:
    def counting(self, seen: list[Any]) -> Work[Note, Noted]:
        """Return a work that takes a step for each letter of a name."""

        def step(
            _conn: Connection, _now: datetime, commands: Sequence[Note]
        ) -> list[Outcome[Noted] | Unfinished]:
            seen.append([each.name for each in commands])
            return [
                Unfinished(replace(each, name=each.name[1:]), changes_of("1"))
                if len(each.name) > 1
                else Written(Noted(name=each.name), changes_of("2"))
                for each in commands
            ]

        return Work(step, Noted)

    async def test_the_rest_is_carried_out_in_later_transactions(
        self, writer: Writer, published: list[Event]
    ) -> None:
        seen: list[Any] = []

        answer = await writer.write(self.counting(seen), Note(name="abc"))

        assert seen == [["abc"], ["bc"], ["c"]]
        assert answer == Noted(name="c", revision=4)
        assert [(each.revision, each.last_revision) for each in published] == [
            *((1, 1), (2, 2), (3, 4), (4, 4)),
        ]

    async def test_others_come_between(self, writer: Writer) -> None:
        seen: list[Any] = []
        work = self.counting(seen)

        await asyncio.gather(
            writer.write_each(work, [Note(name="ab"), Note(name="xyz")]),
            writer.write(work, Note(name="m")),
        )

        assert seen == [["ab", "xyz", "m"], ["b", "yz"], ["z"]]

    async def test_a_repeat_of_the_request_gets_the_last_answer(self, writer: Writer) -> None:
        seen: list[Any] = []
        work = self.counting(seen)
        first = await writer.write(work, Note(name="ab", request_id="same"))
        rest = Note(name="b", request_id="same")

        assert await writer.write(work, rest) == first
        assert [each for each in seen if each] == [["ab"], ["b"]]

    async def test_repeats_at_the_same_time_wait_for_the_last_answer(self, writer: Writer) -> None:
        steps = ATTEMPTS + 10
        asked = Steps(request=Note(name="a", request_id="same"), left=steps)
        taken: list[int] = []

        def step(
            _conn: Connection, _now: datetime, commands: Sequence[Steps]
        ) -> list[Outcome[Noted] | Unfinished]:
            taken.extend(each.left for each in commands)
            return [
                Unfinished(replace(each, left=each.left - 1))
                if each.left > 1
                else Written(Noted(name="done"))
                for each in commands
            ]

        answers = await writer.write_each(Work(step, Noted), [asked] * 3)

        assert answers == [Noted(name="done")] * 3
        assert taken == list(range(steps, 0, -1))

    async def test_it_ends_with_the_caller(self, writer: Writer) -> None:
        seen: list[Any] = []
        asked = asyncio.create_task(writer.write(self.counting(seen), Note(name="x" * 1000)))

        await writer.write(Notes().work, Note(name="a"))
        asked.cancel()
        await writer.write(Notes().work, Note(name="b"))
        steps = len(seen)
        await writer.write(Notes().work, Note(name="c"))

        assert 0 < steps < 1000
        assert len(seen) == steps
