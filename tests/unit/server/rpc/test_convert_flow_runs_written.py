from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy, RetryType
from headgate_server.model.paging import Page
from headgate_server.model.states import StateType
from headgate_server.rpc.convert.flow_runs import (
    RETRY_TYPE_NUMBERS,
    write_flow_run,
    write_flow_run_page,
)
from tests.builders import NOW, a_flow, a_flow_run, a_state

NEXT = "next"


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
OPTIONAL_TEXT = st.none() | TEXT
ID = st.uuids().map(str)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OPTIONAL_TIME = st.none() | TIME
SPAN = st.timedeltas(timedelta(), timedelta(days=3650))
OPTIONAL_JSON = st.none() | st.sampled_from(["{}", '{"a": 1.0}'])
POLICIES = st.builds(
    FlowRunPolicy,
    retries=st.none() | st.integers(0, 2**31 - 1),
    retry_delay=st.none() | SPAN,
    pause_keys=st.frozensets(TEXT, max_size=3),
    resuming=st.booleans(),
    retry_type=st.none() | st.sampled_from(RetryType),
)
RUNS = st.builds(
    FlowRun,
    id=ID,
    flow_id=ID,
    name=TEXT,
    create_time=TIME,
    update_time=TIME,
    version=st.integers(0, 2**40),
    flow_version=OPTIONAL_TEXT,
    deployment_id=st.none() | ID,
    deployment_version=OPTIONAL_TEXT,
    work_queue_name=OPTIONAL_TEXT,
    parent_task_run_id=st.none() | ID,
    idempotency_key=OPTIONAL_TEXT,
    tags=st.lists(TEXT, max_size=3).map(tuple),
    policy=POLICIES,
    run_count=st.integers(0, 2**31 - 1),
    expected_start_time=OPTIONAL_TIME,
    next_scheduled_start_time=OPTIONAL_TIME,
    start_time=OPTIONAL_TIME,
    end_time=OPTIONAL_TIME,
    total_run_time=SPAN,
    auto_scheduled=st.booleans(),
    infrastructure_pid=OPTIONAL_TEXT,
    parameters_json=OPTIONAL_JSON,
    context_json=OPTIONAL_JSON,
    job_variables_json=OPTIONAL_JSON,
)


