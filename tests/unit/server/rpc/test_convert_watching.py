import math
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from headgate import v1 as pb
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    RunQuery,
    TaskRunFilter,
    WorkPoolFilter,
    WorkQueueFilter,
)
from headgate_server.model.server_info import Limits
from headgate_server.model.watch_commands import WaitMode, WatchInputs, WatchRuns, WatchTaskRuns
from headgate_server.rpc.convert.watching import (
    WAIT_MODES,
    WATCH_ENDS,
    read_wait,
    read_watch_flow_runs,
    read_watch_inputs,
    read_watch_task_runs,
)

HERE = "here"

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
LIMITS = Limits(wait=timedelta(seconds=30))


def faults(read: Any, *arguments: Any) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(*arguments)
    return {each.field for each in caught.value.violations}


def waited(timeout: Duration | None = None, remaining_seconds: float | None = None) -> timedelta:
    request = pb.WaitFlowRunsRequest(flow_run_ids=[RUN_ID], timeout=timeout)
    return read_wait(request, LIMITS, remaining_seconds)[2]


def test_a_wait_is_for_all_of_its_runs_in_the_order_of_the_request() -> None:
    request = pb.WaitFlowRunsRequest(flow_run_ids=[RUN_ID.upper(), RUN_ID])

    assert read_wait(request, LIMITS, None) == (
        (RUN_ID, RUN_ID),
        WaitMode.ALL,
        timedelta(seconds=30),
    )


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (None, 30),
        (Duration(seconds=7), 7),
        (Duration(), 0),
        (Duration(seconds=31), 30),
        (Duration(seconds=10**11), 30),
    ],
    ids=["unset", "short", "none at all", "too long", "far too long"],
)
def test_a_wait_lasts_as_long_as_asked_but_no_longer_than_allowed(
    timeout: Duration | None, seconds: int
) -> None:
    assert waited(timeout) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("remaining_seconds", "milliseconds"),
    [
        (math.inf, 30_000),
        (60, 30_000),
        (30, 29_500),
        (10, 9_500),
        (1, 900),
        (0.1, 80),
        (0.01, 0),
        (0, 0),
        (-1, 0),
    ],
)
def test_a_wait_ends_a_little_before_the_deadline(
    remaining_seconds: float, milliseconds: int
) -> None:
    assert waited(remaining_seconds=remaining_seconds) == timedelta(milliseconds=milliseconds)


def test_everything_wrong_with_a_wait_is_told_at_once() -> None:
    request = pb.WaitFlowRunsRequest(mode=5, timeout=Duration(seconds=-1))  # type: ignore[arg-type]

    assert faults(read_wait, request, LIMITS, None) == {"flow_run_ids", "mode", "timeout"}


def test_a_wait_for_too_many_runs_is_refused() -> None:
    request = pb.WaitFlowRunsRequest(flow_run_ids=[RUN_ID] * 1001)

    assert faults(read_wait, request, LIMITS, None) == {"flow_run_ids"}


def test_a_watch_without_arguments_is_of_every_run_from_now_on() -> None:
    assert read_watch_flow_runs(pb.WatchFlowRunsRequest(), LIMITS) == WatchRuns()


def test_a_watch_of_runs_by_id_holds_all_that_is_said() -> None:
    request = pb.WatchFlowRunsRequest(
        flow_run_ids=[RUN_ID],
        resume_token=HERE,
        send_initial_state=True,
        until=pb.WATCH_UNTIL_ANY_TERMINAL,
        progress_interval=Duration(seconds=1),
        latest_only=True,
    )

    assert read_watch_flow_runs(request, LIMITS) == WatchRuns(
        flow_run_ids=(RUN_ID,),
        resume_token=HERE,
        send_initial_state=True,
        until=WaitMode.ANY,
        progress_interval=timedelta(seconds=1),
        latest_only=True,
    )


def test_a_watch_of_runs_by_filter_holds_the_filter() -> None:
    request = pb.WatchFlowRunsRequest(flow_runs=pb.FlowRunFilter())

    assert read_watch_flow_runs(request, LIMITS).query == RunQuery(flow_runs=FlowRunFilter())


def test_a_watch_takes_either_ids_or_filters() -> None:
    request = pb.WatchFlowRunsRequest(
        flow_run_ids=[RUN_ID], flows=pb.FlowFilter(), flow_runs=pb.FlowRunFilter()
    )

    assert faults(read_watch_flow_runs, request, LIMITS) == {"flows", "flow_runs"}


def test_a_watch_by_filter_has_no_end() -> None:
    request = pb.WatchFlowRunsRequest(until=pb.WATCH_UNTIL_ALL_TERMINAL)

    assert faults(read_watch_flow_runs, request, LIMITS) == {"until"}


