"""Estimates: what the time says of a run besides what is stored."""

from datetime import datetime, timedelta
from typing import Final

from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskRun

_NO_TIME: Final = timedelta()


def estimated_run_time(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    """Return the time that a run has spent in RUNNING so far."""
    state = run.state
    if state is None or state.type is not StateType.RUNNING:
        return run.total_run_time
    return run.total_run_time + max(now - state.timestamp, _NO_TIME)


def lateness(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    """Return how late a run started, or is by now. A run that ended without a start is not late."""
    expected, started, state = run.expected_start_time, run.start_time, run.state
    if expected is None or (started is None and state is not None and state.is_terminal):
        return _NO_TIME
    return max((now if started is None else started) - expected, _NO_TIME)
