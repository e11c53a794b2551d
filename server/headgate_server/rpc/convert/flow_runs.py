"""Flow runs: requests read, runs written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from headgate import v1 as pb
from headgate_server.model.commands import CreateFlowRun, DeleteFlowRun
from headgate_server.model.filters import FlowRunSort, RunQuery
from headgate_server.model.flow_runs import FlowRun, FlowRunPolicy, RetryType
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.run_times import write_run_times
from headgate_server.rpc.convert.states import read_first_state, write_state
from headgate_server.rpc.convert.times import (
    DELAY,
    TIME_TO_LIVE,
    read_span,
    write_span,
    write_time,
)
from headgate_server.rpc.convert.versions import read_expected_version

FLOW_RUN_SORTS: Final[Mapping[int, FlowRunSort]] = {
    pb.FLOW_RUN_SORT_UNSPECIFIED: FlowRunSort.ID_DESC,
    **{pb.FlowRunSort.Value(f"FLOW_RUN_SORT_{each}"): each for each in FlowRunSort},
}
"""What the numbers on the wire mean."""
RETRY_TYPE_NUMBERS: Final[Mapping[RetryType, pb.RetryType.ValueType]] = {
    each: pb.RetryType.Value(f"RETRY_TYPE_{each}") for each in RetryType
}
"""The number on the wire of each kind of retry."""

_IS_FULL_WHERE_ONE_IS_READ: Final[Mapping[int, bool]] = {
    pb.FLOW_RUN_VIEW_UNSPECIFIED: True,
    pb.FLOW_RUN_VIEW_BASIC: False,
    pb.FLOW_RUN_VIEW_FULL: True,
}
IS_FULL_IN_LISTS: Final[Mapping[int, bool]] = {
    **_IS_FULL_WHERE_ONE_IS_READ,
    pb.FLOW_RUN_VIEW_UNSPECIFIED: False,
}

Get: TypeAlias = tuple[str, bool, int]
"""A flow run id, whether all of it is read, and the least revision."""
List: TypeAlias = tuple[RunQuery, FlowRunSort, PageRequest, bool, int]
"""Which runs, in which order, which page, whether all of each is read, and the least revision."""


def read_create_flow_run(request: pb.CreateFlowRunRequest, limits: Limits) -> CreateFlowRun:
    """Read what run to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    request_id = checks.id_if_given(request.request_id, "request_id")
    return checks.passed(read_new_flow_run(request, request_id, checks))


def read_new_flow_run(
    message: pb.CreateFlowRunRequest | pb.NewFlowRun, request_id: str | None, checks: Checks
) -> CreateFlowRun:
    """Read what run to create, by itself or in a batch."""
    has = message.HasField
    key, ttl = checks.text(message.idempotency_key, "idempotency_key") or None, None
    if has("idempotency_ttl"):
        ttl = read_span(message.idempotency_ttl, "idempotency_ttl", checks, TIME_TO_LIVE)
        if key is None:
            checks.wrong("idempotency_ttl", "needs idempotency_key")
    return CreateFlowRun(
        flow_id=checks.id(message.flow_id, "flow_id"),
        name=checks.text(message.name, "name"),
        state=read_first_state(message, checks),
        parameters_json=checks.json_object(message.parameters_json, "parameters_json")
        if has("parameters_json")
        else "{}",
        context_json=checks.json_object(message.context_json, "context_json")
        if has("context_json")
        else "{}",
        tags=checks.tags(message.tags, "tags"),
        flow_version=checks.text(message.flow_version, "flow_version")
        if has("flow_version")
        else None,
        deployment_id=checks.id(message.deployment_id, "deployment_id")
        if has("deployment_id")
        else None,
        parent_task_run_id=checks.id(message.parent_task_run_id, "parent_task_run_id")
        if has("parent_task_run_id")
        else None,
        idempotency_key=key,
        idempotency_ttl=ttl,
        retries=checks.count(message.retries, "retries") if has("retries") else None,
        retry_delay=read_span(message.retry_delay, "retry_delay", checks, DELAY)
        if has("retry_delay")
        else None,
        request_id=request_id,
    )


