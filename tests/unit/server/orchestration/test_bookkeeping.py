"""What a written state changes on its run, without any rule in the way."""

from datetime import timedelta

import pytest

from headgate_server.model.flow_runs import FlowRunPolicy
from headgate_server.model.states import TERMINAL, StateType
from headgate_server.orchestration.policies import MINIMAL_FLOW_POLICY, FlowPolicy, Policy
from tests.unit.server.orchestration.builders import A_MINUTE, NOW, a_run, a_state, propose

NO_RULES: FlowPolicy = Policy()
NOT_TERMINAL = sorted(set(StateType) - TERMINAL)


@pytest.mark.parametrize(
    ("first", "run_count", "is_started"),
    [(each, int(each is StateType.RUNNING), each is StateType.RUNNING) for each in StateType],
)
def test_the_first_state_of_a_run_books_what_its_type_means(
    first: StateType,
    run_count: int,
    is_started: bool,  # noqa: FBT001 - a column of the table
) -> None:
    due = NOW + A_MINUTE
    is_scheduled = first is StateType.SCHEDULED

    decision = propose(
        a_run(None),
        first,
        policy=MINIMAL_FLOW_POLICY,
        scheduled_time=due if is_scheduled else None,
    )

    run = decision.run
    assert (run.version, run.run_count) == (1, run_count)
    assert run.start_time == (NOW if is_started else None)
    assert run.end_time is None
    assert run.expected_start_time == (due if is_scheduled else NOW)
    assert run.next_scheduled_start_time == (due if is_scheduled else None)
    assert run.total_run_time == timedelta()


def test_a_written_state_carries_everything_that_was_proposed() -> None:
    decision = propose(
        a_run(StateType.PENDING, version=6),
        StateType.RUNNING,
        "Humming",
        message="Here we go",
        data_json='{"n": 1}',
        transition_id="a-transition",
        policy=NO_RULES,
    )

    written = decision.written
    assert written is not None
    assert (written.id, written.version) == ("a-new-state", 7)
    assert (written.type, written.name) == (StateType.RUNNING, "Humming")
    assert (written.message, written.data_json) == ("Here we go", '{"n": 1}')
    assert written.timestamp == NOW
    assert written.details.transition_id == "a-transition"
    assert (decision.run.state, decision.run.version) == (written, 7)
    assert decision.run.update_time == NOW


@pytest.mark.parametrize(
    ("name", "expected"), [(None, "Running"), ("", ""), ("Retrying", "Retrying")]
)
def test_a_missing_name_is_the_types_own_and_an_empty_one_stays_empty(
    name: str | None,
    expected: str,
) -> None:
    decision = propose(a_run(StateType.PENDING), StateType.RUNNING, name, policy=NO_RULES)

    assert decision.written is not None
    assert decision.written.name == expected


@pytest.mark.parametrize("lead", [timedelta(), timedelta(microseconds=1), timedelta(days=1)])
def test_a_state_is_dated_after_its_predecessor_even_if_the_clock_is_not(
    lead: timedelta,
) -> None:
    run = a_run(a_state(StateType.RUNNING, timestamp=NOW + lead))

    decision = propose(run, StateType.COMPLETED, policy=NO_RULES)

    assert decision.written is not None
    assert decision.written.timestamp == NOW + lead + timedelta(microseconds=1)
    assert decision.run.total_run_time == timedelta(microseconds=1)


def test_a_scheduled_state_without_a_time_is_due_now() -> None:
    decision = propose(a_run(StateType.PENDING), StateType.SCHEDULED, policy=NO_RULES)

    assert decision.written is not None
    assert decision.written.details.scheduled_time == NOW
    assert decision.run.next_scheduled_start_time == NOW


def test_a_run_is_due_no_longer_once_it_leaves_scheduled() -> None:
    run = a_run(StateType.SCHEDULED, next_scheduled_start_time=NOW)

    decision = propose(run, StateType.PENDING, policy=NO_RULES)

    assert decision.run.next_scheduled_start_time is None


def test_a_subflows_states_name_the_task_run_that_stands_for_it() -> None:
    run = a_run(StateType.PENDING, parent_task_run_id="the-parent")

    decision = propose(run, StateType.RUNNING, policy=NO_RULES, task_run_id="somebody-else")

    assert decision.written is not None
    assert decision.written.details.task_run_id == "the-parent"


def test_a_run_without_parent_names_no_task_run() -> None:
    decision = propose(
        a_run(StateType.PENDING), StateType.RUNNING, policy=NO_RULES, task_run_id="an-intruder"
    )

    assert decision.written is not None
    assert decision.written.details.task_run_id is None


