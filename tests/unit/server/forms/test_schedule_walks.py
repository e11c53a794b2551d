"""Walks along the dates of schedules: where they begin, how far they go, and what they cost."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate_server.forms.schedules import DATES_MAX, dates, dates_to_schedule
from headgate_server.model.deployments import (
    CronSchedule,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)
from tests.unit.server.forms.zones import APIA, DAY, HOUR, LORD_HOWE, NEW_YORK, NOW, every


class TestWalks:
    @pytest.mark.parametrize(
        ("interval", "count"),
        [
            (timedelta(minutes=1), 61),
            (timedelta(minutes=5), 13),
            (HOUR, 3),
            (DAY, 3),
            (60 * DAY, 2),
            (timedelta(seconds=1), 100),
        ],
        ids=["minute", "five-minutes", "hour", "day", "sixty-days", "second"],
    )
    def test_a_walk_ends_with_enough_dates_that_reach_far_enough(
        self, interval: timedelta, count: int
    ) -> None:
        taken = dates_to_schedule(
            every(interval), NOW, NOW + 100 * DAY, at_least=3, reach=HOUR, at_most=100
        )

        assert taken == [NOW + place * interval for place in range(count)]

    def test_the_end_of_a_walk_is_included(self) -> None:
        taken = dates_to_schedule(
            every(DAY), NOW, NOW + DAY, at_least=9, reach=timedelta(), at_most=9
        )

        assert taken == [NOW, NOW + DAY]

    def test_no_walk_looks_at_more_than_a_thousand_dates(self) -> None:
        taken = dates_to_schedule(
            every(HOUR), NOW, NOW + 1000 * DAY, at_least=5000, reach=HOUR, at_most=5000
        )

        assert len(taken) == DATES_MAX


ZONES = ["UTC", NEW_YORK, LORD_HOWE, APIA, "Europe/London", "America/St_Johns", "Africa/Casablanca"]
RULES = st.one_of(
    st.builds(
        IntervalSchedule,
        interval=st.timedeltas(timedelta(minutes=7), timedelta(days=3)),
        anchor_time=st.timedeltas(-730 * DAY, 7300 * DAY).map(lambda span: NOW - span),
        timezone=st.sampled_from(ZONES),
    ),
    st.builds(
        CronSchedule,
        cron=st.sampled_from(["*/15 * * * *", "30 1,2,3 * * *", "0 0 * * *", "10,50 2 1-7 * 0"]),
        timezone=st.sampled_from(ZONES),
        day_or=st.booleans(),
    ),
    st.builds(
        RruleSchedule,
        rrule=st.sampled_from(["FREQ=MINUTELY;INTERVAL=20", "FREQ=DAILY;BYHOUR=1,2,3"]),
        timezone=st.sampled_from(ZONES),
    ),
)


STARTS = st.sampled_from(
    [
        datetime(2011, 12, 29, 20, tzinfo=UTC),
        datetime(2030, 3, 10, 0, tzinfo=UTC),
        datetime(2030, 3, 31, 0, tzinfo=UTC),
        datetime(2030, 4, 6, 12, tzinfo=UTC),
        datetime(2030, 10, 5, 12, tzinfo=UTC),
        datetime(2030, 11, 3, 0, tzinfo=UTC),
    ]
)


@given(RULES, STARTS, st.timedeltas(timedelta(), timedelta(days=2)))
@settings(max_examples=150, deadline=None)
def test_dates_ascend_and_are_the_same_wherever_one_begins(
    rule: ScheduleRule, start: datetime, lead: timedelta
) -> None:
    found = list(islice(dates(rule, start), 40))
    earlier = list(islice(dates(rule, start - lead), 400))

    assert found == sorted(set(found))
    assert all(start <= date and date.tzinfo is UTC for date in found)
    common = [date for date in earlier if date >= start][:40]
    assert common == found[: len(common)]
