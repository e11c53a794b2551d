"""Inputs of flow runs: requests read, inputs written."""

from collections.abc import Sequence
from typing import TypeAlias

from headgate import v1 as pb
from headgate_server.model.commands import CreateInput, DeleteInput
from headgate_server.model.inputs import FlowRunInput, NewFlowRunInput
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_time

InputList: TypeAlias = tuple[str, str, tuple[str, ...], PageRequest]
"""A flow run id, a prefix of keys, the keys to leave out, and the page."""


def read_create_input(request: pb.CreateFlowRunInputRequest, limits: Limits) -> CreateInput:
    """Read what input to leave with a run.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    if not request.HasField("input"):
        checks.wrong("input", "is required")
    return checks.passed(
        CreateInput(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            input=_read_new_input(request.input, "input", checks),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_inputs(
    messages: Sequence[pb.NewFlowRunInput], field: str, checks: Checks
) -> tuple[NewFlowRunInput, ...]:
    """Read the inputs that ride with a state."""
    if not messages:
        return ()
    members = checks.members(messages, field, checks.limits.inputs)
    inputs = tuple(
        _read_new_input(message, f"{field}[{index}]", checks)
        for index, message in enumerate(members)
    )
    keys = [each.key for each in inputs]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            checks.wrong(f"{field}[{index}].key", "must not repeat a key of the same request")
    return inputs


def _read_new_input(message: pb.NewFlowRunInput, path: str, checks: Checks) -> NewFlowRunInput:
    return NewFlowRunInput(
        key=checks.input_key(message.key, f"{path}.key"),
        value_json=checks.json(message.value_json, f"{path}.value_json"),
        sender=checks.text(message.sender, f"{path}.sender")
        if message.HasField("sender")
        else None,
    )


def read_get_input(request: pb.GetFlowRunInputRequest, limits: Limits) -> tuple[str, str]:
    """Read which input to get: the id of its run and its key.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (checks.id(request.flow_run_id, "flow_run_id"), checks.text(request.key, "key"))
    )


def read_list_inputs(request: pb.ListFlowRunInputsRequest, limits: Limits) -> InputList:
    """Read which inputs to list.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.id(request.flow_run_id, "flow_run_id"),
            checks.text(request.key_prefix, "key_prefix"),
            checks.texts(request.exclude_keys, "exclude_keys"),
            read_page(request.page_size, request.page_token, checks),
        )
    )


def read_delete_input(request: pb.DeleteFlowRunInputRequest, limits: Limits) -> DeleteInput:
    """Read which input to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteInput(
            flow_run_id=checks.id(request.flow_run_id, "flow_run_id"),
            key=checks.text(request.key, "key"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_input(flow_run_input: FlowRunInput, message: pb.FlowRunInput) -> None:
    """Write an input."""
    message.id = flow_run_input.id
    message.flow_run_id = flow_run_input.flow_run_id
    message.key = flow_run_input.key
    message.value_json = flow_run_input.value_json
    if flow_run_input.sender is not None:
        message.sender = flow_run_input.sender
    write_time(flow_run_input.create_time, message.create_time)


def write_input_page(page: Page[FlowRunInput], message: pb.ListFlowRunInputsResponse) -> None:
    """Write a page of inputs."""
    for each in page.items:
        write_input(each, message.inputs.add())
    message.next_page_token = page.next_token
