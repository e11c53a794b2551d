"""Variables: requests read, variables written."""

from headgate import v1 as pb
from headgate_server.model.commands import CreateVariable, DeleteVariable, UpdateVariable
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.model.variables import Variable
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.paging import read_page
from headgate_server.rpc.convert.times import write_time


def read_create_variable(request: pb.CreateVariableRequest, limits: Limits) -> CreateVariable:
    """Read what variable to create.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        CreateVariable(
            name=checks.variable_name(request.name, "name"),
            value=checks.text(request.value, "value", limits.variable_characters),
            tags=checks.tags(request.tags, "tags"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def read_get_variable(request: pb.GetVariableRequest, limits: Limits) -> str:
    """Read the name of the variable to get.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(checks.required_text(request.name, "name"))


def read_list_variables(
    request: pb.ListVariablesRequest, limits: Limits
) -> tuple[str, PageRequest]:
    """Read which variables to list: a prefix of names, and the page.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        (
            checks.text(request.name_prefix, "name_prefix"),
            read_page(request.page_size, request.page_token, checks),
        )
    )


def read_update_variable(request: pb.UpdateVariableRequest, limits: Limits) -> UpdateVariable:
    """Read what to change of a variable.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    named = checks.mask(request.update_mask.paths, ("value", "tags"), "update_mask")
    return checks.passed(
        UpdateVariable(
            name=checks.required_text(request.name, "name"),
            value=checks.text(request.value, "value", limits.variable_characters)
            if "value" in named
            else None,
            tags=checks.tags(request.tags, "tags") if "tags" in named else None,
        )
    )


def read_delete_variable(request: pb.DeleteVariableRequest, limits: Limits) -> DeleteVariable:
    """Read which variable to delete.

    Raises:
        InvalidRequestError: The request is wrong by itself.
    """
    checks = Checks(limits)
    return checks.passed(
        DeleteVariable(
            name=checks.required_text(request.name, "name"),
            request_id=checks.id_if_given(request.request_id, "request_id"),
        )
    )


def write_variable(variable: Variable, message: pb.Variable) -> None:
    """Write a variable."""
    message.id = variable.id
    message.name = variable.name
    message.value = variable.value
    message.tags.extend(variable.tags)
    write_time(variable.create_time, message.create_time)
    write_time(variable.update_time, message.update_time)


def write_variable_page(page: Page[Variable], message: pb.ListVariablesResponse) -> None:
    """Write a page of variables."""
    for variable in page.items:
        write_variable(variable, message.variables.add())
    message.next_page_token = page.next_token
