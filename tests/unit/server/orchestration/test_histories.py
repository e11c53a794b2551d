"""Random lives of runs: what holds after every decision, whatever was asked."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.states import TERMINAL, ProposedState, State, StateDetails, StateType
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.engine import FlowDecision, orchestrate
from headgate_server.orchestration.policies import policy_for

START = datetime(2030, 1, 1, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)


class Step(NamedTuple):
    """A proposal, and the time that passes before it."""

    elapsed: timedelta
    proposal: ProposedState
    force: bool


class Written(NamedTuple):
    """A state of the history, and how it came to be."""

    state: State
    is_accepted: bool
    is_forced: bool


offsets = st.timedeltas(min_value=-AN_HOUR, max_value=AN_HOUR)
moments = st.none() | offsets.map(lambda offset: START + offset)
details = st.builds(
    StateDetails,
    scheduled_time=moments,
    pause_expire_time=moments,
    pause_reschedule=st.booleans(),
    pause_key=st.none() | st.sampled_from("12"),
)
proposals = st.builds(
    ProposedState,
    type=st.sampled_from(list(StateType)),
    name=st.none() | st.sampled_from(["", "Late", "Resuming", "Suspended", "AwaitingRetry"]),
    data_json=st.none() | st.sampled_from(['{"type":"unpersisted"}', '{"type":"reference"}', "1"]),
    details=details,
)
steps = st.lists(
    st.builds(
        Step,
        # Clocks stand still and step back, too.
        elapsed=st.sampled_from([timedelta(), timedelta(seconds=-5)])
        | st.timedeltas(min_value=timedelta(), max_value=AN_HOUR),
        proposal=proposals,
        force=st.booleans(),
    ),
    max_size=25,
)
runs = st.builds(
    FlowRun,
    id=st.just("a-run"),
    flow_id=st.just("a-flow"),
    name=st.just("orderly-otter"),
    create_time=st.just(START),
    update_time=st.just(START),
    deployment_id=st.none() | st.just("a-deployment"),
    parent_task_run_id=st.none() | st.just("a-parent"),
    infrastructure_pid=st.none() | st.just("a-process"),
    policy=st.builds(
        FlowRunPolicy,
        retries=st.none() | st.integers(min_value=0, max_value=3),
        retry_delay=st.none() | st.timedeltas(min_value=timedelta(), max_value=AN_HOUR),
    ),
)


@settings(deadline=None, max_examples=300)
@given(run=runs, steps=steps)
def test_the_books_of_a_run_are_right_after_every_decision(run: FlowRun, steps: list[Step]) -> None:
    history: list[Written] = []
    now = START
    for number, step in enumerate(steps):
        now += step.elapsed

        decision = orchestrate(
            run,
            step.proposal,
            policy=policy_for(force=step.force),
            now=now,
            state_id=f"state-{number}",
        )

        check_verdict(decision, before=run, proposal=step.proposal)
        if decision.written is not None:
            accepted = decision.is_accepted_as_proposed
            history.append(Written(decision.written, accepted, step.force))
            check_step(run, decision.run)
        run = decision.run
        check_books(run, history)


def check_verdict(decision: FlowDecision, *, before: FlowRun, proposal: ProposedState) -> None:
    assert (decision.reason is None) is (decision.status is VerdictStatus.ACCEPT)
    assert (decision.delay_seconds > 0) is (decision.status is VerdictStatus.WAIT)
    if decision.written is None:
        assert decision.status is not VerdictStatus.ACCEPT
        assert decision.run is before
    else:
        assert decision.status in {VerdictStatus.ACCEPT, VerdictStatus.REJECT}
        assert decision.run.state is decision.written
        is_proposed_type = decision.written.type is proposal.type
        assert is_proposed_type is decision.is_accepted_as_proposed


def check_step(before: FlowRun, after: FlowRun) -> None:
    """Check what may change from one state to the next."""
    assert after.state is not None
    assert after.version == before.version + 1 == after.state.version
    if before.state is not None:
        assert after.state.timestamp > before.state.timestamp
    if before.start_time is not None:
        assert after.start_time == before.start_time
    if before.expected_start_time is not None:
        assert after.expected_start_time == before.expected_start_time


def check_books(run: FlowRun, history: list[Written]) -> None:
    """Check the run against its history, reckoned anew from the first state."""
    states = [each.state for each in history]
    assert [state.version for state in states] == list(range(1, run.version + 1))
    running = [state for state in states if state.type is StateType.RUNNING]
    assert run.start_time == (running[0].timestamp if running else None)
    assert run.run_count == starts_in(history)
    assert run.total_run_time == closed_running_time(states)
    state = run.state
    if state is None:
        assert (run.expected_start_time, run.next_scheduled_start_time) == (None, None)
        return
    assert run.expected_start_time == expected_start(states[0])
    is_scheduled = state.type is StateType.SCHEDULED
    due = state.details.scheduled_time if is_scheduled else None
    assert (run.next_scheduled_start_time is not None) is is_scheduled
    assert run.next_scheduled_start_time == due
    assert (run.end_time is not None) is (state.is_terminal and run.start_time is not None)
    assert state.details.task_run_id == run.parent_task_run_id
    assert state.data_json != '{"type":"unpersisted"}'


def expected_start(first: State) -> datetime | None:
    is_scheduled = first.type is StateType.SCHEDULED
    return first.details.scheduled_time if is_scheduled else first.timestamp


def closed_running_time(states: list[State]) -> timedelta:
    pairs = pairwise(states)
    spans = [
        after.timestamp - before.timestamp
        for before, after in pairs
        if before.type is StateType.RUNNING
    ]
    return sum(spans, timedelta())


def starts_in(history: Iterable[Written]) -> int:
    """Count the RUNNING states that neither leave a pause nor end the way out of one."""
    count, previous, is_coming_back = 0, None, False
    for state, is_accepted, is_forced in history:
        is_leaving_a_pause = previous is StateType.PAUSED
        if state.type is StateType.RUNNING and not (is_leaving_a_pause or is_coming_back):
            count += 1
        if state.type is StateType.RUNNING or state.type in TERMINAL:
            is_coming_back = False
        elif is_leaving_a_pause and is_accepted and not is_forced:
            is_coming_back = True
        previous = state.type
    return count
