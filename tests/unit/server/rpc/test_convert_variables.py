from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from headgate import v1 as pb
from headgate_server.model.commands import CreateVariable, DeleteVariable, UpdateVariable
from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.paging import Page, PageRequest
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.variables import (
    read_create_variable,
    read_delete_variable,
    read_get_variable,
    read_list_variables,
    read_update_variable,
    write_variable,
    write_variable_page,
)
from tests.builders import NOW, a_variable

HERE = "here"
NEXT = "next"

OTHER_ID = "0189f7e5-7d4c-7cc0-a4b1-0123456789ac"
LIMITS = Limits()


def faults(read: Any, request: object) -> set[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read(request, LIMITS)
    return {each.field for each in caught.value.violations}


def test_a_variable_to_create_holds_all_that_is_said() -> None:
    request = pb.CreateVariableRequest(
        name="a_1", value="x" * 5000, tags=["b", "a"], request_id=OTHER_ID
    )

    assert read_create_variable(request, LIMITS) == CreateVariable(
        name="a_1", value="x" * 5000, tags=("b", "a"), request_id=OTHER_ID
    )


def test_everything_wrong_with_a_variable_to_create_is_told_at_once() -> None:
    request = pb.CreateVariableRequest(name="A", value="x" * 5001, tags=["x" * 256], request_id="x")

    assert faults(read_create_variable, request) == {"name", "value", "tags[0]", "request_id"}


@pytest.mark.parametrize(
    ("read", "request_"),
    [
        (read_get_variable, pb.GetVariableRequest()),
        (read_delete_variable, pb.DeleteVariableRequest()),
        (
            read_update_variable,
            pb.UpdateVariableRequest(update_mask=FieldMask(paths=["value"])),
        ),
    ],
    ids=["get", "delete", "update"],
)
def test_a_variable_must_be_named(read: Any, request_: object) -> None:
    assert faults(read, request_) == {"name"}


def test_a_variable_is_read_by_name() -> None:
    assert read_get_variable(pb.GetVariableRequest(name="a"), LIMITS) == "a"


def test_a_list_of_variables_holds_all_that_is_said() -> None:
    request = pb.ListVariablesRequest(name_prefix="a_", page_size=3, page_token=HERE)

    assert read_list_variables(request, LIMITS) == (
        "a_",
        PageRequest(size=3, token=HERE),
    )


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["value"], UpdateVariable(name="a", value="v")),
        (["tags"], UpdateVariable(name="a", tags=("t",))),
        (["tags", "value"], UpdateVariable(name="a", value="v", tags=("t",))),
        (["*"], UpdateVariable(name="a", value="v", tags=("t",))),
    ],
    ids=["value", "tags", "both", "star"],
)
def test_only_what_the_mask_names_is_changed(paths: list[str], expected: UpdateVariable) -> None:
    request = pb.UpdateVariableRequest(
        name="a", value="v", tags=["t"], update_mask=FieldMask(paths=paths)
    )

    assert read_update_variable(request, LIMITS) == expected


def test_a_named_value_may_be_cleared() -> None:
    request = pb.UpdateVariableRequest(name="a", update_mask=FieldMask(paths=["*"]))

    assert read_update_variable(request, LIMITS) == UpdateVariable(name="a", value="", tags=())


def test_everything_wrong_with_an_update_is_told_at_once() -> None:
    request = pb.UpdateVariableRequest(
        value="x" * 5001, tags=["\0"], update_mask=FieldMask(paths=["*", "name"])
    )

    assert faults(read_update_variable, request) == {
        *("update_mask.paths[1]", "name", "value", "tags[0]")
    }


def test_an_update_without_a_mask_is_refused() -> None:
    assert faults(read_update_variable, pb.UpdateVariableRequest(name="a")) == {"update_mask"}


def test_a_variable_to_delete_holds_all_that_is_said() -> None:
    request = pb.DeleteVariableRequest(name="a", request_id=OTHER_ID)

    assert read_delete_variable(request, LIMITS) == DeleteVariable(name="a", request_id=OTHER_ID)


def test_a_variable_is_written_with_all_it_has() -> None:
    variable = a_variable("a", tags=("b", "a"))
    message = pb.Variable()

    write_variable(variable, message)

    expected = pb.Variable(id=variable.id, name="a", value="value", tags=["b", "a"])
    expected.create_time.FromDatetime(NOW)
    expected.update_time.FromDatetime(NOW)
    assert message == expected


def test_a_page_of_variables_is_written_in_order_with_its_token() -> None:
    message = pb.ListVariablesResponse()

    write_variable_page(
        Page(items=(a_variable("a"), a_variable("b")), next_token=NEXT),
        message,
    )

    assert [each.name for each in message.variables] == ["a", "b"]
    assert message.next_page_token == NEXT
