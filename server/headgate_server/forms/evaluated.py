"""What of an answer the keywords of a schema have looked at already.

The rules for `unevaluatedItems` and `unevaluatedProperties` of jsonschema, with patterns that can
be stopped, and with sets, so that their time grows no faster than the answer.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["evaluated_items", "evaluated_properties"]


def evaluated_items(validator: Any, array: Sequence[object], schema: Any) -> set[int]:
    """Give the places in an array that a schema says something about.

    Args:
        validator: The validator for the schema.
        array: The array.
        schema: The schema; what it refers to and chooses counts as well.
    """
    if isinstance(schema, bool):
        return set()
    if "items" in schema:
        return set(range(len(array)))
    found = set(range(len(schema.get("prefixItems", ()))))
    for keyword in ("contains", "unevaluatedItems"):
        if keyword in schema:
            member = schema[keyword]
            found.update(at for at, item in enumerate(array) if _fits(validator, item, member))
    for user, part in _parts(validator, array, schema):
        found |= evaluated_items(user, array, part)
    return found


def evaluated_properties(
    validator: Any, members: Mapping[str, object], schema: Any, search: Callable[[str, str], bool]
) -> set[str]:
    """Give the names in an object that a schema says something about.

    Args:
        validator: The validator for the schema.
        members: The object.
        schema: The schema; what it refers to and chooses counts as well.
        search: Tells whether a pattern is found in a name.
    """
    if isinstance(schema, bool):
        return set()
    properties = schema.get("properties")
    found = properties.keys() & members.keys() if isinstance(properties, dict) else set()
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if keyword in schema:
            member = schema[keyword]
            found.update(name for name, value in members.items() if _fits(validator, value, member))
    patterns = schema.get("patternProperties", ())
    found.update(name for name in members if any(search(pattern, name) for pattern in patterns))
    for name, part in schema.get("dependentSchemas", {}).items():
        if name in members:
            found |= evaluated_properties(validator, members, part, search)
    for user, part in _parts(validator, members, schema):
        found |= evaluated_properties(user, members, part, search)
    return found


def _parts(validator: Any, value: object, schema: Any) -> Iterator[tuple[Any, Any]]:
    """Give the schemas that hold for the same value beside this one, each with its validator."""
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            target = validator._resolver.lookup(schema[keyword])  # noqa: SLF001 - as its keywords do
            user = validator.evolve(schema=target.contents, _resolver=target.resolver)
            yield user, target.contents
    for part in _chosen(validator, value, schema):
        yield validator, part


def _chosen(validator: Any, value: object, schema: Any) -> Iterable[Any]:
    """Give the schemas inside this one that the value fits."""
    for keyword in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(keyword, ()):
            if _fits(validator, value, part):
                yield part
    if "if" in schema:
        if _fits(validator, value, schema["if"]):
            yield schema["if"]
            if "then" in schema:
                yield schema["then"]
        elif "else" in schema:
            yield schema["else"]


def _fits(validator: Any, value: object, schema: Any) -> bool:
    return next(validator.descend(value, schema), None) is None
