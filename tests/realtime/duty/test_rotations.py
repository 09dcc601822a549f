"""Rotations, overrides and spans: pure functions, for every rota there could be."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.duty.rotations import (
    EVERY_DAY,
    Override,
    Rotation,
    Shift,
    Slot,
    Span,
    apply_overrides,
    expand,
    instant_of_wall,
    join_spans,
    needed_spans,
    uncovered,
)
from tests.realtime.duty.crew import DAY_AND_NIGHT, SHANGHAI, rotation

ANN, BEN, CAI, DAN = (UUID(int=number) for number in (11, 12, 13, 14))
BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ZONES = [SHANGHAI, BERLIN, LORD_HOWE, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia"), ZoneInfo("UTC")]


def spans(shifts: list[Shift]) -> list[Span]:
    return [Span(shift.starts_at, shift.ends_at) for shift in shifts]


@st.composite
def rotations(draw: st.DrawFn) -> Rotation:
    """Any rotation that is staffed round the clock."""
    hand_off = draw(st.integers(0, 1439))
    cuts = sorted(draw(st.sets(st.integers(1, 1439), max_size=4)))
    starts = [(hand_off + cut) % 1440 for cut in [0, *cuts]]
    people = tuple(UUID(int=100 + number) for number in range(draw(st.integers(1, 5))))
    return rotation(
        people,
        zone=draw(st.sampled_from(ZONES)),
        starts_on=draw(st.dates(date(2023, 1, 1), date(2023, 12, 31))),
        slots=tuple(Slot(time(*divmod(minute, 60))) for minute in starts),
        turn_days=draw(st.integers(1, 9)),
        advance=draw(st.integers(0, 4)),
        seats=draw(st.integers(1, len(people))),
    )


MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 5, tzinfo=UTC) + timedelta(minutes=minutes)
)


class TestExpand:
    @settings(max_examples=150, deadline=None)
    @given(rotations(), MOMENTS, st.integers(1, 30))
    def test_at_every_instant_each_seat_has_one_person(self, rota: Rotation, begins: datetime, days: int) -> None:
        """Over leap days, daylight saving, and a day that Samoa never had."""
        until = begins + timedelta(days=days)
        shifts = expand(rota, begins, until)
        by_seat: dict[datetime, list[Shift]] = {}
        for shift in shifts:
            by_seat.setdefault(shift.starts_at, []).append(shift)
        edges = sorted(by_seat)
        assert edges[0] <= begins
        for now, after in zip(edges, [*edges[1:], None], strict=True):
            together = by_seat[now]
            assert len(together) == rota.seats
            assert len({shift.person_id for shift in together}) == rota.seats
            assert {shift.ends_at for shift in together} == {after or together[0].ends_at}
        assert by_seat[edges[-1]][0].ends_at >= until

    @settings(max_examples=80, deadline=None)
    @given(rotations(), MOMENTS)
    def test_a_shift_is_the_same_from_wherever_one_looks(self, rota: Rotation, begins: datetime) -> None:
        near = expand(rota, begins, begins + timedelta(hours=1))
        far = expand(rota, begins - timedelta(days=9), begins + timedelta(days=9))
        assert [shift for shift in far if shift in near] == near
        assert len({shift.base_id for shift in far}) == len(far)

    def test_day_and_night_are_dealt_in_the_order_of_people(self) -> None:
        rota = rotation([ANN, BEN, CAI], advance=2)
        first = instant_of_wall(date(2026, 11, 2), time(8), SHANGHAI)
        dealt = expand(rota, first, first + timedelta(days=3))
        assert [shift.person_id for shift in dealt] == [ANN, BEN, CAI, ANN, BEN, CAI]
        assert [shift.name for shift in dealt[:2]] == ["白班", "夜班"]

    def test_a_week_each_turns_over_at_the_hand_off(self) -> None:
        rota = rotation([ANN, BEN], slots=(Slot(time(9)),), turn_days=7)
        sunday_night = instant_of_wall(date(2026, 11, 9), time(8, 59), SHANGHAI)
        (before,) = expand(rota, sunday_night, sunday_night + timedelta(seconds=1))
        (after,) = expand(rota, sunday_night + timedelta(minutes=1), sunday_night + timedelta(minutes=2))
        assert (before.person_id, after.person_id) == (ANN, BEN)

    def test_the_night_of_the_spring_is_an_hour_shorter(self) -> None:
        rota = rotation([ANN, BEN], zone=BERLIN)
        (night,) = expand(rota, datetime(2027, 3, 28, 0, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC))
        assert night.ends_at - night.starts_at == timedelta(hours=11)
        (long_night,) = expand(rota, datetime(2027, 10, 31, 0, tzinfo=UTC), datetime(2027, 10, 31, 1, tzinfo=UTC))
        assert long_night.ends_at - long_night.starts_at == timedelta(hours=13)

    def test_a_slot_that_the_clock_leaves_out_is_nobodys(self) -> None:
        rota = rotation([ANN, BEN, CAI], zone=BERLIN, slots=(Slot(time(0)), Slot(time(2)), Slot(time(3))))
        day = expand(rota, datetime(2027, 3, 27, 23, tzinfo=UTC), datetime(2027, 3, 28, 22, tzinfo=UTC))
        assert [shift.starts_at.hour for shift in day] == [23, 1]
        assert day[0].ends_at == day[1].starts_at

    def test_the_29th_of_february_is_a_day_like_any_other(self) -> None:
        rota = rotation([ANN, BEN], starts_on=date(2028, 2, 27), slots=(Slot(time(0)),))
        days = expand(rota, datetime(2028, 2, 28, 16, tzinfo=UTC), datetime(2028, 3, 1, 16, tzinfo=UTC))
        assert [shift.starts_at.astimezone(SHANGHAI).date() for shift in days] == [date(2028, 2, 29), date(2028, 3, 1)]
        assert [shift.person_id for shift in days] == [ANN, BEN]

    def test_a_hole_in_the_pattern_is_a_hole_in_the_rota(self) -> None:
        slots = (Slot(time(8), weekdays=frozenset({1, 2, 3, 4, 5})), Slot(time(20), is_staffed=False))
        rota = rotation([ANN, BEN], slots=slots)
        monday = instant_of_wall(date(2026, 11, 23), time(0), SHANGHAI)
        week = expand(rota, monday, monday + timedelta(days=7))
        assert len(week) == 5
        holes = uncovered([Span(monday, monday + timedelta(days=7))], spans(week))
        assert len(holes) == 6
        assert holes[-1].ends_at - holes[-1].starts_at == timedelta(hours=52)

    def test_an_ended_rotation_stops_in_the_middle_of_a_shift(self) -> None:
        ends_at = instant_of_wall(date(2026, 11, 10), time(12), SHANGHAI)
        rota = rotation([ANN], ends_on=date(2026, 11, 11), ends_at=ends_at)
        assert expand(rota, ends_at - timedelta(days=1), ends_at + timedelta(days=9))[-1].ends_at == ends_at

    @pytest.mark.parametrize(
        "wrong",
        [
            {"people": ()},
            {"people": (ANN, ANN)},
            {"seats": 3},
            {"turn_days": 0},
            {"slots": ()},
            {"slots": (Slot(time(8)), Slot(time(20)), Slot(time(12)))},
            {"slots": (Slot(time(8)), Slot(time(8)))},
        ],
    )
    def test_what_is_no_rotation_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"."):
            rotation(**{"people": (ANN, BEN)} | wrong)


def gives(out: UUID | None, taker: UUID | None, starts_at: datetime, hours: float, number: int = 1) -> Override:
    return Override(
        UUID(int=900 + number), UUID(int=2), starts_at, starts_at + timedelta(hours=hours), out, taker, SHANGHAI
    )


EIGHT = instant_of_wall(date(2026, 11, 23), time(8), SHANGHAI)


def day_of(*overrides: Override) -> list[tuple[UUID, float, float]]:
    """Who has which hours after eight, on a day that is Ann's and whose night is Ben's."""
    rota = rotation([ANN, BEN], starts_on=date(2026, 11, 23), advance=0)
    taken = apply_overrides(expand(rota, EIGHT, EIGHT + timedelta(days=1)), overrides)
    return [
        (s.person_id, (s.starts_at - EIGHT) / timedelta(hours=1), (s.ends_at - EIGHT) / timedelta(hours=1))
        for s in taken
    ]


class TestOverrides:
    def test_somebody_takes_the_whole_shift(self) -> None:
        assert day_of(gives(ANN, CAI, EIGHT, 12)) == [(CAI, 0, 12), (BEN, 12, 24)]

    def test_or_two_hours_in_the_middle_of_it(self) -> None:
        noon = EIGHT + timedelta(hours=4)
        assert day_of(gives(ANN, CAI, noon, 2)) == [(ANN, 0, 4), (CAI, 4, 6), (ANN, 6, 12), (BEN, 12, 24)]

    def test_what_was_given_on_can_be_given_on_again(self) -> None:
        twice = (gives(ANN, CAI, EIGHT, 12), gives(CAI, DAN, EIGHT, 12, 2))
        assert day_of(*twice) == [(DAN, 0, 12), (BEN, 12, 24)]

    def test_nobody_instead_is_a_hole(self) -> None:
        assert day_of(gives(ANN, None, EIGHT, 12)) == [(BEN, 12, 24)]

    def test_an_extra_hand_takes_nothing_from_anybody(self) -> None:
        assert day_of(gives(None, DAN, EIGHT, 5)) == [(DAN, 0, 5), (ANN, 0, 12), (BEN, 12, 24)]

    def test_nobody_stands_twice_in_the_same_hour(self) -> None:
        both = (gives(None, BEN, EIGHT, 14), gives(ANN, CAI, EIGHT, 6, 2))
        assert day_of(*both) == [(CAI, 0, 6), (BEN, 0, 14), (ANN, 6, 12), (BEN, 14, 24)]

    def test_a_shift_keeps_its_name_and_counts_its_changes(self) -> None:
        rota = rotation([ANN, BEN])
        (before, *_) = expand(rota, EIGHT, EIGHT + timedelta(days=1))
        (after, *_) = apply_overrides([before], [gives(before.person_id, CAI, EIGHT, 12)])
        assert (after.base_id, before.touched, after.touched) == (before.base_id, 0, 1)

    @settings(max_examples=150, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([ANN, BEN, CAI, None]),
                st.sampled_from([ANN, BEN, CAI, DAN]),
                st.integers(0, 60),
                st.integers(1, 30),
            ),
            max_size=6,
        )
    )
    def test_whoever_gives_what_to_whom_no_hour_is_lost_and_nobody_is_doubled(
        self, given_on: list[tuple[UUID | None, UUID, int, int]]
    ) -> None:
        overrides = [
            gives(out, taker, EIGHT + timedelta(hours=begins), hours, number)
            for number, (out, taker, begins, hours) in enumerate(given_on)
            if out != taker
        ]
        whole = Span(EIGHT, EIGHT + timedelta(days=3))
        taken = apply_overrides(expand(rotation([ANN, BEN, CAI]), whole.starts_at, whole.ends_at), overrides)
        assert uncovered([whole], spans(taken)) == []
        for person in (ANN, BEN, CAI, DAN):
            own = sorted((s.starts_at, s.ends_at) for s in taken if s.person_id == person)
            assert all(end <= start for (_, end), (start, _) in pairwise(own))


class TestSpans:
    def test_spans_that_touch_are_one(self) -> None:
        hours = [EIGHT + timedelta(hours=n) for n in range(5)]
        assert join_spans([Span(hours[2], hours[3]), Span(hours[0], hours[1]), Span(hours[1], hours[2])]) == [
            Span(hours[0], hours[3])
        ]

    def test_office_hours_are_those_of_the_wall(self) -> None:
        monday = instant_of_wall(date(2027, 3, 22), time(0), BERLIN)
        week = needed_spans(BERLIN, frozenset({1, 7}), time(8), time(18), monday, monday + timedelta(days=7))
        assert [span.starts_at for span in week] == [
            datetime(2027, 3, 22, 7, tzinfo=UTC),
            datetime(2027, 3, 28, 6, tzinfo=UTC),
        ]

    def test_the_same_time_twice_is_round_the_clock(self) -> None:
        span = Span(EIGHT, EIGHT + timedelta(days=7))
        assert needed_spans(BERLIN, EVERY_DAY, time(0), time(0), span.starts_at, span.ends_at) == [span]

    def test_day_and_night_leave_nothing_uncovered(self) -> None:
        whole = Span(EIGHT, EIGHT + timedelta(days=30))
        rota = rotation([ANN, BEN], slots=DAY_AND_NIGHT)
        assert uncovered([whole], spans(expand(rota, whole.starts_at, whole.ends_at))) == []
