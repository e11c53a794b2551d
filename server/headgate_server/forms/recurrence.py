"""Recurrence rules of RFC 5545, as the times of day that they name.

The rules come from callers and are not trusted to name any date: looking for one that never comes would take for ever, so the
search is given up after a fixed amount of work.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache, partial
from time import thread_time
from types import FrameType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, MINUTELY, SECONDLY, WEEKLY, rrule, rruleset, rrulestr

from headgate_server.forms.budget import Budget, ValidationTooLongError
from headgate_server.forms.clocks import is_time_zone, wall, zone

__all__ = ["Recurrence", "RecurrenceError", "SearchTooLongError", "parse_recurrence"]

DEFAULT_START: Final = datetime(2020, 1, 1)  # noqa: DTZ001  what clocks show
"""When rules begin that do not say so."""
SEARCH_SECONDS: Final = 0.25
"""Time on the processor that one search may take: enough to look at decades of days."""

_CALLS_BETWEEN_LOOKS: Final = 100
_UTC: Final = ZoneInfo("UTC")
_STEPS: Final = {
    SECONDLY: timedelta(seconds=1),
    MINUTELY: timedelta(minutes=1),
    HOURLY: timedelta(hours=1),
    DAILY: timedelta(days=1),
    WEEKLY: timedelta(weeks=1),
}
"""Distances that may be added to the beginning of a rule without a change of what it names from there on."""
_LINE: Final = re.compile(
    r"(?:(DTSTART|RRULE|EXRULE|RDATE|EXDATE)((?:;[^:]*)?):)?(.*)", re.IGNORECASE
)
_TIME_ZONE: Final = re.compile(r";TZID=([^;]+)", re.IGNORECASE)
_UTC_TIME: Final = re.compile(r"(\d{8}T\d{6})Z", re.IGNORECASE)
_TIME: Final = re.compile(r"(\d{8})(?:T(\d{6}))?", re.IGNORECASE)


class RecurrenceError(Exception):
    """The text is no recurrence rule. The reason is fit for the caller's eyes."""


class SearchTooLongError(Exception):
    """The search for dates was given up."""

    def __init__(self) -> None:
        """Say so, for the caller's eyes."""
        super().__init__("must name dates that can be found within a reasonable time")


class Recurrence(NamedTuple):
    """Rules and dates, and the clocks by which they are read."""

    clocks: ZoneInfo
    rules: tuple[rrule, ...]
    dates: tuple[datetime, ...]
    rules_of_exceptions: tuple[rrule, ...]
    exceptions: tuple[datetime, ...]

    def walls(self, start: datetime) -> Iterator[datetime]:
        """Yield the times of day from one on, ascending.

        Raises:
            RecurrenceError: The rules name no dates that exist.
            SearchTooLongError: They are not found within reasonable time.
        """
        search = _Search()
        with search.limited():
            found = self._from(start).xafter(start, inc=True)
        while True:
            with search.limited():
                following = next(found, None)
            if following is None:
                return
            yield following

    def _from(self, start: datetime) -> rruleset:
        """Return all of it in the library's form, good from a time on."""
        combined = rruleset()
        for rule in self.rules:
            combined.rrule(_moved_on(rule, start))
        for rule in self.rules_of_exceptions:
            combined.exrule(_moved_on(rule, start))
        for date in self.dates:
            combined.rdate(date)
        for date in self.exceptions:
            combined.exdate(date)
        return combined


@lru_cache(maxsize=256)
def parse_recurrence(text: str, time_zone: str) -> Recurrence:
    """Read recurrence rules.

    Args:
        text: Lines of RFC 5545, or one rule alone.
        time_zone: The zone of times that do not say theirs. It must exist.

    Raises:
        RecurrenceError: The text is none.
    """
    lines = [
        _split(line)
        for line in text.replace("\r\n ", "").replace("\n ", "").splitlines()
        if line.strip()
    ]
    clocks = _clocks(lines, time_zone)
    starts = [
        time for kind, _, value in lines if kind == "DTSTART" for time in _times(value, clocks)
    ]
    if len(starts) > 1:
        raise RecurrenceError("must have at most one DTSTART")
    start = starts[0] if starts else DEFAULT_START
    read_rules = partial(_rules, lines, clocks, start)
    recurrence = Recurrence(
        clocks=clocks,
        rules=read_rules("RRULE"),
        dates=_dates(lines, clocks, "RDATE"),
        rules_of_exceptions=read_rules("EXRULE"),
        exceptions=_dates(lines, clocks, "EXDATE"),
    )
    if not recurrence.rules and not recurrence.dates:
        raise RecurrenceError("must have an RRULE or an RDATE")
    return recurrence


