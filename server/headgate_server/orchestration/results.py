"""Results: what the data of a state tells about itself. Looks at one member, reads no result."""

import re
from typing import Any, Final

import msgspec

UNKNOWN_RESULT: Final = '{"type":"unknown","value":null}'
"""Stands for a result that exists, but of which nobody knows the value."""


class _Typed(msgspec.Struct):
    type: Any = None


_TYPED_DECODER: Final = msgspec.json.Decoder(_Typed)
_EMPTY_OBJECT: Final = re.compile(r"\s*\{\s*\}\s*")


def kept(data_json: str | None) -> str | None:
    """Return the data to store: nothing for null, and nothing for a result its owner kept back."""
    if data_json is None or data_json.strip() == "null" or _type_in(data_json) == "unpersisted":
        return None
    return data_json


def is_persisted(data_json: str | None) -> bool:
    """Tell whether data holds a result that is worth more than running again."""
    return kept(data_json) is not None and not _EMPTY_OBJECT.fullmatch(data_json or "")


def is_reference(data_json: str | None) -> bool:
    """Tell whether data points at a result that is stored elsewhere."""
    return data_json is not None and _type_in(data_json) == "reference"


def _type_in(data_json: str) -> object:
    try:
        return _TYPED_DECODER.decode(data_json).type
    except (msgspec.DecodeError, RecursionError):
        return None  # no object, or one too deep to look into: it names no type
