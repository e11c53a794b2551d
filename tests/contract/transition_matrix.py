"""Writes down what the policies make of every transition, under every condition that matters."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
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
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.engine import Decision, orchestrate
from headgate_server.orchestration.policies import (
    CORE_FLOW_POLICY,
    Policy,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)

INTRODUCTION = """\
Flow run transitions
====================

What becomes of every state that can be proposed for a flow run, in every state that the run can
be in, under every condition that the rules look at. The rules themselves wrote this file, and a
test compares the two; its docstring says how to write it anew after a rule was changed on purpose.

  A  accepted: the proposed state is written
  C  rejected: another state is written in its place
  R  rejected: nothing is written
  B  aborted: nothing is written, the proposer should stop
  W  wait: nothing is written, the proposer should come back

Behind a letter stand the state that is written in place of the proposed one, the reason, and in
brackets what the state was given besides what was proposed, and what changes on the run. A section
that names another one lists only what differs from it.
"""

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
    policy: Policy = CORE_FLOW_POLICY
    differs_from: str | None = None
    repeats_a_transition: bool = False
    proposed_types: tuple[StateType, ...] = tuple(StateType)

    def outcomes(self) -> dict[tuple[StateType | None, StateType], str]:
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
        return describe(run, proposal, decision)


def describe(before: FlowRun, proposal: ProposedState, decision: Decision) -> str:
    """Return one line about a decision: letter, substitute, reason, delay, changes."""
    letter, written = letter_for(decision), decision.written
    words = [letter]
    if letter == "C" and written is not None:
        words.append(f"{written.type} {written.name!r}:")
    if decision.reason is not None:
        words.append(decision.reason)
    if decision.delay_seconds:
        words.append(f"({decision.delay_seconds} s)")
    if written is not None:
        changes = [*gifts_to(written, proposal), *changes_on(before, decision.run)]
        words += [f"[{', '.join(changes)}]"] if changes else []
    return " ".join(words)


def letter_for(decision: Decision) -> str:
    """Return the letter of a decision."""
    if decision.status is VerdictStatus.REJECT:
        return "R" if decision.written is None else "C"
    return {VerdictStatus.ACCEPT: "A", VerdictStatus.ABORT: "B", VerdictStatus.WAIT: "W"}[
        decision.status
    ]


def gifts_to(written: State, proposal: ProposedState) -> Iterator[str]:
    """Name what a written state carries that was not proposed."""
    given, asked = written.details, proposal.details
    if given.scheduled_time is not None and given.scheduled_time != asked.scheduled_time:
        yield f"due {moment(given.scheduled_time)}"
    if given.pause_key is not None and given.pause_key != asked.pause_key:
        yield f"pause key {given.pause_key!r}"
    if given.task_run_id != asked.task_run_id:
        yield f"task run {given.task_run_id!r}"
    if written.message != proposal.message:
        yield f"message {written.message!r}"
    if written.data_json != proposal.data_json:
        yield f"data {written.data_json}"


def changes_on(before: FlowRun, after: FlowRun) -> Iterator[str]:
    """Name what changed on a run besides its state and version."""
    if after.run_count != before.run_count:
        yield f"run_count {before.run_count} to {after.run_count}"
    for name in ("expected_start_time", "next_scheduled_start_time", "start_time", "end_time"):
        value = getattr(after, name)
        if value != getattr(before, name):
            yield f"{name} {'cleared' if value is None else moment(value)}"
    if after.total_run_time != before.total_run_time:
        yield f"total_run_time +{(after.total_run_time - before.total_run_time).seconds} s"
    if after.policy.pause_keys != before.policy.pause_keys:
        yield f"pause_keys {{{', '.join(sorted(after.policy.pause_keys))}}}"
    if after.policy.resuming is not before.policy.resuming:
        yield f"resuming {'true' if after.policy.resuming else 'false'}"
    if after.policy.retry_type is not before.policy.retry_type:
        yield f"retry_type {after.policy.retry_type or 'cleared'}"


def moment(time: datetime) -> str:
    """Say when something is, seen from the time of the decision."""
    seconds = (time - NOW).total_seconds()
    return "now" if seconds == 0 else f"{seconds:+.8g} s"


def render(sections: tuple[Section, ...]) -> str:
    """Return the whole file."""
    outcomes = {section.title: section.outcomes() for section in sections}
    parts = [INTRODUCTION]
    for section in sections:
        mine = outcomes[section.title]
        parts.append(f"\n\n{section.title}\n{'-' * len(section.title)}\n")
        if section.differs_from is None:
            parts += ["\n", *grid(mine)]
            theirs = {}
        else:
            parts.append(f"Differs from {section.differs_from!r}:\n")
            theirs = outcomes[section.differs_from]
        parts += ["\n", *listing({key: mine[key] for key in mine if mine[key] != theirs.get(key)})]
    return "".join(parts)


def grid(outcomes: dict[tuple[StateType | None, StateType], str]) -> Iterator[str]:
    """Draw the letters: rows are the current states, columns the proposed ones."""
    proposed_types = list(dict.fromkeys(proposed_type for _, proposed_type in outcomes))
    yield line("", *proposed_types)
    for initial_type in (None, *StateType):
        letters = [outcomes[initial_type, proposed_type][0] for proposed_type in proposed_types]
        yield line(initial_type or "(none)", *letters)


def line(*cells: str) -> str:
    """Return a line of the grid."""
    return " ".join(f"{cell:10}" for cell in cells).rstrip() + "\n"


def listing(outcomes: dict[tuple[StateType | None, StateType], str]) -> Iterator[str]:
    """List the outcomes, a line for all transitions from one state that end the same."""
    if not outcomes:
        yield "in nothing.\n"
    for initial_type, rows in groupby(outcomes.items(), key=lambda row: row[0][0]):
        proposed_by_outcome: dict[str, list[str]] = {}
        for (_, proposed_type), outcome in rows:
            proposed_by_outcome.setdefault(outcome, []).append(proposed_type)
        for outcome, proposed_types in proposed_by_outcome.items():
            yield f"{initial_type or '(none)'} to {', '.join(proposed_types)}\n    {outcome}\n"
