"""What is booked when: of many at once, as a calendar, and at a door."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Bookable, Booking
from booking.queries import Chosen, range_of, span_of
from booking.spans import Span
from booking.states import OPEN
from kernel import clock
from kernel.ids import public_id

MANY_MAX: Final = 1000
_ENTRIES_MAX: Final = 2000
# What a calendar shows: what is taken, asked for, or was used.
SHOWN: Final = ("held", "pending_approval", "confirmed", "checked_in", "in_use", "completed", "closed", "offered")

# A thousand calendars of a month are tens of thousands of times: PostgreSQL joins those that touch and writes them down, and
# nobody unpacks them on the way. As `ManyBusy` has it; in it are no texts of people, so that nothing has to be escaped. Times
# are written as they are cast, which costs a third of what a form does, and are brought into the house's form all at once.
_BUSY: Final = text("""
    SELECT taken.bookable_id,
           (SELECT string_agg('{"starts_at":"' || lower(span) || '","ends_at":"' || upper(span) || '"}', ',')
              FROM unnest(taken.spans) AS span) AS busy
      FROM (SELECT b.bookable_id, range_agg(b.blocked) AS spans
              FROM bookings b
             WHERE b.blocks AND b.bookable_id = ANY(CAST(:ids AS uuid[])) AND b.blocked && CAST(:span AS tstzrange)
             GROUP BY b.bookable_id) AS taken
""").bindparams(bindparam("span", type_=TSTZRANGE))
_PART_OF_SECOND: Final = re.compile(r"\.(\d+)\+00\"")


async def busy_of_many(session: AsyncSession, ids: Sequence[UUID], window: Span) -> str:
    """When each of them is taken in a window, in order, buffers included: `ManyBusy` as JSON."""
    rows = await session.execute(_BUSY, {"ids": list(ids), "span": range_of(window)})
    busy: dict[UUID, str] = {row.bookable_id: row.busy for row in rows}
    told = ",".join(f'{{"bookable":"{public_id("bkb", each)}","busy":[{busy.get(each, "")}]}}' for each in ids)
    return f'{{"data":[{_in_form(told)}]}}'


def _in_form(told: str) -> str:
    """Times as the database writes them, in UTC, as everybody here writes them: to the millisecond, with a Z."""
    if "." in told:
        told = _PART_OF_SECOND.sub(lambda part: f'.{part[1][:3]:0<3}Z"', told)
    return told.replace(" ", "T").replace('+00"', '.000Z"')


async def choose(session: AsyncSession, chosen: Chosen) -> Sequence[UUID]:
    """At most a thousand bookables, by name."""
    query = chosen.select().with_only_columns(Bookable.id).order_by(Bookable.pinyin, Bookable.id).limit(MANY_MAX)
    return (await session.scalars(query)).all()


async def entries(
    session: AsyncSession, window: Span, *, bookables: Collection[UUID] | None, where: ColumnElement[bool] | None
) -> Sequence[Booking]:
    """What is in a window, in order of time."""
    chosen = select(Booking).where(Booking.during.op("&&")(range_of(window)), Booking.state.in_(SHOWN))
    if bookables is not None:
        chosen = chosen.where(Booking.bookable_id.in_(bookables))
    if where is not None:
        chosen = chosen.where(where)
    rows = await session.scalars(chosen.order_by(func.lower(Booking.during), Booking.id).limit(_ENTRIES_MAX))
    return rows.all()


async def at_door(session: AsyncSession, bookable: Bookable) -> Sequence[Booking]:
    """What is there today, on the clock of the place, closures too; not what only waits for a decision."""
    window = day_of(clock.now(), bookable.zone)
    rows = await entries(session, window, bookables=[bookable.id], where=None)
    return [row for row in rows if row.state not in ("held", "offered", "pending_approval")]


def day_of(at: datetime, zone: str) -> Span:
    """The whole day in which an instant lies there."""
    here = ZoneInfo(zone)
    day = at.astimezone(here).date()
    start, end = (datetime.combine(each, time(0), here).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    return Span(start, end)


async def of_the_hour(session: AsyncSession, region_id: UUID) -> Sequence[Booking]:
    """Of a region: what runs, or begins within the next hour."""
    now = clock.now()
    rows = await session.scalars(
        select(Booking)
        .join(Bookable, Bookable.id == Booking.bookable_id)
        .where(
            Bookable.region_id == region_id,
            Booking.state.in_([state for state in OPEN if state not in ("waitlisted", "offered")]),
            Booking.during.op("&&")(range_of(Span(now, now + timedelta(hours=1)))),
        )
        .order_by(func.lower(Booking.during), Booking.id)
        .limit(200)
    )
    return rows.all()


def now_and_next(rows: Sequence[Booking], at: datetime) -> tuple[Booking | None, Booking | None]:
    """Who is in, or may come in, at an instant; and who comes after."""
    present = next((row for row in rows if span_of(row.during).start <= at < span_of(row.during).end), None)
    later = next((row for row in rows if span_of(row.during).start > at), None)
    return (present if present is None or present.state != "completed" else None), later