def read_get_flow_run(request: pb.GetFlowRunRequest, limits: Limits) -> Get:
    """Read which run to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.id(request.flow_run_id, "flow_run_id"),
            checks.choice(request.view, _IS_FULL_WHERE_ONE_IS_READ, "view"),
            checks.count(request.min_revision, "min_revision"),
        )
    )


def read_list_flow_runs(request: pb.ListFlowRunsRequest, limits: Limits) -> List:
    """Read which runs to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            read_run_query(request, checks),
            checks.choice(request.sort, FLOW_RUN_SORTS, "sort"),
            read_page(request.page_size, request.page_token, checks, offset=request.offset),
            checks.choice(request.view, IS_FULL_IN_LISTS, "view"),
            checks.count(request.min_revision, "min_revision"),
        )
    )


def read_count_flow_runs(request: pb.CountFlowRunsRequest, limits: Limits) -> RunQuery:
    """Read which runs to count.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(read_run_query(request, checks))


def read_delete_flow_run(request: pb.DeleteFlowRunRequest, limits: Limits) -> DeleteFlowRun:
    """Read which run to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteFlowRun(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            expected_version=read_expected_version(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_flow_run(run: FlowRun, message: pb.FlowRun, now: datetime) -> None:
    """Write a run.

    Args:
        run: The run; what its view leaves out is left out here too.
        message: Where to write it.
        now: The time for which the estimates are made.
    """
    message.id = run.id
    message.flow_id = run.flow_id
    message.name = run.name
    write_time(run.create_time, message.create_time)
    write_time(run.update_time, message.update_time)
    message.version = run.version
    if run.state is not None:
        write_state(run.state, run.id, message.state)
    if run.tags:
        message.tags.extend(run.tags)
    _write_policy(run.policy, message.policy)
    message.run_count = run.run_count
    write_run_times(run, message, now)
    message.auto_scheduled = run.auto_scheduled
    _write_what_is_known(run, message)
    _write_json(run, message)


def _write_what_is_known(run: FlowRun, message: pb.FlowRun) -> None:
    if run.flow_version is not None:
        message.flow_version = run.flow_version
    if run.deployment_id is not None:
        message.deployment_id = run.deployment_id
    if run.deployment_version is not None:
        message.deployment_version = run.deployment_version
    if run.work_queue_name is not None:
        message.work_queue_name = run.work_queue_name
    if run.work_queue_id is not None:
        message.work_queue_id = run.work_queue_id
    if run.work_pool_name is not None:
        message.work_pool_name = run.work_pool_name
    if run.parent_task_run_id is not None:
        message.parent_task_run_id = run.parent_task_run_id
    if run.idempotency_key is not None:
        message.idempotency_key = run.idempotency_key
    if run.infrastructure_pid is not None:
        message.infrastructure_pid = run.infrastructure_pid


def _write_json(run: FlowRun, message: pb.FlowRun) -> None:
    if run.parameters_json is not None:
        message.parameters_json = run.parameters_json
    if run.context_json is not None:
        message.context_json = run.context_json
    if run.job_variables_json is not None:
        message.job_variables_json = run.job_variables_json


def _write_policy(policy: FlowRunPolicy, message: pb.FlowRunPolicy) -> None:
    message.SetInParent()
    if policy.retries is not None:
        message.retries = policy.retries
    if policy.retry_delay is not None:
        write_span(policy.retry_delay, message.retry_delay)
    if policy.pause_keys:
        message.pause_keys.extend(sorted(policy.pause_keys))
    if policy.resuming:
        message.resuming = True
    if policy.retry_type is not None:
        message.retry_type = RETRY_TYPE_NUMBERS[policy.retry_type]


def write_flow_run_page(
    page: Page[FlowRun], message: pb.ListFlowRunsResponse, now: datetime
) -> None:
    """Write a page of runs."""
    for run in page.items:
        write_flow_run(run, message.flow_runs.add(), now)
    message.next_page_token = page.next_token
