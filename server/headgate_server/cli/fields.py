"""Fields: the members of an answer that a JSON schema asks for, and how what a person types becomes their values.

Knows nothing of terminals. Nothing is validated here but what is needed to read a text: the server decides.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from headgate import Json

_YES: Final = frozenset({"y", "yes", "true", "1"})
_NO: Final = frozenset({"n", "no", "false", "0"})
_MERGED: Final = ("allOf", "anyOf", "oneOf")


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "MISSING"


MISSING: Final = Missing.MISSING
"""Stands for a value that is not there, where None would be null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member of an answer."""

    name: str
    """The name of the member."""
    kind: str = ""
    """The type as JSON schema calls it. Empty if it may be several."""
    title: str = ""
    """What a person calls it. Empty if it has no other name."""
    description: str = ""
    """What a person should know about it."""
    is_required: bool = False
    """Whether an answer must have it."""
    is_nullable: bool = False
    """Whether it may be null."""
    choices: tuple[Json, ...] = field(default=(), hash=False)
    """The values it may have, if they are listed."""
    default: Json | Missing = field(default=MISSING, hash=False)
    """The value it has if it is left out."""
    items: str = ""
    """For arrays: the type of an item."""

    @property
    def expected(self) -> str:
        """What is expected of it, in a few words."""
        if self.choices:
            return "one of " + ", ".join(shown(choice) for choice in self.choices)
        return {
            "boolean": "yes or no",
            "integer": "a whole number",
            "number": "a number",
            "string": "text",
            "array": "several values with commas between"
            if self.items == "string"
            else "a JSON array",
            "object": "a JSON object",
            "null": "null",
        }.get(self.kind, "text or JSON")


def fields_of(schema: Json) -> list[Field]:
    """Return the fields that a schema names, in its order. None if it names no members."""
    return list(_fields(schema)) if isinstance(schema, dict) else []


def _fields(schema: dict[str, Json]) -> Iterator[Field]:
    top = _resolved(schema, schema)
    required = top.get("required") or ()
    members = top.get("properties")
    for name, member in members.items() if isinstance(members, dict) else ():
        told = _resolved(member, schema)
        items = _resolved(told.get("items"), schema)
        yield Field(
            name=name,
            kind=_kind(told),
            title=str(told.get("title") or ""),
            description=str(told.get("description") or ""),
            is_required=name in required,
            is_nullable=bool(told.get("nullable")) or "null" in _kinds(told),
            choices=tuple(told["enum"]) if isinstance(told.get("enum"), list) else (),
            default=told.get("default", MISSING),
            items=_kind(items),
        )


def _resolved(member: Json, schema: dict[str, Json], depth: int = 8) -> dict[str, Json]:
    """Return what a schema says about a member, with references followed and alternatives to null laid aside."""
    if not isinstance(member, dict) or depth == 0:
        return {}
    told = dict(member)
    if isinstance(reference := told.pop("$ref", None), str):
        told = _resolved(_target(reference, schema), schema, depth - 1) | told
    for word in _MERGED:
        parts = told.get(word)
        if not isinstance(parts, list):
            continue
        real = [part for part in parts if part != {"type": "null"}]
        if len(real) == 1:
            del told[word]
            told = _resolved(real[0], schema, depth - 1) | told
            told["nullable"] = told.get("nullable") or len(real) < len(parts)
    if "const" in told:
        told["enum"] = [told["const"]]
    return told


def _target(reference: str, schema: dict[str, Json]) -> Json:
    """Return what a reference within a schema points at."""
    found: Json = schema
    for step in reference.removeprefix("#").strip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _kinds(told: dict[str, Json]) -> list[str]:
    kind = told.get("type")
    return kind if isinstance(kind, list) else [kind] if isinstance(kind, str) else []


def _kind(told: dict[str, Json]) -> str:
    real = [kind for kind in _kinds(told) if kind != "null"]
    return real[0] if len(real) == 1 else ""


def read(asked: Field, text: str) -> Json:
    """Return the value that a text means for a field.

    Raises:
        ValueError: The text means none; the error says what was expected.
    """
    if asked.is_nullable and text == "null":
        return None
    reader = _choice if asked.choices else _READERS.get(asked.kind, _anything)
    value = reader(asked, text)
    if isinstance(value, Missing):
        raise ValueError(f"expected {asked.expected}")  # noqa: TRY004  the text is wrong
    return value


def _choice(asked: Field, text: str) -> Json | Missing:
    """Return the choice that a text names, as it stands or by its beginning."""
    named = [choice for choice in asked.choices if text in {shown(choice), json.dumps(choice)}]
    begun = [choice for choice in asked.choices if shown(choice).lower().startswith(text.lower())]
    for found in (named, begun if text else []):
        if len(found) == 1:
            return found[0]
    return MISSING


def _boolean(_asked: Field, text: str) -> Json | Missing:
    return text.lower() in _YES if text.lower() in _YES | _NO else MISSING


def _text(_asked: Field, text: str) -> Json:
    return _json(text, text) if text.startswith('"') else text


def _array(asked: Field, text: str) -> Json | Missing:
    if asked.items == "string" and not text.startswith("["):
        return [part.strip() for part in text.split(",")]
    return _typed(list)(asked, text)


def _anything(_asked: Field, text: str) -> Json:
    return _json(text, text)


def _typed(*kinds: type) -> Callable[[Field, str], Json | Missing]:
    """Return a reader of JSON of certain types; true and false are no numbers."""

    def read_typed(_asked: Field, text: str) -> Json | Missing:
        value = _json(text, MISSING)
        return value if type(value) in kinds else MISSING

    return read_typed


def _json(text: str, otherwise: Json) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


_READERS: Final[Mapping[str, Callable[[Field, str], Json | Missing]]] = MappingProxyType(
    {
        "boolean": _boolean,
        "string": _text,
        "array": _array,
        "object": _typed(dict),
        "integer": _typed(int, float),
        "number": _typed(int, float),
        "null": _typed(type(None)),
    }
)


def shown(value: Json) -> str:
    """Return a value as a person would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_pairs(pairs: list[str], schema: Json) -> dict[str, Any]:
    """Return the answer that texts of the form `name=value` mean under a schema.

    Raises:
        ValueError: A text has no such form, or its value cannot be read as the schema asks.
    """
    known = {each.name: each for each in fields_of(schema)}
    answer: dict[str, Any] = {}
    for pair in pairs:
        name, mark, text = pair.partition("=")
        if not (mark and name):
            raise ValueError(f"{pair!r} is not NAME=VALUE.")
        try:
            answer[name] = read(known.get(name, Field(name=name)), text)
        except ValueError as error:
            raise ValueError(f"{name}={text}: {error}.") from None
    return answer
