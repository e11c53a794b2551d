"""Watching and waiting: requests read."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from headgate import v1 as pb
from headgate_server.model.filters import RunQuery
from headgate_server.model.server_info import Limits
from headgate_server.model.watch_commands import (
    WaitMode,
    WatchInputs,
    WatchRuns,
    WatchTaskRuns,
)
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.times import PROGRESS_INTERVAL, TIMEOUT, read_span

WAIT_MODES: Final[Mapping[int, WaitMode]] = {
    pb.WAIT_MODE_UNSPECIFIED: WaitMode.ALL,
    pb.WAIT_MODE_ALL: WaitMode.ALL,
    pb.WAIT_MODE_ANY: WaitMode.ANY,
}
"""What the numbers on the wire mean."""
WATCH_ENDS: Final[Mapping[int, WaitMode | None]] = {
    pb.WATCH_UNTIL_UNSPECIFIED: None,
    pb.WATCH_UNTIL_ALL_TERMINAL: WaitMode.ALL,
    pb.WATCH_UNTIL_ANY_TERMINAL: WaitMode.ANY,
}
"""What the numbers on the wire mean."""

FILTERS: Final = frozenset(RunQuery.__struct_fields__)
"""The fields of a request that are filters, all named alike."""

_PROGRESS_INTERVAL_DEFAULT: Final = WatchRuns().progress_interval
_MARGIN_MAX: Final = timedelta(milliseconds=500)
_MARGIN_MIN: Final = timedelta(milliseconds=20)
_DAY_SECONDS: Final = 86400  # a deadline may be infinitely far


def read_wait(
    request: pb.WaitFlowRunsRequest, limits: Limits, remaining_seconds: float | None
) -> tuple[tuple[str, ...], WaitMode, timedelta]:
    """Read which runs to wait for, what must have become of them, and how long.

    Args:
        request: The request.
        limits: The limits in force.
        remaining_seconds: The time until the deadline of the call. None if it has none.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    if not request.flow_run_ids:
        checks.wrong("flow_run_ids", "is required, and must have at least one member")
    timeout = limits.wait
    if request.HasField("timeout"):
        timeout = min(timeout, read_span(request.timeout, "timeout", checks, TIMEOUT))
    return checks.passed(
        (
            checks.ids(request.flow_run_ids, "flow_run_ids"),
            checks.choice(request.mode, WAIT_MODES, "mode"),
            _before_the_deadline(timeout, limits.call, remaining_seconds),
        )
    )


def _before_the_deadline(
    timeout: timedelta, call_limit: timedelta, remaining_seconds: float | None
) -> timedelta:
    """Shorten a timeout so that the answer arrives before the call is ended by its deadline or by the server."""
    remaining = call_limit
    if remaining_seconds is not None:
        remaining = min(remaining, timedelta(seconds=min(remaining_seconds, _DAY_SECONDS)))
    margin = max(_MARGIN_MIN, min(_MARGIN_MAX, remaining / 10))
    return min(timeout, max(remaining - margin, timedelta()))


def read_watch_flow_runs(request: pb.WatchFlowRunsRequest, limits: Limits) -> WatchRuns:
    """Read which runs to watch, and how.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    if request.flow_run_ids:
        _exclude_filters(request, checks, "flow_run_ids")
    return checks.passed(
        WatchRuns(
            flow_run_ids=checks.ids(request.flow_run_ids, "flow_run_ids"),
            query=read_run_query(request, checks),
            resume_token=request.resume_token,
            send_initial_state=request.send_initial_state,
            until=_read_until(request, checks, "flow_run_ids"),
            progress_interval=_read_progress_interval(request, checks),
            latest_only=request.latest_only,
        )
    )


def read_watch_task_runs(request: pb.WatchTaskRunsRequest, limits: Limits) -> WatchTaskRuns:
    """Read which task runs to watch, and how.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    if request.task_run_ids:
        _exclude_filters(request, checks, "task_run_ids")
        if request.flow_run_ids:
            checks.wrong("flow_run_ids", "must not be given together with task_run_ids")
    elif request.flow_run_ids:
        _exclude_filters(request, checks, "flow_run_ids")
    return checks.passed(
        WatchTaskRuns(
            flow_run_ids=checks.ids(request.flow_run_ids, "flow_run_ids"),
            task_run_ids=checks.ids(request.task_run_ids, "task_run_ids"),
            query=read_run_query(request, checks),
            resume_token=request.resume_token,
            send_initial_state=request.send_initial_state,
            until=_read_until(request, checks, "task_run_ids"),
            progress_interval=_read_progress_interval(request, checks),
            latest_only=request.latest_only,
        )
    )


def read_watch_inputs(request: pb.WatchFlowRunInputsRequest, limits: Limits) -> WatchInputs:
    """Read the inputs of which run to watch, and how.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        WatchInputs(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            key_prefix=checks.text(request.key_prefix, "key_prefix"),
            resume_token=request.resume_token,
            send_initial_state=request.send_initial_state,
            progress_interval=_read_progress_interval(request, checks),
        )
    )


_RunWatch: TypeAlias = pb.WatchFlowRunsRequest | pb.WatchTaskRunsRequest
_Watch: TypeAlias = _RunWatch | pb.WatchFlowRunInputsRequest


def _exclude_filters(request: _RunWatch, checks: Checks, ids: str) -> None:
    for member, _ in request.ListFields():
        if member.name in FILTERS:
            checks.wrong(member.name, f"must not be given together with {ids}")


def _read_until(request: _RunWatch, checks: Checks, ids: str) -> WaitMode | None:
    until = checks.choice(request.until, WATCH_ENDS, "until")
    if until is not None and not getattr(request, ids):
        checks.wrong("until", f"needs {ids}")
    return until


def _read_progress_interval(request: _Watch, checks: Checks) -> timedelta:
    if not request.HasField("progress_interval"):
        return _PROGRESS_INTERVAL_DEFAULT
    return read_span(request.progress_interval, "progress_interval", checks, PROGRESS_INTERVAL)
