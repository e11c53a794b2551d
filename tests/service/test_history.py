"""GetFlowRunHistory and GetTaskRunHistory: intervals, what falls into them, and the sums, to the microsecond."""

from datetime import datetime, timedelta
from typing import Any

import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from headgate import v1 as pb
from headgate_server.app import App
from headgate_server.model.states import StateType
from tests.builders import NOW, a_flow, a_flow_run, a_state
from tests.service.reports import (
    DAY,
    HOUR,
    MICROSECOND,
    SECOND,
    Counted,
    a_task_run,
    bounds,
    counted,
    store,
)
from tests.service.world import (
    World,
    at,
    lasting,
    refusal,
    texts,
    types,
    violated_fields,
    violations,
)

NONE = timedelta()
MINUTE = timedelta(minutes=1)


def asked(
    start: datetime = NOW, end: datetime = NOW + HOUR, interval: timedelta = HOUR, **fields: Any
) -> pb.GetFlowRunHistoryRequest:
    return pb.GetFlowRunHistoryRequest(
        start_time=at(start), end_time=at(end), interval=lasting(interval), **fields
    )


def of_tasks(request: pb.GetFlowRunHistoryRequest) -> pb.GetTaskRunHistoryRequest:
    return pb.GetTaskRunHistoryRequest.FromString(request.SerializeToString())


@pytest.mark.parametrize(
    ("length", "interval", "count"),
    [
        pytest.param(240 * HOUR, 25 * HOUR, 10, id="240 hours in steps of 25"),
        pytest.param(DAY, 66 * MINUTE, 22, id="a day in steps of 66 minutes"),
        pytest.param(DAY + 30 * MINUTE, DAY, 2, id="a day and half an hour in days"),
        pytest.param(1000 * SECOND, SECOND, 500, id="more than 500"),
        pytest.param(NONE, HOUR, 0, id="an end that is the start"),
        pytest.param(-HOUR, HOUR, 0, id="an end before the start"),
    ],
)
async def test_intervals_cover_the_time_without_a_gap_and_are_there_without_runs(
    world: World, length: timedelta, interval: timedelta, count: int
) -> None:
    start = NOW + timedelta(microseconds=123_456)

    history = await world.runs.GetFlowRunHistory(asked(start, start + length, interval))

    assert counted(history) == [[] for _ in range(count)]
    assert bounds(history) == [
        (start + index * interval, start + (index + 1) * interval) for index in range(count)
    ]


async def test_a_run_falls_into_the_interval_that_it_was_expected_in(
    app: App, world: World
) -> None:
    flow = a_flow()
    expected = {
        "a microsecond before": NOW - MICROSECOND,
        "at the start": NOW,
        "at the end of the first": NOW + HOUR - MICROSECOND,
        "at the start of the second": NOW + HOUR,
        "after the end, in the last": NOW + 3 * HOUR - MICROSECOND,
        "after the last": NOW + 3 * HOUR,
        "never": None,
    }
    runs = [
        a_flow_run(flow, a_state(StateType.PENDING, name), expected_start_time=time)
        for name, time in expected.items()
    ]
    await store(app, flows=[flow], runs=runs)

    history = await world.runs.GetFlowRunHistory(asked(NOW, NOW + 2 * HOUR + MINUTE))

    assert [[name for _, name, *_ in states] for states in counted(history)] == [
        ["at the end of the first", "at the start"],
        ["at the start of the second"],
        ["after the end, in the last"],
    ]


async def test_a_run_is_counted_by_the_state_it_is_in_now(world: World) -> None:
    run = await world.new_run(pb.STATE_TYPE_RUNNING)
    await world.propose(run, pb.STATE_TYPE_COMPLETED)

    history = await world.runs.GetFlowRunHistory(asked(NOW - HOUR, NOW + HOUR, 2 * HOUR))

    assert [state[:3] for state in counted(history)[0]] == [("COMPLETED", "Completed", 1)]


async def test_states_come_by_type_then_by_name_with_those_of_no_state_first(
    app: App, world: World
) -> None:
    flow = a_flow()
    states = [
        None,
        a_state(StateType.SCHEDULED, "Late"),
        a_state(StateType.SCHEDULED, "AwaitingRetry"),
        a_state(StateType.SCHEDULED, "late"),
        a_state(StateType.PENDING),
        a_state(StateType.CANCELLING, "Z"),
        a_state(StateType.CANCELLED, "Z"),
        a_state(StateType.PENDING),
    ]
    await store(
        app,
        flows=[flow],
        runs=[a_flow_run(flow, state, expected_start_time=NOW) for state in states],
    )

    history = await world.runs.GetFlowRunHistory(asked())

    assert [(kind, name, count) for kind, name, count, *_ in counted(history)[0]] == [
        ("UNSPECIFIED", "", 1),
        ("CANCELLED", "Z", 1),
        ("CANCELLING", "Z", 1),
        ("PENDING", "Pending", 2),
        ("SCHEDULED", "AwaitingRetry", 1),
        ("SCHEDULED", "Late", 1),
        ("SCHEDULED", "late", 1),
    ]


