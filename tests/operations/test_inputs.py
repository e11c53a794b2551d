"""Inputs: left with a run under a key that is taken once."""

import asyncio
from datetime import timedelta

import pytest

from headgate_server.model.commands import CreateInput, DeleteFlow, DeleteInput
from headgate_server.model.conflicts import InputKeyExistsError, RequestIdReusedError
from headgate_server.model.errors import FlowRunInputNotFoundError, FlowRunNotFoundError
from headgate_server.model.events import Change, Event, EventKind
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.ids import new_id
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import StateType
from headgate_server.operations.flows import Flows
from headgate_server.operations.inputs import Inputs
from headgate_server.storage.database import Database
from headgate_server.storage.writer import Writer
from tests.builders import NOW, a_flow, a_flow_run, an_input
from tests.fakes import FakeClock
from tests.servers import running_servers
from tests.storing import store


@pytest.fixture
def inputs(database: Database, writer: Writer) -> Inputs:
    return Inputs(database, writer)


@pytest.fixture
async def run(database: Database) -> FlowRun:
    """Return a stored run without inputs."""
    flow = a_flow()
    made = a_flow_run(flow, StateType.PAUSED)
    await store(database, flows=[flow], runs=[made])
    return made


def leave(
    run: FlowRun, key: str, value_json: str = '"value"', request_id: str | None = None
) -> CreateInput:
    return CreateInput(
        flow_run_id=run.id,
        input=NewFlowRunInput(key=key, value_json=value_json),
        request_id=request_id,
    )


def take(run: FlowRun, key: str, request_id: str | None = None) -> DeleteInput:
    return DeleteInput(flow_run_id=run.id, key=key, request_id=request_id)


