"""Task runs: requests read, task runs written."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Final, TypeAlias

from headgate import v1 as pb
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.task_commands import CreateTaskRun, DeleteTaskRun, UpdateTaskRun
from headgate_server.model.task_runs import TaskRun, TaskRunPolicy, TaskRunSort
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.run_times import write_run_times
from headgate_server.rpc.convert.states import read_first_state, write_state
from headgate_server.rpc.convert.task_inputs import read_task_inputs, write_task_inputs
from headgate_server.rpc.convert.times import DELAY, read_span, read_time, write_span, write_time
from headgate_server.rpc.convert.versions import read_expected_version

RETRY_DELAYS_MAX: Final = 50
"""How many delays a policy may name."""
TASK_RUN_SORTS: Final[Mapping[int, TaskRunSort]] = {
    pb.TASK_RUN_SORT_UNSPECIFIED: TaskRunSort.ID_DESC,
    **{pb.TaskRunSort.Value(f"TASK_RUN_SORT_{each}"): each for each in TaskRunSort},
}
"""What the numbers on the wire mean."""

_IS_FULL_WHERE_ONE_IS_READ: Final[Mapping[int, bool]] = {
    pb.TASK_RUN_VIEW_UNSPECIFIED: True,
    pb.TASK_RUN_VIEW_BASIC: False,
    pb.TASK_RUN_VIEW_FULL: True,
}
_IS_FULL_IN_LISTS: Final[Mapping[int, bool]] = {
    **_IS_FULL_WHERE_ONE_IS_READ,
    pb.TASK_RUN_VIEW_UNSPECIFIED: False,
}

Get: TypeAlias = tuple[str, bool, int]
"""A task run id, whether all of it is read, and the least revision."""
List: TypeAlias = tuple[RunQuery, TaskRunSort, PageRequest, bool, int]
"""Which task runs, in which order, which page, whether all of each is read, and the least revision."""


def read_create_task_run(request: pb.CreateTaskRunRequest, limits: Limits) -> CreateTaskRun:
    """Read what task run to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    has = request.HasField
    return checks.passed(
        CreateTaskRun(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            task_run_id=checks.id_if_given(request.task_run_id, "task_run_id"),
            task_key=checks.required_text(request.task_key, "task_key"),
            dynamic_key=checks.required_text(request.dynamic_key, "dynamic_key"),
            name=checks.text(request.name, "name"),
            state=read_first_state(request, checks),
            task_version=checks.text(request.task_version, "task_version")
            if has("task_version")
            else None,
            cache_key=checks.cache_key(request.cache_key, "cache_key")
            if has("cache_key")
            else None,
            cache_expire_time=read_time(request.cache_expire_time, "cache_expire_time", checks)
            if has("cache_expire_time")
            else None,
            policy=_read_policy(request.policy, checks),
            task_inputs=read_task_inputs(request.task_inputs, "task_inputs", checks),
            tags=checks.tags(request.tags, "tags"),
        )
    )


def _read_policy(message: pb.TaskRunPolicy, checks: Checks) -> TaskRunPolicy:
    has = message.HasField
    if len(message.retry_delays) > RETRY_DELAYS_MAX:
        text = f"Can not configure more than {RETRY_DELAYS_MAX} retry delays per task."
        checks.wrong("policy.retry_delays", text)
    factor = message.retry_jitter_factor if has("retry_jitter_factor") else None
    if factor is not None and not (factor >= 0 and isfinite(factor)):
        checks.wrong("policy.retry_jitter_factor", "`retry_jitter_factor` must be >= 0.")
    return TaskRunPolicy(
        retries=checks.count(message.retries, "policy.retries") if has("retries") else None,
        retry_delays=tuple(
            read_span(delay, f"policy.retry_delays[{index}]", checks, DELAY)
            for index, delay in enumerate(message.retry_delays[:RETRY_DELAYS_MAX])
        ),
        retry_jitter_factor=factor,
    )


def read_get_task_run(request: pb.GetTaskRunRequest, limits: Limits) -> Get:
    """Read which task run to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.id(request.task_run_id, "task_run_id"),
            checks.choice(request.view, _IS_FULL_WHERE_ONE_IS_READ, "view"),
            checks.count(request.min_revision, "min_revision"),
        )
    )


def read_list_task_runs(request: pb.ListTaskRunsRequest, limits: Limits) -> List:
    """Read which task runs to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            read_run_query(request, checks),
            checks.choice(request.sort, TASK_RUN_SORTS, "sort"),
            read_page(request.page_size, request.page_token, checks, offset=request.offset),
            checks.choice(request.view, _IS_FULL_IN_LISTS, "view"),
            checks.count(request.min_revision, "min_revision"),
        )
    )


def read_count_task_runs(request: pb.CountTaskRunsRequest, limits: Limits) -> RunQuery:
    """Read which task runs to count.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(read_run_query(request, checks))


def read_update_task_run(request: pb.UpdateTaskRunRequest, limits: Limits) -> UpdateTaskRun:
    """Read what to change of a task run.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    checks.mask(request.update_mask.paths, ("name",), "update_mask")
    return checks.passed(
        UpdateTaskRun(
            task_run_id=checks.id(request.task_run.id, "task_run.id"),
            name=checks.text(request.task_run.name, "task_run.name"),
            expected_version=read_expected_version(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_delete_task_run(request: pb.DeleteTaskRunRequest, limits: Limits) -> DeleteTaskRun:
    """Read which task run to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteTaskRun(
            task_run_id=checks.id(request.task_run_id, "task_run_id"),
            expected_version=read_expected_version(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_task_run(task_run: TaskRun, message: pb.TaskRun, now: datetime) -> None:
    """Write a task run.

    Args:
        task_run: The task run; data of its state that was not read is left out here too.
        message: Where to write it.
        now: The time for which the estimates are made.
    """
    message.id = task_run.id
    message.flow_run_id = task_run.flow_run_id
    message.task_key = task_run.task_key
    message.dynamic_key = task_run.dynamic_key
    message.name = task_run.name
    write_time(task_run.create_time, message.create_time)
    write_time(task_run.update_time, message.update_time)
    message.version = task_run.version
    if task_run.state is not None:
        write_state(task_run.state, task_run.flow_run_id, message.state, task_run_id=task_run.id)
    if task_run.task_version is not None:
        message.task_version = task_run.task_version
    if task_run.cache_key is not None:
        message.cache_key = task_run.cache_key
    if task_run.cache_expire_time is not None:
        write_time(task_run.cache_expire_time, message.cache_expire_time)
    _write_policy(task_run.policy, message.policy)
    if task_run.task_inputs:
        write_task_inputs(task_run.task_inputs, message.task_inputs)
    if task_run.tags:
        message.tags.extend(task_run.tags)
    message.run_count = task_run.run_count
    message.flow_run_run_count = task_run.flow_run_run_count
    write_run_times(task_run, message, now)


def _write_policy(policy: TaskRunPolicy, message: pb.TaskRunPolicy) -> None:
    message.SetInParent()
    if policy.retries is not None:
        message.retries = policy.retries
    for delay in policy.retry_delays:
        write_span(delay, message.retry_delays.add())
    if policy.retry_jitter_factor is not None:
        message.retry_jitter_factor = policy.retry_jitter_factor


def write_task_run_page(
    page: Page[TaskRun], message: pb.ListTaskRunsResponse, now: datetime
) -> None:
    """Write a page of task runs."""
    for task_run in page.items:
        write_task_run(task_run, message.task_runs.add(), now)
    message.next_page_token = page.next_token
