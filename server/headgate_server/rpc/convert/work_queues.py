"""Work queues: requests read, queues and their health written."""

from typing import Any

from headgate import v1 as pb
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.work_commands import (
    CreateWorkQueue,
    DeleteWorkQueue,
    QueueKey,
    UpdateWorkQueue,
    WorkQueueField,
)
from headgate_server.model.work_pools import (
    MAXIMUM_LATE_RUNS,
    MAXIMUM_TIME_SINCE_LAST_POLLED,
    WorkQueue,
    WorkQueueHealth,
)
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_span, write_time
from headgate_server.rpc.convert.work_pools import (
    STATUS_NUMBERS,
    read_concurrency_limit,
    read_new_name,
)


def read_create_work_queue(request: pb.CreateWorkQueueRequest, limits: Limits) -> CreateWorkQueue:
    """Read what queue to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    has_priority = request.HasField("priority")
    return checks.passed(
        CreateWorkQueue(
            work_pool_name=checks.required_text(request.work_pool_name, "work_pool_name"),
            name=read_new_name(request.name, "name", checks),
            description=checks.message(request.description, "description"),
            is_paused=request.paused,
            concurrency_limit=read_concurrency_limit(request, checks),
            priority=_read_priority(request.priority, checks) if has_priority else None,
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_queue_key(
    request: pb.GetWorkQueueRequest | pb.GetWorkQueueStatusRequest, limits: Limits
) -> QueueKey:
    """Read which queue is asked for.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(_read_key(request.work_queue, checks))


def read_list_work_queues(
    request: pb.ListWorkQueuesRequest, limits: Limits
) -> tuple[str | None, RunQuery, PageRequest]:
    """Read which queues to list, of which work pool, and which page.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    pool_name = checks.text(request.work_pool_name, "work_pool_name") or None
    query = read_run_query(request, checks)
    page = read_page(request.page_size, request.page_token, checks, offset=request.offset)
    return checks.passed((pool_name, query, page))


def read_update_work_queue(request: pb.UpdateWorkQueueRequest, limits: Limits) -> UpdateWorkQueue:
    """Read what to change of a queue. Only the fields that the mask names are looked at.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    named = checks.mask(request.update_mask.paths, tuple(WorkQueueField), "update_mask")
    values: dict[str, Any] = {}
    if WorkQueueField.NAME in named:
        values["name"] = read_new_name(request.name, "name", checks)
    if WorkQueueField.DESCRIPTION in named:
        values["description"] = checks.message(request.description, "description")
    if WorkQueueField.CONCURRENCY_LIMIT in named:
        values["concurrency_limit"] = read_concurrency_limit(request, checks)
    if WorkQueueField.PRIORITY in named:
        values["priority"] = _read_priority(request.priority, checks)
    return checks.passed(
        UpdateWorkQueue(
            key=_read_key(request.work_queue, checks),
            fields=frozenset(each for each in WorkQueueField if each in named),
            is_paused=request.paused,
            **values,
        )
    )


def read_delete_work_queue(request: pb.DeleteWorkQueueRequest, limits: Limits) -> DeleteWorkQueue:
    """Read which queue to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteWorkQueue(
            key=_read_key(request.work_queue, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_work_queue(queue: WorkQueue, message: pb.WorkQueue) -> None:
    """Write a queue."""
    message.id = queue.id
    message.work_pool_id = queue.work_pool_id
    message.work_pool_name = queue.work_pool_name
    message.name = queue.name
    write_time(queue.create_time, message.create_time)
    write_time(queue.update_time, message.update_time)
    message.description = queue.description
    message.paused = queue.is_paused
    if queue.concurrency_limit is not None:
        message.concurrency_limit = queue.concurrency_limit
    message.priority = queue.priority
    message.status = STATUS_NUMBERS[queue.status]
    if queue.last_polled_time is not None:
        write_time(queue.last_polled_time, message.last_polled_time)


def write_work_queue_page(page: Page[WorkQueue], message: pb.ListWorkQueuesResponse) -> None:
    """Write a page of queues."""
    for queue in page.items:
        write_work_queue(queue, message.work_queues.add())
    message.next_page_token = page.next_token


def write_health(health: WorkQueueHealth, message: pb.WorkQueueHealth) -> None:
    """Write how well a queue is served."""
    message.healthy = health.is_healthy
    message.late_runs_count = health.late_runs_count
    if health.last_polled_time is not None:
        write_time(health.last_polled_time, message.last_polled_time)
    policy = message.health_check_policy
    policy.maximum_late_runs = MAXIMUM_LATE_RUNS
    write_span(MAXIMUM_TIME_SINCE_LAST_POLLED, policy.maximum_time_since_last_polled)


def _read_key(message: pb.WorkQueueKey, checks: Checks) -> QueueKey:
    """Read what names a queue."""
    match message.WhichOneof("key"):
        case "work_queue_id":
            return QueueKey(id=checks.id(message.work_queue_id, "work_queue.work_queue_id"))
        case "path":
            path = "work_queue.path"
            return QueueKey(
                work_pool_name=checks.required_text(
                    message.path.work_pool_name, f"{path}.work_pool_name"
                ),
                name=checks.required_text(message.path.name, f"{path}.name"),
            )
        case _:
            checks.wrong("work_queue", "is required, and must name a queue")
            return QueueKey()


def _read_priority(value: int, checks: Checks) -> int:
    if value < 1:
        checks.wrong("priority", "must be 1 or more")
    return value
