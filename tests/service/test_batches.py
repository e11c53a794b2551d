"""Batches: many runs created, moved on or deleted by one call, each item as a call by itself would."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.operations import batches as batches_module
from headgate_server.storage.tables import FLOW_RUN, FLOW_RUN_STATE, REQUEST
from tests.fakes import FakeClock
from tests.service.batches import create, delete, proposal, reasons, set_states, some_runs
from tests.service.replicas import replicas
from tests.service.world import (
    ABORT,
    ACCEPT,
    COMPLETED,
    CRASHED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    keyset,
    new_input,
    paused,
    refused,
    texts,
    violations,
)
from tests.storing import count_rows


class TestCreate:
    async def test_each_item_makes_the_run_that_a_call_by_itself_would(self, world: World) -> None:
        flow = await world.new_flow()
        fields: dict[str, Any] = {
            "flow_id": flow.id,
            "name": "one",
            "tags": ["a", "b"],
            "parameters_json": '{"x": 1}',
            "context_json": '{"y": 2}',
            "flow_version": "v1",
            "retries": 2,
            "idempotency_key": "key",
            "state": pb.ProposedState(type=SCHEDULED, message="soon"),
        }

        answer = await create(world, [pb.NewFlowRun(**fields), pb.NewFlowRun(flow_id=flow.id)])

        first, second = answer.results
        assert (first.created, second.created, answer.refused_count) == (True, True, 0)
        assert second.revision == first.revision + 1
        run = await world.get(first.flow_run.id)
        for name in ("name", "parameters_json", "context_json", "flow_version", "idempotency_key"):
            assert getattr(run, name) == fields[name]
        assert (list(run.tags), run.policy.retries) == (["a", "b"], 2)
        assert (run.state.type, run.state.message, run.version) == (SCHEDULED, "soon", 1)
        assert not first.flow_run.HasField("parameters_json")
        assert (await world.get(second.flow_run.id)).state.type == PENDING

    async def test_a_thousand_items_are_created_in_their_order(
        self, app: App, world: World
    ) -> None:
        flow = await world.new_flow()
        items = [pb.NewFlowRun(flow_id=flow.id, name=str(n)) for n in range(1000)]

        answer = await create(world, items)

        assert [result.flow_run.name for result in answer.results] == [str(n) for n in range(1000)]
        revisions = [result.revision for result in answer.results]
        assert revisions == sorted(revisions)
        assert await count_rows(app.database, FLOW_RUN, FLOW_RUN_STATE) == {
            "flow_run": 1000,
            "flow_run_state": 1000,
        }

    async def test_one_bad_item_harms_no_other(self, world: World) -> None:
        flow = await world.new_flow()
        missing = str(uuid4())
        items = [
            pb.NewFlowRun(flow_id=flow.id),
            pb.NewFlowRun(flow_id="x", name="é" * 256),
            pb.NewFlowRun(flow_id=missing),
            pb.NewFlowRun(flow_id=flow.id, parent_task_run_id=missing),
            pb.NewFlowRun(flow_id=flow.id, parameters_json="[]"),
            pb.NewFlowRun(flow_id=flow.id),
        ]

        answer = await create(world, items)

        assert reasons(answer.results) == [
            "",
            "INVALID_REQUEST",
            "FLOW_NOT_FOUND",
            "TASK_RUN_NOT_FOUND",
            "INVALID_REQUEST",
            "",
        ]
        assert answer.refused_count == 4
        wrong, not_found = answer.results[1].refusal, answer.results[2].refusal
        assert wrong.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert [each.field for each in wrong.violations] == ["flow_id", "name"]
        assert not_found.code == grpc.StatusCode.NOT_FOUND.value[0]
        assert dict(not_found.metadata) == {"flow_id": missing}
        assert not_found.message == "Flow not found"
        assert len(await world.listed()) == 2

    async def test_of_items_with_one_key_the_first_makes_the_run(self, world: World) -> None:
        flow = await world.new_flow()
        before = await world.new_run(flow_id=flow.id, idempotency_key="old")
        keys = ["new", "old", "new", ""]

        answer = await create(
            world, [pb.NewFlowRun(flow_id=flow.id, idempotency_key=key) for key in keys]
        )

        assert [result.created for result in answer.results] == [True, False, False, True]
        ids = [result.flow_run.id for result in answer.results]
        assert (ids[1], ids[2]) == (before.id, ids[0])

    async def test_a_repeat_answers_like_the_first_and_tries_anew_what_was_refused(
        self, app: App, world: World
    ) -> None:
        flow = await world.new_flow()
        request_id = str(uuid4())
        later = "6b1c1f5e-0000-4000-8000-000000000000"
        items = [pb.NewFlowRun(flow_id=each) for each in (flow.id, later, flow.id)]

        first = await create(world, items, request_id=request_id)
        second = await create(world, items, request_id=request_id)

        assert reasons(first.results) == ["", "FLOW_NOT_FOUND", ""]
        assert second == first
        assert await count_rows(app.database, FLOW_RUN, REQUEST) == {"flow_run": 2, "request": 2}

    async def test_a_request_id_for_other_items_is_refused_item_by_item(self, world: World) -> None:
        flow = await world.new_flow()
        request_id = str(uuid4())
        await create(world, [pb.NewFlowRun(flow_id=flow.id)] * 2, request_id=request_id)

        answer = await create(
            world,
            [pb.NewFlowRun(flow_id=flow.id, name="other"), pb.NewFlowRun(flow_id=flow.id)],
            request_id=request_id,
        )

        assert reasons(answer.results) == ["REQUEST_ID_REUSED", ""]
        assert len(await world.listed()) == 2

    async def test_an_answer_that_would_be_too_large_holds_little_of_each_run(
        self, world: World
    ) -> None:
        flow = await world.new_flow()
        held = await world.new_run(flow_id=flow.id, idempotency_key="k", tags=["🌊" * 255] * 100)

        answer = await create(world, [pb.NewFlowRun(flow_id=flow.id, idempotency_key="k")] * 100)

        assert {result.flow_run.id for result in answer.results} == {held.id}
        assert {result.flow_run.version for result in answer.results} == {1}
        assert not answer.results[0].flow_run.tags

    async def test_watchers_are_told_of_each_run(self, world: World) -> None:
        flow = await world.new_flow()
        watch = world.watch(flow_runs=pb.FlowRunFilter(tags=pb.TagsFilter(all=texts("seen"))))
        await watch.next("progress")

        answer = await create(world, [pb.NewFlowRun(flow_id=flow.id, tags=["seen"])] * 3)

        events = await watch.take(3)
        assert [each.revision for each in events] == [each.revision for each in answer.results]
        assert [each.state_change.flow_run.id for each in events] == [
            each.flow_run.id for each in answer.results
        ]


class TestSetStates:
    async def test_each_item_is_judged_as_a_call_by_itself_would_be(self, world: World) -> None:
        ran, done, waits, gone = *(await some_runs(world, 3)), str(uuid4())
        await world.propose(done, COMPLETED)
        key = keyset("1")

        answer = await set_states(
            world,
            items=[
                proposal(ran),
                proposal(done, CRASHED),
                proposal(gone),
                proposal(waits, expected_version=7),
                proposal("x"),
                pb.FlowRunProposal(
                    flow_run_id=ran,
                    state=paused("1", run_input_keyset=key),
                    inputs=[new_input(key.schema, {})],
                ),
                proposal(done, PENDING, force=True),
            ],
        )

        assert [each.status for each in answer.results] == [ACCEPT, ABORT, 0, 0, 0, ACCEPT, ACCEPT]
        assert reasons(answer.results) == [
            *("", "", "FLOW_RUN_NOT_FOUND", "VERSION_MISMATCH", "INVALID_REQUEST", "", ""),
        ]
        assert answer.results[1].abort.reason == "Run is already in terminal state COMPLETED."
        assert [each.flow_run_id for each in answer.results] == [
            *(ran, done, gone, waits, "", ran, done),
        ]
        assert [each.version for each in answer.results] == [2, 2, 0, 0, 0, 3, 3]
        assert answer.results[0].state.type == RUNNING
        assert [state.type for state in await world.states(done)] == [PENDING, COMPLETED, PENDING]
        assert await world.input_values(ran) == {key.schema: {}}

    async def test_data_of_states_is_written_and_not_sent_back(self, world: World) -> None:
        (run,) = await some_runs(world, 1)
        state = pb.ProposedState(type=COMPLETED, data_json='{"a": 1}')

        answer = await set_states(world, items=[pb.FlowRunProposal(flow_run_id=run, state=state)])

        assert not answer.results[0].state.HasField("data_json")
        assert (await world.get(run)).state.data_json == '{"a": 1}'

    async def test_items_for_one_run_are_judged_in_their_order_across_transactions(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches_module, "BATCH_SIZE", 3)
        (run,) = await some_runs(world, 1)
        states = [RUNNING, SCHEDULED, PENDING, RUNNING, COMPLETED, RUNNING, COMPLETED]

        answer = await set_states(world, items=[proposal(run, each, force=True) for each in states])

        assert [each.version for each in answer.results] == list(range(2, 9))
        assert [state.type for state in await world.states(run)] == [PENDING, *states]

    async def test_a_repeat_answers_like_the_first(self, world: World) -> None:
        runs = await some_runs(world, 3)
        request_id = str(uuid4())
        items = [proposal(run) for run in runs]

        first = await set_states(world, items=items, request_id=request_id)
        second = await set_states(world, items=items, request_id=request_id)

        assert [each.status for each in first.results] == [ACCEPT] * 3
        assert second == first
        assert {(await world.get(run)).version for run in runs} == {2}

    async def test_a_large_batch_lets_others_come_between(self, world: World) -> None:
        runs = await some_runs(world, 1000)
        single = await world.new_run()
        batch = asyncio.create_task(set_states(world, items=[proposal(run) for run in runs]))
        answers = []
        while not batch.done():
            answers.append((await world.propose(single, RUNNING, force=True)).revision)

        revisions = [each.revision for each in (await batch).results]

        assert any(revisions[0] < revision < revisions[-1] for revision in answers)


class TestDelete:
    async def test_each_item_is_deleted_or_says_why_not(self, world: World) -> None:
        first, second, third = await some_runs(world, 3)
        missing = str(uuid4())

        answer = await delete(
            world,
            items=[
                pb.FlowRunDeletion(flow_run_id=first),
                pb.FlowRunDeletion(flow_run_id=missing),
                pb.FlowRunDeletion(flow_run_id=second, expected_version=9),
                pb.FlowRunDeletion(flow_run_id=first),
                pb.FlowRunDeletion(flow_run_id=third, expected_version=1),
            ],
        )

        assert reasons(answer.results) == [
            *("", "FLOW_RUN_NOT_FOUND", "VERSION_MISMATCH", "FLOW_RUN_NOT_FOUND", ""),
        ]
        assert [bool(each.revision) for each in answer.results] == [True, False, False, False, True]
        assert [run.id for run in await world.listed()] == [second]

    async def test_a_repeat_answers_like_the_first(self, world: World) -> None:
        runs = await some_runs(world, 3)
        fields: dict[str, Any] = {
            "items": [pb.FlowRunDeletion(flow_run_id=run) for run in runs],
            "request_id": str(uuid4()),
        }

        assert await delete(world, **fields) == await delete(world, **fields)


class TestRequests:
    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({}, {"items", "state"}),
            ({"page_size": 5, "state": pb.ProposedState(type=RUNNING)}, {"items"}),
            ({"flow_runs": pb.FlowRunFilter()}, {"state"}),
            (
                {
                    "items": [pb.FlowRunProposal()],
                    "flow_runs": pb.FlowRunFilter(),
                    "force": True,
                    "dry_run": True,
                },
                {"flow_runs", "force", "dry_run"},
            ),
            ({"items": [pb.FlowRunProposal()] * 1001}, {"items"}),
            (
                {
                    "flow_runs": pb.FlowRunFilter(id=pb.IdFilter(any=texts("x"))),
                    "state": pb.ProposedState(type=RUNNING),
                    "page_size": -1,
                    "request_id": "x",
                },
                {"flow_runs.id.any.values[0]", "page_size", "request_id"},
            ),
        ],
        ids=[
            "nothing",
            "no filter",
            "no state",
            "items and more",
            "too many items",
            "wrong filters",
        ],
    )
    async def test_a_request_that_is_wrong_as_a_whole_is_refused(
        self, world: World, fields: dict[str, Any], wrong: set[str]
    ) -> None:
        error = await violations(set_states(world, **fields))

        assert set(error) == wrong

    async def test_a_server_that_takes_on_nothing_refuses_the_call(
        self, app: App, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flow = await world.new_flow()
        monkeypatch.setattr(app._writer, "_waiting_max", 0)

        code, info = await refused(create(world, [pb.NewFlowRun(flow_id=flow.id)]))

        assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")

    async def test_a_server_that_stops_midway_says_which_items_were_done(
        self, app: App, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches_module, "BATCH_SIZE", 2)
        flow = await world.new_flow()
        write_chunk, chunks = batches_module.Batches._write_chunk, iter(range(2))

        async def take_two(batches: Any, work: Any, commands: Any) -> Any:
            if next(chunks, None) is None:
                monkeypatch.setattr(app._writer, "_waiting_max", 0)
            return await write_chunk(batches, work, commands)

        monkeypatch.setattr(batches_module.Batches, "_write_chunk", take_two)

        answer = await create(world, [pb.NewFlowRun(flow_id=flow.id)] * 6)

        assert reasons(answer.results) == [*[""] * 4, *["OVERLOADED"] * 2]
        assert len(await world.listed()) == 4


async def test_lost_races_of_single_items_are_tried_again(
    postgresql_url: str, clock: FakeClock
) -> None:
    async with replicas(3, postgresql_url, clock) as servers:
        worlds = [world for _, world in servers]
        runs = await some_runs(worlds[0], 40)

        answers = await asyncio.gather(
            *(
                set_states(
                    world,
                    items=[
                        proposal(run, state, force=True)
                        for run in order
                        for state in (RUNNING, PENDING)
                    ],
                )
                for world, order in zip(worlds, (runs, runs[::-1], runs), strict=True)
            )
        )

        assert [answer.refused_count for answer in answers] == [0, 0, 0]
        for run in runs:
            assert [state.version for state in await worlds[0].states(run)] == list(range(1, 8))