_Line = tuple[str, str, str]
"""What a line is about, its parameters, and its value."""


def _split(line: str) -> _Line:
    told = _LINE.fullmatch(line.strip())
    assert told is not None
    return (told[1] or "RRULE").upper(), told[2] or "", told[3]


def _clocks(lines: Sequence[_Line], time_zone: str) -> ZoneInfo:
    """Return the clocks by which all times are read: those of the beginning, if it says which."""
    for kind, parameters, value in lines:
        if kind == "DTSTART" and (named := _TIME_ZONE.search(parameters)):
            if not is_time_zone(named[1]):
                raise RecurrenceError(f"must name known time zones, not {named[1]!r}")
            return zone(named[1])
        if kind == "DTSTART" and _UTC_TIME.fullmatch(value):
            return _UTC
    return zone(time_zone)


def _rules(
    lines: Sequence[_Line], clocks: ZoneInfo, start: datetime, kind: str
) -> tuple[rrule, ...]:
    return tuple(_rule(value, clocks, start) for each, _, value in lines if each == kind)


def _rule(value: str, clocks: ZoneInfo, start: datetime) -> rrule:
    """Read one rule whose times are what the clocks show."""
    shown = _UTC_TIME.sub(lambda told: f"{_shown(told[1], clocks):%Y%m%dT%H%M%S}", value)
    with _Search().limited():
        rule = rrulestr(shown, dtstart=start)
    if not isinstance(rule, rrule) or rule._interval < 1:  # noqa: SLF001  nothing public tells
        raise RecurrenceError("must have a positive INTERVAL")
    return rule


def _dates(lines: Sequence[_Line], clocks: ZoneInfo, kind: str) -> tuple[datetime, ...]:
    return tuple(time for each, _, value in lines if each == kind for time in _times(value, clocks))


def _times(value: str, clocks: ZoneInfo) -> Iterator[datetime]:
    """Yield the times in a list, as the clocks show them."""
    for each in value.split(","):
        if in_utc := _UTC_TIME.fullmatch(each.strip()):
            yield _shown(in_utc[1], clocks)
        elif told := _TIME.fullmatch(each.strip()):
            yield _read(f"{told[1]}T{told[2] or '000000'}").replace(tzinfo=None)
        else:
            raise _no_time(each)


def _shown(text: str, clocks: ZoneInfo) -> datetime:
    """Return what the clocks show at an instant that is written without its Z."""
    try:
        return wall(_read(text), clocks)
    except OverflowError as error:
        raise _no_time(text) from error


def _read(text: str) -> datetime:
    """Return a time for which the clocks are still to be named."""
    try:
        return datetime.strptime(f"{text}+0000", "%Y%m%dT%H%M%S%z")
    except ValueError as error:
        raise _no_time(text) from error


def _no_time(text: str) -> RecurrenceError:
    return RecurrenceError(f"must have times such as 20300131T090000, not {text[:40]!r}")


def _moved_on(rule: rrule, start: datetime) -> rrule:
    """Return a rule that names the same times from `start` on, and begins not long before."""
    step = _STEPS.get(rule._freq)  # noqa: SLF001  nothing public tells
    if step is None or rule._count is not None or rule._dtstart >= start:  # noqa: SLF001  likewise
        return rule
    step *= rule._interval  # noqa: SLF001  likewise
    return rule.replace(dtstart=rule._dtstart + (start - rule._dtstart) // step * step)  # noqa: SLF001  likewise


class _Search:
    """Limits how long the library may look for dates, and gives its errors one name.

    Nothing else can stop a search that finds nothing: it yields to nobody, and asks nobody whether to go on.
    """

    def __init__(self) -> None:
        self._budget = Budget(SEARCH_SECONDS, clock=thread_time)
        self._calls = 0
        self._is_running = False

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Give up what runs within once the time is over.

        Raises:
            RecurrenceError: The library cannot read or follow the rules.
            SearchTooLongError: The time is over.
        """
        before = sys.getprofile()
        sys.setprofile(self._look_at_the_time)
        try:
            self._is_running = True
            yield
        except ValidationTooLongError as error:
            raise SearchTooLongError from error
        except Exception as error:  # the library raises whatever its parts do
            raise RecurrenceError(
                f"must be rules of RFC 5545 for dates that exist: {error}"
            ) from error
        finally:
            # To stop looking is a call too, which must not fail.
            self._is_running = False
            sys.setprofile(before)

    def _look_at_the_time(self, _frame: FrameType, _event: str, _argument: object) -> None:
        """Called by the interpreter whenever a function is called or returns."""
        self._calls += 1
        if self._is_running and self._calls % _CALLS_BETWEEN_LOOKS == 0:
            self._budget.left()
