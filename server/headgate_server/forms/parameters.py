"""The parameters of a run, made of those of its deployment and those that somebody gives.

Texts stay as they are given wherever nothing is to be filled in: numbers keep all their digits.
"""

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate_server.forms.hydrate import PLACEHOLDER_KEY, HydrationError, hydrate
from headgate_server.forms.nesting import children

__all__ = ["filled_in", "may_hold_placeholders", "overlaid", "parsed"]

_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def overlaid(base: str, overlay: str) -> str:
    """Return one JSON object with the members of two; those of the second win."""
    members = _MEMBERS(base) | _MEMBERS(overlay)
    return msgspec.json.encode(members).decode()


def may_hold_placeholders(text: str) -> bool:
    """Tell whether a JSON text may hold a placeholder. True may be said too often, False never is."""
    return PLACEHOLDER_KEY in text or "\\u" in text


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """Return a JSON object text with its placeholders replaced by what they stand for.

    Raises:
        HydrationError: A placeholder cannot be filled in, or what stands beside it cannot be read.
    """
    if not may_hold_placeholders(text):
        return text
    value = parsed(text)
    if not _holds_placeholder(value):
        return text
    return json.dumps(hydrate(value, variables), separators=(",", ":"), ensure_ascii=False)


def parsed(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        HydrationError: It holds a number of more digits than can be read.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise HydrationError(f"Invalid JSON: {error}") from error


def _holds_placeholder(value: object) -> bool:
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, dict) and PLACEHOLDER_KEY in item:
            return True
        unseen.extend(children(item))
    return False
