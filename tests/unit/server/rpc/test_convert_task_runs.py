from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import v1 as pb
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.filters import FlowRunFilter, IdFilter, RunQuery, TaskRunFilter
from headgate_server.model.ids import new_id
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.states import ProposedState, StateDetails, StateType
from headgate_server.model.task_commands import (
    CreateTaskRun,
    DeleteTaskRun,
    TaskProposal,
    UpdateTaskRun,
)
from headgate_server.model.task_runs import (
    TaskInput,
    TaskInputKind,
    TaskRun,
    TaskRunPolicy,
    TaskRunSort,
)
from headgate_server.model.verdicts import TaskVerdict, VerdictStatus
from headgate_server.rpc.convert import task_runs
from headgate_server.rpc.convert.task_inputs import INPUT_FIELDS
from headgate_server.rpc.convert.task_transitions import (
    answer_task_proposal,
    read_list_task_states,
    read_task_proposal,
    write_task_state_page,
)
from tests.builders import NOW, a_flow, a_flow_run, a_state, a_task_run

ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()
NEXT = "next"
FLOW_RUN = a_flow_run(a_flow())

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
OPTIONAL_TEXT = st.none() | TEXT
IDS = st.uuids().map(str)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OPTIONAL_TIMES = st.none() | TIMES
SPANS = st.timedeltas(timedelta(), timedelta(days=3650))
POLICIES = st.builds(
    TaskRunPolicy,
    retries=st.none() | st.integers(0, 2**31 - 1),
    retry_delays=st.lists(SPANS, max_size=3).map(tuple),
    retry_jitter_factor=st.none() | st.floats(0, 1e9),
)
INPUTS = st.builds(TaskInput, kind=st.sampled_from(TaskInputKind), value=TEXT)
TASK_RUNS = st.builds(
    TaskRun,
    id=IDS,
    flow_run_id=IDS,
    task_key=TEXT,
    dynamic_key=TEXT,
    name=TEXT,
    create_time=TIMES,
    update_time=TIMES,
    version=st.integers(0, 2**40),
    task_version=OPTIONAL_TEXT,
    cache_key=OPTIONAL_TEXT,
    cache_expire_time=OPTIONAL_TIMES,
    policy=POLICIES,
    task_inputs=st.dictionaries(TEXT, st.lists(INPUTS, max_size=3).map(tuple), max_size=3),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    run_count=st.integers(0, 2**31 - 1),
    flow_run_run_count=st.integers(0, 2**31 - 1),
    expected_start_time=OPTIONAL_TIMES,
    next_scheduled_start_time=OPTIONAL_TIMES,
    start_time=OPTIONAL_TIMES,
    end_time=OPTIONAL_TIMES,
    total_run_time=SPANS,
)


def task_run_in(message: pb.TaskRun) -> TaskRun:
    """Read a task run without its state, as a client would."""

    def given_or_none(name: str) -> Any:
        return getattr(message, name) if message.HasField(name) else None  # type: ignore[arg-type]

    def time_or_none(name: str) -> datetime | None:
        value = given_or_none(name)
        return None if value is None else value.ToDatetime(UTC)

    policy = message.policy
    return TaskRun(
        id=message.id,
        flow_run_id=message.flow_run_id,
        task_key=message.task_key,
        dynamic_key=message.dynamic_key,
        name=message.name,
        create_time=message.create_time.ToDatetime(UTC),
        update_time=message.update_time.ToDatetime(UTC),
        version=message.version,
        task_version=given_or_none("task_version"),
        cache_key=given_or_none("cache_key"),
        cache_expire_time=time_or_none("cache_expire_time"),
        policy=TaskRunPolicy(
            retries=policy.retries if policy.HasField("retries") else None,
            retry_delays=tuple(each.ToTimedelta() for each in policy.retry_delays),
            retry_jitter_factor=policy.retry_jitter_factor
            if policy.HasField("retry_jitter_factor")
            else None,
        ),
        task_inputs={
            name: tuple(map(input_in, listed.inputs))
            for name, listed in message.task_inputs.items()
        },
        tags=tuple(message.tags),
        run_count=message.run_count,
        flow_run_run_count=message.flow_run_run_count,
        expected_start_time=time_or_none("expected_start_time"),
        next_scheduled_start_time=time_or_none("next_scheduled_start_time"),
        start_time=time_or_none("start_time"),
        end_time=time_or_none("end_time"),
        total_run_time=message.total_run_time.ToTimedelta(),
    )


