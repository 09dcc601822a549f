"""What somebody is due for a month by a unit's rule. Pure.

Two bases. *Ahead*: a month is paid when it begins, by its work days; what was leave, or in the field, is known only
afterwards and settled with the next month. *Attended*: a month is paid when it is over, by the list of attendance.
Days are counted in halves, so that no fraction comes near the money; a half of an odd fen is the unit's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple

from kernel.calendar import WorkCalendar

Basis = Literal["ahead", "attended"]
_DAY: Final = timedelta(days=1)


class Span(NamedTuple):
    """Days on which somebody belonged to the unit, as what; `until` is the first day on which they did not."""

    person_class: str
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Attendance:
    """A month of the list, in half days."""

    attended_halves: int = 0
    leave_halves: int = 0
    field_halves: int = 0


@dataclass(frozen=True, slots=True)
class PaidBefore:
    """What the same rule has paid ahead for the month before, and what of a deduction was left over."""

    day_fen: int
    day_halves: int
    still_to_deduct_fen: int = 0


@dataclass(frozen=True, slots=True)
class Due:
    """What somebody gets: `amount_fen + deducted_fen` is what the days are worth."""

    amount_fen: int
    deducted_fen: int
    still_to_deduct_fen: int
    day_halves: int
    field_halves: int
    leave_halves: int


NO_ATTENDANCE: Final = Attendance()


def first_day(month: str) -> date:
    """Of `2026-11`."""
    return date(int(month[:4]), int(month[5:]), 1)


def last_day(month: str) -> date:
    """Of `2026-11`."""
    return (first_day(month).replace(day=28) + 4 * _DAY).replace(day=1) - _DAY


def month_of(day: date) -> str:
    """`2026-11`."""
    return f"{day:%Y-%m}"


def month_before(month: str) -> str:
    """`2026-01` after `2025-12`."""
    return month_of(first_day(month) - _DAY)


def month_after(month: str) -> str:
    """The other way."""
    return month_of(last_day(month) + _DAY)


def work_halves(spans: Iterable[Span], classes: Iterable[str], month: str, calendar: WorkCalendar) -> int:
    """Work days of a month on which somebody belonged to the unit in one of the rule's classes, in halves."""
    paid = set(classes)
    chosen = [span for span in spans if span.person_class in paid]
    day, last, halves = first_day(month), last_day(month), 0
    while day <= last:
        if calendar.is_work_day(day) and any(covers(span, day) for span in chosen):
            halves += 2
        day += _DAY
    return halves


def covers(span: Span, day: date) -> bool:
    """Whether a day lies in a span."""
    return span.since <= day and (span.until is None or day < span.until)


def due_ahead(day_fen: int, field_day_fen: int, halves: int, last_month: Attendance, before: PaidBefore | None) -> Due:
    """A month paid when it begins; leave and field days of the month before are settled with it.

    A month that was not paid ahead has nothing to be taken back, and nobody gives back more days than they were paid.
    """
    worth_fen, owed_fen, leave, field = day_fen * halves // 2, 0, 0, 0
    if before is not None:
        leave = min(last_month.leave_halves, before.day_halves)
        field = min(last_month.field_halves, before.day_halves - leave)
        owed_fen = before.still_to_deduct_fen + before.day_fen * leave // 2
        # A day in the field is worth its own rate instead of the day's.
        difference_fen = field_day_fen * field // 2 - before.day_fen * field // 2
        worth_fen += max(difference_fen, 0)
        owed_fen += max(-difference_fen, 0)
    deducted_fen = min(worth_fen, owed_fen)
    return Due(worth_fen - deducted_fen, deducted_fen, owed_fen - deducted_fen, halves, field, leave)


def due_for_attendance(day_fen: int, field_day_fen: int, attendance: Attendance) -> Due:
    """A month paid when it is over: days attended, and days in the field by their own rate."""
    worth_fen = day_fen * attendance.attended_halves // 2 + field_day_fen * attendance.field_halves // 2
    return Due(worth_fen, 0, 0, attendance.attended_halves, attendance.field_halves, attendance.leave_halves)
