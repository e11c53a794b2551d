"""Flows: created once for each name, and deleted with all that is theirs."""

import asyncio
from datetime import timedelta
from itertools import groupby

import pytest
from sqlalchemy import Connection, select

from headgate_server.model.commands import CreateFlow, DeleteFlow
from headgate_server.model.errors import FlowNotFoundError
from headgate_server.model.events import Event, EventKind
from headgate_server.model.filters import FlowFilter, NameFilter, RunQuery
from headgate_server.model.flows import FlowSort
from headgate_server.model.ids import new_id
from headgate_server.model.paging import PageRequest
from headgate_server.model.states import StateType
from headgate_server.operations import flows as flows_module
from headgate_server.operations.flows import Flows
from headgate_server.storage import flow_runs
from headgate_server.storage.database import Database
from headgate_server.storage.tables import (
    FLOW,
    FLOW_RUN,
    FLOW_RUN_INPUT,
    FLOW_RUN_PAYLOAD,
    FLOW_RUN_STATE,
    FLOW_RUN_TAG,
    FLOW_TAG,
    TASK_RUN,
)
from headgate_server.storage.writer import Writer
from tests.builders import NOW, a_flow, a_flow_run, an_input
from tests.fakes import FakeClock
from tests.rows import insert_task_run
from tests.servers import running_servers
from tests.storing import count_rows, store

_UNDER_A_FLOW = (
    *(FLOW, FLOW_TAG, FLOW_RUN, FLOW_RUN_PAYLOAD, FLOW_RUN_TAG, FLOW_RUN_STATE, FLOW_RUN_INPUT),
)


@pytest.fixture
def flows(database: Database, writer: Writer) -> Flows:
    return Flows(database, writer)


def tags_in(conn: Connection) -> set[tuple[str, str]]:
    """Return the tags that filters find flows by."""
    return {(row.flow_id, row.tag) for row in conn.execute(select(FLOW_TAG))}


class TestCreate:
    async def test_a_new_flow_is_created(self, flows: Flows, database: Database) -> None:
        flow, created = await flows.create(CreateFlow(name="etl", tags=("a", "b")))

        assert created
        assert (flow.name, flow.tags, flow.create_time, flow.update_time) == (
            *("etl", ("a", "b"), NOW, NOW),
        )
        assert await flows.get(flow.id, None) == flow
        assert await database.read(tags_in) == {(flow.id, "a"), (flow.id, "b")}

    async def test_a_flow_with_the_name_is_returned_as_it_is(
        self, flows: Flows, clock: FakeClock, database: Database
    ) -> None:
        first, _ = await flows.create(CreateFlow(name="etl", tags=("a",)))
        clock.advance(timedelta(hours=1))

        again = await flows.create(CreateFlow(name="etl", tags=("b",)))

        assert again == (first, False)
        assert await database.read(tags_in) == {(first.id, "a")}

    async def test_of_those_who_ask_for_a_name_at_once_the_first_creates_it(
        self, flows: Flows
    ) -> None:
        answers = await asyncio.gather(
            *(flows.create(CreateFlow(name="etl", tags=(tag,))) for tag in ("a", "b", "c"))
        )

        assert [created for _, created in answers] == [True, False, False]
        assert {(flow.id, flow.tags) for flow, _ in answers} == {(answers[0][0].id, ("a",))}

    async def test_new_and_old_names_may_be_asked_for_at_once(self, flows: Flows) -> None:
        await flows.create(CreateFlow(name="old"))

        answers = await asyncio.gather(
            *(flows.create(CreateFlow(name=name)) for name in ("new", "old", "newer"))
        )

        assert [(flow.name, created) for flow, created in answers] == [
            *(("new", True), ("old", False), ("newer", True)),
        ]

    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("", id="empty"),
            pytest.param("Etl", id="another case"),
            pytest.param("etl ", id="a space"),
            pytest.param("étl", id="an accent"),
            pytest.param("流", id="another script"),
        ],
    )
    async def test_names_are_told_apart_to_the_letter(self, flows: Flows, name: str) -> None:
        plain, _ = await flows.create(CreateFlow(name="etl"))

        flow, created = await flows.create(CreateFlow(name=name))

        assert created
        assert flow.id != plain.id
        assert await flows.get(None, name) == flow

    async def test_several_servers_create_a_flow_once(
        self, postgresql_url: str, clock: FakeClock
    ) -> None:
        names = [f"flow-{number}" for number in range(20)]

        async with running_servers(3, postgresql_url, clock) as servers:
            everywhere = [Flows(server.database, server.writer) for server in servers]
            answers = await asyncio.gather(
                *(each.create(CreateFlow(name=name)) for name in names for each in everywhere)
            )

        assert sorted(flow.name for flow, created in answers if created) == sorted(names)
        assert len({flow.id for flow, _ in answers}) == len(names)


