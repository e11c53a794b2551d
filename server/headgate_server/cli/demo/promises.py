"""Promises: what the demo checks in the end, from what was seen and what the server has kept."""

from collections.abc import Sequence
from dataclasses import dataclass

Seen = tuple[int, str]
"""A state as somebody saw it: its version and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that must hold."""

    text: str
    """What must hold."""
    holds: bool
    """Whether it does."""


def nothing_is_lost(acknowledged: Sequence[Seen], kept: Sequence[Seen]) -> Promise:
    """Every state that was acknowledged is kept."""
    lost = sorted(set(acknowledged) - set(kept))
    missing = f"; lost: {lost}" if lost else ""
    return Promise(
        text=f"{len(acknowledged)} states were acknowledged, and the server has kept them all{missing}",
        holds=bool(acknowledged) and not lost,
    )


def versions_count_up(kept: Sequence[Seen]) -> Promise:
    """The states that are kept number 1, 2, 3 and so on."""
    return Promise(
        text=f"their versions are 1 to {len(kept)} without a gap",
        holds=[version for version, _ in kept] == list(range(1, len(kept) + 1)) and bool(kept),
    )


def watched_in_full(who: str, seen: Sequence[Seen], kept: Sequence[Seen]) -> Promise:
    """A watcher saw each state once, and all of them in order."""
    return Promise(
        text=f"{who} saw {len(seen)} of {len(kept)} states, each once and in order",
        holds=list(seen) == list(kept) and bool(kept),
    )
