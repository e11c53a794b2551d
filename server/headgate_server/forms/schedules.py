"""When schedules say that a deployment is to run.

All three kinds are read by the clocks of a time zone. What they name is a sequence of instants, ascending and each once; a walk
along it looks at a limited number of them.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import count, dropwhile, islice, takewhile
from typing import Final

from croniter import croniter
from croniter.croniter import CroniterBadDateError, CroniterError

from headgate_server.forms.clocks import earliest_wall, instant, instants, is_time_zone, wall, zone
from headgate_server.forms.recurrence import RecurrenceError, SearchTooLongError, parse_recurrence
from headgate_server.forms.wording import shorten
from headgate_server.model.deployments import (
    CronSchedule,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)

__all__ = ["DATES_MAX", "ScheduleInvalidError", "check_schedule", "dates", "dates_to_schedule"]

DATES_MAX: Final = 1000
"""Dates that one walk looks at."""

_CRON_FIELDS: Final = 5
_CRON_WORDS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_RANDOM_OR_HASHED: Final = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


class ScheduleInvalidError(Exception):
    """The schedule names no dates, or cannot be read.

    Attributes:
        member: Which member of the schedule is wrong.
    """

    def __init__(self, member: str, expected: str) -> None:
        """Keep what was expected of a member, for the caller's eyes."""
        super().__init__(shorten(expected))
        self.member = member


def check_schedule(rule: ScheduleRule, now: datetime) -> None:
    """Pass in silence if a schedule can be read and its next date, if there is one, can be found.

    Raises:
        ScheduleInvalidError: It cannot.
    """
    if not is_time_zone(rule.timezone):
        raise ScheduleInvalidError(
            "timezone", "must be the name of a time zone, such as Europe/Berlin"
        )
    next(dates(rule, now), None)


def dates(rule: ScheduleRule, start: datetime) -> Iterator[datetime]:
    """Yield the dates of a schedule from a time on, that time included, ascending and each once.

    Raises:
        ScheduleInvalidError: The schedule cannot be read, or its next date cannot be found.
    """
    match rule:
        case IntervalSchedule():
            found = _dates_of_interval(rule, start)
        case CronSchedule():
            found = _dates_of_cron(rule, start)
        case RruleSchedule():
            found = _dates_of_rrule(rule, start)
    return dropwhile(lambda date: date < start, found)


def dates_to_schedule(
    rule: ScheduleRule,
    start: datetime,
    end: datetime,
    *,
    at_least: int,
    reach: timedelta,
    at_most: int,
) -> list[datetime]:
    """Return the next dates of a schedule: enough of them, and not many more.

    Args:
        rule: The schedule.
        start: The first date there may be.
        end: The last date there may be.
        at_least: How many dates are enough, if the last of them lies far enough ahead.
        reach: How far after `start` is far enough.
        at_most: How many to return at most.

    Raises:
        ScheduleInvalidError: The schedule cannot be read, or its next date cannot be found.
    """
    taken: list[datetime] = []
    upcoming = takewhile(lambda date: date <= end, dates(rule, start))
    for date in islice(upcoming, min(at_most, DATES_MAX)):
        taken.append(date)
        if len(taken) >= at_least and date >= start + reach:
            break
    return taken


def _dates_of_interval(rule: IntervalSchedule, start: datetime) -> Iterator[datetime]:
    """Yield dates from shortly before a time on: the days of the interval by the calendar, the rest as time passes."""
    clocks = zone(rule.timezone)
    anchor = rule.anchor_time or start
    days, rest = rule.interval.days * _DAY, rule.interval % _DAY
    # Clocks are changed by less than the two intervals that this begins early, if whole days are in them.
    first = (start - anchor) // rule.interval - 2
    if not days:
        return (anchor + place * rest for place in count(first))
    shown = wall(anchor, clocks)
    if not rest:
        return instants((shown + place * days for place in count(first)), clocks)
    return (instant(shown + place * days, clocks) + place * rest for place in count(first))


def _dates_of_cron(rule: CronSchedule, start: datetime) -> Iterator[datetime]:
    """Yield dates from shortly before a time on."""
    clocks = zone(rule.timezone)
    # What the iteration begins with is left out; nothing in it is finer than a minute.
    begin = earliest_wall(start, clocks).replace(microsecond=0) - _SECOND
    return instants(_walls_of_cron(_cron_fields(rule.cron), rule, begin), clocks)


def _walls_of_cron(fields: str, rule: CronSchedule, begin: datetime) -> Iterator[datetime]:
    try:
        times = croniter(fields, begin, day_or=rule.day_or)
        while True:
            yield times.get_next(datetime)
    except CroniterBadDateError as error:
        raise ScheduleInvalidError("cron", "must name a date that comes") from error
    except (CroniterError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ScheduleInvalidError("cron", f"must be a cron expression: {error}") from error


@lru_cache(maxsize=256)
def _cron_fields(expression: str) -> str:
    """Return the five fields of an expression."""
    word = expression.strip().lower()
    fields = _CRON_WORDS.get(word, expression)
    if len(fields.split()) != _CRON_FIELDS:
        known = ", ".join(_CRON_WORDS)
        raise ScheduleInvalidError("cron", f"must have five fields, or be one of {known}")
    if _RANDOM_OR_HASHED.search(fields):
        raise ScheduleInvalidError("cron", "must not have random or hashed fields")
    return fields


def _dates_of_rrule(rule: RruleSchedule, start: datetime) -> Iterator[datetime]:
    """Yield dates from shortly before a time on."""
    try:
        recurrence = parse_recurrence(rule.rrule, rule.timezone)
        begin = earliest_wall(start, recurrence.clocks)
        yield from instants(recurrence.walls(begin), recurrence.clocks)
    except (RecurrenceError, SearchTooLongError) as error:
        raise ScheduleInvalidError("rrule", str(error)) from error
    except OverflowError as error:
        raise ScheduleInvalidError("rrule", "must name dates within the calendar") from error
