"""JSON texts: whether a text is one that can be kept. Looks at the text and builds no values."""

import re
from itertools import accumulate
from typing import Any, Final

import msgspec

DEPTH_MAX: Final = 200
"""Levels of objects and arrays: deeper texts exhaust the stack of common readers."""

_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUL_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ALL_BUT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def fault_in_value(text: str, bytes_max: int) -> str | None:
    """Say what keeps a text from being one JSON text, or None if it is one."""
    return _fault(text, bytes_max, _VALUE, "must be one JSON text")


def fault_in_object(text: str, bytes_max: int) -> str | None:
    """Say what keeps a text from being one JSON object text, or None if it is one."""
    return _fault(text, bytes_max, _OBJECT, "must be one JSON object text")


def _fault(
    text: str, bytes_max: int, decoder: msgspec.json.Decoder[Any], expected: str
) -> str | None:
    if len(text) > bytes_max or (not text.isascii() and len(text.encode()) > bytes_max):
        return f"must have at most {bytes_max} bytes"
    try:
        decoder.decode(text)
    except msgspec.DecodeError as error:
        return f"{expected}: {error}"
    except RecursionError:
        return _TOO_DEEP
    if "\\u0000" in text and _NUL_ESCAPE.search(text):
        return "must not contain the character U+0000, not even escaped"
    return _TOO_DEEP if _is_too_deep(text) else None


_TOO_DEEP: Final = f"must nest objects and arrays at most {DEPTH_MAX} levels deep"


def _is_too_deep(text: str) -> bool:
    """Tell whether a valid JSON text nests too deep. Only texts with many brackets are looked at closely."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return False
    brackets = _STRING.sub(b"", text.encode()).translate(None, _ALL_BUT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > DEPTH_MAX
