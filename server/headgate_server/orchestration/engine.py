"""The engine: one proposal, one policy, one decision. Pure: it loads nothing and writes nothing."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Generic, TypeAlias

import msgspec

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ProposedState, State
from headgate_server.model.task_runs import TaskRun
from headgate_server.model.verdicts import VerdictStatus
from headgate_server.orchestration.bookkeeping import (
    HOLDS_SLOTS,
    keep_the_books,
    keep_the_books_of_task,
    write_down,
)
from headgate_server.orchestration.draft import Draft, FlowDraft, R, TaskDraft, TaskFacts
from headgate_server.orchestration.policies import D, FlowPolicy, Judge, TaskPolicy


class Decision(msgspec.Struct, Generic[R], frozen=True, gc=False, kw_only=True):
    """What became of a proposal, and what there is to write."""

    status: VerdictStatus
    run: R
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


NO_FACTS: Final = TaskFacts()
"""Enough for the minimal policy."""

FlowDecision: TypeAlias = Decision[FlowRun]
"""What became of a proposal for a flow run."""


class TaskDecision(Decision[TaskRun], frozen=True, gc=False, kw_only=True):
    """What became of a proposal for a task run, and what there is to write besides."""

    takes_slots: bool = False
    """Whether the task run holds a slot of each of the limits on its tags from now on."""
    shares_result: bool = False
    """Whether the written state is kept under its cache key, for others to take over."""

    @property
    def frees_slots(self) -> bool:
        """Whether the task run holds no slot any longer."""
        return self.written is not None and self.written.type not in HOLDS_SLOTS


def orchestrate(
    run: FlowRun,
    proposal: ProposedState,
    *,
    policy: FlowPolicy,
    now: datetime,
    state_id: str,
    repeats_a_transition: bool = False,
) -> FlowDecision:
    """Ask the rules about a proposal for a flow run and keep the books on what they let through.

    Args:
        run: The run as stored, or as an earlier decision left it, with its current state. The data
            of a COMPLETED, FAILED or CRASHED state must be loaded.
        proposal: The state asked for. A SCHEDULED one without a time is due now.
        policy: The rules to ask, in order, until one objects.
        now: The time of the decision. The state is dated later if its predecessor is not earlier.
        state_id: Id of the state if one is written. Also the key of a pause that brings none.
        repeats_a_transition: Whether any state of the run bears the proposal's transition id.
    """
    chosen = policy.chosen_for(None if run.state is None else run.state.type, proposal.type)
    draft: FlowDraft = Draft(
        run=run,
        amended=run,
        proposed=proposal,
        now=now,
        state_id=state_id,
        repeats_a_transition=repeats_a_transition,
    )
    draft = _judged(draft, chosen.judges)
    if not draft.is_to_be_written:
        return Decision(
            status=draft.status, run=run, reason=draft.reason, delay_seconds=draft.delay_seconds
        )
    written = write_down(draft, task_run_id=run.parent_task_run_id)
    kept_run = keep_the_books(draft, written)
    if draft.status is VerdictStatus.ACCEPT:
        for remember in chosen.memories:
            kept_run = remember(kept_run, written)
    return Decision(status=draft.status, run=kept_run, written=written, reason=draft.reason)


def orchestrate_task(
    task_run: TaskRun,
    proposal: ProposedState,
    *,
    policy: TaskPolicy,
    now: datetime,
    state_id: str,
    facts: TaskFacts = NO_FACTS,
    repeats_a_transition: bool = False,
) -> TaskDecision:
    """Ask the rules about a proposal for a task run and keep the books on what they let through.

    Args:
        task_run: The task run, as `orchestrate` takes the run.
        proposal: The state asked for. A SCHEDULED one without a time is due now.
        policy: The rules to ask, in order, until one objects.
        now: The time of the decision. The state is dated later if its predecessor is not earlier.
        state_id: Id of the state if one is written.
        facts: What else the rules of the core policy look at.
        repeats_a_transition: Whether any state of the task run bears the proposal's transition id.
    """
    initial_type = None if task_run.state is None else task_run.state.type
    draft = TaskDraft(
        run=task_run,
        amended=task_run,
        proposed=proposal,
        now=now,
        state_id=state_id,
        repeats_a_transition=repeats_a_transition,
        facts=facts,
    )
    draft = _judged(draft, policy.chosen_for(initial_type, proposal.type).judges)
    if not draft.is_to_be_written:
        return TaskDecision(
            status=draft.status,
            run=task_run,
            reason=draft.reason,
            delay_seconds=draft.delay_seconds,
        )
    written = write_down(draft, task_run_id=task_run.id)
    is_accepted = draft.status is VerdictStatus.ACCEPT
    return TaskDecision(
        status=draft.status,
        run=keep_the_books_of_task(draft, written),
        written=written,
        reason=draft.reason,
        takes_slots=is_accepted and draft.takes_slots,
        shares_result=is_accepted and draft.shares_result,
    )


def _judged(draft: D, judges: Iterable[Judge[D]]) -> D:
    """Return a draft as the rules leave it; the first that objects is the last one asked."""
    for judge in judges:
        draft = judge(draft)
        if draft.status is not VerdictStatus.ACCEPT:
            break  # the other rules were chosen for a transition that will not happen
    return draft
