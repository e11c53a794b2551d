"""Asks what the policies make of every transition of a task run, under a condition that matters."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import (
    DEFAULT_NAMES,
    TERMINAL,
    ProposedState,
    State,
    StateDetails,
    StateType,
)
from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.bookkeeping import HOLDS_SLOTS
from headgate_server.orchestration.draft import TaskFacts
from headgate_server.orchestration.engine import TaskDecision, orchestrate_task
from headgate_server.orchestration.policies import CORE_TASK_POLICY, TaskPolicy
from tests.contract.matrix_text import (
    A_MINUTE,
    AN_HOUR,
    NOW,
    Outcomes,
    changes_of_times,
    describe,
    gifts_to,
)

ID = "task run"


class Case(NamedTuple):
    """A task run, what is proposed for it, and what else the rules look at."""

    task_run: TaskRun
    proposal: ProposedState
    facts: TaskFacts


Twist = Callable[[Case], Case]
"""Makes a plain case into what a section is about."""


def plain_case(initial_type: StateType | None, proposed_type: StateType) -> Case:
    """Return a task run of a running flow run, and a proposal that leaves out what it can."""
    return Case(
        _task_run(initial_type),
        ProposedState(type=proposed_type),
        TaskFacts(flow_run=flow_run(StateType.RUNNING)),
    )


def _task_run(state_type: StateType | None) -> TaskRun:
    """Return a task run in a state a minute old, started in the first attempt of its flow run."""
    task_run = TaskRun(
        id=ID,
        flow_run_id="flow run",
        task_key="task",
        dynamic_key="0",
        name="task-0",
        create_time=NOW - AN_HOUR,
        update_time=NOW - A_MINUTE,
    )
    if state_type is None:
        return task_run
    is_scheduled = state_type is StateType.SCHEDULED
    is_started = state_type not in {StateType.SCHEDULED, StateType.PENDING}
    due = NOW - A_MINUTE
    return replace(
        task_run,
        version=4,
        state=State(
            id="current",
            type=state_type,
            name=DEFAULT_NAMES[state_type],
            timestamp=NOW - A_MINUTE,
            version=4,
            details=StateDetails(task_run_id=ID, scheduled_time=due if is_scheduled else None),
        ),
        run_count=int(is_started),
        flow_run_run_count=int(is_started),
        expected_start_time=due,
        next_scheduled_start_time=due if is_scheduled else None,
        start_time=due if is_started else None,
        end_time=NOW - A_MINUTE if state_type in TERMINAL else None,
    )


def flow_run(
    state_type: StateType | None, *, run_count: int = 1, details: StateDetails | None = None
) -> FlowRun:
    """Return a flow run in a state, or without one."""
    run = FlowRun(
        id="flow run",
        flow_id="flow",
        name="run",
        create_time=NOW - AN_HOUR,
        update_time=NOW - A_MINUTE,
        run_count=run_count,
    )
    if state_type is None:
        return run
    state = State(
        id="of the flow",
        type=state_type,
        name=DEFAULT_NAMES[state_type],
        timestamp=NOW - A_MINUTE,
        version=1,
        details=StateDetails() if details is None else details,
    )
    return replace(run, version=1, state=state)


def facts_with(**fields: object) -> Twist:
    """Change what the rules look at besides the task run."""
    return lambda case: case._replace(facts=replace(case.facts, **fields))


def run_with(*state_types: StateType, **fields: object) -> Twist:
    """Change members of a task run in one of these states."""

    def twist(case: Case) -> Case:
        state = case.task_run.state
        if state is None or state.type not in state_types:
            return case
        return case._replace(task_run=replace(case.task_run, **fields))

    return twist


def state_with(*state_types: StateType, **fields: object) -> Twist:
    """Change members of the current state, if it is of one of these types."""

    def twist(case: Case) -> Case:
        state = case.task_run.state
        if state is None or state.type not in state_types:
            return case
        changed = replace(state, **fields)
        return case._replace(task_run=replace(case.task_run, state=changed))

    return twist


def proposal_with(*state_types: StateType, **fields: object) -> Twist:
    """Change members of the proposed state, if it is of one of these types."""

    def twist(case: Case) -> Case:
        if case.proposal.type not in state_types:
            return case
        return case._replace(proposal=replace(case.proposal, **fields))

    return twist


class Section(NamedTuple):
    """One condition, or several at once."""

    title: str
    twists: tuple[Twist, ...] = ()
    policy: TaskPolicy = CORE_TASK_POLICY
    differs_from: str | None = None
    repeats_a_transition: bool = False

    def outcomes(self) -> Outcomes:
        """Return what becomes of every proposal in every state."""
        return {
            (initial_type, proposed_type): self._outcome(plain_case(initial_type, proposed_type))
            for initial_type in (None, *StateType)
            for proposed_type in StateType
        }

    def _outcome(self, case: Case) -> str:
        for twist in self.twists:
            case = twist(case)
        decision = orchestrate_task(
            case.task_run,
            case.proposal,
            facts=case.facts,
            policy=self.policy,
            now=NOW,
            state_id="new",
            repeats_a_transition=self.repeats_a_transition,
        )
        if decision.written is None:
            return describe(decision, (), ())
        gifts = list(_gifts(decision.written, case.proposal, letter_is_a=not decision.reason))
        return describe(decision, gifts, list(_changes(case, decision)))


def _gifts(written: State, proposal: ProposedState, *, letter_is_a: bool) -> Iterator[str]:
    """Name what a written state carries that was not proposed."""
    asked = DEFAULT_NAMES[proposal.type] if proposal.name is None else proposal.name
    if letter_is_a and written.name != asked:
        yield f"named {written.name!r}"
    # Every state names the task run that it is of.
    details = replace(proposal.details, task_run_id=written.details.task_run_id)
    yield from gifts_to(written, replace(proposal, details=details))


def _changes(case: Case, decision: TaskDecision) -> Iterator[str]:
    """Name what changed on a task run besides its state and version, and what changes around it."""
    before, after = case.task_run, decision.run
    yield from changes_of_times(before, after)
    if after.flow_run_run_count != before.flow_run_run_count:
        yield f"flow_run_run_count {before.flow_run_run_count} to {after.flow_run_run_count}"
    if case.facts.limits and decision.takes_slots:
        yield "slots taken"
    held_slots = before.state is not None and before.state.type in HOLDS_SLOTS
    if case.facts.limits and held_slots and decision.frees_slots:
        yield "slots free"
    if decision.shares_result:
        yield "result kept"