def input_in(message: pb.TaskInput) -> TaskInput:
    field = message.WhichOneof("source")
    assert field is not None
    kinds = {name: kind for kind, name in INPUT_FIELDS.items()}
    return TaskInput(kind=kinds[field], value=getattr(message, field))


@given(task_run=TASK_RUNS)
def test_a_task_run_survives_the_trip(task_run: TaskRun) -> None:
    message = pb.TaskRun()

    task_runs.write_task_run(task_run, message, NOW)

    received = pb.TaskRun.FromString(message.SerializeToString())
    assert task_run_in(received) == task_run
    assert not received.HasField("state")


def test_a_page_is_written_with_states_and_the_token_of_the_next() -> None:
    shown = a_task_run(FLOW_RUN, StateType.RUNNING)
    message = pb.ListTaskRunsResponse()

    later = NOW + timedelta(seconds=5)
    task_runs.write_task_run_page(Page(items=(shown,), next_token=NEXT), message, later)

    assert message.next_page_token == NEXT
    (written,) = message.task_runs
    assert written.state.details == pb.StateDetails(flow_run_id=FLOW_RUN.id, task_run_id=shown.id)
    assert written.estimated_run_time.ToTimedelta() == timedelta(seconds=5)


def test_sorts_bear_the_names_of_the_contract() -> None:
    assert set(task_runs.TASK_RUN_SORTS) == set(pb.TaskRunSort.values())
    assert set(task_runs.TASK_RUN_SORTS.values()) == set(TaskRunSort)


def test_a_creation_holds_what_the_request_says() -> None:
    request = pb.CreateTaskRunRequest(
        flow_run_id=ID.upper(),
        task_run_id=OTHER_ID.upper(),
        task_key="t",
        dynamic_key="0",
        name="n",
        state=pb.ProposedState(
            type=pb.STATE_TYPE_RUNNING, details=pb.StateDetails(cache_key="k", retriable=False)
        ),
        task_version="",
        cache_key="",
        policy=pb.TaskRunPolicy(retries=0, retry_jitter_factor=0),
        tags=["b", "a"],
    )
    request.policy.retry_delays.add(seconds=1, nanos=1)
    request.task_inputs["x"].inputs.add(task_run_id=OTHER_ID.upper())
    request.task_inputs["x"].inputs.add(parameter="")
    request.task_inputs["a"].inputs.add(constant_type="int")
    request.cache_expire_time.FromDatetime(NOW)

    assert task_runs.read_create_task_run(request, LIMITS) == CreateTaskRun(
        flow_run_id=ID,
        task_run_id=OTHER_ID,
        task_key="t",
        dynamic_key="0",
        name="n",
        state=ProposedState(
            type=StateType.RUNNING, details=StateDetails(cache_key="k", retriable=False)
        ),
        task_version="",
        cache_key="",
        cache_expire_time=NOW,
        policy=TaskRunPolicy(
            retries=0, retry_delays=(timedelta(seconds=1),), retry_jitter_factor=0
        ),
        task_inputs={
            "a": (TaskInput(kind=TaskInputKind.CONSTANT, value="int"),),
            "x": (
                TaskInput(kind=TaskInputKind.TASK_RUN, value=OTHER_ID),
                TaskInput(kind=TaskInputKind.PARAMETER, value=""),
            ),
        },
        tags=("b", "a"),
    )


def test_a_bare_creation_begins_pending_and_without_retries() -> None:
    request = pb.CreateTaskRunRequest(flow_run_id=ID, task_key="t", dynamic_key="0")

    assert task_runs.read_create_task_run(request, LIMITS) == CreateTaskRun(
        flow_run_id=ID, task_key="t", dynamic_key="0"
    )


def test_lists_of_inputs_are_measured_together() -> None:
    request = pb.CreateTaskRunRequest(flow_run_id=ID, task_key="t", dynamic_key="0")
    for name in ("a", "b"):
        for _ in range(2):
            request.task_inputs[name].inputs.add(parameter="p")

    task_runs.read_create_task_run(request, Limits(ids=4))
    with pytest.raises(InvalidRequestError, match="task_inputs: must have at most 3 inputs"):
        task_runs.read_create_task_run(request, Limits(ids=3))