class TestGet:
    async def test_a_flow_is_found_by_id_and_by_name(self, flows: Flows) -> None:
        flow, _ = await flows.create(CreateFlow(name="etl"))

        assert await flows.get(flow.id, None) == flow
        assert await flows.get(None, "etl") == flow

    @pytest.mark.parametrize(
        ("flow_id", "name"),
        [pytest.param(new_id(), None, id="by id"), pytest.param(None, "etl", id="by name")],
    )
    async def test_a_flow_that_does_not_exist_is_not_found(
        self, flows: Flows, flow_id: str | None, name: str | None
    ) -> None:
        with pytest.raises(FlowNotFoundError):
            await flows.get(flow_id, name)

    async def test_flows_that_match_are_listed_and_counted(self, flows: Flows) -> None:
        for name in ("b", "a", "c"):
            await flows.create(CreateFlow(name=name))
        matching = RunQuery(flows=FlowFilter(name=NameFilter(any=("a", "b"))))

        page = await flows.list_page(matching, FlowSort.NAME_ASC, PageRequest())

        assert [flow.name for flow in page.items] == ["a", "b"]
        assert await flows.count(matching) == 2


class TestUpdateTags:
    async def test_tags_are_replaced(
        self, flows: Flows, clock: FakeClock, database: Database
    ) -> None:
        before, _ = await flows.create(CreateFlow(name="etl", tags=("a", "b")))
        clock.advance(timedelta(hours=1))

        after = await flows.update_tags(before.id, ("b", "c"))

        assert (after.name, after.tags) == ("etl", ("b", "c"))
        assert (after.create_time, after.update_time) == (NOW, clock())
        assert await flows.get(before.id, None) == after
        assert await database.read(tags_in) == {(before.id, "b"), (before.id, "c")}

    async def test_of_two_updates_at_once_the_later_stands(
        self, flows: Flows, database: Database
    ) -> None:
        flow, _ = await flows.create(CreateFlow(name="etl"))

        answers = await asyncio.gather(
            *(flows.update_tags(flow.id, (tag,)) for tag in ("first", "second"))
        )

        assert [answer.tags for answer in answers] == [("first",), ("second",)]
        assert (await flows.get(flow.id, None)).tags == ("second",)
        assert await database.read(tags_in) == {(flow.id, "second")}

    async def test_a_flow_that_does_not_exist_is_not_found(self, flows: Flows) -> None:
        flow, _ = await flows.create(CreateFlow(name="etl"))

        missing, updated = await asyncio.gather(
            *(flows.update_tags(flow_id, ("a",)) for flow_id in (new_id(), flow.id)),
            return_exceptions=True,
        )

        assert isinstance(missing, FlowNotFoundError)
        assert not isinstance(updated, BaseException)
        assert updated.tags == ("a",)


