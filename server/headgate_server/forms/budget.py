"""How long the work for one answer may take."""

from collections.abc import Callable
from time import monotonic
from typing import Final

__all__ = ["BUDGET_SECONDS", "Budget", "ValidationTooLongError"]

BUDGET_SECONDS: Final = 1.0
"""What one answer may take: far more than any honest schema needs, and short enough to wait for."""


class ValidationTooLongError(Exception):
    """Holding the answer against the schema took longer than it may."""

    def __init__(self, seconds: float) -> None:
        """Say how long was tried."""
        super().__init__(f"Validation took too long. It was given up after {seconds:g} s.")


class Budget:
    """A span of time that is used up from the moment it is made."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = monotonic) -> None:
        """Start the span.

        Args:
            seconds: How long it is.
            clock: Tells the time in seconds.
        """
        self._seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Give the seconds that are left, always more than none.

        Raises:
            ValidationTooLongError: None are left.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise self.exceeded()
        return left

    def exceeded(self) -> ValidationTooLongError:
        """Make the error that says that the span is used up."""
        return ValidationTooLongError(self._seconds)
