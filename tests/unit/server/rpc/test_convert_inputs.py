from typing import Any

import pytest

from headgate import v1 as pb
from headgate_server.model.commands import CreateInput, DeleteInput
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.inputs import NewFlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.inputs import (
    read_create_input,
    read_delete_input,
    read_get_input,
    read_list_inputs,
    write_input,
    write_input_page,
)
from tests.builders import NOW, a_flow, a_flow_run, an_input

HERE = "here"
NEXT = "next"

RUN_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ab"
OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()


def faults(read: Any, request: object) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(request, LIMITS)
    return {each.field for each in caught.value.violations}


def test_an_input_to_create_holds_all_that_is_said() -> None:
    request = pb.CreateFlowRunInputRequest(
        flow_run_id=RUN_ID,
        input=pb.NewFlowRunInput(key="a-1", value_json=" 1.0 ", sender=""),
        request_id=OTHER_ID,
    )

    assert read_create_input(request, LIMITS) == CreateInput(
        flow_run_id=RUN_ID,
        input=NewFlowRunInput(key="a-1", value_json=" 1.0 ", sender=""),
        request_id=OTHER_ID,
    )


def test_everything_wrong_with_an_input_to_create_is_told_at_once() -> None:
    request = pb.CreateFlowRunInputRequest(
        input=pb.NewFlowRunInput(key="my key", sender="\0"), request_id="x"
    )

    assert faults(read_create_input, request) == {
        *("flow_run_id", "input.key", "input.value_json", "input.sender", "request_id")
    }


def test_an_input_must_be_given() -> None:
    assert "input" in faults(read_create_input, pb.CreateFlowRunInputRequest(flow_run_id=RUN_ID))


@pytest.mark.parametrize("key", ["", "a", "No Key At All"])
def test_an_input_is_read_by_its_exact_key(key: str) -> None:
    request = pb.GetFlowRunInputRequest(flow_run_id=RUN_ID, key=key)

    assert read_get_input(request, LIMITS) == (RUN_ID, key)


def test_everything_wrong_with_an_input_to_get_is_told_at_once() -> None:
    request = pb.GetFlowRunInputRequest(flow_run_id="x", key="\0")

    assert faults(read_get_input, request) == {"flow_run_id", "key"}


def test_a_list_of_inputs_holds_all_that_is_said() -> None:
    request = pb.ListFlowRunInputsRequest(
        flow_run_id=RUN_ID,
        key_prefix="a%",
        exclude_keys=["a", ""],
        page_size=2000,
        page_token=HERE,
    )

    assert read_list_inputs(request, LIMITS) == (
        RUN_ID,
        "a%",
        ("a", ""),
        PageRequest(size=1000, token=HERE),
    )


def test_everything_wrong_with_a_list_of_inputs_is_told_at_once() -> None:
    request = pb.ListFlowRunInputsRequest(
        key_prefix="x" * 256, exclude_keys=["a"] * 1001, page_size=-1
    )

    assert faults(read_list_inputs, request) == {
        *("flow_run_id", "key_prefix", "exclude_keys", "page_size")
    }


def test_an_input_to_delete_holds_all_that_is_said() -> None:
    request = pb.DeleteFlowRunInputRequest(flow_run_id=RUN_ID, key="", request_id=OTHER_ID)

    assert read_delete_input(request, LIMITS) == DeleteInput(
        flow_run_id=RUN_ID, key="", request_id=OTHER_ID
    )


@pytest.mark.parametrize("sender", [None, "", "headgate.flow-run.1"])
def test_an_input_is_written_with_all_it_has(sender: str | None) -> None:
    made = an_input(a_flow_run(a_flow()), "key", sender=sender, value_json="1.0")
    message = pb.FlowRunInput()

    write_input(made, message)

    expected = pb.FlowRunInput(
        id=made.id, flow_run_id=made.flow_run_id, key="key", value_json="1.0", sender=sender
    )
    expected.create_time.FromDatetime(NOW)
    assert message == expected


def test_a_page_of_inputs_is_written_in_order_with_its_token() -> None:
    run = a_flow_run(a_flow())
    inputs = (an_input(run, "b"), an_input(run, "a"))
    message = pb.ListFlowRunInputsResponse()

    write_input_page(Page(items=inputs, next_token=NEXT), message)

    assert [each.key for each in message.inputs] == ["b", "a"]
    assert message.next_page_token == NEXT