@pytest.mark.parametrize(
    ("state", "fields", "run_time", "lateness"),
    [
        pytest.param(
            a_state(StateType.RUNNING, timestamp=NOW - 3 * SECOND - 7 * MICROSECOND),
            {"total_run_time": 2 * SECOND + MICROSECOND, "start_time": NOW - HOUR + MICROSECOND},
            5 * SECOND + 8 * MICROSECOND,
            MICROSECOND,
            id="one that runs goes on",
        ),
        pytest.param(
            a_state(StateType.RUNNING, timestamp=NOW + SECOND),
            {"total_run_time": 2 * SECOND, "start_time": NOW - 2 * HOUR},
            2 * SECOND,
            NONE,
            id="one that runs since later, and started early",
        ),
        pytest.param(
            a_state(StateType.COMPLETED),
            {"total_run_time": 2 * SECOND, "start_time": NOW - HOUR + SECOND + MICROSECOND},
            2 * SECOND,
            SECOND + MICROSECOND,
            id="one that has ended stays as late as it started",
        ),
        pytest.param(
            a_state(StateType.CANCELLED), {}, NONE, NONE, id="one that ended without a start"
        ),
        pytest.param(
            a_state(StateType.PENDING), {}, NONE, HOUR, id="one that has not started is late by now"
        ),
        pytest.param(None, {}, NONE, HOUR, id="one without a state is late by now"),
        pytest.param(
            a_state(StateType.SCHEDULED),
            {"expected_start_time": NOW},
            NONE,
            NONE,
            id="one that is due is not late",
        ),
        pytest.param(
            a_state(StateType.SCHEDULED),
            {"expected_start_time": NOW + MICROSECOND},
            NONE,
            NONE,
            id="one of the future is not late",
        ),
    ],
)
async def test_run_times_and_lateness_are_estimated_as_for_single_runs(
    app: App,
    world: World,
    state: Any,
    fields: dict[str, Any],
    run_time: timedelta,
    lateness: timedelta,
) -> None:
    flow = a_flow()
    run = a_flow_run(
        flow,
        state,
        **({"expected_start_time": NOW - HOUR, "start_time": None, "end_time": None} | fields),
    )
    await store(app, flows=[flow], runs=[run])

    history = await world.runs.GetFlowRunHistory(asked(NOW - HOUR, NOW + HOUR, 2 * HOUR))

    ((_, _, _, *sums),) = counted(history)[0]
    assert sums == [run_time, lateness]
    single = await world.get(run.id)
    assert single.estimated_run_time.ToTimedelta() == run_time
    assert single.estimated_start_time_delta.ToTimedelta() == lateness


async def test_sums_are_exact(app: App, world: World) -> None:
    flow = a_flow()
    long = timedelta(days=36_500, microseconds=999_999)
    runs = [
        a_flow_run(
            flow,
            StateType.COMPLETED,
            expected_start_time=NOW,
            start_time=NOW + timedelta(microseconds=333_333),
            total_run_time=long,
        )
        for _ in range(7)
    ]
    await store(app, flows=[flow], runs=runs)

    history = await world.runs.GetFlowRunHistory(asked())

    ((*_, run_time, lateness),) = counted(history)[0]
    assert run_time == 7 * long
    assert lateness == timedelta(seconds=2, microseconds=333_331)


async def test_sums_longer_than_any_duration_are_cut(app: App, world: World) -> None:
    flow = a_flow()
    runs = [
        a_flow_run(
            flow,
            StateType.COMPLETED,
            expected_start_time=NOW,
            start_time=NOW,
            total_run_time=timedelta(days=2_000_000),
        )
        for _ in range(3)
    ]
    await store(app, flows=[flow], runs=runs)

    history = await world.runs.GetFlowRunHistory(asked())

    ((*_, run_time, _),) = counted(history)[0]
    assert run_time == timedelta(seconds=315_576_000_000)


async def test_filters_apply_before_runs_are_counted(app: App, world: World) -> None:
    flow, other = a_flow(name="etl"), a_flow(name="other")
    runs = [
        a_flow_run(flow, StateType.PENDING, expected_start_time=NOW, tags=("a",)),
        a_flow_run(flow, StateType.RUNNING, expected_start_time=NOW, tags=("a",)),
        a_flow_run(flow, StateType.PENDING, expected_start_time=NOW),
        a_flow_run(other, StateType.PENDING, expected_start_time=NOW, tags=("a",)),
    ]
    await store(
        app, flows=[flow, other], runs=runs, tasks=[a_task_run(runs[1], StateType.COMPLETED)]
    )
    request = asked(
        flows=pb.FlowFilter(name=pb.NameFilter(any=texts("etl"))),
        flow_runs=pb.FlowRunFilter(tags=pb.TagsFilter(all=texts("a"))),
    )

    assert _counts(await world.runs.GetFlowRunHistory(request)) == {"Pending": 1, "Running": 1}
    request.task_runs.SetInParent()
    assert _counts(await world.runs.GetFlowRunHistory(request)) == {"Running": 1}
    request.work_queues.SetInParent()
    assert _counts(await world.runs.GetFlowRunHistory(request)) == {}


