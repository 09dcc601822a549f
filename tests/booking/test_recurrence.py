"""A series by a rule of iCalendar. No database; `recurring-ical-events` judges."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from booking.recurrence import OCCURRENCES_MAX, BadRule, occurrences
from booking.spans import Span

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
FAR = datetime(2040, 1, 1, tzinfo=UTC)


def first(year: int, month: int, day: int, hour: int, zone: ZoneInfo, minutes: int = 60) -> Span:
    start = datetime(year, month, day, hour, tzinfo=zone).astimezone(UTC)
    return Span(start, start + timedelta(minutes=minutes))


def local_starts(spans: tuple[Span, ...], zone: ZoneInfo) -> list[str]:
    return [span.start.astimezone(zone).strftime("%m-%d %H:%M") for span in spans]


class TestSeries:
    def test_nine_stays_nine_when_the_clocks_change(self) -> None:
        series = occurrences("FREQ=WEEKLY;COUNT=3", first(2026, 10, 18, 9, BERLIN), BERLIN, FAR)

        assert local_starts(series.spans, BERLIN) == ["10-18 09:00", "10-25 09:00", "11-01 09:00"]
        assert [span.start.hour for span in series.spans] == [7, 8, 8]
        assert not series.is_cut

    def test_a_leap_day_comes_in_leap_years_only(self) -> None:
        series = occurrences("FREQ=YEARLY;COUNT=3", first(2028, 2, 29, 9, SHANGHAI), SHANGHAI, FAR)

        assert [span.start.year for span in series.spans] == [2028, 2032, 2036]

    def test_the_thirty_first_is_left_out_where_there_is_none(self) -> None:
        series = occurrences("FREQ=MONTHLY;COUNT=3", first(2026, 12, 31, 9, SHANGHAI), SHANGHAI, FAR)

        assert local_starts(series.spans, SHANGHAI) == ["12-31 09:00", "01-31 09:00", "03-31 09:00"]

    def test_a_rule_without_an_end_ends_with_the_window_and_says_so(self) -> None:
        until = datetime(2026, 12, 15, tzinfo=UTC)

        series = occurrences("FREQ=WEEKLY;BYDAY=MO", first(2026, 11, 23, 9, SHANGHAI), SHANGHAI, until)

        assert (len(series.spans), series.is_cut) == (4, True)

    def test_there_are_never_more_than_two_hundred(self) -> None:
        series = occurrences("FREQ=DAILY", first(2026, 11, 23, 9, SHANGHAI), SHANGHAI, FAR)

        assert (len(series.spans), series.is_cut) == (OCCURRENCES_MAX, True)

    def test_days_that_are_excluded_are_left_out(self) -> None:
        series = occurrences(
            "FREQ=WEEKLY;COUNT=3", first(2026, 11, 23, 9, SHANGHAI), SHANGHAI, FAR, {date(2026, 11, 30)}
        )

        assert local_starts(series.spans, SHANGHAI) == ["11-23 09:00", "12-07 09:00"]

    @pytest.mark.parametrize(
        "rule",
        [
            "",
            "每周一",
            "FREQ=SECONDLY",
            "FREQ=HOURLY;COUNT=3",
            "FREQ=DAILY;BYHOUR=9",
            "FREQ=WEEKLY;BYDAY=XX",
            "FREQ=DAILY;COUNT=x",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=-1",
            "FREQ=DAILY;INTERVAL=99999999999",
            "FREQ=WEEKLY\nFREQ=DAILY",
            "FREQ=DAILY;DTSTART=20260101",
        ],
    )
    def test_what_is_no_rule_of_days_is_refused(self, rule: str) -> None:
        with pytest.raises(BadRule):
            occurrences(rule, first(2026, 11, 23, 9, SHANGHAI), SHANGHAI, FAR)

    @pytest.mark.parametrize(
        "rule",
        [
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=WEEKLY;BYWEEKNO=60",
            "FREQ=DAILY;INTERVAL=14;BYDAY=TU",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=MONTHLY;BYMONTH=4,6;BYMONTHDAY=-31",
            "FREQ=YEARLY;BYMONTH=13",
        ],
    )
    def test_what_never_comes_to_pass_is_refused_and_not_looked_for_to_the_end_of_days(self, rule: str) -> None:
        with pytest.raises(BadRule):
            occurrences(rule, first(2026, 11, 23, 9, SHANGHAI), SHANGHAI, FAR)

    def test_in_the_hour_that_the_clocks_leave_out_it_is_as_long_as_ever(self) -> None:
        # In Berlin there is no half past two on 28 March 2027.
        start = datetime(2027, 3, 27, 2, 30, tzinfo=BERLIN).astimezone(UTC)

        series = occurrences("FREQ=DAILY;COUNT=3", Span(start, start + timedelta(hours=1)), BERLIN, FAR)

        assert local_starts(series.spans, BERLIN) == ["03-27 02:30", "03-28 03:30", "03-29 02:30"]
        assert {span.end - span.start for span in series.spans} == {timedelta(hours=1)}

    @given(
        st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU", "FREQ=MONTHLY", "FREQ=YEARLY;BYYEARDAY=-1"]),
        st.dates(date(2026, 1, 1), date(2029, 12, 31)),
        st.times(),
        st.integers(1, 600),
        st.sampled_from([SHANGHAI, BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")]),
    )
    def test_whatever_the_clocks_do_each_has_a_beginning_before_its_end(
        self, rule: str, day: date, wall: time, minutes: int, zone: ZoneInfo
    ) -> None:
        start = datetime.combine(day, wall, zone).astimezone(UTC)

        series = occurrences(rule, Span(start, start + timedelta(minutes=minutes)), zone, start + timedelta(days=400))

        assert list(series.spans) == sorted(series.spans)
        assert series.is_cut

    @given(
        st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]),
        st.integers(1, 4),
        st.integers(1, 12),
        st.integers(0, 400),
        st.sampled_from([SHANGHAI, BERLIN]),
    )
    def test_another_reader_of_icalendar_finds_the_same(
        self, frequency: str, interval: int, count: int, day: int, zone: ZoneInfo
    ) -> None:
        start = datetime(2026, 1, 1, 9, tzinfo=zone) + timedelta(days=day)
        rule = f"FREQ={frequency};INTERVAL={interval};COUNT={count}"
        mine = occurrences(rule, Span(start.astimezone(UTC), start.astimezone(UTC) + timedelta(hours=1)), zone, FAR)

        text = (
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\nBEGIN:VEVENT\r\nUID:1\r\n"
            f"DTSTART;TZID={zone.key}:{start:%Y%m%dT%H%M%S}\r\nDTEND;TZID={zone.key}:{start + timedelta(hours=1):%Y%m%dT%H%M%S}\r\n"
            f"RRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        theirs = recurring_ical_events.of(Calendar.from_ical(text)).between(start, FAR)
        assert [span.start for span in mine.spans] == sorted(each.start.astimezone(UTC) for each in theirs)
