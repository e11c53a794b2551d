"""Concurrency limits: requests read, limits written."""

from headgate import v1 as pb
from headgate_server.model.concurrency_commands import (
    CreateConcurrencyLimit,
    DeleteConcurrencyLimit,
    LimitKey,
    ResetConcurrencyLimit,
)
from headgate_server.model.concurrency_limits import ConcurrencyLimit
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_time


def read_create_limit(
    request: pb.CreateConcurrencyLimitRequest, limits: Limits
) -> CreateConcurrencyLimit:
    """Read what limit to set.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        CreateConcurrencyLimit(
            tag=checks.required_text(request.tag, "tag"),
            concurrency_limit=checks.count(request.concurrency_limit, "concurrency_limit"),
        )
    )


def read_get_limit(request: pb.GetConcurrencyLimitRequest, limits: Limits) -> LimitKey:
    """Read which limit to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(_read_key(request, checks))


def read_list_limits(request: pb.ListConcurrencyLimitsRequest, limits: Limits) -> PageRequest:
    """Read which page of the limits to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        read_page(request.page_size, request.page_token, checks, offset=request.offset)
    )


def read_reset_limit(
    request: pb.ResetConcurrencyLimitRequest, limits: Limits
) -> ResetConcurrencyLimit:
    """Read which limit to give which slots.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        ResetConcurrencyLimit(
            tag=checks.required_text(request.tag, "tag"),
            active_slots=checks.ids(request.active_slots, "active_slots"),
        )
    )


def read_delete_limit(
    request: pb.DeleteConcurrencyLimitRequest, limits: Limits
) -> DeleteConcurrencyLimit:
    """Read which limit to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteConcurrencyLimit(
            key=_read_key(request, checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def _read_key(
    request: pb.GetConcurrencyLimitRequest | pb.DeleteConcurrencyLimitRequest, checks: Checks
) -> LimitKey:
    """Read by what a limit is looked for."""
    match request.WhichOneof("limit"):
        case "concurrency_limit_id":
            return LimitKey(id=checks.id(request.concurrency_limit_id, "concurrency_limit_id"))
        case "tag":
            return LimitKey(tag=checks.text(request.tag, "tag"))
    checks.wrong("limit", "is required: give concurrency_limit_id or tag")
    return LimitKey()


def write_limit(limit: ConcurrencyLimit, message: pb.ConcurrencyLimit) -> None:
    """Write a limit."""
    message.id = limit.id
    message.tag = limit.tag
    message.concurrency_limit = limit.concurrency_limit
    write_time(limit.create_time, message.create_time)
    write_time(limit.update_time, message.update_time)
    message.active_slots.extend(limit.active_slots)


def write_limit_page(
    page: Page[ConcurrencyLimit], message: pb.ListConcurrencyLimitsResponse
) -> None:
    """Write a page of limits."""
    for limit in page.items:
        write_limit(limit, message.concurrency_limits.add())
    message.next_page_token = page.next_token
