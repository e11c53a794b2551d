"""Forms: JSON schemas as they are, pydantic's types where pydantic is, and clear words where not."""

import enum
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import jsonschema
import pydantic
import pytest

from headgate._schemas import from_answer, from_value, to_plain, to_schema


class Colour(enum.StrEnum):
    RED = "red"


class Part(pydantic.BaseModel):
    number: int


class Order(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)

    parts: list[Part]
    due: date = pydantic.Field(alias="dueDate")


@dataclass
class Point:
    x: int
    y: int


def test_a_mapping_is_a_schema_as_it_is() -> None:
    schema = {"type": "object", "properties": {}}

    assert to_schema(schema) is schema


def test_a_model_tells_its_own_schema() -> None:
    assert to_schema(Order) == Order.model_json_schema()


@pytest.mark.parametrize(
    ("form", "answer", "value"),
    [
        (int, 5, 5),
        (list[int], [1, 2], [1, 2]),
        (int | None, None, None),
        (Literal["a", "b"], "b", "b"),
        (date, "2030-01-02", date(2030, 1, 2)),
        (tuple[int, str], [1, "x"], (1, "x")),
        (Colour, "red", Colour.RED),
        (Point, {"x": 1, "y": 2}, Point(1, 2)),
        (dict[str, Part], {"a": {"number": 1}}, {"a": Part(number=1)}),
    ],
    ids=str,
)
def test_any_other_type_is_asked_for_as_a_value(form: Any, answer: object, value: object) -> None:
    schema = to_schema(form)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"value": answer}, schema)
    assert schema["required"] == ["value"]
    assert from_answer(form, {"value": answer}) == value


def test_an_answer_to_a_type_has_a_value_and_nothing_else() -> None:
    schema = to_schema(list[Part])

    for wrong in ({}, {"value": ["x"]}, {"value": [], "more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_an_answer_to_a_model_is_an_instance() -> None:
    order = from_answer(Order, {"parts": [{"number": 3}], "dueDate": "2030-01-02"})

    assert order == Order(parts=[Part(number=3)], dueDate=date(2030, 1, 2))


def test_an_answer_without_a_form_is_as_it_came() -> None:
    assert from_answer(None, {"a": 1}) == {"a": 1}
    assert from_answer({"type": "object"}, {"a": 1}) == {"a": 1}


def test_an_answer_may_be_empty_where_there_are_defaults() -> None:
    class Lenient(pydantic.BaseModel):
        count: int = 1

    assert from_answer(Lenient, {}) == Lenient(count=1)


def test_what_the_form_refuses_is_a_value_error() -> None:
    class Even(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def is_even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("odd")
            return number

    with pytest.raises(ValueError, match="odd"):
        from_answer(Even, {"number": 3})


def test_a_model_becomes_what_its_schema_describes() -> None:
    order = Order(parts=[Part(number=3)], dueDate=date(2030, 1, 2))

    assert to_plain(order) == {"parts": [{"number": 3}], "dueDate": "2030-01-02"}
    assert from_value(Order, to_plain(order)) == order


def test_plain_values_stay_as_they_are() -> None:
    value = {"a": [1, None]}

    assert to_plain(value) is value


@pytest.mark.parametrize("form", [5, "text"], ids=repr)
def test_what_is_no_form_is_refused(form: object) -> None:
    with pytest.raises(TypeError, match="neither a JSON schema nor a type that has one"):
        to_schema(form)


def test_without_pydantic_types_are_refused_and_schemas_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)

    with pytest.raises(TypeError, match="there is no pydantic"):
        to_schema(int)
    assert to_schema({"type": "object"}) == {"type": "object"}
