"""Histories and lateness: requests read, answers written."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from headgate import v1 as pb
from headgate_server.model.filters import RunQuery
from headgate_server.model.history import HistoryInterval, HistorySpan
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.states import STATE_TYPE_NUMBERS
from headgate_server.rpc.convert.times import (
    EARLIEST,
    SpanRange,
    read_span,
    read_time,
    write_span,
    write_time,
)

Request: TypeAlias = pb.GetFlowRunHistoryRequest | pb.GetTaskRunHistoryRequest
Response: TypeAlias = pb.GetFlowRunHistoryResponse | pb.GetTaskRunHistoryResponse

_SECOND: Final = timedelta(seconds=1)
_INTERVAL: Final = SpanRange(
    timedelta.min, timedelta(days=3650), "must not be longer than 3650 days"
)


def read_history(request: Request, limits: Limits) -> tuple[RunQuery, HistorySpan]:
    """Read which runs a history is of, and of which time it tells.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    span = HistorySpan(
        start=_read_time(request, "start_time", request.start_time, checks),
        end=_read_time(request, "end_time", request.end_time, checks),
        interval=_read_interval(request, checks),
    )
    return checks.passed((read_run_query(request, checks), span))


def _read_time(request: Request, field: str, message: Timestamp, checks: Checks) -> datetime:
    if not request.HasField(field):  # type: ignore[arg-type]  # one of two
        checks.wrong(field, "is required")
        return EARLIEST
    return read_time(message, field, checks)


def _read_interval(request: Request, checks: Checks) -> timedelta:
    if not request.HasField("interval"):
        checks.wrong("interval", "is required")
        return _SECOND
    interval = read_span(request.interval, "interval", checks, _INTERVAL)
    if interval < _SECOND:
        checks.wrong("interval", "History interval must not be less than 1 second.")
    return interval


def write_history(history: Iterable[HistoryInterval], response: Response) -> None:
    """Write a history."""
    for interval in history:
        message = response.intervals.add()
        write_time(interval.start, message.start_time)
        write_time(interval.end, message.end_time)
        for state in interval.states:
            counted = message.states.add(count_runs=state.count)
            if state.state_type is not None:
                counted.state_type = STATE_TYPE_NUMBERS[state.state_type]
            if state.state_name is not None:
                counted.state_name = state.state_name
            write_span(state.run_time, counted.sum_estimated_run_time)
            write_span(state.lateness, counted.sum_estimated_lateness)


def read_lateness(request: pb.GetFlowRunLatenessRequest, limits: Limits) -> RunQuery:
    """Read of which runs the lateness is asked for.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(read_run_query(request, checks))


def answer_lateness(lateness: timedelta | None) -> pb.GetFlowRunLatenessResponse:
    """Answer with the mean lateness of runs, if there are any."""
    response = pb.GetFlowRunLatenessResponse()
    if lateness is not None:
        write_span(lateness, response.average_lateness)
        response.average_lateness.SetInParent()
    return response
