"""Search with the patterns of strangers, for as long as there is time.

Which patterns there are is decided by Python's `re`; they are run by an engine that can be stopped
and that lets other threads go on meanwhile, which `re` does not.
"""

import re
from typing import Final

import regex

from headgate_server.forms.budget import Budget

__all__ = ["WEIGHT_MAX", "PatternTooLargeError", "Patterns", "compile_pattern"]

WEIGHT_MAX: Final = 10_000
"""Nodes a compiled pattern may have: compiling cannot be stopped, and takes a few µs for each."""

_COUNT: Final = re.compile(r"\{([0-9]+)")
"""How a counted repetition begins. The engine makes that many copies of what is repeated."""

_VERBOSE: Final = re.compile(r"\(\?[a-zA-Z-]*x")
"""A flag under which blanks and comments are skipped, so that counts can be written in disguise."""


class PatternTooLargeError(Exception):
    """A pattern is larger than what is taken."""


class Patterns:
    """The patterns met while one answer is checked; each is compiled once."""

    def __init__(self, budget: Budget) -> None:
        """Make an empty collection whose searches use up a budget."""
        self._budget = budget
        self._compiled: dict[str, regex.Pattern[str]] = {}

    def search(self, pattern: str, text: str) -> bool:
        """Tell whether a pattern is found anywhere in a text.

        Raises:
            PatternTooLargeError: The pattern is too large.
            ValidationTooLongError: The time was up, or the engine out of memory, before that was known.
            re.error: The pattern is none.
        """
        compiled = self._compiled.get(pattern)
        if compiled is None:
            compiled = self._compiled[pattern] = compile_pattern(pattern)
        try:
            found = compiled.search(text, timeout=self._budget.left(), concurrent=True)
        except (TimeoutError, MemoryError) as error:
            raise self._budget.exceeded() from error
        return found is not None


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Compile a pattern, in a time that is bounded by `WEIGHT_MAX`.

    Raises:
        PatternTooLargeError: The pattern is too large, or its size cannot be told.
        re.error: The pattern is none.
    """
    if len(pattern) > WEIGHT_MAX:
        raise PatternTooLargeError("A pattern is too long.")
    re.compile(pattern)
    if _weight(pattern) > WEIGHT_MAX:
        raise PatternTooLargeError("A pattern repeats too much.")
    if _VERBOSE.search(pattern):
        raise PatternTooLargeError("A pattern must not use the flag 'x'.")
    try:
        return regex.compile(pattern, cache_pattern=False)
    except regex.error as error:
        raise re.error(str(error)) from error


def _weight(pattern: str) -> int:
    """Estimate how large a pattern is with all its repetitions written out; never too small.

    Where it is not plain that a single character is repeated, it may be all that stands before.
    """
    weight = seen = 0
    for repetition in _COUNT.finditer(pattern):
        start, count = repetition.start(), int(repetition[1])
        weight += start - seen
        seen = start
        before = pattern[start - 1 : start]
        if before in {".", "]"} or before.isalnum():
            weight += count
        else:
            weight *= max(count, 1)
    return weight + len(pattern) - seen
