"""GetFlowRun, ListFlowRuns, CountFlowRuns and ListFlowRunStates: views, orders and pages."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from headgate_server.app import App
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.seeds import run_without_state
from tests.service.world import (
    COMPLETED,
    PENDING,
    RUNNING,
    SCHEDULED,
    World,
    at,
    reason,
    refused,
    texts,
    types,
    violations,
)

NEWEST_FIRST = pb.FLOW_RUN_SORT_ID_DESC
A_SECOND = timedelta(seconds=1)


async def pages(world: World, size: int, **arguments: Any) -> list[list[str]]:
    """Return the names of all runs of a list, page by page."""
    found, token = [], ""
    while True:
        request = pb.ListFlowRunsRequest(page_size=size, page_token=token, **arguments)
        page = await world.runs.ListFlowRuns(request)
        found.append([run.name for run in page.flow_runs])
        token = page.next_page_token
        if not token:
            return found


async def first_page(world: World, **arguments: Any) -> pb.ListFlowRunsResponse:
    return await world.runs.ListFlowRuns(pb.ListFlowRunsRequest(**arguments))


class TestViews:
    PAYLOAD = ("parameters_json", "context_json", "job_variables_json")

    async def test_the_basic_view_leaves_out_what_may_be_large(self, world: World) -> None:
        run = await world.new_run(
            pb.ProposedState(type=COMPLETED, data_json="[1]", message="Done"),
            parameters_json='{"a":1}',
            context_json='{"b":2}',
            tags=["kept"],
        )

        async def get(view: pb.FlowRunView.ValueType) -> pb.FlowRun:
            request = pb.GetFlowRunRequest(flow_run_id=run.id, view=view)
            return (await world.runs.GetFlowRun(request)).flow_run

        async def listed(view: pb.FlowRunView.ValueType) -> pb.FlowRun:
            return (await world.listed(view=view))[0]

        unspecified, basic, full = pb.FlowRunView.values()
        for whole in (await get(unspecified), await get(full), await listed(full)):
            assert whole == run
        lean = pb.FlowRun()
        lean.CopyFrom(run)
        lean.state.ClearField("data_json")
        for field in self.PAYLOAD:
            lean.ClearField(field)  # type: ignore[arg-type]
        for narrow in (await get(basic), await listed(unspecified), await listed(basic)):
            assert narrow == lean

    async def test_estimates_are_made_when_a_run_is_read(
        self, world: World, clock: FakeClock
    ) -> None:
        due = pb.StateDetails(scheduled_time=at(NOW - A_SECOND))
        runs = {
            "waiting": await world.new_run(pb.ProposedState(type=SCHEDULED, details=due)),
            "early": await world.new_run(
                pb.ProposedState(
                    type=SCHEDULED, details=pb.StateDetails(scheduled_time=at(NOW + A_SECOND * 60))
                )
            ),
            "running": await world.new_run(RUNNING),
            "ended": await world.new_run(COMPLETED),
            "started late": await world.new_run(pb.ProposedState(type=SCHEDULED, details=due)),
        }
        await world.propose(runs["started late"], RUNNING)
        clock.advance(A_SECOND * 5)
        await world.propose(runs["started late"], COMPLETED)
        clock.advance(A_SECOND * 5)

        read = {case: await world.get(run) for case, run in runs.items()}
        listed = {run.id: run for run in await world.listed()}

        estimates = {
            case: (
                round(run.estimated_run_time.ToTimedelta() / A_SECOND),
                round(run.estimated_start_time_delta.ToTimedelta() / A_SECOND),
            )
            for case, run in read.items()
        }
        assert estimates == {
            "waiting": (0, 11),
            "early": (0, 0),
            "running": (10, 0),
            "ended": (0, 0),
            "started late": (5, 1),
        }
        for run in read.values():
            again = listed[run.id]
            assert again.estimated_run_time == run.estimated_run_time
            assert again.estimated_start_time_delta == run.estimated_start_time_delta

    async def test_a_run_that_never_had_a_state_is_read_without_one(
        self, app: App, world: World
    ) -> None:
        run_id = await run_without_state(app, (await world.new_flow()).id)

        run = await world.get(run_id)

        assert not run.HasField("state")
        assert run.version == 0
        assert run.parameters_json == "{}"
        assert [each.id for each in await world.listed()] == [run_id]

    async def test_a_run_is_read_by_any_spelling_of_its_id(self, world: World) -> None:
        run = await world.new_run()

        assert await world.get(run.id.replace("-", "").upper()) == run

    async def test_many_that_read_at_once_each_get_their_own(self, world: World) -> None:
        runs = [await world.new_run() for _ in range(20)]
        missing = str(uuid4())

        answers = await asyncio.gather(
            *(world.get(run) for run in runs * 3), world.get(missing), return_exceptions=True
        )

        assert answers[:-1] == runs * 3
        assert isinstance(answers[-1], grpc.aio.AioRpcError)

    async def test_a_run_that_is_not_there_is_not_found(self, world: World) -> None:
        run_id = str(uuid4())

        code, info = await refused(world.get(run_id))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "FLOW_RUN_NOT_FOUND")
        assert info.metadata["flow_run_id"] == run_id


class TestOrders:
    @pytest.fixture
    async def five(self, app: App, world: World, clock: FakeClock) -> dict[str, str]:
        """Store runs a to e with all kinds of times, and return their names by id."""
        flow = await world.new_flow()

        def due(seconds: int) -> pb.ProposedState:
            details = pb.StateDetails(scheduled_time=at(NOW + A_SECOND * seconds))
            return pb.ProposedState(type=SCHEDULED, details=details)

        a = await world.new_run(due(5), flow_id=flow.id, name="b")
        clock.advance(A_SECOND)
        b = await world.new_run(RUNNING, flow_id=flow.id, name="a")
        clock.advance(A_SECOND)
        c = await world.new_run(due(-5), flow_id=flow.id, name="a")
        await world.propose(c, RUNNING)
        clock.advance(A_SECOND)
        await world.propose(c, COMPLETED)
        d = await world.new_run(due(9), flow_id=flow.id, name="B")
        clock.advance(A_SECOND)
        await world.propose(b, COMPLETED)
        e = await run_without_state(app, flow.id)
        return {a.id: "a", b.id: "b", c.id: "c", d.id: "d", e: "e"}

    async def test_a_list_is_sorted_as_asked_with_missing_values_last(
        self, world: World, five: dict[str, str]
    ) -> None:
        # e has its random name, which begins with a small letter.
        names = {run.id: run.name for run in await world.listed()}
        by_name = sorted(five, key=lambda run_id: (names[run_id], run_id))
        expected = {
            "UNSPECIFIED": "edcba",
            "ID_DESC": "edcba",
            "START_TIME_ASC": "bcade",
            "START_TIME_DESC": "dacbe",
            "EXPECTED_START_TIME_ASC": "cbade",
            "EXPECTED_START_TIME_DESC": "dabce",
            "NAME_ASC": "".join(five[run_id] for run_id in by_name),
            "NAME_DESC": "".join(five[run_id] for run_id in reversed(by_name)),
            "NEXT_SCHEDULED_START_TIME_ASC": "adbce",
            "END_TIME_DESC": "bceda",
        }
        sorts = {name.removeprefix("FLOW_RUN_SORT_"): n for name, n in pb.FlowRunSort.items()}

        found = {
            name: "".join(five[run.id] for run in await world.listed(sort=sort))
            for name, sort in sorts.items()
        }

        assert found == expected

    async def test_pages_of_every_size_join_to_the_whole_list(
        self, world: World, five: dict[str, str]
    ) -> None:
        for sort in pb.FlowRunSort.values():
            whole = [run.name for run in await world.listed(sort=sort)]
            for size in (1, 2, 5):
                found = await pages(world, size, sort=sort)
                assert [name for page in found for name in page] == whole
                assert len(found) == -(-len(five) // size)


class TestPages:
    async def test_no_size_means_200_and_more_than_1000_means_1000(self, world: World) -> None:
        flow = await world.new_flow()
        await asyncio.gather(*(world.new_run(flow_id=flow.id) for _ in range(1001)))

        lengths = {size: len(await world.listed(page_size=size)) for size in (0, 7, 1000, 5000)}

        assert lengths == {0: 200, 7: 7, 1000: 1000, 5000: 1000}

    async def test_a_page_that_holds_the_whole_list_is_the_last(self, world: World) -> None:
        for _ in range(2):
            await world.new_run()

        assert not (await first_page(world, page_size=2)).next_page_token
        assert (await first_page(world, page_size=1)).next_page_token

    async def test_an_empty_list_has_one_empty_page(self, world: World) -> None:
        assert await first_page(world) == pb.ListFlowRunsResponse()

    async def test_what_is_inserted_meanwhile_makes_no_page_repeat_or_skip(
        self, world: World
    ) -> None:
        flow = await world.new_flow()
        before = [await world.new_run(flow_id=flow.id, name=f"{n:02}") for n in range(20)]
        for sort in (pb.FLOW_RUN_SORT_ID_DESC, pb.FLOW_RUN_SORT_NAME_ASC):
            seen: list[str] = []
            token = ""
            while True:
                page = await first_page(world, sort=sort, page_size=3, page_token=token)
                seen += [run.id for run in page.flow_runs]
                token = page.next_page_token
                if not token:
                    break
                await world.new_run(flow_id=flow.id, name="00")
                await world.new_run(flow_id=flow.id, name="99")

            assert len(seen) == len(set(seen))
            assert {run.id for run in before} <= set(seen)

    async def test_an_offset_is_used_on_the_first_page_only(self, world: World) -> None:
        flow = await world.new_flow()
        for name in "abcdefg":
            await world.new_run(flow_id=flow.id, name=name)
        by_name: dict[str, Any] = {"sort": pb.FLOW_RUN_SORT_NAME_ASC}

        found = await pages(world, 2, offset=2, **by_name)
        beyond = await pages(world, 2, offset=8, **by_name)

        assert found == [["c", "d"], ["e", "f"], ["g"]]
        assert beyond == [[]]

    async def test_the_page_size_may_change_from_page_to_page(self, world: World) -> None:
        for _ in range(3):
            await world.new_run()
        page = await first_page(world, page_size=1)

        rest = await first_page(world, page_size=9, page_token=page.next_page_token)

        assert len(rest.flow_runs) == 2

    async def test_a_token_belongs_to_the_arguments_of_its_list(self, world: World) -> None:
        for _ in range(3):
            await world.new_run(tags=["a"])
        filters = {"flow_runs": pb.FlowRunFilter(tags=pb.TagsFilter(all=texts("a")))}
        token = (await first_page(world, page_size=1, **filters)).next_page_token
        others: dict[str, dict[str, Any]] = {
            "no filter": {},
            "another filter": {"flow_runs": pb.FlowRunFilter(tags=pb.TagsFilter(all=texts()))},
            "one more filter": {**filters, "flows": pb.FlowFilter(name=pb.NameFilter(like="x"))},
            "another order": {**filters, "sort": pb.FLOW_RUN_SORT_NAME_ASC},
        }

        same = await first_page(world, page_token=token, **filters)
        reasons = {
            case: await reason(first_page(world, page_token=token, **given))
            for case, given in others.items()
        }

        assert len(same.flow_runs) == 2
        assert reasons == dict.fromkeys(others, "PAGE_TOKEN_MISMATCH")

    async def test_a_token_that_was_not_made_here_is_refused(self, world: World) -> None:
        for _ in range(2):
            await world.new_run()
        token = (await first_page(world, page_size=1)).next_page_token
        forged = ["x", "é", "AAAA", token[:-2], token + "A", token.swapcase(), "A" * 1000]

        reasons = {each: await reason(first_page(world, page_token=each)) for each in forged}

        assert reasons == dict.fromkeys(forged, "PAGE_TOKEN_MISMATCH")

    async def test_what_makes_no_sense_is_refused_all_at_once(self, world: World) -> None:
        call = first_page(
            world,
            page_size=-1,
            offset=-1,
            sort=99,
            view=7,
            min_revision=-1,
            flow_runs=pb.FlowRunFilter(
                operator=9,  # type: ignore[arg-type]
                id=pb.IdFilter(any=texts("x")),
                state=pb.StateFilter(type_any=types(PENDING, 0)),  # type: ignore[arg-type]
            ),
            flows=pb.FlowFilter(id=pb.IdFilter(not_any=texts("", str(uuid4())))),
        )

        assert sorted(await violations(call)) == [
            "flow_runs.id.any.values[0]",
            "flow_runs.operator",
            "flow_runs.state.type_any.values[1]",
            "flows.id.not_any.values[0]",
            *("min_revision", "offset", "page_size", "sort", "view"),
        ]


class TestStates:
    async def test_the_history_of_a_run_comes_in_pages_from_first_to_last(
        self, world: World
    ) -> None:
        run = await world.new_run()
        for number in range(4):
            await world.propose(run, pb.ProposedState(type=RUNNING, data_json=json.dumps(number)))

        found, token = [], ""
        while True:
            request = pb.ListFlowRunStatesRequest(flow_run_id=run.id, page_size=2, page_token=token)
            page = await world.runs.ListFlowRunStates(request)
            found.append([state.version for state in page.states])
            token = page.next_page_token
            if not token:
                break

        assert found == [[1, 2], [3, 4], [5]]
        assert [state.data_json for state in await world.states(run)] == ["", "0", "1", "2", "3"]

    async def test_a_run_that_is_not_there_has_no_states(self, world: World) -> None:
        assert await world.states(str(uuid4())) == []

    async def test_the_token_of_another_run_is_refused(self, world: World) -> None:
        runs = [await world.new_run() for _ in range(2)]
        for run in runs:
            await world.propose(run, RUNNING)
        request = pb.ListFlowRunStatesRequest(flow_run_id=runs[0].id, page_size=1)
        token = (await world.runs.ListFlowRunStates(request)).next_page_token

        request = pb.ListFlowRunStatesRequest(flow_run_id=runs[1].id, page_token=token)

        assert await reason(world.runs.ListFlowRunStates(request)) == "PAGE_TOKEN_MISMATCH"

    async def test_a_negative_page_size_is_refused(self, world: World) -> None:
        request = pb.ListFlowRunStatesRequest(flow_run_id="x", page_size=-1)

        found = await violations(world.runs.ListFlowRunStates(request))

        assert sorted(found) == ["flow_run_id", "page_size"]
