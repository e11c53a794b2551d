"""Bookkeeping: what a written state changes on its run, whatever the policy that let it pass."""

from datetime import timedelta
from typing import Any, Final

from msgspec.structs import replace

from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy
from headgate_server.model.states import TERMINAL, State, StateDetails, StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.orchestration.draft import Draft, FlowDraft, R, TaskDraft
from headgate_server.orchestration.results import kept

TICK: Final = timedelta(microseconds=1)
"""The least that lies between two states of a run."""

HOLDS_SLOTS: Final = frozenset({StateType.RUNNING, StateType.CANCELLING})
"""In which states a task run may hold slots; once written any other, it gives back what it has."""

_SETTLED: Final = TERMINAL | {StateType.RUNNING}
"""Where a run has arrived that somebody resumed: what follows is no longer the resumption."""


def write_down(draft: Draft[Any], *, task_run_id: str | None) -> State:
    """Return the state that a draft becomes: dated after its predecessor, numbered, complete.

    Args:
        draft: What is to be written.
        task_run_id: The task run that the state is of, or that stands for its flow run.
    """
    run, proposed = draft.run, draft.proposed
    timestamp = draft.now
    if run.state is not None and run.state.timestamp >= timestamp:
        timestamp = run.state.timestamp + TICK
    return State(
        id=draft.state_id,
        type=proposed.type,
        name=draft.proposed_name,
        timestamp=timestamp,
        version=run.version + 1,
        message=proposed.message,
        data_json=kept(proposed.data_json),
        details=_complete_details(draft, task_run_id),
    )


def _complete_details(draft: Draft[Any], task_run_id: str | None) -> StateDetails:
    details = draft.proposed.details
    scheduled_time = details.scheduled_time
    if scheduled_time is None and draft.proposed.type is StateType.SCHEDULED:
        scheduled_time = draft.now
    if task_run_id == details.task_run_id and scheduled_time is details.scheduled_time:
        return details
    return replace(details, task_run_id=task_run_id, scheduled_time=scheduled_time)


def keep_the_books(draft: FlowDraft, written: State) -> FlowRun:
    """Return the flow run with the written state as its own, its times and counts up to date.

    `run_count` counts the RUNNING states that do not continue a paused run.
    """
    is_counted = written.type is StateType.RUNNING and not _is_resumption(draft)
    return replace(
        _with_state(draft, written),
        policy=_policy_after(draft, written),
        run_count=draft.run.run_count + is_counted,
    )


def keep_the_books_of_task(draft: TaskDraft, written: State) -> TaskRun:
    """Return the task run with the written state as its own, its times and counts up to date.

    `run_count` counts the RUNNING states since the task run last left a terminal state.
    """
    is_counted = written.type is StateType.RUNNING
    return replace(_with_state(draft, written), run_count=draft.amended.run_count + is_counted)


def _with_state(draft: Draft[R], written: State) -> R:
    """Return a run with its new state and with what that says of its times.

    `start_time` and `expected_start_time` are set once and never move. `end_time` stands exactly
    while a run that has started is in a terminal state, and keeps the time of the first one.
    `total_run_time` grows when a RUNNING state ends.
    """
    run, initial = draft.amended, draft.run.state
    scheduled_time = written.details.scheduled_time if written.type is StateType.SCHEDULED else None
    start_time, end_time = run.start_time, None
    if written.type is StateType.RUNNING and start_time is None:
        start_time = written.timestamp
    if written.type in TERMINAL and start_time is not None:
        end_time = run.end_time or written.timestamp
    total_run_time = run.total_run_time
    if initial is not None and initial.type is StateType.RUNNING:
        total_run_time += written.timestamp - initial.timestamp
    return replace(
        run,
        version=written.version,
        state=written,
        update_time=draft.now,
        expected_start_time=run.expected_start_time or scheduled_time or written.timestamp,
        next_scheduled_start_time=scheduled_time,
        start_time=start_time,
        end_time=end_time,
        total_run_time=total_run_time,
    )


def _is_resumption(draft: FlowDraft) -> bool:
    initial = draft.run.state
    if initial is None:
        return False
    is_on_its_way = draft.amended.policy.resuming and initial.type not in _SETTLED
    return initial.type is StateType.PAUSED or is_on_its_way


def _policy_after(draft: FlowDraft, written: State) -> FlowRunPolicy:
    policy, initial = draft.amended.policy, draft.run.state
    if not policy.resuming:
        return policy
    if written.type in _SETTLED or (initial is not None and initial.type in _SETTLED):
        return replace(policy, resuming=False)
    return policy
