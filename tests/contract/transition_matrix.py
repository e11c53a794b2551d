"""Asks what the policies make of every transition of a flow run, under a condition that matters."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.states import (
    DEFAULT_NAMES,
    TERMINAL,
    ProposedState,
    State,
    StateDetails,
    StateType,
)
from headgate_server.orchestration.engine import orchestrate
from headgate_server.orchestration.policies import CORE_FLOW_POLICY, FlowPolicy
from tests.contract.matrix_text import (
    A_MINUTE,
    AN_HOUR,
    NOW,
    Outcomes,
    changes_of_times,
    describe,
    gifts_to,
)

Twist = Callable[[FlowRun, ProposedState], tuple[FlowRun, ProposedState]]
"""Makes a plain run and a plain proposal into what a section is about."""


def plain_run(state_type: StateType | None) -> FlowRun:
    """Return a run with a deployment, a process and one earlier pause, in a state a minute old."""
    run = FlowRun(
        id="run",
        flow_id="flow",
        name="run",
        create_time=NOW - AN_HOUR,
        update_time=NOW - A_MINUTE,
        deployment_id="deployment",
        infrastructure_pid="process",
    )
    if state_type is None:
        return run
    is_scheduled = state_type is StateType.SCHEDULED
    is_started = state_type not in {StateType.SCHEDULED, StateType.PENDING}
    due = NOW - A_MINUTE
    state = State(
        id="current",
        type=state_type,
        name=DEFAULT_NAMES[state_type],
        timestamp=NOW - A_MINUTE,
        version=4,
        details=StateDetails(scheduled_time=due if is_scheduled else None),
    )
    return replace(
        run,
        version=4,
        state=state,
        policy=FlowRunPolicy(pause_keys=frozenset({"1"}) if is_started else frozenset()),
        run_count=int(is_started),
        expected_start_time=due,
        next_scheduled_start_time=due if is_scheduled else None,
        start_time=due if is_started else None,
        end_time=NOW - A_MINUTE if state_type in TERMINAL else None,
    )


def plain_proposal(state_type: StateType) -> ProposedState:
    """Return a proposal that leaves out what it can; a pause brings a new key."""
    key = "2" if state_type is StateType.PAUSED else None
    return ProposedState(type=state_type, details=StateDetails(pause_key=key))


def run_with(**fields: object) -> Twist:
    """Change members of the run."""
    return lambda run, proposal: (replace(run, **fields), proposal)


def policy_with(*state_types: StateType, **fields: object) -> Twist:
    """Change members of the policy of a run in one of these states."""

    def twist(run: FlowRun, proposal: ProposedState) -> tuple[FlowRun, ProposedState]:
        if run.state is not None and run.state.type in state_types:
            run = replace(run, policy=replace(run.policy, **fields))
        return run, proposal

    return twist


def state_with(*state_types: StateType, details: object = None, **fields: object) -> Twist:
    """Change members of the current state, if it is of one of these types."""

    def twist(run: FlowRun, proposal: ProposedState) -> tuple[FlowRun, ProposedState]:
        if run.state is not None and run.state.type in state_types:
            changed = fields if details is None else {**fields, "details": details}
            run = replace(run, state=replace(run.state, **changed))
        return run, proposal

    return twist


def proposal_with(state_type: StateType, **fields: object) -> Twist:
    """Change members of the proposed state, if it is of this type."""

    def twist(run: FlowRun, proposal: ProposedState) -> tuple[FlowRun, ProposedState]:
        is_meant = proposal.type is state_type
        return run, replace(proposal, **fields) if is_meant else proposal

    return twist


class Section(NamedTuple):
    """One condition, or several at once."""

    title: str
    twists: tuple[Twist, ...] = ()
    policy: FlowPolicy = CORE_FLOW_POLICY
    differs_from: str | None = None
    repeats_a_transition: bool = False
    proposed_types: tuple[StateType, ...] = tuple(StateType)

    def outcomes(self) -> Outcomes:
        """Return what becomes of every proposal in every state."""
        return {
            (initial_type, proposed_type): self._outcome(initial_type, proposed_type)
            for initial_type in (None, *StateType)
            for proposed_type in self.proposed_types
        }

    def _outcome(self, initial_type: StateType | None, proposed_type: StateType) -> str:
        run, proposal = plain_run(initial_type), plain_proposal(proposed_type)
        for twist in self.twists:
            run, proposal = twist(run, proposal)
        decision = orchestrate(
            run,
            proposal,
            policy=self.policy,
            now=NOW,
            state_id="new",
            repeats_a_transition=self.repeats_a_transition,
        )
        if decision.written is None:
            return describe(decision, (), ())
        gifts = list(gifts_to(decision.written, proposal))
        return describe(decision, gifts, list(changes_on(run, decision.run)))


def changes_on(before: FlowRun, after: FlowRun) -> Iterator[str]:
    """Name what changed on a flow run besides its state and version."""
    yield from changes_of_times(before, after)
    if after.policy.pause_keys != before.policy.pause_keys:
        yield f"pause_keys {{{', '.join(sorted(after.policy.pause_keys))}}}"
    if after.policy.resuming is not before.policy.resuming:
        yield f"resuming {'true' if after.policy.resuming else 'false'}"
    if after.policy.retry_type is not before.policy.retry_type:
        yield f"retry_type {after.policy.retry_type or 'cleared'}"
