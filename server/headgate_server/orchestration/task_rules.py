"""Rules for task runs, in the order in which the core policy asks them.

A rule judges a draft. It does not know when it is called: which rule is asked about which
transition stands in the policies.
"""

import math
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from headgate_server.model.states import (
    AWAITING_RETRY_NAME,
    CACHED_NAME,
    NOT_READY_NAME,
    RERUNNING_NAME,
    RETRYING_NAME,
    TERMINAL,
    ProposedState,
    State,
    StateDetails,
    StateType,
)
from headgate_server.model.task_runs import TaskRunPolicy
from headgate_server.orchestration.draft import TaskDraft
from headgate_server.orchestration.results import is_persisted
from headgate_server.orchestration.run_rules import (
    NEVER_FOLLOWS_AN_END,
    RETRYING,
    next_attempt,
    rounded_seconds,
)

FROM_CACHE: Final = "Retrieved state from cache"


def take_over_a_kept_result(draft: TaskDraft) -> TaskDraft:
    """Answer with the result of another task run that had the same to do."""
    cached = draft.facts.cached
    if cached is None or not asks_the_cache(draft.proposed):
        return draft
    taken_over = ProposedState(
        type=cached.type,
        name=CACHED_NAME,
        message=cached.message,
        data_json=cached.data_json,
        details=replace(cached.details, transition_id=None),
    )
    return draft.reject(FROM_CACHE, instead=taken_over)


def asks_the_cache(proposed: ProposedState) -> bool:
    """Tell whether a kept result may answer a proposal."""
    is_start = proposed.type is StateType.RUNNING
    return is_start and bool(proposed.details.cache_key) and not proposed.details.refresh_cache


ALREADY_TERMINAL: Final = "Run is already {type}."
ALREADY_COMPLETED: Final = "This run is already completed."


def leave_an_ended_task_with_care(draft: TaskDraft) -> TaskDraft:
    """Start an ended task run anew only if no result is lost; its retries then start over.

    One that is started again because its whole flow run is, is said to be retrying.
    """
    initial, proposed = draft.initial, draft.proposed
    if proposed.type in NEVER_FOLLOWS_AN_END:
        return draft.abort(ALREADY_TERMINAL.format(type=initial.type))
    if initial.type is StateType.COMPLETED and is_persisted(initial.data_json):
        return draft.refuse(ALREADY_COMPLETED)
    if proposed.type in TERMINAL:
        return draft
    draft = draft.amend(run_count=0)
    flow_run = draft.facts.flow_run
    is_start = proposed.type is StateType.RUNNING
    if is_start and flow_run and draft.run.flow_run_run_count < flow_run.run_count:
        return draft.revise(replace(proposed, name=RETRYING_NAME))
    return draft


FLOW_RUN_MUST_RUN: Final = "The enclosing flow must be running to begin task execution."
FLOW_RUN_IS_PAUSED: Final = (
    "The flow is paused, new tasks can execute after resuming flow run: {id}."
)


def start_only_while_the_flow_runs(draft: TaskDraft) -> TaskDraft:
    """Start a task run only in a running flow run, and put it off while that is paused."""
    flow_run = draft.facts.flow_run
    if flow_run is None:
        return draft
    state = flow_run.state
    if state is not None and state.type is StateType.RUNNING:
        return draft
    if state is None or state.type is not StateType.PAUSED:
        return draft.abort(FLOW_RUN_MUST_RUN)
    reason = FLOW_RUN_IS_PAUSED.format(id=flow_run.id)
    return draft.reject(reason, instead=_not_ready(state))


def _not_ready(flow_run_state: State) -> ProposedState:
    paused = flow_run_state.details
    return ProposedState(
        type=StateType.PAUSED,
        name=NOT_READY_NAME,
        details=StateDetails(
            pause_expire_time=paused.pause_expire_time, pause_reschedule=paused.pause_reschedule
        ),
    )


LIMIT_IS_ZERO: Final = (
    'The concurrency limit on tag "{tag}" is 0 and will deadlock if the task tries to run again.'
)
LIMIT_IS_REACHED: Final = "Concurrency limit for the {tag} tag has been reached"


def start_only_with_a_slot_of_each_limit(draft: TaskDraft) -> TaskDraft:
    """Start a task run only if every limit on its tags has a slot for it, and say it takes them.

    A slot that the task run holds already is its own, and none of those that are taken.
    """
    for limit in draft.facts.limits:
        if limit.slots == 0:
            return draft.abort(LIMIT_IS_ZERO.format(tag=limit.tag))
        if limit.held_by_others >= limit.slots:
            seconds = rounded_seconds(draft.facts.slot_wait)
            return draft.wait(seconds, LIMIT_IS_REACHED.format(tag=limit.tag))
    return replace(draft, takes_slots=True)


def retry_a_failed_task(draft: TaskDraft) -> TaskDraft:
    """Answer a failure with another attempt while the task run has retries left."""
    run, failed, policy = draft.run, draft.proposed, draft.run.policy
    if failed.details.retriable is False:
        return draft
    if policy.retries is None or run.run_count > policy.retries:
        return draft
    delay = retry_delay(policy, run.run_count, draft.facts.chance)
    return draft.reject(RETRYING, instead=next_attempt(failed, draft.now + delay))


def retry_delay(policy: TaskRunPolicy, run_count: int, chance: float) -> timedelta:
    """Return how long to wait after so many attempts, spread as far as the policy says.

    Args:
        policy: The delays, of which the last serves all further attempts, and the jitter.
        run_count: Which attempt has failed, 1 for the first.
        chance: Where in the spread the delay falls, from 0 for its least up to 1 for its most.
    """
    delays = policy.retry_delays
    if not delays:
        return timedelta()
    delay = delays[min(max(run_count - 1, 0), len(delays) - 1)]
    factor = policy.retry_jitter_factor
    return delay * jittered(factor, chance) if factor else delay


def jittered(factor: float, chance: float) -> float:
    """Return what to multiply a delay with, so that delays spread but are about what was said.

    The multiples are distributed exponentially with a mean of 1, cut off above at 1 + `factor` and
    below so that the mean stays about 1.

    Args:
        factor: How far the delay may exceed what was said; positive.
        chance: Where in the distribution the multiple lies, from 0 for its least up to 1.
    """
    most = 1 + factor
    least = -math.log2(1 - 2**-most)
    # How many of all multiples are greater than the two bounds, and than the one that is drawn.
    above_least, above_most = math.exp(-least), math.exp(-most)
    return -math.log(above_least - chance * (above_least - above_most))


def name_what_runs_again(draft: TaskDraft) -> TaskDraft:
    """Call a task run that runs again Retrying after a failure, else Rerunning."""
    if not draft.amended.run_count:
        return draft
    initial = draft.run.state
    is_retry = initial is not None and initial.name == AWAITING_RETRY_NAME
    name = RETRYING_NAME if is_retry else RERUNNING_NAME
    return draft.revise(replace(draft.proposed, name=name))


def note_the_attempt_of_the_flow(draft: TaskDraft) -> TaskDraft:
    """Note in which attempt of its flow run a task run has started."""
    flow_run = draft.facts.flow_run
    return draft if flow_run is None else draft.amend(flow_run_run_count=flow_run.run_count)


def keep_the_result_for_others(draft: TaskDraft) -> TaskDraft:
    """Keep a result under the name that it was given, for task runs that have the same to do."""
    is_shared = bool(draft.proposed.details.cache_key)
    return replace(draft, shares_result=True) if is_shared else draft