def run_in(message: pb.FlowRun) -> FlowRun:
    """Read a run without its state, as a client would."""

    def given_or_none(name: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None  # type: ignore[arg-type]

    def time_or_none(name: str) -> datetime | None:
        value = given_or_none(name)
        return None if value is None else value.ToDatetime(UTC)

    policy = message.policy
    return FlowRun(
        id=message.id,
        flow_id=message.flow_id,
        name=message.name,
        create_time=message.create_time.ToDatetime(UTC),
        update_time=message.update_time.ToDatetime(UTC),
        version=message.version,
        flow_version=given_or_none("flow_version"),
        deployment_id=given_or_none("deployment_id"),
        deployment_version=given_or_none("deployment_version"),
        work_queue_name=given_or_none("work_queue_name"),
        parent_task_run_id=given_or_none("parent_task_run_id"),
        idempotency_key=given_or_none("idempotency_key"),
        tags=tuple(message.tags),
        policy=FlowRunPolicy(
            retries=policy.retries if policy.HasField("retries") else None,
            retry_delay=policy.retry_delay.ToTimedelta()
            if policy.HasField("retry_delay")
            else None,
            pause_keys=frozenset(policy.pause_keys),
            resuming=policy.resuming,
            retry_type={number: each for each, number in RETRY_TYPE_NUMBERS.items()}.get(
                policy.retry_type
            ),
        ),
        run_count=message.run_count,
        expected_start_time=time_or_none("expected_start_time"),
        next_scheduled_start_time=time_or_none("next_scheduled_start_time"),
        start_time=time_or_none("start_time"),
        end_time=time_or_none("end_time"),
        total_run_time=message.total_run_time.ToTimedelta(),
        auto_scheduled=message.auto_scheduled,
        infrastructure_pid=given_or_none("infrastructure_pid"),
        parameters_json=given_or_none("parameters_json"),
        context_json=given_or_none("context_json"),
        job_variables_json=given_or_none("job_variables_json"),
    )


def written(run: FlowRun, now: datetime = NOW) -> pb.FlowRun:
    message = pb.FlowRun()
    write_flow_run(run, message, now)
    return pb.FlowRun.FromString(message.SerializeToString())


@given(run=RUNS, now=TIME)
def test_a_run_survives_the_trip(run: FlowRun, now: datetime) -> None:
    assert run_in(written(run, now)) == run


def test_a_run_is_written_with_its_state() -> None:
    run = a_flow_run(a_flow(), StateType.RUNNING)

    message = written(run)

    assert message.state.type == pb.STATE_TYPE_RUNNING
    assert message.state.details.flow_run_id == run.id


def test_a_run_without_a_state_is_written_without_one() -> None:
    assert not written(a_flow_run(a_flow())).HasField("state")


def test_the_pause_keys_of_a_run_are_sorted() -> None:
    run = a_flow_run(a_flow(), policy=FlowRunPolicy(pause_keys=frozenset("cab")))

    assert written(run).policy.pause_keys == ["a", "b", "c"]


SECOND = timedelta(seconds=1)
RUNNING = a_state(StateType.RUNNING, timestamp=NOW - 5 * SECOND)
COMPLETED = a_state(StateType.COMPLETED, timestamp=NOW - 5 * SECOND)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RUNNING, 15 * SECOND),
        (a_state(StateType.RUNNING, timestamp=NOW + SECOND), 10 * SECOND),
        (COMPLETED, 10 * SECOND),
        (None, 10 * SECOND),
    ],
    ids=["running", "running by a clock ahead of ours", "ended", "without a state"],
)
def test_the_run_time_is_estimated_for_now(state: Any, expected: timedelta) -> None:
    run = a_flow_run(a_flow(), state, total_run_time=10 * SECOND)

    assert written(run).estimated_run_time.ToTimedelta() == expected


@pytest.mark.parametrize(
    ("expected_start", "start", "state", "lateness"),
    [
        (None, None, None, timedelta()),
        (NOW, NOW + 2 * SECOND, RUNNING, 2 * SECOND),
        (NOW, NOW - 2 * SECOND, RUNNING, timedelta()),
        (NOW - 3 * SECOND, None, None, 3 * SECOND),
        (NOW - 3 * SECOND, None, a_state(StateType.PENDING), 3 * SECOND),
        (NOW + 3 * SECOND, None, a_state(StateType.SCHEDULED), timedelta()),
        (NOW - 3 * SECOND, None, COMPLETED, timedelta()),
        (NOW - 9 * SECOND, NOW - 2 * SECOND, COMPLETED, 7 * SECOND),
        (None, NOW, RUNNING, timedelta()),
    ],
    ids=[
        *("nothing expected", "started late", "started early", "no state yet", "still pending"),
        *("not yet due", "ended without a start", "ended after a late start", "started unexpected"),
    ],
)
def test_the_lateness_is_estimated_for_now(
    expected_start: datetime | None, start: datetime | None, state: Any, lateness: timedelta
) -> None:
    run = a_flow_run(a_flow(), state, expected_start_time=expected_start, start_time=start)

    assert written(run).estimated_start_time_delta.ToTimedelta() == lateness


def test_a_page_of_runs_is_written_in_order_with_its_token() -> None:
    runs = (a_flow_run(a_flow()), a_flow_run(a_flow()))
    message = pb.ListFlowRunsResponse()

    write_flow_run_page(Page(items=runs, next_token=NEXT), message, NOW)

    assert [run.id for run in message.flow_runs] == [run.id for run in runs]
    assert message.next_page_token == NEXT


def test_every_kind_of_retry_has_a_number() -> None:
    assert sorted(RETRY_TYPE_NUMBERS.values()) == sorted(set(pb.RetryType.values()) - {0})
