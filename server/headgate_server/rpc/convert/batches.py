"""Batches: items read one by one, and what became of each written.

What is wrong with one item is no fault of the request: it is read as the refusal that the item will be answered with.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, TypeAlias, TypeVar

from headgate import v1 as pb
from headgate_server.model.batch_commands import (
    Creation,
    DeleteMatching,
    Deletion,
    NamedProposal,
    ProposeMatching,
    Proposing,
    item_request_id,
)
from headgate_server.model.commands import DeleteFlowRun
from headgate_server.model.errors import HeadgateError, InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.flow_runs import read_new_flow_run
from headgate_server.rpc.convert.inputs import read_inputs
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.states import read_proposed_state
from headgate_server.rpc.convert.versions import read_expected_version

MessageT = TypeVar("MessageT")
CommandT = TypeVar("CommandT")

Filtered: TypeAlias = pb.BatchSetFlowRunStatesRequest | pb.BatchDeleteFlowRunsRequest
"""The requests that name runs or describe them."""

_ONLY_BY_FILTER: Final = frozenset({"state", "force", "page_size", "page_token", "dry_run"})
_EXCLUDED: Final = "must not be set together with items"


def read_batch_create(request: pb.BatchCreateFlowRunsRequest, limits: Limits) -> list[Creation]:
    """Read what runs to create.

    Raises:
        InvalidRequestError: The request is wrong as a whole.
    """
    checks = Checks(limits)
    items = checks.members(request.items, "items")
    if not request.items:
        checks.wrong("items", "is required")
    request_id = checks.passed(checks.id_if_given(request.request_id, "request_id"))
    return _each(items, request_id, limits, read_new_flow_run)


def read_batch_set_states(
    request: pb.BatchSetFlowRunStatesRequest, limits: Limits
) -> list[Proposing] | ProposeMatching:
    """Read what states are proposed for which runs.

    Raises:
        InvalidRequestError: The request is wrong as a whole.
    """
    checks = Checks(limits)
    request_id = checks.id_if_given(request.request_id, "request_id")
    items = _read_items(request, checks)
    if items is not None:
        return _each(items, checks.passed(request_id), limits, _read_proposal)
    return checks.passed(
        ProposeMatching(
            query=read_run_query(request, checks),
            page=read_page(request.page_size, request.page_token, checks),
            state=read_proposed_state(request, checks),
            force=request.force,
            dry_run=request.dry_run,
            request_id=request_id,
        )
    )


def read_batch_delete(
    request: pb.BatchDeleteFlowRunsRequest, limits: Limits
) -> list[Deletion] | DeleteMatching:
    """Read what runs to delete.

    Raises:
        InvalidRequestError: The request is wrong as a whole.
    """
    checks = Checks(limits)
    request_id = checks.id_if_given(request.request_id, "request_id")
    items = _read_items(request, checks)
    if items is not None:
        return _each(items, checks.passed(request_id), limits, _read_deletion)
    return checks.passed(
        DeleteMatching(
            query=read_run_query(request, checks),
            page=read_page(request.page_size, request.page_token, checks),
            dry_run=request.dry_run,
            request_id=request_id,
        )
    )


def _read_items(request: Filtered, checks: Checks) -> Collection[Any] | None:
    """Return the items of a request; None if it describes the runs instead."""
    given = {field.name for field, _ in request.ListFields()} - {"request_id"}
    if "items" in given:
        for name in sorted(given - {"items"}):
            checks.wrong(name, _EXCLUDED)
        return checks.members(request.items, "items")
    if not given - _ONLY_BY_FILTER:
        checks.wrong("items", "is required without a filter")
    return None


def _each(
    messages: Iterable[MessageT],
    request_id: str | None,
    limits: Limits,
    read: Callable[[MessageT, str | None, Checks], CommandT],
) -> list[CommandT | HeadgateError]:
    """Read items, each into its command or into what is wrong with it."""
    items: list[CommandT | HeadgateError] = []
    checks = Checks(limits)
    for index, message in enumerate(messages):
        command = read(message, item_request_id(request_id, index), checks)
        try:
            items.append(checks.passed(command))
        except InvalidRequestError as error:
            items.append(error)
            checks = Checks(limits)
    return items


def _read_proposal(
    message: pb.FlowRunProposal, request_id: str | None, checks: Checks
) -> NamedProposal:
    return NamedProposal(
        flow_run_id=checks.id(message.flow_run_id, "flow_run_id"),
        state=read_proposed_state(message, checks),
        force=message.force,
        expected_version=read_expected_version(message, checks),
        inputs=read_inputs(message.inputs, "inputs", checks),
        request_id=request_id,
    )


def _read_deletion(
    message: pb.FlowRunDeletion, request_id: str | None, checks: Checks
) -> DeleteFlowRun:
    return DeleteFlowRun(
        flow_run_id=checks.id(message.flow_run_id, "flow_run_id"),
        expected_version=read_expected_version(message, checks),
        request_id=request_id,
    )
