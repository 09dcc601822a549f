"""Times as plain data: opening hours, buffers, what else would do. No database."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.spans import Candidate, Opening, Span, free_of, merged, suggest

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))
WORKDAYS = frozenset(range(5))
NONE = timedelta(0)
EIGHT_TO_SIX = (time(8), time(18))


def at(hour: float, *, day: int = 24, zone: ZoneInfo = SHANGHAI) -> datetime:
    """On a Tuesday, 24 November 2026."""
    return datetime(2026, 11, day, tzinfo=zone).astimezone(UTC) + timedelta(hours=hour)


def span(start: float, end: float, **more: object) -> Span:
    return Span(at(start, **more), at(end, **more))  # type: ignore[arg-type]


def hall(*busy: Span, number: int = 1, setup: timedelta = NONE, cleanup: timedelta = NONE) -> Candidate:
    return Candidate(UUID(int=number), Opening(SHANGHAI, EVERY_DAY, *EIGHT_TO_SIX), setup, cleanup, busy)


class TestSpans:
    def test_one_may_begin_as_the_other_ends(self) -> None:
        assert not span(9, 10).overlaps(span(10, 11))
        assert span(9, 10.5).overlaps(span(10, 11))

    def test_an_empty_one_is_none(self) -> None:
        with pytest.raises(ValueError, match="after it starts"):
            span(9, 9)


class TestOpening:
    def test_within_hours_on_an_open_day(self) -> None:
        opening = Opening(SHANGHAI, WORKDAYS, *EIGHT_TO_SIX)

        assert opening.allows(span(8, 18))
        assert not opening.allows(span(7.75, 9))
        assert not opening.allows(span(17, 18.25))
        assert not opening.allows(span(9, 10, day=28))  # A Saturday.

    def test_a_booking_over_night_is_not_within_the_hours_of_a_day(self) -> None:
        assert not Opening(SHANGHAI, EVERY_DAY, *EIGHT_TO_SIX).allows(span(17, 33))

    def test_hours_may_reach_over_midnight(self) -> None:
        bar = Opening(SHANGHAI, frozenset({1}), time(20), time(2))

        assert bar.allows(span(22, 25.5))
        assert not bar.allows(span(25, 26.5))

    def test_round_the_clock_means_every_night_but_only_open_days(self) -> None:
        room = Opening(SHANGHAI, WORKDAYS)

        assert room.allows(span(14, 36))
        assert not room.allows(span(14, 36, day=27))  # Friday into Saturday.

    def test_the_day_on_which_clocks_change_has_its_own_hours(self) -> None:
        opening = Opening(BERLIN, EVERY_DAY, time(8), time(18))
        sunday = datetime(2026, 10, 25, 8, tzinfo=BERLIN)

        assert opening.allows(Span(sunday.astimezone(UTC), (sunday.astimezone(UTC)) + timedelta(hours=10)))
        assert not opening.allows(Span((sunday - timedelta(minutes=1)).astimezone(UTC), at(12, day=25, zone=BERLIN)))


class TestSuggestions:
    def test_the_nearest_times_come_first_then_others_like_it_then_other_days(self) -> None:
        wanted = span(10, 11)
        first, other = hall(span(9.5, 11)), hall(number=2)

        found = suggest(wanted, first, [other], at(0))

        assert [(each.kind, each.bookable.int) for each in found] == [
            *[("near", 1)] * 3,
            ("similar", 2),
            *[("day", 1)] * 2,
        ]
        assert found[0].span == span(11, 12)
        assert found[-1].span == span(10, 11, day=26)

    def test_nothing_that_is_over_or_shut_is_suggested(self) -> None:
        found = suggest(span(17, 18), hall(span(8, 18)), [], at(16))

        assert [each.kind for each in found] == ["day", "day"]

    def test_the_time_to_set_up_and_to_clean_counts(self) -> None:
        buffered = hall(span(9, 12), setup=timedelta(minutes=30), cleanup=timedelta(minutes=30))

        near = [each.span for each in suggest(span(10, 11), buffered, [], at(0)) if each.kind == "near"]

        assert near[0] == span(12.5, 13.5)

    @given(st.lists(st.tuples(st.integers(32, 70), st.integers(1, 8)), max_size=12), st.integers(32, 68))
    def test_every_suggestion_is_free_and_open(self, taken: list[tuple[int, int]], start: int) -> None:
        busy = [span(quarter / 4, (quarter + length) / 4) for quarter, length in taken]
        candidate = hall(*busy, cleanup=timedelta(minutes=15))

        for each in suggest(span(start / 4, start / 4 + 1), candidate, [], at(8)):
            assert candidate.is_free(each.span)
            assert each.span.start >= at(8)


class TestFreeAndBusy:
    @given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10)), max_size=15))
    def test_free_and_busy_together_are_the_window(self, taken: list[tuple[int, int]]) -> None:
        window = span(0, 25)
        busy = [span(quarter / 4, (quarter + length) / 4) for quarter, length in taken]

        together = sorted([*free_of(window, busy), *merged(busy)])

        assert merged([*together, window])[0].start == window.start
        for before, after in itertools.pairwise(together):
            assert before.end == after.start

    def test_a_year_s_last_days_are_days_like_others(self) -> None:
        last = datetime.combine(date(2028, 2, 29), time(9), SHANGHAI).astimezone(UTC)
        opening = Opening(SHANGHAI, EVERY_DAY, *EIGHT_TO_SIX)
        assert opening.allows(Span(last, last + timedelta(hours=1)))
