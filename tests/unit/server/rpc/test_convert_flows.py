from typing import Any

import pytest

from headgate import v1 as pb
from headgate_server.model.commands import CreateFlow, DeleteFlow
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.filters import FlowFilter, FlowRunFilter, RunQuery
from headgate_server.model.flows import FlowSort
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.flows import (
    FLOW_SORTS,
    read_count_flows,
    read_create_flow,
    read_delete_flow,
    read_get_flow,
    read_list_flows,
    read_update_flow,
    write_flow,
    write_flow_page,
)
from tests.builders import NOW, a_flow

HERE = "here"
NEXT = "next"

FLOW_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789aa"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()


def faults(read: Any, request: object) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(request, LIMITS)
    return {each.field for each in caught.value.violations}


def test_a_flow_to_create_holds_all_that_is_said() -> None:
    request = pb.CreateFlowRequest(name="my flow", tags=["b", "a", "b"])

    assert read_create_flow(request, LIMITS) == CreateFlow(name="my flow", tags=("b", "a", "b"))


def test_everything_wrong_with_a_flow_to_create_is_told_at_once() -> None:
    request = pb.CreateFlowRequest(name="a/b", tags=["", "x" * 256, "\0"])

    assert faults(read_create_flow, request) == {"name", "tags[1]", "tags[2]"}


@pytest.mark.parametrize(
    ("request_", "which"),
    [
        (pb.GetFlowRequest(flow_id=FLOW_ID.upper()), (FLOW_ID, None)),
        (pb.GetFlowRequest(name="a/b"), (None, "a/b")),
        (pb.GetFlowRequest(name=""), (None, "")),
    ],
    ids=["by id", "by name", "by the empty name"],
)
def test_a_flow_is_read_by_id_or_by_name(
    request_: pb.GetFlowRequest, which: tuple[str | None, str | None]
) -> None:
    assert read_get_flow(request_, LIMITS) == which


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GetFlowRequest(), "flow"),
        (pb.GetFlowRequest(flow_id=""), "flow_id"),
        (pb.GetFlowRequest(name="\0"), "name"),
    ],
)
def test_a_flow_to_get_must_be_named(request_: pb.GetFlowRequest, field: str) -> None:
    assert faults(read_get_flow, request_) == {field}


def test_a_list_of_flows_without_arguments_is_the_first_page_of_all() -> None:
    assert read_list_flows(pb.ListFlowsRequest(), LIMITS) == (
        RunQuery(),
        FlowSort.NAME_ASC,
        PageRequest(size=200),
    )


def test_a_list_of_flows_holds_all_that_is_said() -> None:
    request = pb.ListFlowsRequest(
        flows=pb.FlowFilter(),
        flow_runs=pb.FlowRunFilter(),
        sort=pb.FLOW_SORT_UPDATED_DESC,
        page_size=3,
        page_token=HERE,
        offset=4,
    )

    assert read_list_flows(request, LIMITS) == (
        RunQuery(flows=FlowFilter(), flow_runs=FlowRunFilter()),
        FlowSort.UPDATED_DESC,
        PageRequest(size=3, token=HERE, offset=4),
    )


def test_everything_wrong_with_a_list_of_flows_is_told_at_once() -> None:
    request = pb.ListFlowsRequest(sort=9, page_size=-1, offset=-1)  # type: ignore[arg-type]

    assert faults(read_list_flows, request) == {"sort", "page_size", "offset"}


def test_every_order_of_the_contract_has_a_meaning() -> None:
    assert sorted(FLOW_SORTS) == sorted(pb.FlowSort.values())
    assert set(FLOW_SORTS.values()) == set(FlowSort)


def test_flows_are_counted_by_the_same_filters() -> None:
    request = pb.CountFlowsRequest(flow_runs=pb.FlowRunFilter())

    assert read_count_flows(request, LIMITS) == RunQuery(flow_runs=FlowRunFilter())


def test_the_tags_of_a_flow_are_replaced_by_those_that_are_given() -> None:
    assert read_update_flow(pb.UpdateFlowRequest(flow_id=FLOW_ID), LIMITS) == (FLOW_ID, ())


def test_everything_wrong_with_an_update_is_told_at_once() -> None:
    request = pb.UpdateFlowRequest(flow_id="x", tags=["a"] * 101)

    assert faults(read_update_flow, request) == {"flow_id", "tags"}


def test_a_flow_to_delete_holds_all_that_is_said() -> None:
    request = pb.DeleteFlowRequest(flow_id=FLOW_ID, request_id=OTHER_ID)

    assert read_delete_flow(request, LIMITS) == DeleteFlow(flow_id=FLOW_ID, request_id=OTHER_ID)


def test_everything_wrong_with_a_deletion_is_told_at_once() -> None:
    assert faults(read_delete_flow, pb.DeleteFlowRequest(request_id="x")) == {
        *("flow_id", "request_id")
    }


def test_a_flow_is_written_with_all_it_has() -> None:
    flow = a_flow(tags=("b", "a", "b"))
    message = pb.Flow()

    write_flow(flow, message)

    expected = pb.Flow(id=flow.id, name=flow.name, tags=["b", "a", "b"])
    expected.create_time.FromDatetime(NOW)
    expected.update_time.FromDatetime(NOW)
    assert message == expected


def test_a_page_of_flows_is_written_in_order_with_its_token() -> None:
    flows = (a_flow(), a_flow())
    message = pb.ListFlowsResponse()

    write_flow_page(Page(items=flows, next_token=NEXT), message)

    assert [flow.id for flow in message.flows] == [flow.id for flow in flows]
    assert message.next_page_token == NEXT
