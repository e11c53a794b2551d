"""Policies: which rule is asked about which transition, and in what order."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import ANY, TERMINAL, State, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.draft import Draft, FlowDraft, R, TaskDraft
from headgate_server.orchestration.flow_rules import (
    cancel_at_once_without_infrastructure,
    leave_terminal_states_with_care,
    let_cancelling_end_in_cancelled,
    mark_only_scheduled_runs_late,
    pause_only_what_runs,
    refuse_pending_once_taken,
    remember_the_pause,
    remember_the_resume,
    resume_what_is_paused,
    retry_a_failed_flow,
)
from headgate_server.orchestration.run_rules import (
    admit_an_unknown_result,
    keep_the_scheduled_time,
    refuse_the_same_transition_twice,
    wait_for_the_scheduled_time,
)
from headgate_server.orchestration.task_rules import (
    keep_the_result_for_others,
    leave_an_ended_task_with_care,
    name_what_runs_again,
    note_the_attempt_of_the_flow,
    retry_a_failed_task,
    start_only_while_the_flow_runs,
    start_only_with_a_slot_of_each_limit,
    take_over_a_kept_result,
)

D = TypeVar("D", bound=Draft[Any])

Judge: TypeAlias = Callable[[D], D]
"""Returns the draft as it was, or with its verdict."""

Memory: TypeAlias = Callable[[R, State], R]
"""Returns the run with what later rules need to know about the written state."""


class Rule(NamedTuple, Generic[D, R]):
    """One row of a policy."""

    judge: Judge[D]
    from_types: AbstractSet[StateType | None]
    """The types of the current state; None stands for a run without one."""
    to_types: AbstractSet[StateType]
    after: Memory[R] | None = None
    """Called on the run, once kept, when the proposed state itself was written."""


class Chosen(NamedTuple, Generic[D, R]):
    """The rules of a policy that have a say in one transition."""

    judges: tuple[Judge[D], ...]
    memories: tuple[Memory[R], ...]
    """In reverse, as the rules are left again."""


class Policy(Generic[D, R]):
    """Rules in the order in which they are asked."""

    def __init__(self, *rules: Rule[D, R]) -> None:
        """Work out for every transition which of the rules are asked."""
        self._chosen: dict[tuple[StateType | None, StateType], Chosen[D, R]] = {
            (initial_type, proposed_type): _choose(rules, initial_type, proposed_type)
            for initial_type in (None, *StateType)
            for proposed_type in StateType
        }

    def chosen_for(self, initial_type: StateType | None, proposed_type: StateType) -> Chosen[D, R]:
        """Return the rules that are asked about a transition."""
        return self._chosen[initial_type, proposed_type]


def _choose(
    rules: tuple[Rule[D, R], ...], initial_type: StateType | None, proposed_type: StateType
) -> Chosen[D, R]:
    asked = [
        rule for rule in rules if initial_type in rule.from_types and proposed_type in rule.to_types
    ]
    return Chosen(
        judges=tuple(rule.judge for rule in asked),
        memories=tuple(rule.after for rule in reversed(asked) if rule.after is not None),
    )


FlowPolicy: TypeAlias = Policy[FlowDraft, FlowRun]
TaskPolicy: TypeAlias = Policy[TaskDraft, TaskRun]

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
CORE_FLOW_POLICY: Final[FlowPolicy] = Policy(
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
"""For whoever proposes a state for a flow run."""

MINIMAL_FLOW_POLICY: Final[FlowPolicy] = Policy(
    Rule(admit_an_unknown_result,               {FAILED, CRASHED},   {COMPLETED}),
    Rule(cancel_at_once_without_infrastructure, {SCHEDULED, PAUSED}, {CANCELLING}),
)
"""For whoever insists, for the first state of a flow run, and for the service's own passes."""

MARK_LATE_POLICY: Final[FlowPolicy] = Policy(
    Rule(mark_only_scheduled_runs_late,         ANY | NONE,          {SCHEDULED}),
)
"""For the pass that marks late flow runs, which must not undo what happened since it looked."""

CORE_TASK_POLICY: Final[TaskPolicy] = Policy(
    Rule(refuse_the_same_transition_twice,      ANY,                 ANY),
    Rule(take_over_a_kept_result,               ANY | NONE,          {RUNNING}),
    Rule(leave_an_ended_task_with_care,         TERMINAL,            ANY),
    Rule(start_only_while_the_flow_runs,        ANY | NONE,          {RUNNING}),
    Rule(start_only_with_a_slot_of_each_limit,  ANY | NONE,          {RUNNING}),
    Rule(keep_the_scheduled_time,               {SCHEDULED},         {PENDING}),
    Rule(wait_for_the_scheduled_time,           WAITING,             {RUNNING}),
    Rule(retry_a_failed_task,                   {RUNNING},           {FAILED}),
    Rule(name_what_runs_again,                  ANY | NONE,          {RUNNING}),
    Rule(note_the_attempt_of_the_flow,          ANY | NONE,          {RUNNING}),
    Rule(keep_the_result_for_others,            ANY | NONE,          {COMPLETED}),
)
"""For whoever proposes a state for a task run. That slots are given back is no rule, but bookkeeping."""

MINIMAL_TASK_POLICY: Final[TaskPolicy] = Policy(
    Rule(admit_an_unknown_result,               {FAILED, CRASHED},   {COMPLETED}),
)
"""For whoever insists, for the first state of a task run, and for what mirrors a subflow run."""
# fmt: on


def policy_for(*, force: bool) -> FlowPolicy:
    """Return the policy for a proposal from outside for a flow run."""
    return MINIMAL_FLOW_POLICY if force else CORE_FLOW_POLICY


def task_policy_for(*, force: bool) -> TaskPolicy:
    """Return the policy for a proposal from outside for a task run."""
    return MINIMAL_TASK_POLICY if force else CORE_TASK_POLICY
