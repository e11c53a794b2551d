"""ListFlowRunDependencies: what each task run of a flow run was given the results of."""

from typing import Any
from uuid import uuid4

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.states import StateDetails, StateType
from headgate_server.model.task_runs import TaskInput, TaskInputKind
from tests.builders import NOW, a_flow, a_flow_run, a_state
from tests.service.reports import HOUR, MICROSECOND, SECOND, a_task_run, given, store
from tests.service.world import World, reason, violations, when

FLOW = a_flow(name="etl")
RUN = a_flow_run(FLOW, StateType.RUNNING)


async def dependencies(world: World, **fields: Any) -> list[pb.TaskRunDependencies]:
    """List all dependencies of the run, page by page."""
    request = pb.ListFlowRunDependenciesRequest(flow_run_id=RUN.id, **fields)
    page = await world.runs.ListFlowRunDependencies(request)
    listed = list(page.task_runs)
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = await world.runs.ListFlowRunDependencies(request)
        listed += page.task_runs
    return listed


async def test_dependencies_tell_of_every_task_run_what_it_was_given(
    app: App, world: World
) -> None:
    first = a_task_run(RUN, None, name="first", expected_start_time=NOW - SECOND)
    gone = str(uuid4())
    state = a_state(
        StateType.RUNNING,
        timestamp=NOW - SECOND,
        details=StateDetails(untrackable_result=True),
    )
    second = a_task_run(
        RUN,
        state,
        name="second",
        start_time=NOW - SECOND,
        total_run_time=MICROSECOND,
        task_inputs={
            **given(first.id, gone, first.id),
            "more": (
                TaskInput(kind=TaskInputKind.TASK_RUN, value=first.id),
                TaskInput(kind=TaskInputKind.PARAMETER, value="p"),
                TaskInput(kind=TaskInputKind.CONSTANT, value="int"),
            ),
        },
    )
    await store(app, flows=[FLOW], runs=[RUN], tasks=[second, first])

    listed = await dependencies(world)

    assert [each.name for each in listed] == ["first", "second"]
    assert not listed[0].HasField("state")
    assert list(listed[0].upstream_task_run_ids) == []
    assert listed[1].task_run_id == second.id
    assert (listed[1].state.id, listed[1].state.type) == (state.id, pb.STATE_TYPE_RUNNING)
    assert listed[1].untrackable_result
    assert when(listed[1].expected_start_time) == NOW
    assert when(listed[1].start_time) == NOW - SECOND
    assert listed[1].total_run_time.ToTimedelta() == MICROSECOND
    assert listed[1].estimated_run_time.ToTimedelta() == SECOND + MICROSECOND
    assert list(listed[1].upstream_task_run_ids) == sorted([first.id, gone])


async def test_dependencies_come_in_pages_by_expected_start_with_those_without_one_last(
    app: App, world: World
) -> None:
    times = [None, NOW, NOW - HOUR, NOW + HOUR, None]
    tasks = [
        a_task_run(RUN, StateType.PENDING, name=str(index), expected_start_time=time)
        for index, time in enumerate(times)
    ]
    await store(app, flows=[FLOW], runs=[RUN], tasks=tasks)

    one_by_one = await dependencies(world, page_size=1)

    assert [each.name for each in one_by_one] == ["2", "1", "3", "0", "4"]
    assert [each.name for each in await dependencies(world, page_size=2, offset=1)] == [
        *("1", "3", "0", "4")
    ]


async def test_a_list_of_dependencies_is_refused_for_unknown_runs_and_foreign_tokens(
    app: App, world: World
) -> None:
    other = a_flow_run(FLOW, StateType.RUNNING)
    tasks = [a_task_run(RUN, StateType.PENDING) for _ in range(2)]
    await store(app, flows=[FLOW], runs=[RUN, other], tasks=tasks)
    request = pb.ListFlowRunDependenciesRequest(flow_run_id=RUN.id, page_size=1)
    token = (await world.runs.ListFlowRunDependencies(request)).next_page_token

    async def why(**fields: Any) -> str:
        asked = pb.ListFlowRunDependenciesRequest(**fields)
        return await reason(world.runs.ListFlowRunDependencies(asked))

    assert await why(flow_run_id=str(uuid4())) == "FLOW_RUN_NOT_FOUND"
    assert await why(flow_run_id=other.id, page_token=token) == "PAGE_TOKEN_MISMATCH"
    wrong = pb.ListFlowRunDependenciesRequest(flow_run_id="x", page_size=-1, offset=-1)
    assert await violations(world.runs.ListFlowRunDependencies(wrong)) == [
        *("page_size", "offset", "flow_run_id")
    ]
