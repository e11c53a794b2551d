"""Flows: requests read, flows written."""

from collections.abc import Mapping
from typing import Final

from headgate import v1 as pb
from headgate_server.model.commands import CreateFlow, DeleteFlow
from headgate_server.model.filters import RunQuery
from headgate_server.model.flows import Flow, FlowSort
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.filters import read_run_query
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_time

FLOW_SORTS: Final[Mapping[int, FlowSort]] = {
    pb.FLOW_SORT_UNSPECIFIED: FlowSort.NAME_ASC,
    **{pb.FlowSort.Value(f"FLOW_SORT_{each}"): each for each in FlowSort},
}
"""What the numbers on the wire mean."""


def read_create_flow(request: pb.CreateFlowRequest, limits: Limits) -> CreateFlow:
    """Read what flow to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        CreateFlow(
            name=checks.flow_name(request.name, "name"), tags=checks.tags(request.tags, "tags")
        )
    )


def read_get_flow(request: pb.GetFlowRequest, limits: Limits) -> tuple[str | None, str | None]:
    """Read which flow to get: its id or its name, the other is None.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    flow_id = name = None
    match request.WhichOneof("flow"):
        case "flow_id":
            flow_id = checks.id(request.flow_id, "flow_id")
        case "name":
            name = checks.text(request.name, "name")
        case None:
            checks.wrong("flow", "is required: give flow_id or name")
    return checks.passed((flow_id, name))


def read_list_flows(
    request: pb.ListFlowsRequest, limits: Limits
) -> tuple[RunQuery, FlowSort, PageRequest]:
    """Read which flows to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    query = read_run_query(request, checks)
    sort = checks.choice(request.sort, FLOW_SORTS, "sort")
    page = read_page(request.page_size, request.page_token, checks, offset=request.offset)
    return checks.passed((query, sort, page))


def read_count_flows(request: pb.CountFlowsRequest, limits: Limits) -> RunQuery:
    """Read which flows to count.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(read_run_query(request, checks))


def read_update_flow(request: pb.UpdateFlowRequest, limits: Limits) -> tuple[str, tuple[str, ...]]:
    """Read which flow to give which tags.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    flow_id = checks.id(request.flow_id, "flow_id")
    tags = checks.tags(request.tags, "tags")
    return checks.passed((flow_id, tags))


def read_delete_flow(request: pb.DeleteFlowRequest, limits: Limits) -> DeleteFlow:
    """Read which flow to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteFlow(
            flow_id=checks.id(request.flow_id, "flow_id"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_flow(flow: Flow, message: pb.Flow) -> None:
    """Write a flow."""
    message.id = flow.id
    message.name = flow.name
    message.tags.extend(flow.tags)
    write_time(flow.create_time, message.create_time)
    write_time(flow.update_time, message.update_time)


def write_flow_page(page: Page[Flow], message: pb.ListFlowsResponse) -> None:
    """Write a page of flows."""
    for flow in page.items:
        write_flow(flow, message.flows.add())
    message.next_page_token = page.next_token