async def test_a_filter_that_most_runs_meet_is_counted_like_one_that_few_meet(
    app: App, world: World
) -> None:
    flow = a_flow()
    hours = [NOW + index * HOUR for index in range(4)]
    runs = [
        a_flow_run(flow, StateType.COMPLETED, expected_start_time=hour)
        for hour in hours
        for _ in range(50)
    ] + [a_flow_run(flow, StateType.FAILED, expected_start_time=hour) for hour in hours]
    await store(app, flows=[flow], runs=runs)

    def of(state: "pb.StateType.ValueType") -> pb.GetFlowRunHistoryRequest:
        filtered = pb.FlowRunFilter(state=pb.StateFilter(type_any=types(state)))
        return asked(NOW + HOUR, NOW + 3 * HOUR, flow_runs=filtered)

    many = await world.runs.GetFlowRunHistory(of(pb.STATE_TYPE_COMPLETED))
    few = await world.runs.GetFlowRunHistory(of(pb.STATE_TYPE_FAILED))

    assert [[count for _, _, count, *_ in states] for states in counted(many)] == [[50], [50]]
    assert [[count for _, _, count, *_ in states] for states in counted(few)] == [[1], [1]]


async def test_task_runs_have_a_history_of_their_own(app: App, channel: grpc.aio.Channel) -> None:
    flow = a_flow()
    run, other = a_flow_run(flow, StateType.RUNNING), a_flow_run(flow, StateType.PENDING)
    tasks = [
        a_task_run(
            run,
            a_state(StateType.RUNNING, timestamp=NOW - SECOND),
            start_time=NOW + MICROSECOND,
            total_run_time=MICROSECOND,
        ),
        a_task_run(run, StateType.PENDING, expected_start_time=NOW + HOUR - MICROSECOND),
        a_task_run(run, StateType.PENDING, expected_start_time=NOW + HOUR),
        a_task_run(run, StateType.PENDING, expected_start_time=None),
        a_task_run(other, StateType.PENDING),
    ]
    await store(app, flows=[flow], runs=[run, other], tasks=tasks)
    stub = pb.TaskRunServiceStub(channel)

    everything = await stub.GetTaskRunHistory(of_tasks(asked()))
    of_one = await stub.GetTaskRunHistory(
        of_tasks(asked(flow_runs=pb.FlowRunFilter(id=pb.IdFilter(any=texts(run.id)))))
    )
    that_run = await stub.GetTaskRunHistory(
        of_tasks(
            asked(
                task_runs=pb.TaskRunFilter(
                    state=pb.StateFilter(type_any=types(pb.STATE_TYPE_RUNNING))
                )
            )
        )
    )

    running: Counted = ("RUNNING", "Running", 1, SECOND + MICROSECOND, MICROSECOND)
    assert counted(everything) == [[("PENDING", "Pending", 2, NONE, NONE), running]]
    assert counted(of_one) == [[("PENDING", "Pending", 1, NONE, NONE), running]]
    assert counted(that_run) == [[running]]


async def test_times_and_interval_are_required(world: World) -> None:
    call = world.runs.GetFlowRunHistory(pb.GetFlowRunHistoryRequest())

    assert await violations(call) == ["start_time", "end_time", "interval"]


@pytest.mark.parametrize(
    "interval",
    [lasting(SECOND - MICROSECOND), Duration(), lasting(-DAY)],
    ids=["a little less", "nothing", "negative"],
)
async def test_an_interval_of_less_than_a_second_is_refused_whatever_the_times_are(
    world: World, interval: Duration
) -> None:
    request = asked(NOW, NOW - HOUR)
    request.interval.CopyFrom(interval)

    error = await refusal(world.runs.GetFlowRunHistory(request))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(error) == ["interval"]
    assert "History interval must not be less than 1 second." in (error.details() or "")


async def test_an_interval_of_a_second_is_taken_and_one_of_more_than_ten_years_is_not(
    world: World,
) -> None:
    shortest = await world.runs.GetFlowRunHistory(asked(NOW, NOW + SECOND, SECOND))
    longest = await world.runs.GetFlowRunHistory(asked(NOW, NOW + SECOND, timedelta(days=3650)))

    assert (len(shortest.intervals), len(longest.intervals)) == (1, 1)
    too_long = timedelta(days=3650, microseconds=1)
    assert await violations(world.runs.GetFlowRunHistory(asked(NOW, NOW + SECOND, too_long))) == [
        "interval"
    ]


def _counts(history: pb.GetFlowRunHistoryResponse) -> dict[str, int]:
    return {name: count for states in counted(history) for _, name, count, *_ in states}
