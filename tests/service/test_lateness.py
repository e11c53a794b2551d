"""GetFlowRunLateness: the mean of how late runs start, to the microsecond."""

from datetime import timedelta
from typing import Any

import pytest

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.states import StateType
from tests.builders import NOW, a_flow, a_flow_run
from tests.fakes import FakeClock
from tests.service.reports import DAY, HOUR, MICROSECOND, SECOND, a_task_run, store
from tests.service.world import World, texts, violations

NONE = timedelta()


async def lateness(world: World, **fields: Any) -> timedelta | None:
    """Return the mean lateness; None if it is unset."""
    answer = await world.runs.GetFlowRunLateness(pb.GetFlowRunLatenessRequest(**fields))
    return answer.average_lateness.ToTimedelta() if answer.HasField("average_lateness") else None


def named(*names: str) -> pb.FlowRunFilter:
    return pb.FlowRunFilter(name=pb.NameFilter(any=texts(*names)))


async def test_without_runs_there_is_no_lateness_and_with_punctual_ones_it_is_nothing(
    app: App, world: World
) -> None:
    flow = a_flow()
    run = a_flow_run(flow, StateType.RUNNING, expected_start_time=NOW, start_time=NOW)
    await store(app, flows=[flow], runs=[run])

    assert await lateness(world, flow_runs=named("nobody")) is None
    assert await lateness(world) == NONE


@pytest.mark.parametrize(
    ("state", "expected", "started", "late"),
    [
        (StateType.RUNNING, -HOUR, -HOUR + MICROSECOND, MICROSECOND),
        (StateType.COMPLETED, -HOUR, NONE, HOUR),
        (StateType.RUNNING, HOUR, NONE, NONE),
        (StateType.RUNNING, -DAY, -DAY, NONE),
        (StateType.SCHEDULED, -HOUR, None, HOUR),
        (StateType.PENDING, -HOUR, None, HOUR),
        (StateType.PAUSED, -HOUR, None, HOUR),
        (StateType.CANCELLING, -HOUR, None, HOUR),
        (StateType.SCHEDULED, NONE, None, NONE),
        (StateType.SCHEDULED, HOUR, None, NONE),
        (StateType.COMPLETED, -HOUR, None, NONE),
        (StateType.FAILED, -HOUR, None, NONE),
        (StateType.CANCELLED, -HOUR, None, NONE),
        (StateType.CRASHED, -HOUR, None, NONE),
        (StateType.RUNNING, None, NONE, NONE),
        (StateType.PENDING, None, None, NONE),
        (None, -HOUR, None, HOUR),
        (None, None, None, NONE),
    ],
    ids=[
        "started a microsecond late",
        "started late and ended",
        "started early",
        "started on time long ago",
        "scheduled and due",
        "pending goes on being late",
        "paused before it started",
        "cancelling before it started",
        "due at this moment",
        "due later",
        "completed without a start",
        "failed without a start",
        "cancelled without a start",
        "crashed without a start",
        "started and never expected",
        "neither expected nor started",
        "without a state",
        "without anything",
    ],
)
async def test_the_lateness_of_one_run_is_what_the_run_says_itself(
    app: App,
    world: World,
    state: StateType | None,
    expected: timedelta | None,
    started: timedelta | None,
    late: timedelta,
) -> None:
    flow = a_flow()
    run = a_flow_run(
        flow,
        state,
        expected_start_time=None if expected is None else NOW + expected,
        start_time=None if started is None else NOW + started,
        end_time=None,
    )
    await store(app, flows=[flow], runs=[run])

    assert await lateness(world) == late
    assert (await world.get(run.id)).estimated_start_time_delta.ToTimedelta() == late


async def test_lateness_is_the_mean_over_all_runs_that_match_the_punctual_ones_too(
    app: App, world: World
) -> None:
    flow = a_flow()
    runs = [
        a_flow_run(
            flow,
            StateType.COMPLETED,
            name=f"late-{seconds}",
            expected_start_time=NOW,
            start_time=NOW + seconds * SECOND,
        )
        for seconds in range(5)
    ]
    await store(app, flows=[flow], runs=runs)

    assert await lateness(world) == 2 * SECOND
    assert await lateness(world, flow_runs=named("late-3", "late-4")) == timedelta(seconds=3.5)


@pytest.mark.parametrize(
    ("late", "mean"),
    [
        pytest.param([1, 0], 1, id="half is rounded up"),
        pytest.param([1, 0, 0], 0, id="a third is rounded down"),
        pytest.param([1, 1, 0], 1, id="two thirds are rounded up"),
        pytest.param([999_999, 1_000_000], 1_000_000, id="across a second"),
        pytest.param([10**17, 10**17 + 2], 10**17 + 1, id="exact after thousands of years"),
    ],
)
async def test_the_mean_is_exact_to_the_nearest_microsecond(
    app: App, world: World, late: list[int], mean: int
) -> None:
    flow = a_flow()
    runs = [
        a_flow_run(
            flow,
            StateType.RUNNING,
            expected_start_time=NOW,
            start_time=NOW + timedelta(microseconds=micros),
        )
        for micros in late
    ]
    await store(app, flows=[flow], runs=runs)

    assert await lateness(world) == timedelta(microseconds=mean)


async def test_a_run_that_waits_gets_later_with_the_time(world: World, clock: FakeClock) -> None:
    await world.new_run(pb.STATE_TYPE_SCHEDULED)
    clock.advance(SECOND + MICROSECOND)

    assert await lateness(world) == SECOND + MICROSECOND


async def test_each_of_the_filters_narrows_the_runs(app: App, world: World) -> None:
    flow, other = a_flow(name="etl"), a_flow(name="other")
    late = [
        a_flow_run(each, StateType.RUNNING, expected_start_time=NOW - hours * HOUR, start_time=NOW)
        for each, hours in ((flow, 1), (flow, 3), (other, 8))
    ]
    await store(app, flows=[flow, other], runs=late, tasks=[a_task_run(late[1])])

    assert await lateness(world) == 4 * HOUR
    of_etl = pb.FlowFilter(name=pb.NameFilter(any=texts("etl")))
    assert await lateness(world, flows=of_etl) == 2 * HOUR
    assert await lateness(world, task_runs=pb.TaskRunFilter()) == 3 * HOUR
    assert await lateness(world, deployments=pb.DeploymentFilter()) is None
    assert await lateness(world, work_pools=pb.WorkPoolFilter()) is None
    assert await lateness(world, work_queues=pb.WorkQueueFilter()) is None


async def test_a_wrong_filter_is_refused(world: World) -> None:
    wrong = pb.FlowRunFilter(id=pb.IdFilter(any=texts("x")))

    call = world.runs.GetFlowRunLateness(pb.GetFlowRunLatenessRequest(flow_runs=wrong))

    assert await violations(call) == ["flow_runs.id.any.values[0]"]
