"""GetTaskRun, ListTaskRuns, CountTaskRuns and ListTaskRunStates."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest

from headgate import v1 as pb
from tests.builders import NOW
from tests.fakes import FakeClock
from tests.service.tasks import get, listed, new_task_run, propose, states
from tests.service.world import (
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    World,
    reason,
    refused,
    scheduled_for,
    texts,
    types,
    violations,
)

A_SECOND = timedelta(seconds=1)
AN_HOUR = timedelta(hours=1)
DONE = pb.ProposedState(type=COMPLETED, data_json="[1]")


def task_runs_of(run: pb.FlowRun) -> pb.FlowRunFilter:
    """Return the filter for the task runs of a flow run."""
    return pb.FlowRunFilter(id=pb.IdFilter(any=texts(run.id)))


class TestGetting:
    async def test_a_missing_task_run_is_not_found(self, world: World) -> None:
        missing = str(uuid4())

        code, info = await refused(get(world, missing))

        assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_RUN_NOT_FOUND")
        assert dict(info.metadata) == {"task_run_id": missing}

    async def test_a_basic_view_leaves_out_the_data_alone(self, world: World) -> None:
        made = await new_task_run(world, state=DONE, tags=["a"])

        full = await get(world, made)
        basic = await get(world, made, view=pb.TASK_RUN_VIEW_BASIC)

        assert full.state.data_json == "[1]"
        assert not basic.state.HasField("data_json")
        full.state.ClearField("data_json")
        assert basic == full

    async def test_estimates_are_made_for_the_time_of_the_call(
        self, world: World, clock: FakeClock
    ) -> None:
        made = await new_task_run(world, state=scheduled_for(NOW + A_SECOND))
        clock.advance(3 * A_SECOND)
        late = await get(world, made)
        await propose(world, made, RUNNING)
        clock.advance(5 * A_SECOND)

        running = await get(world, made)

        assert late.estimated_start_time_delta.ToTimedelta() == 2 * A_SECOND
        assert running.estimated_start_time_delta.ToTimedelta() == 2 * A_SECOND
        assert running.estimated_run_time.ToTimedelta() == 5 * A_SECOND
        assert running.total_run_time.ToTimedelta() == timedelta()

    async def test_a_revision_that_is_never_reached_is_not_waited_for_long(
        self, world: World
    ) -> None:
        made = await new_task_run(world)

        assert await reason(get(world, made, min_revision=10**9)) == "REVISION_NOT_REACHED"


class TestListing:
    async def test_a_list_shows_the_newest_first_without_data(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        made = [await new_task_run(world, run, DONE) for _ in range(3)]

        shown = await listed(world, flow_runs=task_runs_of(run))

        assert [each.id for each in shown] == [each.id for each in reversed(made)]
        assert not any(each.state.HasField("data_json") for each in shown)

    async def test_a_full_list_shows_everything(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        made = await new_task_run(world, run, DONE)

        assert await listed(world, flow_runs=task_runs_of(run), view=pb.TASK_RUN_VIEW_FULL) == [
            made
        ]

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            pytest.param("ID_DESC", "dcba", id="id"),
            pytest.param("NAME_ASC", "abcd", id="name"),
            pytest.param("NAME_DESC", "dcba", id="name descending"),
            pytest.param("EXPECTED_START_TIME_ASC", "cabd", id="expected start"),
            pytest.param("EXPECTED_START_TIME_DESC", "dbac", id="expected start descending"),
            pytest.param("NEXT_SCHEDULED_START_TIME_ASC", "cbad", id="next start, missing last"),
            pytest.param("END_TIME_DESC", "dcba", id="end, missing last"),
        ],
    )
    async def test_lists_are_sorted(self, world: World, sort: str, expected: str) -> None:
        run = await world.new_run(RUNNING)
        firsts: Sequence[pb.ProposedState | pb.StateType.ValueType] = (
            PENDING,
            scheduled_for(NOW + AN_HOUR),
            scheduled_for(NOW - AN_HOUR),
            scheduled_for(NOW + AN_HOUR),
        )
        made = [
            await new_task_run(world, run, state, name=name)
            for name, state in zip("abcd", firsts, strict=True)
        ]
        for state in (RUNNING, COMPLETED):
            await propose(world, made[3], state, force=True)

        shown = await listed(
            world,
            flow_runs=task_runs_of(run),
            sort=pb.TaskRunSort.Value(f"TASK_RUN_SORT_{sort}"),
        )

        assert "".join(each.name for each in shown) == expected

    async def test_pages_follow_each_other(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        made = [await new_task_run(world, run) for _ in range(7)]
        request = pb.ListTaskRunsRequest(flow_runs=task_runs_of(run), page_size=3, offset=1)
        seen: list[str] = []
        sizes = []

        while True:
            page = await world.task_runs.ListTaskRuns(request)
            seen += [each.id for each in page.task_runs]
            sizes.append(len(page.task_runs))
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break

        assert sizes == [3, 3]
        assert seen == [each.id for each in reversed(made[:6])]

    async def test_a_token_serves_no_other_list(self, world: World) -> None:
        run = await world.new_run(RUNNING)
        for _ in range(2):
            await new_task_run(world, run)
        page = await world.task_runs.ListTaskRuns(
            pb.ListTaskRunsRequest(flow_runs=task_runs_of(run), page_size=1)
        )

        other = pb.ListTaskRunsRequest(page_size=1, page_token=page.next_page_token)

        assert await reason(world.task_runs.ListTaskRuns(other)) == "PAGE_TOKEN_MISMATCH"

    async def test_each_filter_narrows_the_list_and_the_count(self, world: World) -> None:
        flow = await world.new_flow()
        run = await world.new_run(RUNNING, flow_id=flow.id, deployment_id=str(uuid4()))
        pending = await new_task_run(world, run, tags=["x", "y"])
        failed = await new_task_run(world, run, FAILED)
        await new_task_run(world)
        of_flow = pb.FlowFilter(id=pb.IdFilter(any=texts(flow.id)))
        is_failed = pb.TaskRunFilter(state=pb.StateFilter(type_any=types(FAILED)))
        is_tagged = pb.TaskRunFilter(tags=pb.TagsFilter(all=texts("x")))

        cases: list[tuple[dict[str, Any], set[str]]] = [
            ({"flows": of_flow}, {pending.id, failed.id}),
            ({"flow_runs": task_runs_of(run)}, {pending.id, failed.id}),
            ({"flows": of_flow, "task_runs": is_failed}, {failed.id}),
            ({"flows": of_flow, "task_runs": is_tagged}, {pending.id}),
            # The deployment does not exist, and an empty filter asks for one that does.
            ({"flows": of_flow, "deployments": pb.DeploymentFilter()}, set()),
            ({"flows": of_flow, "work_pools": pb.WorkPoolFilter()}, set()),
            ({"flows": of_flow, "work_queues": pb.WorkQueueFilter()}, set()),
        ]
        for fields, expected in cases:
            counted = await world.task_runs.CountTaskRuns(pb.CountTaskRunsRequest(**fields))
            assert {each.id for each in await listed(world, **fields)} == expected, fields
            assert counted.count == len(expected), fields

    async def test_subflow_runs_are_found_by_the_task_run_that_stands_for_them(
        self, world: World
    ) -> None:
        run = await world.new_run(RUNNING)
        stand_in, other = await new_task_run(world, run), await new_task_run(world, run)
        await world.new_run(parent_task_run_id=stand_in.id)

        found = [
            await listed(
                world,
                flow_runs=task_runs_of(run),
                task_runs=pb.TaskRunFilter(subflow_runs=pb.ExistsFilter(exists=exists)),
            )
            for exists in (True, False)
        ]

        assert [[each.id for each in page] for page in found] == [[stand_in.id], [other.id]]

    async def test_wrong_arguments_are_named(self, world: World) -> None:
        request = pb.ListTaskRunsRequest(
            task_runs=pb.TaskRunFilter(id=pb.IdFilter(any=texts("x"))),
            page_size=-1,
            offset=-1,
            min_revision=-1,
        )

        assert await violations(world.task_runs.ListTaskRuns(request)) == [
            "task_runs.id.any.values[0]",
            "page_size",
            "offset",
            "min_revision",
        ]


class TestStates:
    async def test_the_history_is_told_from_first_to_last_with_its_data(self, world: World) -> None:
        made = await new_task_run(world)
        await propose(world, made, RUNNING)
        await propose(world, made, DONE)

        history = await states(world, made)

        assert [each.name for each in history] == ["Pending", "Running", "Completed"]
        assert [each.version for each in history] == [1, 2, 3]
        assert [each.data_json for each in history] == ["", "", "[1]"]
        assert {each.details.task_run_id for each in history} == {made.id}
        assert {each.details.flow_run_id for each in history} == {made.flow_run_id}

    async def test_the_history_comes_in_pages(self, world: World) -> None:
        made = await new_task_run(world)
        for _ in range(3):
            await propose(world, made, PENDING)
        request = pb.ListTaskRunStatesRequest(task_run_id=made.id, page_size=3)

        first = await world.task_runs.ListTaskRunStates(request)
        request.page_token = first.next_page_token
        second = await world.task_runs.ListTaskRunStates(request)

        assert [each.version for each in first.states] == [1, 2, 3]
        assert [each.version for each in second.states] == [4]
        assert not second.next_page_token

    async def test_a_missing_task_run_has_no_history(self, world: World) -> None:
        assert await states(world, str(uuid4())) == []
