"""The times of a run, as they are stored and as they are estimated to be by now."""

from datetime import datetime, timedelta
from typing import Final

from headgate import v1 as pb
from headgate_server.model.flow_runs import FlowRun
from headgate_server.model.states import StateType
from headgate_server.model.task_runs import TaskRun
from headgate_server.rpc.convert.times import write_span, write_time

_NO_TIME: Final = timedelta()


def write_run_times(
    run: FlowRun | TaskRun, message: pb.FlowRun | pb.TaskRun, now: datetime
) -> None:
    """Write when a run is to start, when it started and ended, how long it took and how late it is.

    Args:
        run: The run.
        message: Where to write it.
        now: The time for which the estimates are made.
    """
    if run.expected_start_time is not None:
        write_time(run.expected_start_time, message.expected_start_time)
    if run.next_scheduled_start_time is not None:
        write_time(run.next_scheduled_start_time, message.next_scheduled_start_time)
    if run.start_time is not None:
        write_time(run.start_time, message.start_time)
    if run.end_time is not None:
        write_time(run.end_time, message.end_time)
    write_span(run.total_run_time, message.total_run_time)
    write_span(estimated_run_time(run, now), message.estimated_run_time)
    write_span(_lateness(run, now), message.estimated_start_time_delta)


def estimated_run_time(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    """Return the time that a run has spent in RUNNING so far."""
    state = run.state
    if state is None or state.type is not StateType.RUNNING:
        return run.total_run_time
    return run.total_run_time + max(now - state.timestamp, _NO_TIME)


def _lateness(run: FlowRun | TaskRun, now: datetime) -> timedelta:
    """Return how late a run started, or is by now. A run that ended without a start is not late."""
    expected, started, state = run.expected_start_time, run.start_time, run.state
    if expected is None or (started is None and state is not None and state.is_terminal):
        return _NO_TIME
    return max((now if started is None else started) - expected, _NO_TIME)