def test_everything_wrong_with_a_watch_is_told_at_once() -> None:
    request = pb.WatchFlowRunsRequest(
        flow_run_ids=["x"],
        flows=pb.FlowFilter(operator=9),  # type: ignore[arg-type]
        until=9,  # type: ignore[arg-type]
        progress_interval=Duration(seconds=301),
    )

    assert faults(read_watch_flow_runs, request, LIMITS) == {
        *("flow_run_ids[0]", "flows", "flows.operator", "until", "progress_interval")
    }


def test_a_watch_of_task_runs_without_arguments_is_of_every_one_from_now_on() -> None:
    assert read_watch_task_runs(pb.WatchTaskRunsRequest(), LIMITS) == WatchTaskRuns()


def test_a_watch_of_task_runs_by_id_holds_all_that_is_said() -> None:
    request = pb.WatchTaskRunsRequest(
        task_run_ids=[RUN_ID],
        resume_token=HERE,
        send_initial_state=True,
        until=pb.WATCH_UNTIL_ALL_TERMINAL,
        progress_interval=Duration(seconds=1),
        latest_only=True,
    )

    assert read_watch_task_runs(request, LIMITS) == WatchTaskRuns(
        task_run_ids=(RUN_ID,),
        resume_token=HERE,
        send_initial_state=True,
        until=WaitMode.ALL,
        progress_interval=timedelta(seconds=1),
        latest_only=True,
    )


def test_a_watch_of_the_task_runs_of_flow_runs_holds_their_ids() -> None:
    request = pb.WatchTaskRunsRequest(flow_run_ids=[RUN_ID])

    assert read_watch_task_runs(request, LIMITS).flow_run_ids == (RUN_ID,)


def test_a_watch_holds_all_six_filters() -> None:
    filters: dict[str, Any] = {
        "flows": pb.FlowFilter(),
        "flow_runs": pb.FlowRunFilter(),
        "task_runs": pb.TaskRunFilter(),
        "deployments": pb.DeploymentFilter(),
        "work_pools": pb.WorkPoolFilter(),
        "work_queues": pb.WorkQueueFilter(),
    }
    query = RunQuery(
        flows=FlowFilter(),
        flow_runs=FlowRunFilter(),
        task_runs=TaskRunFilter(),
        deployments=DeploymentFilter(),
        work_pools=WorkPoolFilter(),
        work_queues=WorkQueueFilter(),
    )

    assert read_watch_flow_runs(pb.WatchFlowRunsRequest(**filters), LIMITS).query == query
    assert read_watch_task_runs(pb.WatchTaskRunsRequest(**filters), LIMITS).query == query


def test_everything_wrong_with_a_watch_of_task_runs_is_told_at_once() -> None:
    request = pb.WatchTaskRunsRequest(
        flow_run_ids=["x"],
        task_run_ids=["y"],
        work_queues=pb.WorkQueueFilter(),
        progress_interval=Duration(seconds=301),
    )

    assert faults(read_watch_task_runs, request, LIMITS) == {
        *("flow_run_ids", "flow_run_ids[0]", "task_run_ids[0]", "work_queues"),
        "progress_interval",
    }


def test_a_watch_of_task_runs_that_are_not_named_has_no_end() -> None:
    request = pb.WatchTaskRunsRequest(flow_run_ids=[RUN_ID], until=pb.WATCH_UNTIL_ANY_TERMINAL)

    assert faults(read_watch_task_runs, request, LIMITS) == {"until"}


def test_a_watch_of_inputs_holds_all_that_is_said() -> None:
    request = pb.WatchFlowRunInputsRequest(
        flow_run_id=RUN_ID,
        key_prefix="a-",
        resume_token=HERE,
        send_initial_state=True,
        progress_interval=Duration(seconds=300),
    )

    assert read_watch_inputs(request, LIMITS) == WatchInputs(
        flow_run_id=RUN_ID,
        key_prefix="a-",
        resume_token=HERE,
        send_initial_state=True,
        progress_interval=timedelta(minutes=5),
    )


def test_everything_wrong_with_a_watch_of_inputs_is_told_at_once() -> None:
    request = pb.WatchFlowRunInputsRequest(key_prefix="\0", progress_interval=Duration())

    assert faults(read_watch_inputs, request, LIMITS) == {
        *("flow_run_id", "key_prefix", "progress_interval")
    }


def test_every_mode_and_every_end_of_the_contract_has_a_meaning() -> None:
    assert sorted(WAIT_MODES) == sorted(pb.WaitMode.values())
    assert sorted(WATCH_ENDS) == sorted(pb.WatchUntil.values())