class TestDelete:
    async def test_a_flow_goes_with_all_that_is_its_own(
        self, flows: Flows, database: Database
    ) -> None:
        flow = a_flow(tags=("a",))
        runs = [
            a_flow_run(flow, StateType.RUNNING, tags=("b",), parameters_json='{"x": 1}')
            for _ in range(3)
        ]
        await store(
            database,
            flows=[flow],
            runs=runs,
            run_inputs=[an_input(run, "question") for run in runs],
        )

        deleted = await flows.delete(DeleteFlow(flow_id=flow.id))

        assert deleted == 3
        assert await count_rows(database, *_UNDER_A_FLOW) == {}

    async def test_other_flows_stay(self, flows: Flows, database: Database) -> None:
        gone, kept = a_flow(), a_flow(tags=("a",))
        run = a_flow_run(kept, StateType.RUNNING, tags=("b",), context_json='{"x": 1}')
        await store(database, flows=[gone, kept], runs=[run], run_inputs=[an_input(run, "q")])

        deleted = await flows.delete(DeleteFlow(flow_id=gone.id))

        assert deleted == 0
        assert await count_rows(database, *_UNDER_A_FLOW) == {
            table.name: 1 for table in _UNDER_A_FLOW
        }

    async def test_watchers_are_told_of_each_input_and_then_of_its_run(
        self, flows: Flows, database: Database, published: list[Event]
    ) -> None:
        flow = a_flow()
        runs = [a_flow_run(flow, StateType.PAUSED) for _ in range(3)]
        left = [an_input(run, key) for run in runs for key in ("question", "answer")]
        await store(database, flows=[flow], runs=runs, run_inputs=left)

        await flows.delete(DeleteFlow(flow_id=flow.id))

        told = {
            run_id: [event.change for event in group]
            for run_id, group in groupby(published, lambda event: event.change.flow_run_id)
        }
        assert list(told) == [run.id for run in runs]
        for run in runs:
            *inputs, last = told[run.id]
            assert {each.kind for each in inputs} == {EventKind.INPUT_DELETED}
            assert {each.input for each in inputs} == {
                each for each in left if each.flow_run_id == run.id
            }
            assert last.kind is EventKind.RUN_DELETED
            assert (last.before, last.after, last.flow) == (flow_runs.basic(run), None, flow)

    async def test_all_that_goes_is_one_group_in_the_log(
        self, flows: Flows, database: Database, published: list[Event]
    ) -> None:
        flow = a_flow()
        runs = [a_flow_run(flow) for _ in range(3)]
        await store(database, flows=[flow], runs=runs, run_inputs=[an_input(runs[0], "question")])

        await flows.delete(DeleteFlow(flow_id=flow.id))

        assert [event.revision for event in published] == [1, 2, 3, 4]
        assert {event.last_revision for event in published} == {4}

    async def test_many_runs_go_some_at_a_time(
        self,
        flows: Flows,
        database: Database,
        published: list[Event],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(flows_module, "_RUNS_AT_ONCE", 2)
        flow = a_flow()
        runs = [a_flow_run(flow) for _ in range(5)]
        await store(database, flows=[flow], runs=runs)

        deleted = await flows.delete(DeleteFlow(flow_id=flow.id))

        assert deleted == 5
        assert [event.change.flow_run_id for event in published] == [run.id for run in runs]
        assert [event.last_revision for event in published] == [2, 2, 4, 4, 5]

    async def test_two_may_ask_for_a_flow_with_many_runs_at_once(
        self, flows: Flows, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flows_module, "_RUNS_AT_ONCE", 2)
        flow = a_flow()
        await store(database, flows=[flow], runs=[a_flow_run(flow) for _ in range(5)])

        answers = await asyncio.gather(
            *(flows.delete(DeleteFlow(flow_id=flow.id)) for _ in range(2)), return_exceptions=True
        )

        assert answers[0] == 5
        assert isinstance(answers[1], FlowNotFoundError)

    async def test_a_repeat_goes_on_where_the_first_broke_off_and_others_come_between(
        self, flows: Flows, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flows_module, "_RUNS_AT_ONCE", 2)
        flow = a_flow()
        await store(database, flows=[flow], runs=[a_flow_run(flow) for _ in range(200)])
        command = DeleteFlow(flow_id=flow.id, request_id=new_id())

        broken = asyncio.create_task(flows.delete(command))
        await flows.create(CreateFlow(name="between"))
        broken.cancel()
        left = (await count_rows(database, FLOW_RUN))["flow_run"]
        deleted = await flows.delete(command)

        assert 0 < left < 200
        assert deleted <= left
        assert await flows.delete(command) == deleted
        assert await count_rows(database, FLOW_RUN) == {}

    @pytest.mark.parametrize("at_once", [1, 2])
    async def test_a_flow_whose_runs_started_each_other_goes_whole(
        self,
        flows: Flows,
        database: Database,
        at_once: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(flows_module, "_RUNS_AT_ONCE", at_once)
        flow = a_flow()
        parent, task_run_id = a_flow_run(flow), new_id()
        child = a_flow_run(flow, parent_task_run_id=task_run_id)
        await store(database, flows=[flow], runs=[parent])
        await database.write(lambda conn: conn.execute(insert_task_run(task_run_id, parent.id)))
        await store(database, runs=[child])

        deleted = await flows.delete(DeleteFlow(flow_id=flow.id))

        assert deleted == 2
        assert await count_rows(database, TASK_RUN, *_UNDER_A_FLOW) == {}

    async def test_a_flow_can_be_deleted_once(self, flows: Flows) -> None:
        flow, _ = await flows.create(CreateFlow(name="etl"))

        first, second = await asyncio.gather(
            *(flows.delete(DeleteFlow(flow_id=flow.id)) for _ in range(2)), return_exceptions=True
        )

        assert first == 0
        assert isinstance(second, FlowNotFoundError)
        with pytest.raises(FlowNotFoundError):
            await flows.delete(DeleteFlow(flow_id=flow.id))

    async def test_a_repeat_with_the_request_id_answers_like_the_first(
        self, flows: Flows, database: Database, published: list[Event]
    ) -> None:
        flow = a_flow()
        await store(database, flows=[flow], runs=[a_flow_run(flow), a_flow_run(flow)])
        command = DeleteFlow(flow_id=flow.id, request_id=new_id())

        answers = [await flows.delete(command) for _ in range(2)]

        assert answers == [2, 2]
        assert len(published) == 2

    async def test_the_name_is_free_afterwards(self, flows: Flows) -> None:
        old, _ = await flows.create(CreateFlow(name="etl"))
        await flows.delete(DeleteFlow(flow_id=old.id))

        new, created = await flows.create(CreateFlow(name="etl"))

        assert created
        assert new.id != old.id
