"""Rules for flow runs, in the order in which the core policy asks them.

A rule judges a draft; a memory notes on the written run what later rules will ask for. Neither
knows when it is called: which rule is asked about which transition stands in the policies.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun, RetryType
from headgate_server.model.states import (
    LATE_NAME,
    RESUMING_NAME,
    SUSPENDED_NAME,
    TERMINAL,
    ProposedState,
    State,
    StateType,
)
from headgate_server.orchestration.draft import FlowDraft
from headgate_server.orchestration.results import is_persisted
from headgate_server.orchestration.run_rules import NEVER_FOLLOWS_AN_END, RETRYING, next_attempt

ALREADY_TERMINAL: Final = "Run is already in terminal state {type}."
ALREADY_COMPLETED: Final = "Run is already COMPLETED."
NO_RESCHEDULE_WITHOUT_DEPLOYMENT: Final = (
    "Cannot reschedule a run without an associated deployment."
)


def leave_terminal_states_with_care(draft: FlowDraft) -> FlowDraft:
    """Start an ended run anew only if no result is lost and somebody can run it."""
    initial, proposed_type = draft.initial, draft.proposed.type
    if proposed_type in NEVER_FOLLOWS_AN_END:
        return draft.abort(ALREADY_TERMINAL.format(type=initial.type))
    if proposed_type in TERMINAL:
        return draft
    if initial.type is StateType.COMPLETED and is_persisted(initial.data_json):
        return draft.refuse(ALREADY_COMPLETED)
    is_rescheduled = proposed_type is StateType.SCHEDULED
    if is_rescheduled and draft.run.deployment_id is None:
        return draft.abort(NO_RESCHEDULE_WITHOUT_DEPLOYMENT)
    return draft.amend(
        policy=replace(
            draft.amended.policy,
            pause_keys=frozenset(),
            retry_type=RetryType.RESCHEDULE if is_rescheduled else None,
        )
    )


ONLY_CANCELLED_FOLLOWS: Final = (
    "Cannot transition flows that are cancelling to a state other than Cancelled."
)


def let_cancelling_end_in_cancelled(draft: FlowDraft) -> FlowDraft:
    """Let nothing but CANCELLED follow once a run is being cancelled."""
    return draft.refuse(ONLY_CANCELLED_FOLLOWS)


SCHEDULED_HAS_NO_INFRASTRUCTURE: Final = "Scheduled flow run has no infrastructure to terminate."
SUSPENDED_HAS_NO_INFRASTRUCTURE: Final = "Suspended flow run has no infrastructure to terminate."


def cancel_at_once_without_infrastructure(draft: FlowDraft) -> FlowDraft:
    """Cancel a run at once when no process is there that would have to be stopped first."""
    initial = draft.initial
    cancelled = ProposedState(type=StateType.CANCELLED)
    if initial.type is StateType.PAUSED:
        if initial.details.pause_reschedule:
            return draft.reject(SUSPENDED_HAS_NO_INFRASTRUCTURE, instead=cancelled)
    elif not draft.run.infrastructure_pid or initial.name == RESUMING_NAME:
        # A resuming run still bears the id of the process that ended when it was suspended.
        return draft.reject(SCHEDULED_HAS_NO_INFRASTRUCTURE, instead=cancelled)
    return draft


TAKEN_ALREADY: Final = "This run is in a {type} state and cannot transition to a PENDING state."


def refuse_pending_once_taken(draft: FlowDraft) -> FlowDraft:
    """Give a run to one taker only."""
    return draft.abort(TAKEN_ALREADY.format(type=draft.initial.type))


ONLY_SCHEDULED_IS_LATE: Final = "Only scheduled flows can be marked late."


def mark_only_scheduled_runs_late(draft: FlowDraft) -> FlowDraft:
    """Call a run late only while it waits for its start."""
    state = draft.run.state
    is_scheduled = state is not None and state.type is StateType.SCHEDULED
    if draft.proposed_name == LATE_NAME and not is_scheduled:
        return draft.refuse(ONLY_SCHEDULED_IS_LATE)
    return draft


NO_PAUSE_WITHOUT_STATE: Final = "Cannot {verb} flows with no state."
NO_PAUSE_UNLESS_RUNNING: Final = "Cannot {verb} flows that are not currently running."
PAUSE_HAS_FIRED: Final = "This {verb} has already fired."
NO_PAUSE_OF_SUBFLOWS: Final = "Cannot {verb} subflows."
NO_PAUSE_WITHOUT_DEPLOYMENT: Final = "Cannot {verb} flows without a deployment."


def pause_only_what_runs(draft: FlowDraft) -> FlowDraft:
    """Pause a running flow once for each pause key, and suspend it only if it can come back.

    A pause without a key is given the id of its state as key, so every pause has one to show.
    """
    run, details = draft.run, draft.proposed.details
    verb = "suspend" if draft.proposed_name == SUSPENDED_NAME else "pause"
    if run.state is None:
        return draft.abort(NO_PAUSE_WITHOUT_STATE.format(verb=verb))
    if run.state.type is not StateType.RUNNING:
        return draft.refuse(NO_PAUSE_UNLESS_RUNNING.format(verb=verb))
    if details.pause_key in run.policy.pause_keys:
        return draft.refuse(PAUSE_HAS_FIRED.format(verb=verb))
    if details.pause_reschedule and run.parent_task_run_id is not None:
        return draft.abort(NO_PAUSE_OF_SUBFLOWS.format(verb=verb))
    if details.pause_reschedule and run.deployment_id is None:
        return draft.abort(NO_PAUSE_WITHOUT_DEPLOYMENT.format(verb=verb))
    return _with_a_pause_key(draft)


def _with_a_pause_key(draft: FlowDraft) -> FlowDraft:
    details = draft.proposed.details
    if details.pause_key is not None:
        return draft
    details = replace(details, pause_key=draft.state_id)
    return draft.revise(replace(draft.proposed, details=details))


def remember_the_pause(run: FlowRun, written: State) -> FlowRun:
    """Note the key of the pause, so that it does not fire again in this attempt."""
    key = written.details.pause_key
    if key is None:
        return run
    pause_keys = run.policy.pause_keys | {key}
    return replace(run, policy=replace(run.policy, pause_keys=pause_keys))


CANNOT_RESUME_AS: Final = (
    "This run cannot transition to the {proposed} state from the {initial} state."
)
NO_RESUME_WITHOUT_DEPLOYMENT: Final = "Cannot reschedule a {name} flow run without a deployment."
PAUSE_TIMED_OUT: Final = "The flow run pause has timed out and can no longer resume."
SUSPENSION_TIMED_OUT: Final = "The flow run suspend has timed out and can no longer resume."
PAUSE_NEVER_RESUMED: Final = "The flow was paused and never resumed."
SUSPENSION_NEVER_RESUMED: Final = "The flow was suspended and never resumed."
_RESUMES: Final = frozenset({StateType.SCHEDULED, StateType.RUNNING})
_ENDS: Final = TERMINAL | {StateType.CANCELLING}


def resume_what_is_paused(draft: FlowDraft) -> FlowDraft:
    """Let a paused run be resumed in time, ended or cancelled, and nothing else."""
    initial, proposed_type = draft.initial, draft.proposed.type
    is_suspended = initial.details.pause_reschedule
    if proposed_type in _ENDS:
        return draft
    if proposed_type not in _RESUMES:
        return draft.refuse(CANNOT_RESUME_AS.format(proposed=proposed_type, initial=initial.type))
    if is_suspended and draft.run.deployment_id is None:
        name = draft.proposed_name.lower()
        return draft.refuse(NO_RESUME_WITHOUT_DEPLOYMENT.format(name=name))
    if has_pause_expired(initial, draft.now):
        reason = SUSPENSION_TIMED_OUT if is_suspended else PAUSE_TIMED_OUT
        return draft.reject(reason, instead=end_of_expired_pause(initial))
    return draft


def remember_the_resume(run: FlowRun, _written: State) -> FlowRun:
    """Note that the run comes out of a pause: its way back to RUNNING is no new attempt."""
    return replace(run, policy=replace(run.policy, resuming=True))


def has_pause_expired(paused: State, now: datetime) -> bool:
    """Tell whether the time in which a paused run can be resumed is over."""
    expire_time = paused.details.pause_expire_time
    return expire_time is not None and expire_time < now


def end_of_expired_pause(paused: State) -> ProposedState:
    """Return the state in which a pause ends that nobody answered in time."""
    is_suspended = paused.details.pause_reschedule
    return ProposedState(
        type=StateType.FAILED,
        message=SUSPENSION_NEVER_RESUMED if is_suspended else PAUSE_NEVER_RESUMED,
    )


def retry_a_failed_flow(draft: FlowDraft) -> FlowDraft:
    """Answer a failure with another attempt while the run has retries left."""
    run, failed, policy = draft.run, draft.proposed, draft.run.policy
    if policy.retries is None or run.run_count > policy.retries:
        return draft
    due = draft.now + (policy.retry_delay or timedelta())
    return draft.reject(RETRYING, instead=next_attempt(failed, due)).amend(
        policy=replace(policy, pause_keys=frozenset(), retry_type=RetryType.IN_PROCESS)
    )
