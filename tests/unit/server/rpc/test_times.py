from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from headgate_server.model.errors import InvalidRequestError
from headgate_server.model.server_info import Limits
from headgate_server.rpc.convert.checks import Checks
from headgate_server.rpc.convert.times import (
    DELAY,
    EARLIEST,
    LATEST,
    PROGRESS_INTERVAL,
    TIME_TO_LIVE,
    TIMEOUT,
    SpanRange,
    read_span,
    read_time,
    write_span,
    write_time,
)

ANY_SPAN = SpanRange(timedelta.min, timedelta.max, "must be a span")
TIMES = st.datetimes(
    EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None) - timedelta(microseconds=1)
)


def read_checked_time(message: Timestamp) -> datetime:
    checks = Checks(Limits())
    return checks.passed(read_time(message, "time", checks))


def read_checked_span(message: Duration, span_range: SpanRange = ANY_SPAN) -> timedelta:
    checks = Checks(Limits())
    return checks.passed(read_span(message, "span", checks, span_range))


@given(time=TIMES)
def test_a_time_survives_the_trip(time: datetime) -> None:
    message = Timestamp()
    write_time(time.replace(tzinfo=UTC), message)

    assert read_checked_time(message) == time.replace(tzinfo=UTC)


@given(time=TIMES)
def test_a_time_is_written_as_protobuf_itself_writes_it(time: datetime) -> None:
    ours, theirs = Timestamp(), Timestamp()

    write_time(time.replace(tzinfo=UTC), ours)
    theirs.FromDatetime(time)

    assert ours == theirs


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    message = Timestamp()

    write_time(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), message)

    assert (message.seconds, message.nanos) == (0, 0)


@pytest.mark.parametrize("nanos", [1000, 1001, 1999])
def test_what_is_finer_than_a_microsecond_is_cut_off_from_a_time(nanos: int) -> None:
    assert read_checked_time(Timestamp(seconds=1, nanos=nanos)).microsecond == 1


@pytest.mark.parametrize(
    "message",
    [
        Timestamp(seconds=int(EARLIEST.timestamp()) - 1),
        Timestamp(seconds=int(LATEST.timestamp())),
        Timestamp(seconds=2**63 - 1),
        Timestamp(seconds=-(2**63)),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
    ids=["before 1900", "in 9000", "greatest", "least", "negative nanos", "a second of nanos"],
)
def test_a_time_outside_the_calendar_is_refused(message: Timestamp) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_checked_time(message)

    assert [each.field for each in caught.value.violations] == ["time"]


@given(span=st.timedeltas(timedelta(days=-3_000_000), timedelta(days=3_000_000)))
def test_a_span_survives_the_trip(span: timedelta) -> None:
    message = Duration()
    write_span(span, message)

    assert read_checked_span(message) == span


@given(span=st.timedeltas(timedelta(days=-3_000_000), timedelta(days=3_000_000)))
def test_a_span_is_written_as_protobuf_itself_writes_it(span: timedelta) -> None:
    ours, theirs = Duration(), Duration()

    write_span(span, ours)
    theirs.FromTimedelta(span)

    assert ours == theirs


@pytest.mark.parametrize(
    "message",
    [
        Duration(seconds=1, nanos=-1),
        Duration(seconds=-1, nanos=1),
        Duration(nanos=1_000_000_000),
        Duration(seconds=315_576_000_001),
        Duration(seconds=-(2**63)),
    ],
    ids=["signs differ", "signs differ too", "a second of nanos", "too long", "least"],
)
def test_a_span_that_is_no_duration_is_refused(message: Duration) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_checked_span(message)

    assert [each.field for each in caught.value.violations] == ["span"]


DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("span_range", "span"),
    [
        (DELAY, timedelta()),
        (DELAY, 3650 * DAY),
        (TIME_TO_LIVE, MICROSECOND),
        (TIME_TO_LIVE, 3650 * DAY),
        (TIMEOUT, timedelta()),
        (TIMEOUT, 3_000_000 * DAY),
        (PROGRESS_INTERVAL, SECOND),
        (PROGRESS_INTERVAL, 300 * SECOND),
    ],
)
def test_a_span_at_the_end_of_its_range_is_taken(span_range: SpanRange, span: timedelta) -> None:
    message = Duration()
    write_span(span, message)

    assert read_checked_span(message, span_range) == span


@pytest.mark.parametrize(
    ("span_range", "span"),
    [
        (DELAY, -MICROSECOND),
        (DELAY, 3650 * DAY + MICROSECOND),
        (TIME_TO_LIVE, timedelta()),
        (TIME_TO_LIVE, 3650 * DAY + MICROSECOND),
        (TIMEOUT, -MICROSECOND),
        (PROGRESS_INTERVAL, SECOND - MICROSECOND),
        (PROGRESS_INTERVAL, 300 * SECOND + MICROSECOND),
    ],
)
def test_a_span_beyond_its_range_is_refused(span_range: SpanRange, span: timedelta) -> None:
    message = Duration()
    write_span(span, message)

    with pytest.raises(InvalidRequestError, match=span_range.expected):
        read_checked_span(message, span_range)


def test_half_a_microsecond_is_no_time_to_live() -> None:
    with pytest.raises(InvalidRequestError):
        read_checked_span(Duration(nanos=500), TIME_TO_LIVE)
