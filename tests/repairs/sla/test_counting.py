"""Working time with pauses: counting forwards and back agree, whatever the calendar, the zone and the pauses are."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from kernel.calendar import (
    AROUND_THE_CLOCK,
    DAY_TYPES,
    EVERY_DAY,
    OFFICE_HOURS,
    DayType,
    Shift,
    WorkCalendar,
    whole_years,
)
from repairs.sla.counting import Pause, PausedCalendar

HOUR_S = 3600
# Nearly as far as a calendar looks ahead.
TOO_FAR = timedelta(days=3_650)
SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
ZONES = [SHANGHAI, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")]

# To the microsecond, as the database keeps them.
instants = st.integers(0, 6 * 365 * 86_400_000_000).map(
    lambda microseconds: datetime(2023, 6, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
spans = st.integers(0, 40 * 86_400_000_000).map(lambda microseconds: timedelta(microseconds=microseconds))


@st.composite
def calendars(draw: st.DrawFn) -> WorkCalendar:
    minutes = sorted(draw(st.sets(st.integers(0, 1440), min_size=2, max_size=6)))
    pairs = zip(minutes[::2], minutes[1::2], strict=False)
    shifts = [Shift(time(a // 60, a % 60), time(b // 60 % 24, b % 60)) for a, b in pairs]
    special = st.dictionaries(st.dates(date(2023, 6, 1), date(2029, 6, 1)), st.sampled_from(DAY_TYPES), max_size=20)
    worked = draw(st.sampled_from([frozenset[DayType]({"workday"}), frozenset[DayType]({"weekend"}), EVERY_DAY]))
    return WorkCalendar(draw(st.sampled_from(ZONES)), shifts, draw(special), worked)


@st.composite
def paused(draw: st.DrawFn, *, open_end: bool = False) -> PausedCalendar:
    """Holds and reopenings: pauses in order, apart by anything, also by nothing."""
    at, pauses = draw(instants), []
    for gap, length in draw(st.lists(st.tuples(spans, spans), max_size=6)):
        starts_at = at + gap
        at = starts_at + length
        pauses.append(Pause(starts_at, at))
    if open_end:
        pauses.append(Pause(at + draw(spans)))
    return PausedCalendar(draw(calendars()), pauses)


def added(counting: PausedCalendar, start: datetime, seconds: int) -> datetime | None:
    """A place that is open for a minute a day has no sixty hours in any year that a calendar looks ahead, and says so."""
    due_at = counting.add(start, seconds)
    if due_at is not None and due_at > start + TOO_FAR:
        reject()
    return due_at


class TestAddAndElapsed:
    @settings(max_examples=300)
    @given(paused(), instants, st.integers(0, 60 * 8 * HOUR_S))
    def test_what_was_added_has_elapsed(self, counting: PausedCalendar, start: datetime, seconds: int) -> None:
        due_at = added(counting, start, seconds)
        assert due_at is not None
        assert counting.elapsed(start, due_at) == seconds

    @given(paused(open_end=True), instants, st.integers(0, 60 * 8 * HOUR_S))
    def test_an_open_pause_is_either_after_what_is_due_or_stops_it(
        self, counting: PausedCalendar, start: datetime, seconds: int
    ) -> None:
        due_at = added(counting, start, seconds)
        stands_still_at = max(counting.pauses[-1].starts_at, start)
        if due_at is None:
            assert counting.elapsed(start, stands_still_at + timedelta(days=400)) < seconds or seconds == 0
        else:
            assert due_at <= stands_still_at
            assert counting.elapsed(start, due_at) == seconds

    @given(paused(), instants, st.lists(st.integers(0, 20 * HOUR_S), min_size=2, max_size=2))
    def test_more_is_never_due_earlier(self, counting: PausedCalendar, start: datetime, seconds: list[int]) -> None:
        less, more = (added(counting, start, amount) for amount in sorted(seconds))
        assert less is not None
        assert more is not None
        assert less <= more

    @given(paused(), instants, spans, spans)
    def test_time_that_counts_adds_up(
        self, counting: PausedCalendar, start: datetime, first: timedelta, second: timedelta
    ) -> None:
        middle, end = start + first, start + first + second
        parts = counting.elapsed(start, middle) + counting.elapsed(middle, end)
        assert counting.elapsed(start, end) == pytest.approx(parts, abs=1e-5)

    @given(paused(), instants, st.integers(0, 365 * 24 * HOUR_S), st.integers(0, 365 * 24 * HOUR_S))
    def test_whatever_the_hours_are_something_is_due_and_more_is_due_no_earlier(
        self, counting: PausedCalendar, start: datetime, less: int, more: int
    ) -> None:
        first, second = counting.add(start, min(less, more)), counting.add(start, max(less, more))
        assert first is not None
        assert second is not None
        latest = max([start, *(pause.ends_at for pause in counting.pauses if pause.ends_at is not None)])
        assert start <= first <= second <= latest + timedelta(days=3_703)

    def test_a_minute_a_day_is_due_at_the_end_of_what_is_looked_ahead(self) -> None:
        start = datetime(2026, 11, 23, 9, tzinfo=SHANGHAI)
        minute = PausedCalendar(WorkCalendar(SHANGHAI, [Shift(time(9), time(9, 1))]))
        due_at = minute.add(start, 80 * HOUR_S)
        assert due_at is not None
        assert due_at - start > timedelta(days=3_700)

    def test_a_pause_of_working_hours_moves_what_is_due_and_one_at_night_does_not(self) -> None:
        start = datetime(2026, 11, 23, 9, tzinfo=SHANGHAI)
        office = WorkCalendar(SHANGHAI, OFFICE_HOURS)
        midday = Pause(start + timedelta(hours=1), start + timedelta(hours=2))
        night = Pause(start + timedelta(hours=12), start + timedelta(hours=20))
        assert PausedCalendar(office).add(start, 8 * HOUR_S) == datetime(2026, 11, 24, 10, tzinfo=SHANGHAI)
        assert PausedCalendar(office, [midday]).add(start, 8 * HOUR_S) == datetime(2026, 11, 24, 11, tzinfo=SHANGHAI)
        assert PausedCalendar(office, [night]).add(start, 8 * HOUR_S) == datetime(2026, 11, 24, 10, tzinfo=SHANGHAI)

    @pytest.mark.parametrize(
        "pauses",
        [
            [Pause(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))],
            [Pause(datetime(2026, 1, 1, tzinfo=UTC)), Pause(datetime(2026, 1, 2, tzinfo=UTC))],
            [
                Pause(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)),
                Pause(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)),
            ],
        ],
    )
    def test_pauses_that_make_no_sense_are_refused(self, pauses: list[Pause]) -> None:
        with pytest.raises(ValueError, match="pause"):
            PausedCalendar(WorkCalendar(SHANGHAI), pauses)


class TestDaysOfTheYear:
    def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter(self) -> None:
        always = PausedCalendar(WorkCalendar(NEW_YORK, AROUND_THE_CLOCK, worked=EVERY_DAY))
        start = datetime(2026, 3, 7, 20, tzinfo=NEW_YORK)
        assert always.add(start, 8 * HOUR_S) == datetime(2026, 3, 8, 5, tzinfo=NEW_YORK)

    def test_a_pause_through_the_hour_that_comes_twice_lasts_two_hours(self) -> None:
        calendar = WorkCalendar(NEW_YORK, AROUND_THE_CLOCK, worked=EVERY_DAY)
        night = Pause(
            datetime(2026, 11, 1, 1, tzinfo=NEW_YORK).astimezone(UTC),
            datetime(2026, 11, 1, 2, tzinfo=NEW_YORK).astimezone(UTC),
        )
        start = datetime(2026, 10, 31, 23, tzinfo=NEW_YORK).astimezone(UTC)
        assert PausedCalendar(calendar, [night]).add(start, 3 * HOUR_S) == start + timedelta(hours=5)

    def test_the_29th_of_february_is_a_day_like_others(self) -> None:
        office = PausedCalendar(WorkCalendar(SHANGHAI, OFFICE_HOURS))
        # A Tuesday; the calendar of 2028 has the day before 1 March.
        assert office.add(datetime(2028, 2, 28, 17, tzinfo=SHANGHAI), HOUR_S) == datetime(
            2028, 2, 29, 9, tzinfo=SHANGHAI
        )

    def test_a_year_is_known_only_with_all_of_its_days_a_leap_year_with_one_more(self) -> None:
        days_2028 = [date(2028, 1, 1) + timedelta(days=number) for number in range(366)]
        assert whole_years(days_2028) == {2028}
        assert whole_years(day for day in days_2028 if day != date(2028, 2, 29)) == frozenset()

    def test_a_year_that_nobody_entered_is_named(self) -> None:
        days: dict[date, DayType] = {date(2026, 1, 1) + timedelta(days=number): "workday" for number in range(365)}
        calendar = WorkCalendar(SHANGHAI, OFFICE_HOURS, days, known_years=whole_years(days))
        new_year = datetime(2026, 12, 31, 15, tzinfo=UTC)
        assert calendar.unknown_years(new_year, new_year + timedelta(minutes=59)) == []
        assert calendar.unknown_years(new_year, new_year + timedelta(minutes=61)) == [2027]
        always = WorkCalendar(SHANGHAI, AROUND_THE_CLOCK, days, EVERY_DAY)
        assert always.unknown_years(new_year, new_year + timedelta(days=900)) == []
