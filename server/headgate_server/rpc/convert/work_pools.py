"""Work pools: requests read, work pools written."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headgate import v1 as pb
from headgate_server.model.filters import RunQuery
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.work_commands import (
    CreateWorkPool,
    DeleteWorkPool,
    UpdateWorkPool,
    WorkPoolField,
)
from headgate_server.model.work_pools import UNREPORTED_TYPE, WorkPool, WorkStatus
from headgate_server.rpc.convert import json_text
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_time

STATUS_NUMBERS: Final[Mapping[WorkStatus | None, pb.WorkStatus.ValueType]] = {
    None: pb.WORK_STATUS_UNSPECIFIED,
    **{each: pb.WorkStatus.Value(f"WORK_STATUS_{each}") for each in WorkStatus},
}
"""The number on the wire of each status."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([\w.$\[\]-]{1,255})\s*\}\}")
_SHOWN_MAX: Final = 5
"""Names shown of those that are not declared."""


def read_create_work_pool(request: pb.CreateWorkPoolRequest, limits: Limits) -> CreateWorkPool:
    """Read what work pool to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        CreateWorkPool(
            name=read_new_name(request.name, "name", checks),
            type=checks.text(request.type, "type") or UNREPORTED_TYPE,
            description=_read_description(request, checks),
            base_job_template_json=_read_template(request, checks),
            is_paused=request.paused,
            concurrency_limit=read_concurrency_limit(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_get_work_pool(request: pb.GetWorkPoolRequest, limits: Limits) -> str:
    """Read the name of the work pool to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(checks.required_text(request.name, "name"))


def read_list_work_pools(
    request: pb.ListWorkPoolsRequest, limits: Limits
) -> tuple[RunQuery, PageRequest]:
    """Read which work pools to list, and which page.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    query = read_run_query(request, checks)
    page = read_page(request.page_size, request.page_token, checks, offset=request.offset)
    return checks.passed((query, page))


def read_update_work_pool(request: pb.UpdateWorkPoolRequest, limits: Limits) -> UpdateWorkPool:
    """Read what to change of a work pool. Only the fields that the mask names are looked at.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    named = checks.mask(request.update_mask.paths, tuple(WorkPoolField), "update_mask")
    values: dict[str, Any] = {}
    if WorkPoolField.DESCRIPTION in named:
        values["description"] = _read_description(request, checks)
    if WorkPoolField.BASE_JOB_TEMPLATE_JSON in named:
        values["base_job_template_json"] = _read_template(request, checks)
    if WorkPoolField.CONCURRENCY_LIMIT in named:
        values["concurrency_limit"] = read_concurrency_limit(request, checks)
    return checks.passed(
        UpdateWorkPool(
            name=checks.required_text(request.name, "name"),
            fields=frozenset(each for each in WorkPoolField if each in named),
            is_paused=request.paused,
            **values,
        )
    )


def read_delete_work_pool(request: pb.DeleteWorkPoolRequest, limits: Limits) -> DeleteWorkPool:
    """Read which work pool to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteWorkPool(
            name=checks.required_text(request.name, "name"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_work_pool(pool: WorkPool, message: pb.WorkPool) -> None:
    """Write a work pool."""
    message.id = pool.id
    message.name = pool.name
    write_time(pool.create_time, message.create_time)
    write_time(pool.update_time, message.update_time)
    message.type = pool.type
    if pool.description is not None:
        message.description = pool.description
    message.base_job_template_json = pool.base_job_template_json
    message.paused = pool.is_paused
    if pool.concurrency_limit is not None:
        message.concurrency_limit = pool.concurrency_limit
    message.default_queue_id = pool.default_queue_id
    message.status = STATUS_NUMBERS[pool.status]


def write_work_pool_page(page: Page[WorkPool], message: pb.ListWorkPoolsResponse) -> None:
    """Write a page of work pools."""
    for pool in page.items:
        write_work_pool(pool, message.work_pools.add())
    message.next_page_token = page.next_token


def read_new_name(value: str, field: str, checks: Checks) -> str:
    """Read a new name for a work pool or a queue."""
    if not value.strip():
        checks.wrong(field, "must not be empty")
    return checks.flow_name(value, field)


def read_concurrency_limit(
    request: pb.CreateWorkPoolRequest
    | pb.UpdateWorkPoolRequest
    | pb.CreateWorkQueueRequest
    | pb.UpdateWorkQueueRequest,
    checks: Checks,
) -> int | None:
    """Read how many runs may be under way at once; None if any number may."""
    if not request.HasField("concurrency_limit"):
        return None
    return checks.count(request.concurrency_limit, "concurrency_limit")


def _read_description(
    request: pb.CreateWorkPoolRequest | pb.UpdateWorkPoolRequest, checks: Checks
) -> str | None:
    if not request.HasField("description"):
        return None
    return checks.message(request.description, "description")


def _read_template(
    request: pb.CreateWorkPoolRequest | pb.UpdateWorkPoolRequest, checks: Checks
) -> str:
    """Read how workers make a job of a run."""
    if not request.HasField("base_job_template_json"):
        return "{}"
    text = request.base_job_template_json
    fault = json_text.fault_in_object(text, checks.limits.json_bytes) or _fault_in_template(text)
    if fault:
        checks.wrong("base_job_template_json", fault)
    return text


def _fault_in_template(text: str) -> str | None:
    """Say what keeps a JSON object text from being a template, or None if it is one."""
    # Numbers do not matter, and some are too long to be read.
    template: dict[str, Any] = json.loads(text, parse_int=str, parse_float=str)
    if not template:
        return None
    configuration, variables = template.get("job_configuration"), template.get("variables")
    if not isinstance(configuration, dict) or not isinstance(variables, dict):
        return "must have the object members `job_configuration` and `variables`, or be empty"
    declared = variables.get("properties", {})
    if not isinstance(declared, dict):
        return "must have an object as `properties` of its `variables`"
    missing = [name for name in dict.fromkeys(_placeholders(configuration)) if name not in declared]
    if not missing:
        return None
    shown = ", ".join(missing[:_SHOWN_MAX])
    return f"must declare as `properties` of its `variables` all that it uses, also {shown}"


def _placeholders(value: object) -> Iterator[str]:
    """Yield the names that the texts in a value stand in for."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _placeholders(each)
    elif isinstance(value, list):
        for each in value:
            yield from _placeholders(each)
