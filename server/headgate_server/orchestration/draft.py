"""Drafts: a proposal on its way through the rules. Knows no rule, no clock and no storage."""

from datetime import datetime, timedelta
from typing import Generic, Self, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import DEFAULT_NAMES, ProposedState, State
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import VerdictStatus

R = TypeVar("R", FlowRun, TaskRun)


class Draft(msgspec.Struct, Generic[R], frozen=True, gc=False, kw_only=True):
    """A proposed state, the run it is meant for, and the verdict so far.

    A rule takes a draft and returns one: the same if it has no objection, else what one of the
    methods below makes of it. The first verdict other than ACCEPT is the last word.
    """

    run: R
    """The run as stored."""
    amended: R
    """The run with what the rules change on it, should this draft be written."""
    proposed: ProposedState
    """What shall be written: as asked for, completed by a rule, or put in its place."""
    now: datetime
    """The time of the decision."""
    state_id: str
    """Id of the state, if one is written."""
    repeats_a_transition: bool = False
    """Whether a state in the run's history has the transition id of the proposal."""
    status: VerdictStatus = VerdictStatus.ACCEPT
    """The verdict so far."""
    is_to_be_written: bool = True
    """Whether `proposed` becomes the run's state."""
    reason: str | None = None
    """Why the proposal is not accepted, in words for the proposer."""
    delay_seconds: int = 0
    """For WAIT: whole seconds until the proposal may succeed."""

    @property
    def initial(self) -> State:
        """The state to be left. Only rules that are never asked about a new run may look.

        Raises:
            LookupError: the run has no state; the policy row of the asking rule is wrong.
        """
        if self.run.state is None:
            message = f"Run {self.run.id} has no state to be left."
            raise LookupError(message)
        return self.run.state

    @property
    def proposed_name(self) -> str:
        """The name of the proposed state, its type's own if none was chosen."""
        name = self.proposed.name
        return DEFAULT_NAMES[self.proposed.type] if name is None else name

    def revise(self, proposed: ProposedState) -> Self:
        """Complete the proposed state with what it left out."""
        return replace(self, proposed=proposed)

    def amend(self, **members: object) -> Self:
        """Change members of the run, should this draft be written."""
        return replace(self, amended=replace(self.amended, **members))

    def refuse(self, reason: str) -> Self:
        """Reject the proposal and write nothing."""
        return replace(self, status=VerdictStatus.REJECT, reason=reason, is_to_be_written=False)

    def reject(self, reason: str, *, instead: ProposedState) -> Self:
        """Reject the proposal and write another state in its place.

        That state answers the proposal, so it bears its transition id: a repeat is known for one.
        What earlier rules changed on the run was meant for the proposed state and goes.
        """
        transition_id = self.proposed.details.transition_id
        if transition_id is not None:
            details = replace(instead.details, transition_id=transition_id)
            instead = replace(instead, details=details)
        return replace(
            self,
            status=VerdictStatus.REJECT,
            reason=reason,
            proposed=instead,
            amended=self.run,
        )

    def abort(self, reason: str) -> Self:
        """Write nothing and tell the proposer to stop."""
        return replace(self, status=VerdictStatus.ABORT, reason=reason, is_to_be_written=False)

    def wait(self, delay_seconds: int, reason: str) -> Self:
        """Write nothing and ask the proposer to come back later."""
        return replace(
            self,
            status=VerdictStatus.WAIT,
            reason=reason,
            delay_seconds=delay_seconds,
            is_to_be_written=False,
        )


FlowDraft: TypeAlias = Draft[FlowRun]
"""A draft for a flow run."""


class TagLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A concurrency limit on a tag of a task run."""

    tag: str
    slots: int
    """How many task runs may hold a slot at once."""
    held_by_others: int
    """How many slots other task runs hold."""


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules for task runs need to know besides the task run."""

    flow_run: FlowRun | None = None
    """The flow run that the task run belongs to; None if no rule asks about it."""
    cached: State | None = None
    """The result that is kept under the cache key of the proposal, with its data."""
    limits: tuple[TagLimit, ...] = ()
    """The limits on the tags of the task run, in the order of tags."""
    slot_wait: timedelta = timedelta(seconds=30)
    """How long to wait for a slot before asking again."""
    chance: float = 0.5
    """Drawn at random from 0 up to, but not including, 1."""


class TaskDraft(Draft[TaskRun], frozen=True, gc=False, kw_only=True):
    """A draft for a task run."""

    facts: TaskFacts
    takes_slots: bool = False
    """Whether the task run, should the proposal be accepted, holds a slot of each of the limits."""
    shares_result: bool = False
    """Whether others may take over the result, should the proposal be accepted."""
