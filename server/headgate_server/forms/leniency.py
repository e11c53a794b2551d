"""Make the schemas that programs store mean what their authors meant.

Pydantic 1 writes an optional field as its bare type, and a tuple as a list of item schemas. Under
JSON Schema 2020-12 the first refuses null and the second is no schema at all, so both are
rewritten. Whatever is not shaped like a schema passes through: the validator will tell.
"""

from collections.abc import Collection
from typing import Final

__all__ = ["make_lenient", "without_required"]

_MAPS_OF_SCHEMAS: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords that hold schemas by name; the names are not keywords, even if they look like one."""

_DATA: Final = frozenset({"const", "default", "dependentRequired", "enum", "examples"})
"""Keywords that hold no schemas, so that nothing in them is a keyword."""


def make_lenient(schema: object, *, allow_none_with_default: bool = False) -> object:
    """Let optional properties be null, and read a list of item schemas as a tuple's.

    Reaches the properties of the schema, those of its `definitions`, and theirs, however nested;
    `$defs` are left alone, as nothing that writes them needs it.

    Args:
        schema: A JSON schema. It is not changed.
        allow_none_with_default: Also let a property be null that has a default. This holds for the
            outermost properties only.

    Returns:
        The rewritten schema; it may share parts with the given one.
    """
    if not isinstance(schema, dict):
        return schema
    lenient = _with_lenient_properties(schema, allow_none_with_default=allow_none_with_default)
    definitions = schema.get("definitions")
    if isinstance(definitions, dict):
        lenient["definitions"] = {
            name: _with_lenient_properties(
                definition, allow_none_with_default=allow_none_with_default
            )
            if isinstance(definition, dict)
            else definition
            for name, definition in definitions.items()
        }
    return lenient


def without_required(schema: object) -> object:
    """Drop each `required` list, at any depth, so that every property may be left out.

    Args:
        schema: A JSON schema. It is not changed.

    Returns:
        The rewritten schema; it may share parts with the given one.
    """
    match schema:
        case dict():
            return {
                keyword: _member_without_required(keyword, member)
                for keyword, member in schema.items()
                if keyword != "required"
            }
        case list():
            return [without_required(element) for element in schema]
        case _:
            return schema


def _member_without_required(keyword: str, member: object) -> object:
    if keyword in _DATA:
        return member
    if keyword in _MAPS_OF_SCHEMAS and isinstance(member, dict):
        return {name: without_required(schema) for name, schema in member.items()}
    return without_required(member)


def _with_lenient_properties(
    schema: dict[str, object], *, allow_none_with_default: bool
) -> dict[str, object]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return dict(schema)
    required = schema.get("required")
    names: Collection[object] = required if isinstance(required, list) else ()
    return schema | {
        "properties": {
            name: _lenient_property(
                member,
                is_required=name in names,
                allow_none_with_default=allow_none_with_default,
            )
            for name, member in properties.items()
        }
    }


def _lenient_property(
    schema: object, *, is_required: bool, allow_none_with_default: bool
) -> object:
    if not isinstance(schema, dict):
        return schema
    lenient = _with_lenient_properties(schema, allow_none_with_default=False)
    if isinstance(lenient.get("items"), list) and "prefixItems" not in lenient:
        lenient["prefixItems"] = lenient.pop("items")
    may_be_null = not is_required and (allow_none_with_default or "default" not in schema)
    if may_be_null and lenient.get("type", "null") != "null":
        _allow_null(lenient)
    return lenient


def _allow_null(schema: dict[str, object]) -> None:
    """Accept null beside the type. An `anyOf` that is already there goes on to hold."""
    choice: dict[str, object] = {"anyOf": [{"type": schema.pop("type")}, {"type": "null"}]}
    if "anyOf" not in schema:
        schema.update(choice)
    else:
        others = schema.get("allOf")
        schema["allOf"] = [*(others if isinstance(others, list) else ()), choice]
