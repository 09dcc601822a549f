"""The rules of subsidies without a database: what somebody is due, what is kept, what is going to be lost."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.api import CellError
from kernel.calendar import WorkCalendar
from payments.subsidies.carry_over import CarryOver, carried_fen
from payments.subsidies.entitlement import (
    Attendance,
    PaidBefore,
    Span,
    due_ahead,
    due_for_attendance,
    last_day,
    month_after,
    month_before,
    work_halves,
)
from payments.subsidies.forecast import LotLeft, LunchDay, forecast, sentences, step_of, usual_share
from payments.subsidies.tables import read_fen, read_halves

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 11, 23)
CALENDAR = WorkCalendar(SHANGHAI)
FEN = st.integers(0, 10**6)
HALVES = st.integers(0, 62)


def lunches(first: date, count: int) -> list[LunchDay]:
    return [LunchDay(first + timedelta(days=n), frozenset({"workday"})) for n in range(count)]


class TestWhatSomebodyIsDue:
    def test_a_whole_month_is_its_work_days(self) -> None:
        assert work_halves([Span("staff", date(2020, 1, 1), None)], ["staff"], "2026-11", CALENDAR) == 2 * 21

    def test_who_joins_or_leaves_in_between_is_paid_for_their_days(self) -> None:
        joined = [Span("staff", date(2026, 11, 16), None)]
        left = [Span("staff", date(2020, 1, 1), date(2026, 11, 4))]
        assert work_halves(joined, ["staff"], "2026-11", CALENDAR) == 2 * 11
        assert work_halves(left, ["staff"], "2026-11", CALENDAR) == 2 * 2

    def test_days_in_a_class_that_the_rule_does_not_pay_do_not_count(self) -> None:
        changed = [Span("contract", date(2020, 1, 1), date(2026, 11, 16)), Span("staff", date(2026, 11, 16), None)]
        assert work_halves(changed, ["staff"], "2026-11", CALENDAR) == 2 * 11

    def test_leave_is_deducted_with_the_next_month_and_a_half_day_is_half_of_it(self) -> None:
        due = due_ahead(1600, 0, 42, Attendance(leave_halves=3), PaidBefore(1600, 44))
        assert (due.amount_fen, due.deducted_fen) == (21 * 1600 - 2400, 2400)

    def test_a_day_in_the_field_is_worth_its_own_rate(self) -> None:
        less = due_ahead(1600, 0, 42, Attendance(field_halves=4), PaidBefore(1600, 44))
        more = due_ahead(1600, 5000, 42, Attendance(field_halves=4), PaidBefore(1600, 44))
        assert less.amount_fen == 21 * 1600 - 2 * 1600
        assert more.amount_fen == 21 * 1600 + 2 * 3400

    def test_a_month_that_was_not_paid_has_nothing_to_be_taken_back(self) -> None:
        assert due_ahead(1600, 0, 42, Attendance(leave_halves=20), None).deducted_fen == 0

    def test_what_cannot_be_deducted_waits_for_the_month_after(self) -> None:
        first = due_ahead(1600, 0, 2, Attendance(leave_halves=10), PaidBefore(1600, 44))
        assert (first.amount_fen, first.still_to_deduct_fen) == (0, 4 * 1600)
        after = due_ahead(1600, 0, 42, Attendance(), PaidBefore(1600, 2, first.still_to_deduct_fen))
        assert after.amount_fen == 21 * 1600 - 4 * 1600

    @given(st.lists(st.tuples(HALVES, HALVES, HALVES), max_size=12), st.integers(1, 5000), st.integers(0, 9000))
    def test_over_any_months_what_is_paid_is_what_is_due(
        self, months: list[tuple[int, int, int]], day_fen: int, field_fen: int
    ) -> None:
        """Paid + still to be deducted = days paid ahead - leave + the difference of the field days."""
        paid = expected = 0
        before: PaidBefore | None = None
        for halves, leave, in_field in months:
            due = due_ahead(day_fen, field_fen, halves, Attendance(0, leave, in_field), before)
            expected += day_fen * halves // 2
            if before is not None:
                taken = min(leave, before.day_halves)
                outside = min(in_field, before.day_halves - taken)
                expected += field_fen * outside // 2 - day_fen * outside // 2 - day_fen * taken // 2
            paid += due.amount_fen
            assert due.amount_fen >= 0
            assert paid - due.still_to_deduct_fen == expected
            before = PaidBefore(day_fen, halves, due.still_to_deduct_fen)

    @given(HALVES, HALVES, FEN, FEN)
    def test_by_attendance_each_day_has_its_rate(self, attended: int, in_field: int, day: int, field: int) -> None:
        due = due_for_attendance(day, field, Attendance(attended, 0, in_field))
        assert due.amount_fen == day * attended // 2 + field * in_field // 2

    def test_months_follow_each_other_over_the_year(self) -> None:
        assert (month_before("2026-01"), month_after("2026-12"), last_day("2028-02")) == (
            "2025-12",
            "2027-01",
            date(2028, 2, 29),
        )


class TestCarryOver:
    @given(FEN, st.one_of(st.none(), st.integers(1, 10**6)), st.one_of(st.none(), st.integers(1, 100)))
    def test_makes_no_money_and_keeps_within_both_bounds(self, rest: int, most: int | None, share: int | None) -> None:
        if most is None and share is None:
            return
        kept = carried_fen(rest, CarryOver(30, most, share))
        assert 0 <= kept <= rest
        assert most is None or kept <= most
        assert share is None or kept * 100 <= rest * share

    def test_without_a_sum_or_a_share_there_is_no_such_rule(self) -> None:
        with pytest.raises(ValueError, match="a sum or a share"):
            CarryOver(30)


class TestForecast:
    def test_is_the_sentence_of_the_design(self) -> None:
        told = forecast(
            [LotLeft(MONDAY + timedelta(days=3), 3200, {})],
            MONDAY + timedelta(days=3),
            MONDAY,
            1600,
            lunches(MONDAY, 4),
        )
        zh, en = sentences(told)
        assert zh == "3 天后将有 32.00 元补贴到期；再吃两顿午餐就用完"
        assert en == "You will lose 32.00 yuan in 3 days; two lunches use it"

    def test_says_what_is_lost_all_the_same(self) -> None:
        end = MONDAY + timedelta(days=1)
        told = forecast([LotLeft(end, 5000, {})], end, MONDAY, 1600, lunches(MONDAY, 2))
        assert (told.lunches, told.lost_fen) == (2, 1800)
        assert sentences(told)[1] == "You will lose 50.00 yuan tomorrow; two lunches until then leave 18.00 of it"

    def test_a_lot_that_ends_earlier_is_eaten_first(self) -> None:
        lots = [LotLeft(MONDAY + timedelta(days=2), 1600, {}), LotLeft(MONDAY + timedelta(days=1), 1600, {})]
        told = forecast(lots, MONDAY + timedelta(days=2), MONDAY, 1600, lunches(MONDAY, 3))
        assert (told.amount_fen, told.lunches, told.lost_fen) == (1600, 2, 0)

    def test_a_lot_for_dinners_is_not_used_by_lunches(self) -> None:
        told = forecast([LotLeft(MONDAY, 1600, {"meals": ["dinner"]})], MONDAY, MONDAY, 1600, lunches(MONDAY, 1))
        assert (told.lunches, told.lost_fen) == (0, 1600)
        assert "no lunch" in sentences(told)[1]

    def test_days_of_a_scope_are_kept(self) -> None:
        lot = LotLeft(MONDAY + timedelta(days=3), 1600, {"days": ["weekend"]})
        assert forecast([lot], lot.expires_on, MONDAY, 1600, lunches(MONDAY, 4)).lunches == 0

    def test_without_a_habit_nothing_is_promised(self) -> None:
        told = forecast([LotLeft(MONDAY, 900, {})], MONDAY, MONDAY, None, [])
        assert sentences(told) == ("今天将有 9.00 元补贴到期", "You will lose 9.00 yuan today")

    @given(
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9000)), max_size=6),
        st.integers(1, 3000),
        st.integers(0, 8),
    )
    def test_never_loses_more_than_ends_and_never_eats_more_than_there_are_lunches(
        self, lots: list[tuple[int, int]], share: int, count: int
    ) -> None:
        left = [LotLeft(MONDAY + timedelta(days=days), fen, {}) for days, fen in lots]
        told = forecast(left, MONDAY + timedelta(days=3), MONDAY, share, lunches(MONDAY, count))
        assert told.lunches is not None
        assert 0 <= told.lost_fen <= told.amount_fen
        assert told.lunches <= count

    def test_warnings_come_in_three_steps(self) -> None:
        assert [step_of(days) for days in (8, 7, 5, 3, 2, 1, 0, -1)] == [None, 7, 7, 3, 3, 1, 1, None]

    def test_the_usual_share_is_the_one_seen_most_often(self) -> None:
        assert usual_share([1600, 900, 1600, 0, 0, 0]) == 1600
        assert usual_share([0]) is None


class TestCells:
    @given(st.integers(1, 10**6))
    def test_an_amount_is_read_to_the_fen(self, fen: int) -> None:
        assert read_fen(f"{fen // 100}.{fen % 100:02d}") == fen

    @pytest.mark.parametrize("bad", ["", "0", "0.00", "-5", "1.234", "1e3", "10000.01", "１６", "16元"])
    def test_what_is_no_amount_is_refused(self, bad: str) -> None:
        with pytest.raises(CellError):
            read_fen(bad)

    def test_half_days_are_read_and_other_parts_are_not(self) -> None:
        assert [read_halves(text) for text in ("0", "21", "21.5", "31.0")] == [0, 42, 43, 62]
        for bad in ("21.3", "31.5", "-1", "x"):
            with pytest.raises(CellError):
                read_halves(bad)
