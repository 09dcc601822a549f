"""Calendars that people's telephones subscribe to, each by a secret address: of a person, or of something that is booked."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import addresses, queries
from booking.calendar_events import STATUS, Where, empty_calendar, event_of, free_busy_of, series_events, written
from booking.models import Bookable, Booking, BookingInvitee, BookingSeries
from booking.queries import range_of, span_of
from booking.spans import Span, merged
from identity.api import contacts_of, place_summary, today
from kernel import clock
from kernel.errors import NotFound

_PAST: Final = timedelta(days=28)
_AHEAD: Final = timedelta(days=400)
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar, and the mark by which a client knows that it has it already."""

    body: bytes
    etag: str


async def read_feed(session: AsyncSession, token: str) -> Feed:
    """All that is booked by and for a person, or of a bookable."""
    kind, owner_id = await addresses.owner_of(session, token, "person", "bookable")
    rows, language, name = await _of_owner(session, kind, owner_id)
    where = await where_of(session, {row.bookable_id for row in rows}, language)
    calendar = empty_calendar("PUBLISH", name)
    alone = [row for row in rows if row.series_id is None]
    for row in alone:
        calendar.add_component(event_of(row, where[row.bookable_id]))
    for series, members in await _series_of(session, [row.series_id for row in rows if row.series_id is not None]):
        for event in series_events(series, members, where[series.bookable_id]):
            calendar.add_component(event)
    return _feed(written(calendar))


async def read_free_busy(session: AsyncSession, token: str) -> Feed:
    """The same as nothing but times."""
    kind, owner_id = await addresses.owner_of(session, token, "person", "bookable")
    window = _window()
    rows, _, _ = await _of_owner(session, kind, owner_id)
    if kind == "bookable":
        busy = (await queries.busy_of(session, [owner_id], window))[owner_id]
    else:
        busy = [span_of(row.during) for row in rows]
    stamp = max([_LONG_AGO, *(row.changed_at for row in rows)]).replace(microsecond=0)
    calendar = empty_calendar("PUBLISH", "")
    calendar.add_component(free_busy_of(f"{owner_id.hex}-busy@guanjia", window, merged(busy), stamp))
    return _feed(written(calendar))


def _feed(body: bytes) -> Feed:
    return Feed(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _window() -> Span:
    """Whole days, so that an hour later it is still the same calendar."""
    midnight = datetime.combine(clock.now().astimezone(UTC).date(), time(0), UTC)
    return Span(midnight - _PAST, midnight + _AHEAD)


async def _of_owner(session: AsyncSession, kind: str, owner_id: UUID) -> tuple[Sequence[Booking], str, str]:
    """Bookings, the language that they are told in, and what the calendar is called."""
    if kind == "bookable":
        bookable = await queries.get_bookable(session, owner_id)
        return await _standing(session, [Booking.bookable_id == owner_id]), "zh", bookable.name_zh
    person = (await contacts_of(session, [owner_id], today())).get(owner_id)
    if person is None:
        raise NotFound
    invited = select(BookingInvitee.booking_id).where(
        BookingInvitee.person_id == owner_id, BookingInvitee.removed_at.is_(None)
    )
    own = and_(
        or_(
            Booking.organiser_id == owner_id,
            Booking.served_id == owner_id,
            Booking.driver_id == owner_id,
            and_(Booking.id.in_(invited), Booking.state.in_(_ANNOUNCED)),
        ),
        Booking.state != "closed",
    )
    return await _standing(session, [own]), person.language, "Bookings" if person.language == "en" else "我的预订"


_ANNOUNCED: Final = ("confirmed", "checked_in", "in_use", "completed")


async def _standing(session: AsyncSession, where: Sequence[object]) -> Sequence[Booking]:
    rows = await session.scalars(
        select(Booking)
        .where(*where, Booking.state.in_(STATUS), Booking.during.op("&&")(range_of(_window())))  # type: ignore[arg-type]  # any condition
        .order_by(func.lower(Booking.during), Booking.id)
    )
    return rows.all()


async def _series_of(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[tuple[BookingSeries, Sequence[Booking]]]:
    """Series with every booking that was ever held of them, in the order in which they were asked for."""
    rows = (await session.scalars(select(Booking).where(Booking.series_id.in_(ids)).order_by(Booking.id))).all()
    series = await session.scalars(select(BookingSeries).where(BookingSeries.id.in_(ids)).order_by(BookingSeries.id))
    return [(each, [row for row in rows if row.series_id == each.id]) for each in series]


async def where_of(session: AsyncSession, ids: set[UUID], language: str) -> Mapping[UUID, Where]:
    """What is booked with its name and place, in somebody's language."""
    bookables = await queries.bookables_of(session, ids)
    places = await place_summary(session, [row.place_id for row in bookables.values() if row.place_id is not None])

    def name_of(row: Bookable) -> str:
        place = places.get(row.place_id) if row.place_id is not None else None
        if language == "en":
            return f"{row.name_en}, {place.full_name_en}" if place else row.name_en
        return f"{row.name_zh}（{place.full_name_zh}）" if place else row.name_zh

    return {identifier: Where(row, name_of(row)) for identifier, row in bookables.items()}
