"""Effort: how long and how often everything is measured."""

from typing import Final

import msgspec


class Fanning(msgspec.Struct, frozen=True, kw_only=True):
    """How one number of watchers is measured."""

    watchers: int
    events: int
    """Events in a round."""
    interval: float
    """Seconds between two events: long enough that one is with all watchers before the next begins."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often everything is measured."""

    rounds: int
    """Rounds of each comparison. In each the subject and its unit take turns, so that noise hits both."""
    seconds: float
    """Length of one turn."""
    warm_seconds: float = 0.2
    """How long callers are at work before a turn begins to count."""
    callers: tuple[int, ...] = (1, 16, 64)
    history: int
    """Runs that are stored already where changes are measured."""
    fannings: tuple[Fanning, ...]
    waits: int
    """How often the end of a run is waited for."""
    idle_watches: int
    sizes: tuple[int, ...]
    """Runs that are stored where pages are read."""
    pages: int
    """Pages of one kind that are read in a turn."""


FULL: Final = Effort(
    rounds=8,
    seconds=0.6,
    history=100_000,
    fannings=(
        Fanning(watchers=1, events=20, interval=0.02),
        Fanning(watchers=100, events=10, interval=0.06),
        Fanning(watchers=1000, events=4, interval=0.5),
    ),
    waits=64,
    idle_watches=2000,
    sizes=(10_000, 100_000, 1_000_000),
    pages=5,
)
"""Some ten minutes."""

QUICK: Final = Effort(
    rounds=2,
    seconds=0.4,
    history=10_000,
    callers=(1, 64),
    fannings=(
        Fanning(watchers=1, events=5, interval=0.02),
        Fanning(watchers=100, events=5, interval=0.06),
    ),
    waits=5,
    idle_watches=300,
    sizes=(10_000, 30_000),
    pages=2,
)
"""About a minute: shows that everything works, and proves nothing."""
