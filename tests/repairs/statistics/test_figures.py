"""Shares, means and weeks."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from repairs.statistics.figures import Step, begin_of, mean, percent, steps_of

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))


class TestShares:
    def test_they_are_rounded_half_up_and_of_nothing_there_is_none(self) -> None:
        assert percent(1, 8) == 12.5
        assert percent(1, 3) == 33.3
        assert percent(1, 16) == 6.3
        assert percent(0, 5) == 0.0
        assert percent(0, 0) is None
        assert mean(9, 2) == 4.5
        assert mean(14, 3) == 4.67
        assert mean(0, 0) is None


class TestSteps:
    def test_a_week_begins_on_monday_and_a_month_on_its_first_also_around_a_new_year(self) -> None:
        new_year = date(2026, 12, 30), date(2027, 1, 5)
        assert list(steps_of(*new_year, "week")) == [date(2026, 12, 28), date(2027, 1, 4)]
        assert list(steps_of(*new_year, "month")) == [date(2026, 12, 1), date(2027, 1, 1)]
        assert list(steps_of(date(2028, 1, 31), date(2028, 3, 1), "month")) == [
            date(2028, 1, 1),
            date(2028, 2, 1),
            date(2028, 3, 1),
        ]

    @given(DAYS, st.integers(0, 400), st.sampled_from(["week", "month"]))
    def test_each_day_of_a_span_lies_in_one_step_of_it(self, first: date, days: int, step: Step) -> None:
        last = date.fromordinal(first.toordinal() + days)
        steps = list(steps_of(first, last, step))
        assert steps[0] == begin_of(first, step)
        assert steps[-1] == begin_of(last, step)
        assert steps == sorted({begin_of(date.fromordinal(first.toordinal() + day), step) for day in range(days + 1)})
