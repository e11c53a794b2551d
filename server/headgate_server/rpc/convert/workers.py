"""Workers and what they ask for: requests read, workers and due runs written."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from headgate import v1 as pb
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.work_commands import Heartbeat, Poll, WatchDue, WorkerFilter
from headgate_server.model.work_pools import DueNotice, DueRun, Worker, WorkerStatus
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_worker_filter
from headgate_server.rpc.convert.flow_runs import IS_FULL_IN_LISTS, write_flow_run
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import (
    DELAY,
    PROGRESS_INTERVAL,
    TIME_TO_LIVE,
    read_span,
    read_time,
    write_span,
    write_time,
)

_STATUS_NUMBERS: Final[Mapping[WorkerStatus, pb.WorkerStatus.ValueType]] = {
    each: pb.WorkerStatus.Value(f"WORKER_STATUS_{each}") for each in WorkerStatus
}
_LIMIT_DEFAULT: Final = Poll(work_pool_name="").limit


def read_heartbeat(request: pb.HeartbeatWorkerRequest, limits: Limits) -> Heartbeat:
    """Read which worker is there.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    interval = None
    if request.HasField("heartbeat_interval"):
        interval = read_span(request.heartbeat_interval, "heartbeat_interval", checks, TIME_TO_LIVE)
    return checks.passed(
        Heartbeat(
            work_pool_name=checks.required_text(request.work_pool_name, "work_pool_name"),
            name=checks.required_text(request.name, "name"),
            interval=interval,
        )
    )


def read_list_workers(
    request: pb.ListWorkersRequest, limits: Limits
) -> tuple[str, WorkerFilter, PageRequest]:
    """Read which workers to list, of which work pool, and which page.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    pool_name = checks.required_text(request.work_pool_name, "work_pool_name")
    matching = read_worker_filter(request.workers, "workers", checks)
    page = read_page(request.page_size, request.page_token, checks, offset=request.offset)
    return checks.passed((pool_name, matching, page))


def read_poll(request: pb.PollFlowRunsRequest, limits: Limits) -> Poll:
    """Read which runs a worker asks for.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    before = after = None
    if request.HasField("scheduled_before"):
        before = read_time(request.scheduled_before, "scheduled_before", checks)
    if request.HasField("scheduled_after"):
        after = read_time(request.scheduled_after, "scheduled_after", checks)
    return checks.passed(
        Poll(
            work_pool_name=checks.required_text(request.work_pool_name, "work_pool_name"),
            work_queue_names=checks.texts(request.work_queue_names, "work_queue_names"),
            scheduled_before=before,
            scheduled_after=after,
            limit=min(checks.count(request.limit, "limit") or _LIMIT_DEFAULT, limits.page_size),
            is_full=checks.choice(request.view, IS_FULL_IN_LISTS, "view"),
        )
    )


def read_watch_due(request: pb.WatchDueFlowRunsRequest, limits: Limits) -> WatchDue:
    """Read which runs a worker waits for.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    spans: dict[str, timedelta] = {}
    if request.HasField("prefetch"):
        spans["prefetch"] = read_span(request.prefetch, "prefetch", checks, DELAY)
    if request.HasField("progress_interval"):
        spans["progress_interval"] = read_span(
            request.progress_interval, "progress_interval", checks, PROGRESS_INTERVAL
        )
    return checks.passed(
        WatchDue(
            work_pool_name=checks.required_text(request.work_pool_name, "work_pool_name"),
            work_queue_names=checks.texts(request.work_queue_names, "work_queue_names"),
            is_full=checks.choice(request.view, IS_FULL_IN_LISTS, "view"),
            **spans,
        )
    )


def write_worker(worker: Worker, message: pb.Worker) -> None:
    """Write a worker."""
    message.id = worker.id
    message.work_pool_id = worker.work_pool_id
    message.name = worker.name
    write_time(worker.create_time, message.create_time)
    write_time(worker.last_heartbeat_time, message.last_heartbeat_time)
    if worker.heartbeat_interval is not None:
        write_span(worker.heartbeat_interval, message.heartbeat_interval)
    message.status = _STATUS_NUMBERS[worker.status]


def write_worker_page(page: Page[Worker], message: pb.ListWorkersResponse) -> None:
    """Write a page of workers."""
    for worker in page.items:
        write_worker(worker, message.workers.add())
    message.next_page_token = page.next_token


def write_due_run(due: DueRun, message: pb.DueFlowRun, now: datetime) -> None:
    """Write a run that a worker may start; estimates are made for `now`."""
    message.work_pool_id = due.work_pool_id
    message.work_queue_id = due.work_queue_id
    write_flow_run(due.run, message.flow_run, now)


def encode_due_notice(notice: DueNotice) -> bytes:
    """Return the bytes of what a worker that waits is told."""
    message = pb.WatchDueFlowRunsResponse()
    write_time(notice.time, message.send_time)
    if notice.due is not None:
        write_due_run(notice.due, message.due, notice.time)
    else:
        message.progress.SetInParent()
        if notice.next_time is not None:
            write_time(notice.next_time, message.progress.next_send_time)
    return message.SerializeToString()
