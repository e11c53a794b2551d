"""What the templates of one input may build, and what their values weigh.

A value weighs about one for each character of text and for each member of a list or dict, counted
through all levels: what it would take to write it down, not what it takes in memory.
"""

from collections.abc import Collection, Iterable, MappingView
from types import GeneratorType
from typing import Final

__all__ = [
    "INPUT_WEIGHT_MAX",
    "VALUE_DEPTH_MAX",
    "VALUE_WEIGHT_MAX",
    "Scales",
    "TooHeavyError",
    "refuse_heavy",
]

VALUE_WEIGHT_MAX: Final = 10_000
"""What one value may weigh."""

VALUE_DEPTH_MAX: Final = 20
"""Levels that lists and dicts may nest inside each other."""

INPUT_WEIGHT_MAX: Final = 250_000
"""What all values of all templates in one input may weigh; spent in about half a second."""


class TooHeavyError(Exception):
    """A template asks for too much. The text says of what."""


class Scales:
    """Add up what the templates of one input build. Not to be shared between inputs."""

    def __init__(self) -> None:
        """Start with everything left to spend."""
        self._left = INPUT_WEIGHT_MAX

    def weigh(self, value: object) -> object:
        """Charge the input for a value.

        Args:
            value: Whatever an expression gave.

        Returns:
            The value; for a generator the list of what it generates, as only that has a weight.

        Raises:
            TooHeavyError: The value alone, or everything so far, weighs too much.
        """
        if isinstance(value, GeneratorType):
            value = _gather(value)
        self.spend(_weight_of(value))
        return value

    def spend(self, weight: int) -> None:
        """Charge the input for something whose weight is known.

        Args:
            weight: How much to charge.

        Raises:
            TooHeavyError: Everything so far weighs too much.
        """
        self._left -= weight
        if self._left < 0:
            raise TooHeavyError(
                f"The templates make more than {INPUT_WEIGHT_MAX} characters and values."
            )


def refuse_heavy(weight: int) -> None:
    """Refuse a value of this weight, made or still to be made.

    Args:
        weight: What the value weighs, or will weigh at least.

    Raises:
        TooHeavyError: It is more than `VALUE_WEIGHT_MAX`.
    """
    if weight > VALUE_WEIGHT_MAX:
        raise TooHeavyError(
            f"A value in the template has more than {VALUE_WEIGHT_MAX} characters or members."
        )


def _gather(values: Iterable[object]) -> list[object]:
    """List what is generated, and stop when it is too much."""
    gathered: list[object] = []
    total = 0
    for value in values:
        total += _weight_of(value)
        refuse_heavy(total)
        gathered.append(value)
    return gathered


def _weight_of(value: object) -> int:
    """Weigh level by level, and stop when it is too much."""
    total = 0
    row: list[object] = [value]
    for _ in range(VALUE_DEPTH_MAX + 1):
        below: list[object] = []
        for item in row:
            members = _members(item)
            total += 1 + _length(item) + len(members)
            refuse_heavy(total)
            below += members
        if not below:
            return total
        row = below
    raise TooHeavyError(f"A value in the template nests more than {VALUE_DEPTH_MAX} levels deep.")


def _members(value: object) -> Collection[object]:
    match value:
        case dict():
            return [*value.keys(), *value.values()]
        case list() | tuple() | set() | frozenset():
            return value
        case MappingView():
            return list(value) if isinstance(value, Iterable) else ()
        case _:
            return ()


def _length(value: object) -> int:
    match value:
        case str() | bytes():
            return len(value)
        case int():
            return value.bit_length() // 8
        case _:
            return 0
