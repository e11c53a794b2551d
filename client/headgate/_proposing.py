"""Proposals that can be sent again when their answer is lost, and how to tell afterwards whether they were made."""

from dataclasses import replace
from uuid import uuid4

from headgate.enums import VerdictStatus
from headgate.models import Verdict
from headgate.states import ProposedState, State


def named(state: ProposedState) -> ProposedState:
    """Return a proposed state with a transition id: its own, or a new one."""
    transition_id = state.details.transition_id or uuid4()
    return replace(state, details=replace(state.details, transition_id=transition_id))


def is_made(state: State | None, proposed: ProposedState) -> bool:
    """Tell whether a state is the proposed one, and not one that was written in its place."""
    return (
        state is not None
        and state.type is proposed.type
        and state.details.transition_id == proposed.details.transition_id
    )


def as_made(verdict: Verdict, proposed: ProposedState, attempts: int) -> Verdict:
    """Return the verdict that was lost, if an earlier attempt made the transition; else the one given."""
    if attempts > 1 and is_made(verdict.state, proposed):
        return replace(verdict, status=VerdictStatus.ACCEPT, reason="", created=True)
    return verdict
