"""Fill in the placeholders of a run input before it is held against its schema.

An answer may hold placeholders: objects with a `__prefect_kind` that stand for a value still to be
made, from JSON text, from a Jinja template or from a workspace variable. Loading the variables is
the caller's business, and so is telling anybody about an error.
"""

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from headgate_server.forms.nesting import DEPTH_MAX, children, is_deeper_than
from headgate_server.forms.scales import Scales
from headgate_server.forms.wording import shorten

__all__ = ["PLACEHOLDER_KEY", "HydrationError", "hydrate", "variables_needed"]

PLACEHOLDER_KEY: Final = "__prefect_kind"
"""Makes an object a placeholder. Clients write it, so the name is not ours to choose."""

_REMOVED: Final = object()
"""Stands for an entry that is to vanish from its parent."""


class _Kind(StrEnum):
    """What a placeholder's value is made from."""

    NONE = "none"
    JSON = "json"
    JINJA = "jinja"
    WORKSPACE_VARIABLE = "workspace_variable"


class HydrationError(Exception):
    """The input holds something that cannot be filled in. Its text is fit for the caller's eyes."""

    def __init__(self, reason: str) -> None:
        """Keep the reason, cut down to a length that can be sent."""
        super().__init__(shorten(reason))


def hydrate(value: object, variables: Mapping[str, str]) -> dict[str, object]:
    """Replace every placeholder in a run input by the value it stands for.

    What an unknown or null kind carries, and what JSON text yields, is taken as it is: placeholders
    inside it stay. An operand that vanishes counts as one that was never given. Hostile templates can
    make this take up to about a second; an input without any takes microseconds.

    Args:
        value: The run input as parsed JSON; None is an empty one. It is not changed.
        variables: The workspace variables by name. May be empty when `variables_needed` says so.

    Returns:
        The input without placeholders, fit to be written as JSON; it may share parts with `value`.
        Whatever is falsy at the top level (null, an empty list, a placeholder that vanished) is {}.

    Raises:
        HydrationError: A placeholder is incomplete, wrong or names an unknown variable; the input
            nests more than `DEPTH_MAX` levels deep; the top level is neither an object nor falsy;
            or the result could not be written as JSON (half a surrogate pair, NaN).
    """
    _refuse_deep(value)
    filled = _Hydration(variables).fill(value)
    if filled is _REMOVED or not filled:
        return {}
    if not isinstance(filled, dict):
        raise HydrationError("The run input is not a JSON object.")
    _refuse_deep(filled)
    _refuse_unwritable(filled)
    return filled


def variables_needed(value: object) -> bool:
    """Tell whether hydrating this input may look up a workspace variable.

    True may be said too often (for a placeholder inside one that is not hydrated), False never is.
    Kinds are never templates themselves, so looking for the kind is enough.

    Args:
        value: The run input as parsed JSON, of any depth.
    """
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, dict) and item.get(PLACEHOLDER_KEY) == _Kind.WORKSPACE_VARIABLE:
            return True
        unseen.extend(children(item))
    return False


class _Hydration:
    """One input being filled in: what it may look up, and what its templates may still build."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._scales = Scales()

    def fill(self, value: object) -> object:
        match value:
            case dict() if PLACEHOLDER_KEY in value:
                return self._replace(value)
            case dict():
                members = ((name, self.fill(member)) for name, member in value.items())
                return {name: member for name, member in members if member is not _REMOVED}
            case list():
                elements = (self.fill(element) for element in value)
                return [element for element in elements if element is not _REMOVED]
            case _:
                return value

    def _replace(self, placeholder: dict[str, object]) -> object:
        match placeholder[PLACEHOLDER_KEY]:
            case _Kind.NONE:
                if "value" not in placeholder:
                    raise _missing("value")
                return self.fill(placeholder["value"])
            case _Kind.JSON:
                text = self._operand(placeholder, "value")
                return _REMOVED if text is _REMOVED else _parse(text)
            case _Kind.JINJA:
                template = self._operand(placeholder, "template")
                if template is _REMOVED:
                    raise _missing("template")
                return self._render(template)
            case _Kind.WORKSPACE_VARIABLE:
                name = self._operand(placeholder, "variable_name")
                return _REMOVED if name is _REMOVED else self._look_up(name)
            case _:
                return placeholder.get("value")

    def _operand(self, placeholder: dict[str, object], name: str) -> object:
        """Give what a placeholder works on, which may itself come from a placeholder."""
        return self.fill(placeholder.get(name, _REMOVED))

    def _render(self, template: object) -> str:
        # Few inputs hold a template, and Jinja takes longer to import than the rest of this room.
        from headgate_server.forms.templates import (  # noqa: PLC0415
            InvalidTemplateError,
            render_template,
        )

        if not isinstance(template, str):
            raise HydrationError("Invalid jinja: the template is not a string")
        try:
            return render_template(template, self._scales)
        except InvalidTemplateError as error:
            raise HydrationError(f"Invalid jinja: {error}") from error

    def _look_up(self, name: object) -> str:
        if not isinstance(name, str) or name not in self._variables:
            raise HydrationError(f"Variable '{name}' not found in workspace.")
        return self._variables[name]


def _missing(member: str) -> HydrationError:
    return HydrationError(f"Missing '{member}' key in __prefect object")


def _parse(text: object) -> object:
    try:
        # What is no text is refused by the parser, in its own words.
        return json.loads(text, parse_float=_finite, parse_constant=_finite)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise HydrationError(f"Invalid JSON: {error}") from error
    except RecursionError as error:
        raise HydrationError("Invalid JSON: nested too deeply") from error


def _finite(text: str) -> float:
    """Read a number that JSON can write again, which excludes NaN, Infinity and 1e999."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _refuse_deep(value: object) -> None:
    if is_deeper_than(value, DEPTH_MAX):
        raise HydrationError(f"The run input is nested more than {DEPTH_MAX} levels deep.")


def _refuse_unwritable(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise HydrationError(f"The run input cannot be written as JSON: {error}") from error
