"""Times and schedules in zones whose clocks jump."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from headgate_server.forms.schedules import dates
from headgate_server.model.deployments import IntervalSchedule, ScheduleRule

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"
"""Changes its clocks by half an hour."""
APIA = "Pacific/Apia"
"""Skipped 30 December 2011."""


def local(text: str, zone: str = "UTC", *, fold: int = 0) -> datetime:
    """Return the instant at which the clocks of a zone show a time, such as `2030-01-31 09:00`."""
    shown = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return shown.astimezone(UTC)


def shown(rule: ScheduleRule, start: datetime, count: int) -> list[str]:
    """Return what the clocks show at the next dates, and how far they are from UTC."""
    clocks = ZoneInfo(rule.timezone)
    found = (date.astimezone(clocks) for date in islice(dates(rule, start), count))
    return [f"{date:%m-%d %H:%M %z}" for date in found]


def every(interval: timedelta, anchor: datetime = NOW, zone: str = "UTC") -> IntervalSchedule:
    return IntervalSchedule(interval=interval, anchor_time=anchor, timezone=zone)
