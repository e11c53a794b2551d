"""Times and spans: protobuf counts in seconds and nanoseconds, we in microseconds."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from headgate_server.rpc.convert.checks import Checks

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Times from here on are refused. Some room is left on both sides, so that later sums stay within the calendar."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME: Final = timedelta()
_SECOND: Final = timedelta(seconds=1)
_EARLIEST_SECOND: Final = (EARLIEST - _EPOCH) // _SECOND
_LATEST_SECOND: Final = (LATEST - _EPOCH) // _SECOND
_NANOS: Final = 1_000_000_000
_DURATION_SECONDS_MAX: Final = 315_576_000_000


def read_time(message: Timestamp, field: str, checks: Checks) -> datetime:
    """Read a time. What is finer than a microsecond is cut off."""
    seconds, nanos = message.seconds, message.nanos
    if not (_EARLIEST_SECOND <= seconds < _LATEST_SECOND and 0 <= nanos < _NANOS):
        years = f"from the year {EARLIEST.year} up to the year {LATEST.year - 1}"
        checks.wrong(field, f"must be a time {years}, with nanos from 0 to 999999999")
        return _EPOCH
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


class SpanRange(msgspec.Struct, frozen=True):
    """Which spans a field takes."""

    least: timedelta
    most: timedelta
    expected: str
    """Says the same in words."""


DELAY: Final = SpanRange(
    timedelta(), timedelta(days=3650), "must be neither negative nor longer than 3650 days"
)
TIME_TO_LIVE: Final = SpanRange(
    timedelta(microseconds=1), timedelta(days=3650), "must be positive and at most 3650 days"
)
TIMEOUT: Final = SpanRange(timedelta(), timedelta.max, "must not be negative")
PROGRESS_INTERVAL: Final = SpanRange(
    timedelta(seconds=1), timedelta(minutes=5), "must be from 1 second to 5 minutes"
)


def read_span(message: Duration, field: str, checks: Checks, span_range: SpanRange) -> timedelta:
    """Read a span of time. What is finer than a microsecond is cut off."""
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > _DURATION_SECONDS_MAX or abs(nanos) >= _NANOS or seconds * nanos < 0:
        checks.wrong(field, "must be a duration, with seconds and nanos of the same sign")
        return _NO_TIME
    span = timedelta(seconds=seconds, microseconds=int(nanos / 1000))
    if not span_range.least <= span <= span_range.most:
        checks.wrong(field, span_range.expected)
    return span


def write_time(time: datetime, message: Timestamp) -> None:
    """Write a time."""
    since = time - _EPOCH
    message.seconds = since.days * 86400 + since.seconds
    message.nanos = since.microseconds * 1000


def write_span(span: timedelta, message: Duration) -> None:
    """Write a span of time."""
    seconds = span.days * 86400 + span.seconds
    nanos = span.microseconds * 1000
    if seconds < 0 and nanos:  # both must have the same sign
        seconds += 1
        nanos -= _NANOS
    message.seconds = seconds
    message.nanos = nanos
