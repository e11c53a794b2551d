"""Times and spans as the tables keep them: whole microseconds."""

from datetime import UTC, datetime, timedelta
from typing import Final, overload

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@overload
def to_micros(time: datetime) -> int: ...
@overload
def to_micros(time: datetime | None) -> int | None: ...
def to_micros(time: datetime | None) -> int | None:
    """Return the microseconds from 1970 to a time; None stays None."""
    return None if time is None else (time - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the time that many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=micros)


def to_span_micros(span: timedelta) -> int:
    """Return the microseconds in a span."""
    return span // _MICROSECOND


def from_span_micros(micros: int) -> timedelta:
    """Return the span of so many microseconds."""
    return timedelta(microseconds=micros)
