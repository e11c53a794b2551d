"""The clocks of a time zone: which instant it is when they show a time of day.

Times that clocks show ("walls") are naive; instants are in UTC. Clocks skip some times of day and show others twice.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

__all__ = ["earliest_wall", "instant", "instants", "is_time_zone", "wall", "zone"]

_LONGEST_SKIP: Final = timedelta(hours=26)
"""No clocks have ever skipped more: islands have moved to the other side of the date line."""


def is_time_zone(name: str) -> bool:
    """Return whether a time zone has this name in the IANA database."""
    return name in _names()


@cache
def zone(name: str) -> ZoneInfo:
    """Return the time zone with a name that `is_time_zone` knows."""
    return ZoneInfo(name)


def wall(time: datetime, clocks: ZoneInfo) -> datetime:
    """Return what the clocks show at an instant."""
    return time.astimezone(clocks).replace(tzinfo=None)


def instant(shown: datetime, clocks: ZoneInfo) -> datetime:
    """Return when the clocks show a time first.

    A time that they skip counts from before the skip, so that it is moved on by as much as they skip.
    """
    return shown.replace(tzinfo=clocks).astimezone(UTC)


def earliest_wall(start: datetime, clocks: ZoneInfo) -> datetime:
    """Return a time so that `instant` is from `start` on for no earlier one."""
    before = start - _LONGEST_SKIP
    skipped = (wall(start, clocks) - wall(before, clocks)) - _LONGEST_SKIP
    return wall(start, clocks) - max(skipped, timedelta())


def instants(shown: Iterable[datetime], clocks: ZoneInfo) -> Iterator[datetime]:
    """Yield when the clocks show times first, in order and none twice.

    Args:
        shown: The times, ascending.
        clocks: The time zone.
    """
    last: datetime | None = None
    for time in _in_order(shown, clocks):
        if last is None or time > last:
            yield time
            last = time


def _in_order(shown: Iterable[datetime], clocks: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants of ascending walls, ascending: what is moved out of a skip may come after what lies behind it."""
    moved: list[datetime] = []
    for each in shown:
        time = instant(each, clocks)
        if wall(time, clocks) != each:
            heappush(moved, time)
            continue
        while moved and moved[0] <= time:
            yield heappop(moved)
        yield time
    yield from sorted(moved)


@cache
def _names() -> frozenset[str]:
    """Return the names of all time zones."""
    return frozenset(available_timezones())
