"""The engine: one proposal, one policy, one decision. Pure: it loads nothing and writes nothing."""

from datetime import datetime

import msgspec

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ProposedState, State
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.bookkeeping import keep_the_books, write_down
from headgate_server.orchestration.draft import Draft
from headgate_server.orchestration.policies import Policy


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a proposal, and what there is to write."""

    status: VerdictStatus
    run: FlowRun
    """The run as it shall be stored; the very run that was given if nothing is to be written."""
    written: State | None = None
    """The new state: the proposed one or another in its place; None if nothing is to be written."""
    reason: str | None = None
    """Why the proposal was not accepted."""
    delay_seconds: int = 0
    """For WAIT: whole seconds until the proposal may succeed."""

    @property
    def is_accepted_as_proposed(self) -> bool:
        """Whether the proposed state itself is to be written, and with it what rides along."""
        return self.status is VerdictStatus.ACCEPT


def orchestrate(
    run: FlowRun,
    proposal: ProposedState,
    *,
    policy: Policy,
    now: datetime,
    state_id: str,
    repeats_a_transition: bool = False,
) -> Decision:
    """Ask the rules about a proposal and keep the books on what they let through.

    Args:
        run: The run as stored, or as an earlier decision left it, with its current state. The data
            of a COMPLETED, FAILED or CRASHED state must be loaded.
        proposal: The state asked for. A SCHEDULED one without a time is due now.
        policy: The rules to ask, in order, until one objects.
        now: The time of the decision. The state is dated later if its predecessor is not earlier.
        state_id: Id of the state if one is written. Also the key of a pause that brings none.
        repeats_a_transition: Whether any state of the run bears the proposal's transition id.
    """
    initial_type = None if run.state is None else run.state.type
    chosen = policy.chosen_for(initial_type, proposal.type)
    draft = Draft(
        run=run,
        run_policy=run.policy,
        proposed=proposal,
        now=now,
        state_id=state_id,
        repeats_a_transition=repeats_a_transition,
    )
    for judge in chosen.judges:
        draft = judge(draft)
        if draft.status is not VerdictStatus.ACCEPT:
            break  # the other rules were chosen for a transition that will not happen
    if not draft.is_to_be_written:
        return Decision(
            status=draft.status, run=run, reason=draft.reason, delay_seconds=draft.delay_seconds
        )
    written = write_down(draft)
    kept_run = keep_the_books(draft, written)
    if draft.status is VerdictStatus.ACCEPT:
        for remember in chosen.memories:
            kept_run = remember(kept_run, written)
    return Decision(status=draft.status, run=kept_run, written=written, reason=draft.reason)
