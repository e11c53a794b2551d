"""Forms: which JSON schema a type stands for, and how an answer becomes a value of the type.

Works with pydantic where the caller has it, and needs it only for types that are no mapping and
have no schema of their own.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeAlias

from headgate.states import Json, JsonObject

Form: TypeAlias = Any
"""What an answer must look like: a JSON schema, a pydantic model, or any type pydantic knows."""


def to_schema(form: Form) -> JsonObject:
    """Return the JSON schema of a form.

    An answer is always an object, so a form that is no model is asked for as its member `value`.

    Args:
        form: A mapping is a schema already. A class with `model_json_schema` tells its own. Any
            other type is left to pydantic.

    Raises:
        TypeError: The form is none of these, or pydantic is missing.
    """
    if isinstance(form, Mapping):
        return form
    if hasattr(form, "model_json_schema"):
        schema: JsonObject = form.model_json_schema()
        return schema
    value = _schema_by_pydantic(form)
    definitions = value.pop("$defs", None)
    return {
        "type": "object",
        "properties": {"value": {"title": "Value", **value}},
        "required": ["value"],
        "additionalProperties": False,
        **({"$defs": definitions} if definitions else {}),
    }


def from_answer(form: Form, answer: JsonObject) -> Json:
    """Return an answer as the form has it: an instance, a bare value, or the object itself.

    Args:
        form: What was asked for. None or a mapping leave the answer as it is.
        answer: The answer that was stored.

    Raises:
        ValueError: The form refuses the answer, for a reason that its schema cannot express.
    """
    if form is None or isinstance(form, Mapping) or hasattr(form, "model_validate_json"):
        return from_value(form, answer)
    return from_value(form, answer.get("value"))


def from_value(form: Form, value: Json) -> Json:
    """Return a JSON value as a type has it.

    Args:
        form: The type. None or a mapping leave the value as it is.
        value: The value.

    Raises:
        ValueError: The value is not of the type.
    """
    if form is None or isinstance(form, Mapping):
        return value
    if hasattr(form, "model_validate_json"):
        return form.model_validate_json(json.dumps(value))
    return import_module("pydantic").TypeAdapter(form).validate_json(json.dumps(value))


def to_plain(value: Json) -> Json:
    """Return a value as JSON has it: a pydantic model as its members, all else as it is."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    return value


def _schema_by_pydantic(form: Form) -> dict[str, Json]:
    try:
        pydantic = import_module("pydantic")
    except ImportError:
        raise TypeError(
            f"{form!r} has no JSON schema, and there is no pydantic to make one."
        ) from None
    try:
        schema: dict[str, Json] = pydantic.TypeAdapter(form).json_schema()
    except pydantic.errors.PydanticUserError as error:
        raise TypeError(f"{form!r} is neither a JSON schema nor a type that has one.") from error
    return schema
