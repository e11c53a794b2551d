"""Histories: how many runs were expected to start when, and how they stand. Knows nothing of storage or the wire."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from headgate_server.model.states import StateType

INTERVALS_MAX: Final = 500
"""What comes after so many intervals is left out."""

SUM_MAX: Final = timedelta(seconds=315_576_000_000)
"""The longest span of time that can be told, some 10,000 years. Sums above it are cut to it."""


class HistorySpan(msgspec.Struct, frozen=True, kw_only=True):
    """The time that a history tells of, cut into intervals."""

    start: datetime
    """When the first interval begins."""
    end: datetime
    """Intervals begin before this time; the last one may end after it."""
    interval: timedelta
    """How long each is; positive."""

    @property
    def count(self) -> int:
        """How many intervals there are."""
        whole = -((self.start - self.end) // self.interval)  # rounded up
        return min(max(whole, 0), INTERVALS_MAX)

    def starts(self) -> list[datetime]:
        """Return when each interval begins."""
        return [self.start + index * self.interval for index in range(self.count)]


class HistoryState(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one interval that are in states of the same type and name."""

    state_type: StateType | None
    """None for runs without a state."""
    state_name: str | None
    """None for runs without a state."""
    count: int
    run_time: timedelta
    """The sum of the estimated run times, at most `SUM_MAX`."""
    lateness: timedelta
    """The sum of how late the runs are or were, at most `SUM_MAX`."""


class HistoryInterval(msgspec.Struct, frozen=True, kw_only=True):
    """The runs that were expected to start within one interval, its start included and its end not."""

    start: datetime
    end: datetime
    states: tuple[HistoryState, ...] = ()
    """By the name of the type, then by the name of the state; runs without a state come first."""
