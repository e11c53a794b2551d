"""How a matrix of transitions is written down, whatever kind of run it is about."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Protocol

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ProposedState, State, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.engine import FlowDecision, TaskDecision

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)

Outcomes = dict[tuple[StateType | None, StateType], str]
"""A line for each pair of a current and a proposed state."""

INTRODUCTION = """\
{kind} run transitions
{line}

What becomes of every state that can be proposed for a {small_kind} run, in every state that the run can
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


class Section(Protocol):
    """One condition, or several at once."""

    @property
    def title(self) -> str: ...

    @property
    def differs_from(self) -> str | None: ...

    def outcomes(self) -> Outcomes: ...


def describe(
    decision: FlowDecision | TaskDecision, gifts: Sequence[str], changes: Sequence[str]
) -> str:
    """Return one line about a decision: letter, substitute, reason, delay, gifts and changes."""
    letter, written = letter_for(decision), decision.written
    words = [letter]
    if letter == "C" and written is not None:
        words.append(f"{written.type} {written.name!r}:")
    if decision.reason is not None:
        words.append(decision.reason)
    if decision.delay_seconds:
        words.append(f"({decision.delay_seconds} s)")
    if gifts or changes:
        words.append(f"[{', '.join([*gifts, *changes])}]")
    return " ".join(words)


def letter_for(decision: FlowDecision | TaskDecision) -> str:
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
    if given.pause_expire_time != asked.pause_expire_time and given.pause_expire_time:
        yield f"expires {moment(given.pause_expire_time)}"
    if given.pause_reschedule and not asked.pause_reschedule:
        yield "suspended"
    if given.task_run_id != asked.task_run_id:
        yield f"task run {given.task_run_id!r}"
    if written.message != proposal.message:
        yield f"message {written.message!r}"
    if written.data_json != proposal.data_json:
        yield f"data {written.data_json}"


def changes_of_times(before: FlowRun | TaskRun, after: FlowRun | TaskRun) -> Iterator[str]:
    """Name what changed on a run that runs of both kinds have, besides its state and version."""
    if after.run_count != before.run_count:
        yield f"run_count {before.run_count} to {after.run_count}"
    for name in ("expected_start_time", "next_scheduled_start_time", "start_time", "end_time"):
        value = getattr(after, name)
        if value != getattr(before, name):
            yield f"{name} {'cleared' if value is None else moment(value)}"
    if after.total_run_time != before.total_run_time:
        yield f"total_run_time +{(after.total_run_time - before.total_run_time).seconds} s"


def moment(time: datetime) -> str:
    """Say when something is, seen from the time of the decision."""
    seconds = (time - NOW).total_seconds()
    return "now" if seconds == 0 else f"{seconds:+.8g} s"


def render(kind: str, sections: Sequence[Section]) -> str:
    """Return the whole file."""
    outcomes = {section.title: section.outcomes() for section in sections}
    title = f"{kind} run transitions"
    introduction = INTRODUCTION.format(kind=kind, small_kind=kind.lower(), line="=" * len(title))
    parts = [introduction]
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


def grid(outcomes: Outcomes) -> Iterator[str]:
    """Draw the letters: rows are the current states, columns the proposed ones."""
    proposed_types = list(dict.fromkeys(proposed_type for _, proposed_type in outcomes))
    yield line("", *proposed_types)
    for initial_type in (None, *StateType):
        letters = [outcomes[initial_type, proposed_type][0] for proposed_type in proposed_types]
        yield line(initial_type or "(none)", *letters)


def line(*cells: str) -> str:
    """Return a line of the grid."""
    return " ".join(f"{cell:10}" for cell in cells).rstrip() + "\n"


def listing(outcomes: Outcomes) -> Iterator[str]:
    """List the outcomes, a line for all transitions from one state that end the same."""
    if not outcomes:
        yield "in nothing.\n"
    for initial_type, rows in groupby(outcomes.items(), key=lambda row: row[0][0]):
        proposed_by_outcome: dict[str, list[str]] = {}
        for (_, proposed_type), outcome in rows:
            proposed_by_outcome.setdefault(outcome, []).append(proposed_type)
        for outcome, proposed_types in proposed_by_outcome.items():
            yield f"{initial_type or '(none)'} to {', '.join(proposed_types)}\n    {outcome}\n"
