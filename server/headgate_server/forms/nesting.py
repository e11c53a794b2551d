"""How deep JSON values nest, and what lies directly inside one.

Walks by level instead of by recursion, so that no value, however deep, can exhaust the stack.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["DEPTH_MAX", "children", "is_deeper_than"]

DEPTH_MAX: Final = 64
"""Levels an answer may nest: few enough that a validator never runs out of stack by them alone."""


def children(value: object) -> Iterable[object]:
    """Give what lies directly inside a value, in order; nothing for a scalar.

    Args:
        value: Any JSON value. The names in an object do not count as lying inside it.
    """
    match value:
        case dict():
            return value.values()
        case list():
            return value
        case _:
            return ()


def is_deeper_than(value: object, levels: int) -> bool:
    """Tell whether a value nests objects and arrays more than so many levels deep.

    Args:
        value: Any JSON value. A scalar has depth 0, `[]` has 1, `[[]]` has 2.
        levels: The greatest depth that is still fine.
    """
    row = [value]
    for _ in range(levels):
        row = [child for parent in row for child in children(parent)]
    return any(isinstance(item, dict | list) for item in row)
