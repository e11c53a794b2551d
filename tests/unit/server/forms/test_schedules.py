"""When schedules say that a deployment is to run: the three kinds, clocks that are changed, and what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from time import process_time

import pytest

from headgate_server.forms.schedules import ScheduleInvalidError, check_schedule, dates
from headgate_server.model.deployments import (
    CronSchedule,
    IntervalSchedule,
    RruleSchedule,
    ScheduleRule,
)
from tests.unit.server.forms.zones import (
    APIA,
    DAY,
    HOUR,
    LORD_HOWE,
    NEW_YORK,
    NOW,
    every,
    local,
    shown,
)


class TestIntervals:
    @pytest.mark.parametrize(
        "anchor", [NOW, NOW - 1000 * HOUR, NOW + 1000 * HOUR], ids=["now", "past", "future"]
    )
    def test_dates_lie_at_equal_distances_from_the_anchor(self, anchor: datetime) -> None:
        found = list(islice(dates(every(HOUR, anchor), NOW), 3))

        assert found == [NOW, NOW + HOUR, NOW + 2 * HOUR]

    def test_dates_do_not_depend_on_where_one_begins_to_look(self) -> None:
        rule = every(DAY + 6 * HOUR, local("2018-01-01 00:00", NEW_YORK), NEW_YORK)
        found = list(islice(dates(rule, local("2018-03-01 00:00", NEW_YORK)), 30))

        assert [next(dates(rule, date)) for date in found] == found

    def test_without_an_anchor_it_begins_at_once(self) -> None:
        assert next(dates(IntervalSchedule(interval=HOUR), NOW)) == NOW

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            (
                "2018-03-10 09:00",
                ["03-10 09:00 -0500", "03-11 09:00 -0400", "03-12 09:00 -0400"],
            ),
            (
                "2018-11-03 09:00",
                ["11-03 09:00 -0400", "11-04 09:00 -0500", "11-05 09:00 -0500"],
            ),
        ],
        ids=["forward", "back"],
    )
    def test_whole_days_keep_the_time_of_day(self, start: str, expected: list[str]) -> None:
        rule = every(DAY, local("2018-01-01 09:00", NEW_YORK), NEW_YORK)

        assert shown(rule, local(start, NEW_YORK), 3) == expected

    def test_hours_pass_whatever_the_clocks_show(self) -> None:
        rule = every(HOUR, local("2018-01-01 00:00", NEW_YORK), NEW_YORK)

        back = shown(rule, local("2018-11-04 00:00", NEW_YORK), 4)
        forward = shown(rule, local("2018-03-11 00:00", NEW_YORK), 3)

        assert [each[6:] for each in back] == [
            *("00:00 -0400", "01:00 -0400", "01:00 -0500", "02:00 -0500"),
        ]
        assert [each[6:11] for each in forward] == ["00:00", "01:00", "03:00"]

    def test_the_rest_of_a_day_is_time_as_it_passes(self) -> None:
        rule = every(DAY + 12 * HOUR, local("2018-03-09 20:00", NEW_YORK), NEW_YORK)

        assert shown(rule, local("2018-03-09 00:00", NEW_YORK), 3) == [
            *("03-09 20:00 -0500", "03-11 09:00 -0400", "03-12 20:00 -0400"),
        ]

    def test_a_time_that_is_skipped_is_moved_on_by_as_much(self) -> None:
        rule = every(DAY, local("2018-01-01 02:30", NEW_YORK), NEW_YORK)

        assert shown(rule, local("2018-03-10 00:00", NEW_YORK), 3) == [
            *("03-10 02:30 -0500", "03-11 03:30 -0400", "03-12 02:30 -0400"),
        ]

    def test_a_day_that_is_skipped_leaves_no_date_twice(self) -> None:
        rule = every(DAY, local("2011-12-01 04:00", APIA), APIA)

        assert [each[:5] for each in shown(rule, local("2011-12-28 00:00", APIA), 4)] == [
            *("12-28", "12-29", "12-31", "01-01"),
        ]


class TestCron:
    @pytest.mark.parametrize(
        ("cron", "expected"),
        [
            ("*/20 * * * *", ["01-01 12:00", "01-01 12:20", "01-01 12:40"]),
            ("30 9 * * mon-fri", ["01-02 09:30", "01-03 09:30", "01-04 09:30"]),
            ("0 0 L * *", ["01-31 00:00", "02-28 00:00", "03-31 00:00"]),
            ("0 0 * * thu#1", ["01-03 00:00", "02-07 00:00", "03-07 00:00"]),
            ("0 0 1 mar *", ["03-01 00:00", "03-01 00:00", "03-01 00:00"]),
            ("@weekly", ["01-06 00:00", "01-13 00:00", "01-20 00:00"]),
            ("@Hourly", ["01-01 12:00", "01-01 13:00", "01-01 14:00"]),
        ],
    )
    def test_dates_are_those_that_the_expression_names(
        self, cron: str, expected: list[str]
    ) -> None:
        assert [each[:11] for each in shown(CronSchedule(cron=cron), NOW, 3)] == expected

    @pytest.mark.parametrize(
        ("day_or", "expected"),
        [(True, ["01-04", "01-11", "01-13"]), (False, ["09-13", "12-13", "06-13"])],
        ids=["or", "and"],
    )
    def test_one_of_the_days_is_enough_or_both_are_asked_for(
        self, *, day_or: bool, expected: list[str]
    ) -> None:
        rule = CronSchedule(cron="0 0 13 * fri", day_or=day_or)

        assert [each[:5] for each in shown(rule, NOW, 3)] == expected

    def test_a_date_that_is_now_counts(self) -> None:
        assert next(dates(CronSchedule(cron="0 12 * * *"), NOW)) == NOW
        later = NOW + timedelta(microseconds=1)
        assert next(dates(CronSchedule(cron="0 12 * * *"), later)) == NOW + DAY

    def test_when_clocks_go_back_each_time_comes_once(self) -> None:
        rule = CronSchedule(cron="0 * * * *", timezone=NEW_YORK)

        assert shown(rule, local("2018-11-03 23:00", NEW_YORK), 5) == [
            *("11-03 23:00 -0400", "11-04 00:00 -0400", "11-04 01:00 -0400"),
            *("11-04 02:00 -0500", "11-04 03:00 -0500"),
        ]

    def test_when_clocks_go_forward_what_is_skipped_coincides_with_what_follows(self) -> None:
        rule = CronSchedule(cron="0 * * * *", timezone=NEW_YORK)

        assert [each[6:11] for each in shown(rule, local("2018-03-10 23:00", NEW_YORK), 5)] == [
            *("23:00", "00:00", "01:00", "03:00", "04:00"),
        ]

    def test_a_time_that_is_skipped_is_moved_on_by_as_much(self) -> None:
        rule = CronSchedule(cron="30 2 * * *", timezone=NEW_YORK)

        assert shown(rule, local("2018-03-10 12:00", NEW_YORK), 2) == [
            *("03-11 03:30 -0400", "03-12 02:30 -0400"),
        ]

    def test_what_is_moved_on_takes_its_place_in_the_order(self) -> None:
        rule = CronSchedule(cron="20,35 2 * * *", timezone=LORD_HOWE)

        found = list(islice(dates(rule, local("2026-10-04 00:00", LORD_HOWE)), 3))

        assert found == [
            local("2026-10-04 02:35", LORD_HOWE),
            local("2026-10-04 02:50", LORD_HOWE),
            local("2026-10-05 02:20", LORD_HOWE),
        ]

    def test_one_may_begin_to_look_in_the_second_of_two_equal_hours(self) -> None:
        rule = CronSchedule(cron="30 * * * *", timezone=NEW_YORK)
        start = local("2018-11-04 01:00", NEW_YORK, fold=1)

        assert shown(rule, start, 1) == ["11-04 02:30 -0500"]

    def test_one_may_begin_to_look_just_behind_a_skip(self) -> None:
        rule = CronSchedule(cron="45 2 * * *", timezone=NEW_YORK)

        assert shown(rule, local("2018-03-11 03:30", NEW_YORK), 1) == ["03-11 03:45 -0400"]


class TestRecurrences:
    @pytest.mark.parametrize(
        ("rrule", "expected"),
        [
            ("FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9", ["01-03 09:00", "01-07 09:00", "01-10 09:00"]),
            ("RRULE:FREQ=MONTHLY;BYDAY=-1FR", ["01-25 00:00", "02-22 00:00", "03-29 00:00"]),
            ("FREQ=DAILY;INTERVAL=3", ["01-02 00:00", "01-05 00:00", "01-08 00:00"]),
            (
                "DTSTART:20300102T080000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20300103T080000",
                ["01-02 08:00", "01-04 08:00"],
            ),
            (
                "DTSTART:20300102T080000\nRDATE:20300105T000000,20300103",
                ["01-03 00:00", "01-05 00:00"],
            ),
            (
                "DTSTART:20300101\nRRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY;BYDAY=WE,FR",
                ["01-03 00:00", "01-05 00:00", "01-06 00:00"],
            ),
            ("FREQ=DAILY;UNTIL=20300103T000000Z", ["01-02 00:00", "01-03 00:00"]),
        ],
        ids=["weekly", "last-friday", "every-third", "exdate", "rdate", "exrule", "until"],
    )
    def test_dates_are_those_that_the_rules_name(self, rrule: str, expected: list[str]) -> None:
        assert [each[:11] for each in shown(RruleSchedule(rrule=rrule), NOW, 3)] == expected

    def test_times_of_day_are_kept_when_clocks_change(self) -> None:
        rule = RruleSchedule(rrule="FREQ=DAILY;BYHOUR=9", timezone=NEW_YORK)

        assert shown(rule, local("2029-03-10 00:00", NEW_YORK), 2) == [
            *("03-10 09:00 -0500", "03-11 09:00 -0400"),
        ]

    @pytest.mark.parametrize(
        ("start", "expected"),
        [
            ("DTSTART:20300101T090000", "2030-01-02 09:00-05:00"),
            ("DTSTART:20300101T090000Z", "2030-01-02 09:00+00:00"),
            ("DTSTART;TZID=Europe/Berlin:20300101T090000", "2030-01-02 09:00+01:00"),
        ],
        ids=["own", "utc", "named"],
    )
    def test_the_beginning_may_name_its_clocks(self, start: str, expected: str) -> None:
        rule = RruleSchedule(rrule=f"{start}\nRRULE:FREQ=DAILY", timezone=NEW_YORK)

        assert next(dates(rule, NOW + 3 * HOUR)) == datetime.fromisoformat(expected)

    def test_an_end_in_utc_is_an_instant(self) -> None:
        text = "DTSTART:20300101T090000\nRRULE:FREQ=DAILY;UNTIL=20300103T140000Z"
        rule = RruleSchedule(rrule=text, timezone=NEW_YORK)

        assert list(dates(rule, NOW))[-1] == local("2030-01-03 09:00", NEW_YORK)

    @pytest.mark.parametrize(
        "rrule",
        [
            "FREQ=SECONDLY;INTERVAL=7",
            "FREQ=MINUTELY;INTERVAL=11;BYDAY=MO,TU",
            "FREQ=HOURLY;INTERVAL=5;BYHOUR=9,10,11,12",
            "FREQ=DAILY;INTERVAL=3;BYMONTH=1,6",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO",
            "FREQ=WEEKLY;INTERVAL=3",
            "FREQ=DAILY;BYHOUR=1,2;BYMINUTE=5,6;BYSETPOS=-1",
        ],
    )
    def test_a_rule_that_began_long_ago_names_the_same_dates(self, rrule: str) -> None:
        start = datetime(2020, 3, 4, 5, 6, tzinfo=UTC)
        found = islice(dates(RruleSchedule(rrule=rrule), start), 400)
        later = list(found)[250:]

        assert list(islice(dates(RruleSchedule(rrule=rrule), later[0]), 150)) == later


REFUSED: dict[str, tuple[ScheduleRule, str, str]] = {
    "unknown zone": (CronSchedule(cron="@daily", timezone="Mars"), "timezone", "time zone"),
    "folder of zones": (every(HOUR, zone="Europe"), "timezone", "time zone"),
    "path": (every(HOUR, zone="../UTC"), "timezone", "time zone"),
    "six fields": (CronSchedule(cron="* * * * * *"), "cron", "five fields"),
    "unknown word": (CronSchedule(cron="@reboot"), "cron", "@daily"),
    "random field": (CronSchedule(cron="R * * * *"), "cron", "random or hashed"),
    "hashed field": (CronSchedule(cron="0 h(1-5) * * *"), "cron", "random or hashed"),
    "out of range": (CronSchedule(cron="60 * * * *"), "cron", "out of range"),
    "no cron at all": (CronSchedule(cron="a b c d e"), "cron", "cron expression"),
    "30 February": (CronSchedule(cron="0 0 30 2 *"), "cron", "date that comes"),
    "no rule": (RruleSchedule(rrule="FOO"), "rrule", "RFC 5545"),
    "nothing": (RruleSchedule(rrule="\n"), "rrule", "RRULE or an RDATE"),
    "two beginnings": (
        RruleSchedule(rrule="DTSTART:20300101\nDTSTART:20300102\nRRULE:FREQ=DAILY"),
        "rrule",
        "one DTSTART",
    ),
    "bad beginning": (RruleSchedule(rrule="DTSTART:soon\nRRULE:FREQ=DAILY"), "rrule", "times"),
    "bad date": (RruleSchedule(rrule="RDATE:20301301"), "rrule", "times"),
    "zone of a beginning": (
        RruleSchedule(rrule="DTSTART;TZID=Mars:20300101\nRRULE:FREQ=DAILY"),
        "rrule",
        "Mars",
    ),
    "no distance": (RruleSchedule(rrule="FREQ=DAILY;INTERVAL=0"), "rrule", "INTERVAL"),
    "endless distance": (RruleSchedule(rrule=f"FREQ=DAILY;INTERVAL={10**12}"), "rrule", "exist"),
    "never by day": (
        RruleSchedule(rrule="FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"),
        "rrule",
        "reasonable time",
    ),
    "never by second": (
        RruleSchedule(rrule="FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
        "rrule",
        "reasonable time",
    ),
    "counted too far": (
        RruleSchedule(rrule="FREQ=MINUTELY;COUNT=90000000"),
        "rrule",
        "reasonable time",
    ),
}


@pytest.mark.parametrize(("rule", "member", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_or_names_no_date_is_refused(
    rule: ScheduleRule, member: str, reason: str
) -> None:
    began = process_time()

    with pytest.raises(ScheduleInvalidError, match=reason) as caught:
        check_schedule(rule, NOW)

    assert caught.value.member == member
    assert process_time() - began < 3


def test_a_schedule_whose_dates_are_over_is_fine() -> None:
    check_schedule(RruleSchedule(rrule="FREQ=DAILY;UNTIL=20210101"), NOW)