def test_the_start_time_never_moves_again() -> None:
    start, expected = NOW - 2 * A_MINUTE, NOW - 3 * A_MINUTE
    run = a_run(StateType.FAILED, start_time=start, expected_start_time=expected, run_count=1)

    decision = propose(run, StateType.RUNNING, policy=NO_RULES)

    assert (decision.run.start_time, decision.run.expected_start_time) == (start, expected)
    assert decision.run.run_count == 2


@pytest.mark.parametrize("end", sorted(TERMINAL))
def test_a_started_run_ends_with_its_first_terminal_state(
    end: StateType,
) -> None:
    ended = propose(a_run(StateType.RUNNING, start_time=NOW), end, policy=NO_RULES).run

    corrected = propose(ended, StateType.FAILED, policy=NO_RULES, now=NOW + A_MINUTE).run

    assert (ended.end_time, corrected.end_time) == (NOW, NOW)


def test_a_run_that_never_started_has_no_end_time() -> None:
    decision = propose(a_run(StateType.PENDING), StateType.CANCELLED, policy=NO_RULES)

    assert decision.run.end_time is None


@pytest.mark.parametrize("next_type", NOT_TERMINAL)
def test_a_run_that_goes_on_has_not_ended(
    next_type: StateType,
) -> None:
    run = a_run(StateType.FAILED, start_time=NOW - A_MINUTE, end_time=NOW)

    decision = propose(run, next_type, policy=NO_RULES)

    assert decision.run.end_time is None


@pytest.mark.parametrize("next_type", StateType)
def test_time_in_running_is_added_up_when_the_state_ends(next_type: StateType) -> None:
    run = a_run(StateType.RUNNING, total_run_time=timedelta(seconds=5))

    decision = propose(run, next_type, policy=NO_RULES)

    assert decision.run.total_run_time == timedelta(seconds=65)


def test_time_in_other_states_is_not_run_time() -> None:
    decision = propose(a_run(StateType.PAUSED), StateType.RUNNING, policy=NO_RULES)

    assert decision.run.total_run_time == timedelta()


@pytest.mark.parametrize(
    ("initial_type", "resuming", "counted"),
    [
        pytest.param(StateType.PENDING, False, 1, id="a start"),
        pytest.param(StateType.RUNNING, False, 1, id="a start on top of another"),
        pytest.param(StateType.PAUSED, False, 0, id="out of a pause"),
        pytest.param(StateType.SCHEDULED, True, 0, id="resumed and scheduled"),
        pytest.param(StateType.PENDING, True, 0, id="resumed and taken"),
        pytest.param(StateType.RUNNING, True, 1, id="a start after the resumption"),
        pytest.param(StateType.FAILED, True, 1, id="a start after the end of the resumption"),
    ],
)
def test_run_count_counts_the_starts_that_do_not_continue_a_paused_run(
    initial_type: StateType,
    resuming: bool,  # noqa: FBT001 - a column of the table
    counted: int,
) -> None:
    run = a_run(initial_type, run_count=4, policy=FlowRunPolicy(resuming=resuming))

    decision = propose(run, StateType.RUNNING, policy=NO_RULES)

    assert decision.run.run_count == 4 + counted
    assert not decision.run.policy.resuming


@pytest.mark.parametrize(
    ("initial_type", "next_type", "resuming"),
    [
        (StateType.SCHEDULED, StateType.PENDING, True),
        (StateType.SCHEDULED, StateType.SCHEDULED, True),
        (StateType.SCHEDULED, StateType.CANCELLED, False),
        (StateType.PENDING, StateType.RUNNING, False),
        (StateType.PENDING, StateType.CRASHED, False),
        (StateType.RUNNING, StateType.SCHEDULED, False),
        (StateType.COMPLETED, StateType.PENDING, False),
    ],
)
def test_a_resumption_lasts_until_the_run_runs_or_ends(
    initial_type: StateType,
    next_type: StateType,
    resuming: bool,  # noqa: FBT001 - a column of the table
) -> None:
    run = a_run(initial_type, policy=FlowRunPolicy(resuming=True))

    decision = propose(run, next_type, policy=NO_RULES)

    assert decision.run.policy.resuming is resuming


@pytest.mark.parametrize("data_json", ["null", '{"type": "unpersisted"}'])
def test_a_result_that_was_kept_back_is_stored_as_none(data_json: str) -> None:
    decision = propose(
        a_run(StateType.RUNNING), StateType.COMPLETED, data_json=data_json, policy=NO_RULES
    )

    assert decision.written is not None
    assert decision.written.data_json is None