def test_other_requests_hold_what_they_say() -> None:
    of_one = pb.IdFilter(any=pb.StringList(values=[ID]))
    filters: dict[str, Any] = {
        "flow_runs": pb.FlowRunFilter(id=of_one),
        "task_runs": pb.TaskRunFilter(id=of_one),
    }
    query = RunQuery(
        flow_runs=FlowRunFilter(id=IdFilter(any=(ID,))),
        task_runs=TaskRunFilter(id=IdFilter(any=(ID,))),
    )
    full, basic = pb.TASK_RUN_VIEW_FULL, pb.TASK_RUN_VIEW_BASIC

    got = task_runs.read_get_task_run(pb.GetTaskRunRequest(task_run_id=ID, view=basic), LIMITS)
    listed = task_runs.read_list_task_runs(
        pb.ListTaskRunsRequest(
            **filters, sort=pb.TASK_RUN_SORT_NAME_ASC, view=full, page_size=7, min_revision=3
        ),
        LIMITS,
    )
    plain = task_runs.read_list_task_runs(pb.ListTaskRunsRequest(), LIMITS)
    counted = task_runs.read_count_task_runs(pb.CountTaskRunsRequest(**filters), LIMITS)
    states = read_list_task_states(
        pb.ListTaskRunStatesRequest(task_run_id=ID, page_size=5000, page_token="t"), LIMITS
    )

    assert got == (ID, False, 0)
    assert listed == (query, TaskRunSort.NAME_ASC, PageRequest(size=7), True, 3)
    assert plain == (RunQuery(), TaskRunSort.ID_DESC, PageRequest(), False, 0)
    assert counted == query
    assert states == (ID, PageRequest(size=1000, token="t"))


def test_changes_hold_what_the_requests_say() -> None:
    update = pb.UpdateTaskRunRequest(
        task_run=pb.TaskRun(id=ID, name="n"), expected_version=2, request_id=OTHER_ID
    )
    update.update_mask.paths.append("*")
    delete = pb.DeleteTaskRunRequest(task_run_id=ID, expected_version=0, request_id=OTHER_ID)
    proposal = pb.SetTaskRunStateRequest(
        task_run_id=ID,
        state=pb.ProposedState(type=pb.STATE_TYPE_RUNNING),
        force=True,
        expected_version=0,
    )

    assert task_runs.read_update_task_run(update, LIMITS) == UpdateTaskRun(
        task_run_id=ID, name="n", expected_version=2, request_id=OTHER_ID
    )
    assert task_runs.read_delete_task_run(delete, LIMITS) == DeleteTaskRun(
        task_run_id=ID, expected_version=0, request_id=OTHER_ID
    )
    assert read_task_proposal(proposal, LIMITS) == TaskProposal(
        task_run_id=ID,
        state=ProposedState(type=StateType.RUNNING),
        force=True,
        expected_version=0,
    )


@pytest.mark.parametrize(
    ("status", "details"),
    [
        pytest.param(VerdictStatus.ACCEPT, "accept", id="accept"),
        pytest.param(VerdictStatus.REJECT, "reject", id="reject"),
        pytest.param(VerdictStatus.ABORT, "abort", id="abort"),
        pytest.param(VerdictStatus.WAIT, "wait", id="wait"),
    ],
)
def test_a_verdict_is_answered_with_the_details_of_its_kind(
    status: VerdictStatus, details: str
) -> None:
    task_run = a_task_run(FLOW_RUN, StateType.PENDING)
    verdict = TaskVerdict(
        status=status, task_run=task_run, is_written=True, reason="why", delay_seconds=7, revision=5
    )

    answer = answer_task_proposal(verdict)

    assert pb.VerdictStatus.Name(answer.status) == f"VERDICT_STATUS_{status}"
    assert answer.WhichOneof("details") == details
    assert (answer.version, answer.created, answer.revision) == (1, True, 5)
    assert answer.state.details.task_run_id == task_run.id
    if status is not VerdictStatus.ACCEPT:
        assert getattr(answer, details).reason == "why"
    assert answer.wait.delay.seconds == (7 if status is VerdictStatus.WAIT else 0)


def test_a_verdict_without_a_reason_or_a_state_is_answered_without() -> None:
    task_run = a_task_run(FLOW_RUN)

    answer = answer_task_proposal(TaskVerdict(status=VerdictStatus.REJECT, task_run=task_run))

    assert answer.WhichOneof("details") == "reject"
    assert answer.reject.reason == ""
    assert not answer.HasField("state")


def test_a_page_of_states_is_written_with_the_ids_of_their_run() -> None:
    message = pb.ListTaskRunStatesResponse()
    page = Page(items=(a_state(StateType.RUNNING, data_json="1"),), next_token=NEXT)
    task_run_id = new_id()

    write_task_state_page(page, ID, task_run_id, message)

    assert message.next_page_token == NEXT
    (state,) = message.states
    assert state.data_json == "1"
    assert state.details == pb.StateDetails(flow_run_id=ID, task_run_id=task_run_id)
