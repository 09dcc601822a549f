"""The work calendar: adjusted workdays, working time across days, holidays and changes of clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import calendar, clock
from kernel.calendar import AROUND_THE_CLOCK, DAY_TYPES, DayType, Shift, WorkCalendar
from kernel.configuration import configuration_version
from kernel.db import Database

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
# Clocks move by half an hour here, and by a whole day once in Apia.
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
HOUR_S = 3600


def at(zone: ZoneInfo, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


zones = st.sampled_from([SHANGHAI, NEW_YORK, LORD_HOWE, APIA])
instants = st.integers(0, 20 * 365 * 86_400_000).map(
    lambda milliseconds: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
)


@st.composite
def calendars(draw: st.DrawFn) -> WorkCalendar:
    minutes = draw(
        st.lists(st.integers(0, 1440), min_size=2, max_size=8, unique=True).filter(lambda m: len(m) % 2 == 0)
    )
    minutes.sort()
    shifts = [
        Shift(time(start // 60, start % 60), time(end // 60 % 24, end % 60))
        for start, end in zip(minutes[::2], minutes[1::2], strict=True)
    ]
    special = st.dictionaries(st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.sampled_from(DAY_TYPES), max_size=20)
    return WorkCalendar(draw(zones), shifts, draw(special))


class TestAddAndElapsed:
    def test_a_promise_of_four_hours_made_on_friday_afternoon_ends_on_monday(self) -> None:
        promise = WorkCalendar(SHANGHAI)
        due_at = promise.add(at(SHANGHAI, "2026-11-20T16:30"), 4 * HOUR_S)
        assert due_at == at(SHANGHAI, "2026-11-23T11:30")

    def test_a_sunday_that_is_worked_counts_and_the_holiday_it_pays_for_does_not(self) -> None:
        days: dict[date, DayType] = {date(2026, 2, 15): "workday", date(2026, 2, 16): "holiday"}
        promise = WorkCalendar(SHANGHAI, days=days)
        assert promise.elapsed(at(SHANGHAI, "2026-02-14T00:00"), at(SHANGHAI, "2026-02-17T00:00")) == 7 * HOUR_S

    def test_the_hour_that_the_clocks_skip_is_not_worked(self) -> None:
        around = WorkCalendar(NEW_YORK, AROUND_THE_CLOCK, {date(2026, 3, 8): "workday"})
        assert around.elapsed(at(NEW_YORK, "2026-03-08T00:00"), at(NEW_YORK, "2026-03-09T00:00")) == 23 * HOUR_S

    def test_the_hour_that_comes_twice_is_worked_twice(self) -> None:
        around = WorkCalendar(NEW_YORK, AROUND_THE_CLOCK, {date(2026, 11, 1): "workday"})
        assert around.elapsed(at(NEW_YORK, "2026-11-01T00:00"), at(NEW_YORK, "2026-11-02T00:00")) == 25 * HOUR_S

    def test_shifts_that_meet_in_a_skipped_hour_do_not_count_twice(self) -> None:
        hours = [Shift(time(1), time(2, 30)), Shift(time(2, 45), time(4))]
        nights = WorkCalendar(NEW_YORK, hours, {date(2026, 3, 8): "workday"})
        worked_s = nights.elapsed(at(NEW_YORK, "2026-03-08T00:00"), at(NEW_YORK, "2026-03-09T00:00"))
        assert worked_s <= 2 * HOUR_S

    def test_backwards_is_negative(self) -> None:
        office = WorkCalendar(SHANGHAI)
        early, late = at(SHANGHAI, "2026-11-23T09:00"), at(SHANGHAI, "2026-11-23T10:00")
        assert office.elapsed(late, early) == -HOUR_S

    def test_a_calendar_without_work_says_so_instead_of_searching_forever(self) -> None:
        never: dict[date, DayType] = {date(2026, 1, 1) + timedelta(days=n): "holiday" for n in range(4000)}
        with pytest.raises(ValueError, match="too few working hours"):
            WorkCalendar(SHANGHAI, days=never).add(at(SHANGHAI, "2026-01-05T09:00"), 1)

    @pytest.mark.parametrize(
        "hours", [[], [Shift(time(9), time(8))], [Shift(time(9), time(12)), Shift(time(11), time(13))]]
    )
    def test_hours_that_make_no_sense_are_refused(self, hours: list[Shift]) -> None:
        with pytest.raises(ValueError, match="hours are spans"):
            WorkCalendar(SHANGHAI, hours)

    @given(calendars(), instants, st.integers(0, 40 * 8 * HOUR_S))
    def test_what_was_added_has_elapsed(self, work: WorkCalendar, start: datetime, seconds: int) -> None:
        assert work.elapsed(start, work.add(start, seconds)) == seconds

    @given(calendars(), instants, st.integers(0, 10**6), st.integers(0, 10**6))
    def test_adding_twice_is_adding_the_sum(self, work: WorkCalendar, start: datetime, one: int, two: int) -> None:
        assert work.add(work.add(start, one), two) == work.add(start, one + two)

    @given(calendars(), st.lists(instants, min_size=3, max_size=3))
    def test_spans_add_up_and_never_exceed_real_time(self, work: WorkCalendar, moments: list[datetime]) -> None:
        a, b, c = sorted(moments)
        b, c = min(b, a + timedelta(days=90)), min(c, a + timedelta(days=180))
        assert work.elapsed(a, b) + work.elapsed(b, c) == pytest.approx(work.elapsed(a, c))
        assert 0 <= work.elapsed(a, c) <= (c - a).total_seconds()


class TestTable:
    async def test_seeding_brings_the_adjusted_workdays_of_2026(self, db: Database) -> None:
        with clock.frozen(datetime(2026, 11, 23, tzinfo=UTC)):
            async with db.session() as session:
                assert await calendar.seed_calendar(session) == [2025, 2026]
                assert await calendar.seed_calendar(session) == []
                work = await calendar.load_calendar(session, SHANGHAI)
        assert work.day_type(date(2026, 2, 17)) == "holiday"
        assert work.day_type(date(2026, 2, 14)) == "workday"
        assert work.day_type(date(2026, 11, 21)) == "weekend"
        assert work.is_work_day(date(2026, 11, 23))

    async def test_an_edited_day_survives_seeding(self, db: Database) -> None:
        with clock.frozen(datetime(2026, 11, 23, tzinfo=UTC)):
            async with db.session() as session:
                await calendar.edit_day(session, date(2026, 11, 23), "holiday", "厂庆")
                await calendar.seed_calendar(session)
                assert await calendar.day_type_of(session, date(2026, 11, 23)) == "holiday"
                assert await calendar.day_type_of(session, date(2026, 11, 24)) == "workday"

    async def test_changes_raise_the_configuration_version(self, db: Database) -> None:
        async with db.session() as session:
            before = await configuration_version(session)
            await calendar.seed_calendar(session)
            await calendar.edit_day(session, date(2026, 11, 23), "holiday")
            assert await configuration_version(session) == before + 2
            await calendar.seed_calendar(session)
            assert await configuration_version(session) == before + 2

    async def test_it_warns_of_a_missing_year_a_month_ahead(self, db: Database) -> None:
        with clock.frozen(datetime(2026, 11, 23, tzinfo=UTC)):
            async with db.session() as session:
                assert await calendar.missing_years(session) == [2026]
                await calendar.seed_calendar(session)
                assert await calendar.missing_years(session) == []
        with clock.frozen(datetime(2026, 12, 5, tzinfo=UTC)):
            async with db.session() as session:
                assert await calendar.missing_years(session) == [2027]
