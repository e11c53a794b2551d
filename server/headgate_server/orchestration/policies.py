"""Policies: which rule is asked about which transition, and in what order."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, TypeAlias

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ANY, TERMINAL, State, StateType
from headgate_server.orchestration.draft import Draft
from headgate_server.orchestration.flow_rules import (
    admit_an_unknown_result,
    cancel_at_once_without_infrastructure,
    keep_the_scheduled_time,
    leave_terminal_states_with_care,
    let_cancelling_end_in_cancelled,
    mark_only_scheduled_runs_late,
    pause_only_what_runs,
    refuse_pending_once_taken,
    refuse_the_same_transition_twice,
    remember_the_pause,
    remember_the_resume,
    resume_what_is_paused,
    retry_a_failed_flow,
    wait_for_the_scheduled_time,
)

Judge: TypeAlias = Callable[[Draft], Draft]
"""Returns the draft as it was, or with its verdict."""

Memory: TypeAlias = Callable[[FlowRun, State], FlowRun]
"""Returns the run with what later rules need to know about the written state."""


class Rule(NamedTuple):
    """One row of a policy."""

    judge: Judge
    from_types: AbstractSet[StateType | None]
    """The types of the current state; None stands for a run without one."""
    to_types: AbstractSet[StateType]
    after: Memory | None = None
    """Called on the run, once kept, when the proposed state itself was written."""


class Chosen(NamedTuple):
    """The rules of a policy that have a say in one transition."""

    judges: tuple[Judge, ...]
    memories: tuple[Memory, ...]
    """In reverse, as the rules are left again."""


class Policy:
    """Rules in the order in which they are asked."""

    def __init__(self, *rules: Rule) -> None:
        """Work out for every transition which of the rules are asked."""
        self._chosen = {
            (initial_type, proposed_type): _choose(rules, initial_type, proposed_type)
            for initial_type in (None, *StateType)
            for proposed_type in StateType
        }

    def chosen_for(self, initial_type: StateType | None, proposed_type: StateType) -> Chosen:
        """Return the rules that are asked about a transition."""
        return self._chosen[initial_type, proposed_type]


def _choose(
    rules: tuple[Rule, ...], initial_type: StateType | None, proposed_type: StateType
) -> Chosen:
    asked = [
        rule for rule in rules if initial_type in rule.from_types and proposed_type in rule.to_types
    ]
    return Chosen(
        judges=tuple(rule.judge for rule in asked),
        memories=tuple(rule.after for rule in reversed(asked) if rule.after is not None),
    )


SCHEDULED: Final = StateType.SCHEDULED
PENDING: Final = StateType.PENDING
RUNNING: Final = StateType.RUNNING
COMPLETED: Final = StateType.COMPLETED
FAILED: Final = StateType.FAILED
CANCELLED: Final = StateType.CANCELLED
CRASHED: Final = StateType.CRASHED
PAUSED: Final = StateType.PAUSED
CANCELLING: Final = StateType.CANCELLING

NONE: Final = frozenset({None})
STOPPED: Final = frozenset({CANCELLED, CANCELLING})
TAKEN: Final = frozenset({PENDING, RUNNING}) | STOPPED
WAITING: Final = frozenset({SCHEDULED, PENDING})

# fmt: off
CORE_FLOW_POLICY: Final = Policy(
    #    rule                                   from                 to        after
    Rule(refuse_the_same_transition_twice,      ANY,                 ANY),
    Rule(leave_terminal_states_with_care,       TERMINAL,            ANY),
    Rule(let_cancelling_end_in_cancelled,       STOPPED,             ANY - {CANCELLED}),
    Rule(cancel_at_once_without_infrastructure, {SCHEDULED, PAUSED}, {CANCELLING}),
    Rule(refuse_pending_once_taken,             TAKEN,               {PENDING}),
    Rule(mark_only_scheduled_runs_late,         ANY | NONE,          {SCHEDULED}),
    Rule(pause_only_what_runs,                  ANY | NONE,          {PAUSED}, remember_the_pause),
    Rule(resume_what_is_paused,                 {PAUSED},            ANY,      remember_the_resume),
    Rule(keep_the_scheduled_time,               {SCHEDULED},         {PENDING}),
    Rule(wait_for_the_scheduled_time,           WAITING,             {RUNNING}),
    Rule(retry_a_failed_flow,                   {RUNNING},           {FAILED}),
)
"""For whoever proposes a state."""

MINIMAL_FLOW_POLICY: Final = Policy(
    Rule(admit_an_unknown_result,               {FAILED, CRASHED},   {COMPLETED}),
    Rule(cancel_at_once_without_infrastructure, {SCHEDULED, PAUSED}, {CANCELLING}),
)
"""For whoever insists, for the first state of a run, and for the service's own passes."""

MARK_LATE_POLICY: Final = Policy(
    Rule(mark_only_scheduled_runs_late,         ANY | NONE,          {SCHEDULED}),
)
"""For the pass that marks late runs, which must not undo what happened since it looked."""
# fmt: on


def policy_for(*, force: bool) -> Policy:
    """Return the policy for a proposal from outside."""
    return MINIMAL_FLOW_POLICY if force else CORE_FLOW_POLICY
