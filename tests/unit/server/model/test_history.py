from datetime import datetime, timedelta

import pytest

from headgate_server.model.history import HistorySpan
from tests.builders import NOW

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("length", "interval", "count"),
    [
        pytest.param(240 * HOUR, 25 * HOUR, 10, id="the last one overshoots"),
        pytest.param(DAY, 66 * MINUTE, 22, id="a day in steps of 66 minutes"),
        pytest.param(DAY + 30 * MINUTE, DAY, 2, id="a day and a half hour in days"),
        pytest.param(DAY, HOUR, 24, id="exactly as many as fit"),
        pytest.param(DAY + MICROSECOND, HOUR, 25, id="a microsecond opens one more"),
        pytest.param(MICROSECOND, DAY, 1, id="one that is much longer than the time"),
        pytest.param(timedelta(), HOUR, 0, id="no time"),
        pytest.param(-DAY, HOUR, 0, id="the end before the start"),
        pytest.param(500 * MINUTE, MINUTE, 500, id="as many as there may be"),
        pytest.param(501 * MINUTE, MINUTE, 500, id="one more than there may be"),
        pytest.param(3650 * DAY, timedelta(seconds=1), 500, id="far more than there may be"),
    ],
)
def test_a_time_is_cut_into_intervals(length: timedelta, interval: timedelta, count: int) -> None:
    span = HistorySpan(start=NOW, end=NOW + length, interval=interval)

    assert span.count == count
    assert len(span.starts()) == count


def test_intervals_follow_each_other_without_a_gap() -> None:
    start = NOW + timedelta(microseconds=123_456)
    interval = timedelta(seconds=1, microseconds=1)

    starts = HistorySpan(start=start, end=start + 3 * interval, interval=interval).starts()

    assert starts == [start, start + interval, start + 2 * interval]


def test_no_time_that_can_be_asked_for_leads_out_of_the_calendar() -> None:
    latest = datetime.fromisoformat("8999-12-31T23:59:59.999999+00:00")
    longest = timedelta(days=3650)
    earliest = latest - 499 * longest

    starts = HistorySpan(start=earliest, end=latest + MICROSECOND, interval=longest).starts()

    assert starts[-1] + longest < datetime.max.replace(tzinfo=latest.tzinfo)
