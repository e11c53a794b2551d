"""Drafts: a proposal on its way through the rules. Knows no rule, no clock and no storage."""

from datetime import datetime
from typing import Self

import msgspec
from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.states import DEFAULT_NAMES, ProposedState, State
from headgate_server.model.verdicts import VerdictStatus


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed state, the run it is meant for, and the verdict so far.

    A rule takes a draft and returns one: the same if it has no objection, else what one of the
    methods below makes of it. The first verdict other than ACCEPT is the last word.
    """

    run: FlowRun
    """The run as stored. What a rule wants changed goes into `run_policy`."""
    run_policy: FlowRunPolicy
    """The policy that the run shall have if this draft is written."""
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
            message = f"Flow run {self.run.id} has no state to be left."
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

    def change_policy(self, run_policy: FlowRunPolicy) -> Self:
        """Change the run's policy, should this draft be written."""
        return replace(self, run_policy=run_policy)

    def refuse(self, reason: str) -> Self:
        """Reject the proposal and write nothing."""
        return replace(self, status=VerdictStatus.REJECT, reason=reason, is_to_be_written=False)

    def reject(self, reason: str, *, instead: ProposedState) -> Self:
        """Reject the proposal and write another state in its place.

        That state answers the proposal, so it bears its transition id: a repeat is known for one.
        What earlier rules changed on the run's policy was meant for the proposed state and goes.
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
            run_policy=self.run.policy,
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
