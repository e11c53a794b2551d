"""Random lives of task runs: what holds after every decision, whatever was asked."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import (
    TERMINAL,
    ProposedState,
    State,
    StateDetails,
    StateType,
)
from headgate_server.model.task_runs import TaskRun, TaskRunPolicy
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.draft import TagLimit, TaskFacts
from headgate_server.orchestration.engine import TaskDecision, orchestrate_task
from headgate_server.orchestration.policies import task_policy_for
from tests.unit.server.orchestration.builders import a_run, a_state

START = datetime(2030, 1, 1, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)


class Step(NamedTuple):
    """A proposal, what the rules look at, and the time that passes before it."""

    elapsed: timedelta
    proposal: ProposedState
    facts: TaskFacts
    force: bool


def flow_run(state_type: StateType | None, run_count: int) -> FlowRun:
    """Return a flow run in a state."""
    return a_run(state_type, run_count=run_count)


offsets = st.timedeltas(min_value=-AN_HOUR, max_value=AN_HOUR)
proposals = st.builds(
    ProposedState,
    type=st.sampled_from(list(StateType)),
    name=st.none() | st.sampled_from(["", "Humming", "AwaitingRetry"]),
    data_json=st.none() | st.sampled_from(['{"type":"unpersisted"}', '{"type":"reference"}', "1"]),
    details=st.builds(
        StateDetails,
        scheduled_time=st.none() | offsets.map(lambda offset: START + offset),
        cache_key=st.none() | st.just("key"),
        refresh_cache=st.booleans(),
        retriable=st.none() | st.booleans(),
    ),
)
facts = st.builds(
    TaskFacts,
    flow_run=st.builds(
        flow_run,
        st.just(StateType.RUNNING) | st.none() | st.sampled_from(list(StateType)),
        st.integers(0, 3),
    ),
    cached=st.none() | st.just(a_state(StateType.COMPLETED, data_json="42", cache_key="key")),
    limits=st.lists(
        st.builds(
            TagLimit,
            tag=st.sampled_from("abc"),
            slots=st.integers(0, 3),
            held_by_others=st.integers(0, 2),
        ),
        max_size=2,
    ).map(tuple),
    chance=st.floats(0, 1, exclude_max=True),
)
steps = st.lists(
    st.builds(
        Step,
        # Clocks stand still and step back, too.
        elapsed=st.sampled_from([timedelta(), timedelta(seconds=-5)])
        | st.timedeltas(min_value=timedelta(), max_value=AN_HOUR),
        proposal=proposals,
        facts=facts,
        force=st.booleans(),
    ),
    max_size=25,
)
task_runs = st.builds(
    TaskRun,
    id=st.just("a-task-run"),
    flow_run_id=st.just("a-run"),
    task_key=st.just("a-task"),
    dynamic_key=st.just("0"),
    name=st.just("a-task-0"),
    create_time=st.just(START),
    update_time=st.just(START),
    policy=st.builds(
        TaskRunPolicy,
        retries=st.none() | st.integers(0, 3),
        retry_delays=st.lists(
            st.timedeltas(min_value=timedelta(), max_value=AN_HOUR), max_size=3
        ).map(tuple),
        retry_jitter_factor=st.none() | st.floats(0, 10),
    ),
)


@settings(deadline=None, max_examples=300)
@given(task_run=task_runs, steps=steps)
def test_the_books_of_a_task_run_are_right_after_every_decision(
    task_run: TaskRun, steps: list[Step]
) -> None:
    history: list[State] = []
    now = START
    for number, step in enumerate(steps):
        now += step.elapsed

        decision = orchestrate_task(
            task_run,
            step.proposal,
            policy=task_policy_for(force=step.force),
            facts=step.facts,
            now=now,
            state_id=f"state-{number}",
        )

        check_verdict(decision, before=task_run, step=step)
        if decision.written is not None:
            history.append(decision.written)
            check_count(task_run, decision.run, is_forced=step.force)
        task_run = decision.run
        check_books(task_run, history)


def check_verdict(decision: TaskDecision, *, before: TaskRun, step: Step) -> None:
    assert (decision.reason is None) is (decision.status is VerdictStatus.ACCEPT)
    assert (decision.delay_seconds > 0) is (decision.status is VerdictStatus.WAIT)
    if decision.written is None:
        assert decision.status is not VerdictStatus.ACCEPT
        assert decision.run is before
    else:
        assert decision.run.state is decision.written
        assert decision.run.version == before.version + 1
        if before.state is not None:
            assert decision.written.timestamp > before.state.timestamp
    if step.force:
        assert decision.status is VerdictStatus.ACCEPT
    is_start = step.proposal.type is StateType.RUNNING
    if decision.takes_slots or (is_start and decision.status is VerdictStatus.ACCEPT):
        assert decision.written is not None
        assert decision.written.type is StateType.RUNNING
        assert decision.takes_slots is not step.force
    if decision.takes_slots:
        assert all(each.held_by_others < each.slots for each in step.facts.limits)
        flow_run_now = step.facts.flow_run
        assert flow_run_now is not None
        assert flow_run_now.state is not None
        assert flow_run_now.state.type is StateType.RUNNING
        assert decision.run.flow_run_run_count == flow_run_now.run_count
    else:
        assert decision.run.flow_run_run_count == before.flow_run_run_count
    assert not (decision.takes_slots and decision.frees_slots)


def check_count(before: TaskRun, after: TaskRun, *, is_forced: bool) -> None:
    """Check the count of starts, and what those that are not the first are called."""
    assert after.state is not None
    was_over = before.state is not None and before.state.type in TERMINAL
    is_new_life = was_over and after.state.type not in TERMINAL and not is_forced
    if is_new_life and after.state.type is not StateType.PAUSED:
        assert after.run_count == int(after.state.type is StateType.RUNNING)
    elif after.state.type is StateType.RUNNING:
        assert after.run_count == before.run_count + 1
        if before.run_count and not is_forced:
            assert after.state.name in {"Retrying", "Rerunning"}
    else:
        assert after.run_count == before.run_count


def check_books(task_run: TaskRun, history: list[State]) -> None:
    """Check the task run against its history, reckoned anew from the first state."""
    assert [state.version for state in history] == list(range(1, task_run.version + 1))
    running = [state for state in history if state.type is StateType.RUNNING]
    assert task_run.start_time == (running[0].timestamp if running else None)
    spans = [
        after.timestamp - before.timestamp
        for before, after in pairwise(history)
        if before.type is StateType.RUNNING
    ]
    assert task_run.total_run_time == sum(spans, timedelta())
    state = task_run.state
    if state is None:
        assert (task_run.expected_start_time, task_run.next_scheduled_start_time) == (None, None)
        return
    is_scheduled = state.type is StateType.SCHEDULED
    due = state.details.scheduled_time if is_scheduled else None
    assert (task_run.next_scheduled_start_time is not None) is is_scheduled
    assert task_run.next_scheduled_start_time == due
    is_over = state.is_terminal and task_run.start_time is not None
    assert (task_run.end_time is not None) is is_over
    assert state.details.task_run_id == task_run.id
    assert state.data_json != '{"type":"unpersisted"}'