class TestCreate:
    async def test_an_input_is_kept_as_it_was_given(self, inputs: Inputs, run: FlowRun) -> None:
        value = '{"exact": 1152921504606846977, "one": 1.0, "text": "Grüße\\u0000", "a": [1, 1.0]}'
        given = NewFlowRunInput(key="answer", value_json=value, sender="")

        answer = await inputs.create(CreateInput(flow_run_id=run.id, input=given))

        kept = answer.input
        assert (kept.flow_run_id, kept.key, kept.value_json) == (run.id, "answer", value)
        assert (kept.sender, kept.create_time) == ("", NOW)
        assert await inputs.get(run.id, "answer") == kept

    async def test_watchers_are_told(
        self, inputs: Inputs, run: FlowRun, published: list[Event]
    ) -> None:
        answer = await inputs.create(leave(run, "answer"))

        (event,) = published
        assert answer.revision == event.revision == 1
        assert event.change == Change(
            kind=EventKind.INPUT_CREATED, flow_run_id=run.id, input=answer.input
        )

    async def test_a_run_that_does_not_exist_takes_none(
        self, inputs: Inputs, published: list[Event]
    ) -> None:
        unknown = a_flow_run(a_flow())

        with pytest.raises(FlowRunNotFoundError):
            await inputs.create(leave(unknown, "answer"))

        assert published == []

    async def test_a_key_is_taken_once(self, inputs: Inputs, run: FlowRun) -> None:
        first = await inputs.create(leave(run, "answer", "1"))

        with pytest.raises(InputKeyExistsError):
            await inputs.create(leave(run, "answer", "2"))

        assert await inputs.get(run.id, "answer") == first.input

    async def test_of_those_who_want_a_key_at_once_the_first_gets_it(
        self, inputs: Inputs, run: FlowRun, published: list[Event]
    ) -> None:
        first, second, other = await asyncio.gather(
            inputs.create(leave(run, "answer", "1")),
            inputs.create(leave(run, "answer", "2")),
            inputs.create(leave(run, "other", "3")),
            return_exceptions=True,
        )

        assert isinstance(second, InputKeyExistsError)
        assert not isinstance(first, BaseException)
        assert not isinstance(other, BaseException)
        assert [event.change.input for event in published] == [first.input, other.input]

    async def test_one_key_may_be_used_by_many_runs(
        self, inputs: Inputs, run: FlowRun, database: Database
    ) -> None:
        flow = a_flow()
        others = [a_flow_run(flow) for _ in range(2)]
        await store(database, flows=[flow], runs=others)

        created = await asyncio.gather(
            *(inputs.create(leave(each, "answer")) for each in (run, *others))
        )

        assert len({answer.input.id for answer in created}) == 3

    @pytest.mark.parametrize("key", [pytest.param("", id="empty"), "a", "a-1"])
    async def test_keys_are_told_apart_to_the_letter(
        self, inputs: Inputs, run: FlowRun, key: str
    ) -> None:
        await inputs.create(leave(run, "a-"))

        answer = await inputs.create(leave(run, key))

        assert await inputs.get(run.id, key) == answer.input

    async def test_a_repeat_with_the_request_id_answers_like_the_first(
        self, inputs: Inputs, run: FlowRun, published: list[Event]
    ) -> None:
        request_id = new_id()

        answers = [
            await inputs.create(leave(run, "answer", request_id=request_id)) for _ in range(2)
        ]

        assert answers[0] == answers[1]
        assert len(published) == 1
        with pytest.raises(RequestIdReusedError):
            await inputs.create(leave(run, "other", request_id=request_id))

    async def test_of_several_servers_one_gets_the_key(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        flow = a_flow()
        run = a_flow_run(flow)
        keys = [f"key-{number}" for number in range(20)]

        async with running_servers(3, postgresql_url, clock) as servers:
            await store(servers[0].database, flows=[flow], runs=[run])
            everywhere = [Inputs(server.database, server.writer) for server in servers]
            answers = await asyncio.gather(
                *(inputs.create(leave(run, key)) for key in keys for inputs in everywhere),
                return_exceptions=True,
            )

        created = [each.input.key for each in answers if not isinstance(each, BaseException)]
        refused = [each for each in answers if isinstance(each, InputKeyExistsError)]
        assert sorted(created) == sorted(keys)
        assert len(created) + len(refused) == len(answers)

    async def test_a_run_that_is_deleted_at_another_server_meanwhile_is_not_found(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        """Whichever comes first, the answer is one of two, and nothing stays behind."""
        flow = a_flow()
        run = a_flow_run(flow)

        async with running_servers(2, postgresql_url, clock) as (one, other):
            await store(one.database, flows=[flow], runs=[run])
            inputs = Inputs(one.database, one.writer)
            *created, deleted = await asyncio.gather(
                *(inputs.create(leave(run, f"key-{number}")) for number in range(20)),
                Flows(other.database, other.writer).delete(DeleteFlow(flow_id=flow.id)),
                return_exceptions=True,
            )
            left = await inputs.list_page(run.id, "", (), PageRequest())

        refusals = [each for each in created if isinstance(each, BaseException)]
        assert deleted == 1
        assert {type(each) for each in refusals} <= {FlowRunNotFoundError}
        assert left.items == ()
        told = [event.change.kind for event in other.published]
        assert told.count(EventKind.INPUT_DELETED) == len(created) - len(refusals)


class TestGet:
    async def test_an_input_is_found_by_its_very_key(self, inputs: Inputs, run: FlowRun) -> None:
        await inputs.create(leave(run, "answer"))

        for key in ("", "answ", "answer-1", "Answer"):
            with pytest.raises(FlowRunInputNotFoundError):
                await inputs.get(run.id, key)

    async def test_a_run_that_does_not_exist_has_none(self, inputs: Inputs) -> None:
        with pytest.raises(FlowRunInputNotFoundError):
            await inputs.get(new_id(), "answer")

    async def test_inputs_are_listed_from_oldest_to_newest(
        self, inputs: Inputs, run: FlowRun, clock: FakeClock
    ) -> None:
        for key in ("msg-b", "other", "msg-a", "msg-c"):
            clock.advance(timedelta(seconds=1))
            await inputs.create(leave(run, key))

        page = await inputs.list_page(run.id, "msg-", ("msg-c",), PageRequest())

        assert [each.key for each in page.items] == ["msg-b", "msg-a"]


class TestDelete:
    async def test_an_input_is_deleted_and_watchers_are_told(
        self, inputs: Inputs, run: FlowRun, published: list[Event]
    ) -> None:
        created = await inputs.create(leave(run, "answer"))

        revision = await inputs.delete(take(run, "answer"))

        assert revision == 2
        assert published[1].change == Change(
            kind=EventKind.INPUT_DELETED, flow_run_id=run.id, input=created.input
        )
        with pytest.raises(FlowRunInputNotFoundError):
            await inputs.get(run.id, "answer")

    async def test_other_inputs_stay(
        self, inputs: Inputs, run: FlowRun, database: Database
    ) -> None:
        flow = a_flow()
        other = a_flow_run(flow)
        await store(
            database,
            flows=[flow],
            runs=[other],
            run_inputs=[an_input(other, "answer"), an_input(run, "answer"), an_input(run, "other")],
        )

        await inputs.delete(take(run, "answer"))

        assert (await inputs.get(other.id, "answer")).flow_run_id == other.id
        assert (await inputs.get(run.id, "other")).key == "other"

    async def test_an_input_can_be_deleted_once(
        self, inputs: Inputs, run: FlowRun, published: list[Event]
    ) -> None:
        await inputs.create(leave(run, "answer"))

        first, second = await asyncio.gather(
            *(inputs.delete(take(run, "answer")) for _ in range(2)), return_exceptions=True
        )

        assert first == 2
        assert isinstance(second, FlowRunInputNotFoundError)
        with pytest.raises(FlowRunInputNotFoundError):
            await inputs.delete(take(run, "answer"))
        assert len(published) == 2

    async def test_the_key_is_free_afterwards(self, inputs: Inputs, run: FlowRun) -> None:
        await inputs.create(leave(run, "answer", "1"))
        await inputs.delete(take(run, "answer"))

        answer = await inputs.create(leave(run, "answer", "2"))

        assert await inputs.get(run.id, "answer") == answer.input
        assert answer.input.value_json == "2"

    async def test_a_repeat_with_the_request_id_answers_like_the_first(
        self, inputs: Inputs, run: FlowRun
    ) -> None:
        await inputs.create(leave(run, "answer"))
        command = take(run, "answer", request_id=new_id())

        assert [await inputs.delete(command) for _ in range(2)] == [2, 2]

    async def test_of_several_servers_one_deletes_it(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        flow = a_flow()
        run = a_flow_run(flow)
        keys = [f"key-{number}" for number in range(20)]

        async with running_servers(3, postgresql_url, clock) as servers:
            await store(
                servers[0].database,
                flows=[flow],
                runs=[run],
                run_inputs=[an_input(run, key) for key in keys],
            )
            everywhere = [Inputs(server.database, server.writer) for server in servers]
            answers = await asyncio.gather(
                *(inputs.delete(take(run, key)) for key in keys for inputs in everywhere),
                return_exceptions=True,
            )

        revisions = [each for each in answers if isinstance(each, int)]
        assert sorted(revisions) == list(range(1, len(keys) + 1))
        others = {type(each) for each in answers if not isinstance(each, int)}
        assert others == {FlowRunInputNotFoundError}
