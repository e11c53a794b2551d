"""Batches by filter: all runs that match, page by page, or only a look at them."""

from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.operations import batches as batches_module
from tests.service.batches import delete, reasons, set_states, some_runs, tagged
from tests.service.world import (
    CANCELLED,
    COMPLETED,
    PENDING,
    RUNNING,
    World,
    refused,
    texts,
    types,
)


class TestByFilter:
    async def test_a_state_is_proposed_page_by_page_until_no_run_is_left(
        self, world: World
    ) -> None:
        runs = await some_runs(world, 7, tags=["go"])
        other = await world.new_run()
        fields: dict[str, Any] = {
            "state": pb.ProposedState(type=CANCELLED, message="enough"),
            "flow_runs": tagged("go"),
            "page_size": 3,
        }
        seen: list[str] = []
        sizes: list[int] = []
        token = ""
        while not sizes or token:
            answer = await set_states(world, page_token=token, **fields)
            token = answer.next_page_token
            sizes.append(len(answer.results))
            seen += [each.flow_run_id for each in answer.results]
            # What is created meanwhile is not reached.
            await world.new_run(tags=["go"])

        assert (sizes, seen) == ([3, 3, 1], runs[::-1])
        for run in runs:
            assert (await world.get(run)).state.message == "enough"
        assert (await world.get(other)).state.type == PENDING

    async def test_runs_are_deleted_page_by_page(self, world: World) -> None:
        await some_runs(world, 5, tags=["go"])
        kept = await world.new_run(tags=["stay"])

        first = await delete(world, flow_runs=tagged("go"), page_size=3)
        second = await delete(
            world, flow_runs=tagged("go"), page_size=3, page_token=first.next_page_token
        )

        assert (len(first.results), len(second.results)) == (3, 2)
        assert (bool(first.next_page_token), second.next_page_token) == (True, "")
        assert [run.id for run in await world.listed()] == [kept.id]

    async def test_an_empty_filter_means_every_run(self, world: World) -> None:
        await some_runs(world, 3)

        answer = await delete(world, flow_runs=pb.FlowRunFilter())

        assert len(answer.results) == 3
        assert await world.listed() == []

    async def test_filters_on_what_belongs_to_runs_are_heeded(self, world: World) -> None:
        flow = await world.new_flow("chosen")
        chosen = await world.new_run(flow_id=flow.id)
        await some_runs(world, 2)

        answer = await delete(world, flows=pb.FlowFilter(name=pb.NameFilter(any=texts("chosen"))))
        with_tasks = await delete(world, task_runs=pb.TaskRunFilter())

        assert [each.flow_run_id for each in answer.results] == [chosen.id]
        assert not with_tasks.results

    async def test_a_dry_run_tells_how_many_and_shows_some(self, world: World) -> None:
        runs = await some_runs(world, 25, tags=["go"], parameters_json='{"a": 1}')

        of_states = await set_states(
            world,
            state=pb.ProposedState(type=RUNNING),
            flow_runs=tagged("go"),
            dry_run=True,
            page_size=1,
        )
        of_deletion = await delete(world, flow_runs=tagged("go"), dry_run=True)

        for answer in (of_states, of_deletion):
            assert answer.matching_count == 25
            assert [run.id for run in answer.sample] == runs[: -1 - 20 : -1]
            assert not answer.sample[0].HasField("parameters_json")
            assert (list(answer.results), answer.next_page_token) == ([], "")
        assert {run.version for run in await world.listed()} == {1}

    async def test_a_repeat_takes_the_same_runs_and_answers_like_the_first(
        self, world: World
    ) -> None:
        runs = await some_runs(world, 5, tags=["go"])
        request_id = str(uuid4())
        fields: dict[str, Any] = {"flow_runs": tagged("go"), "page_size": 2}

        first = await delete(world, request_id=request_id, **fields)
        second = await delete(world, request_id=request_id, **fields)

        assert [each.flow_run_id for each in first.results] == [runs[4], runs[3]]
        assert second == first
        assert len(await world.listed()) == 3

    async def test_a_request_id_of_another_request_is_refused(self, world: World) -> None:
        await some_runs(world, 2, tags=["go"])
        request_id = str(uuid4())
        fields: dict[str, Any] = {"flow_runs": tagged("go"), "request_id": request_id}
        await set_states(world, state=pb.ProposedState(type=RUNNING), **fields)

        code, info = await refused(
            set_states(world, state=pb.ProposedState(type=COMPLETED), **fields)
        )

        assert (code, info.reason) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "REQUEST_ID_REUSED",
        )

    async def test_a_token_for_other_filters_is_refused(self, world: World) -> None:
        await some_runs(world, 2, tags=["go"])
        first = await delete(world, flow_runs=tagged("go"), page_size=1)

        _, info = await refused(
            delete(world, flow_runs=tagged("other"), page_token=first.next_page_token)
        )

        assert info.reason == "PAGE_TOKEN_MISMATCH"

    async def test_a_run_that_moved_on_since_it_matched_is_left_alone(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = await some_runs(world, 2, tags=["go"])
        carry_out = batches_module.Batches._carry_out

        async def meanwhile(batches: Any, work: Any, items: Any) -> Any:
            await world.propose(runs[0], RUNNING)
            return await carry_out(batches, work, items)

        monkeypatch.setattr(batches_module.Batches, "_carry_out", meanwhile)

        answer = await delete(
            world, flow_runs=pb.FlowRunFilter(state=pb.StateFilter(type_any=types(PENDING)))
        )

        assert reasons(answer.results) == ["", "VERSION_MISMATCH"]
        assert [run.id for run in await world.listed()] == [runs[0]]
