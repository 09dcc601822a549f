"""Who may have what: the rules of a bookable before anybody looks whether it is free."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking import delegates, drivers, queries, quotas
from booking.catalogue import OFFICE_ROLES, nights_of, opening_of
from booking.errors import NotBookable, OutsideOpening, TooManyBookings
from booking.models import Bookable, Booking, BookingQuota
from booking.schemas import NewBooking
from booking.spans import Nights, Span
from identity.api import Principal, membership_of, person_summary, today
from kernel import clock
from kernel.errors import Malformed, NotFound
from kernel.ids import parse_public_id

_ONE_PERSON_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


def span_wanted(bookable: Bookable, new: NewBooking) -> Span:
    """The time that is wanted: from and until, or so many nights."""
    nights = nights_of(bookable)
    if new.first_night is not None and new.nights is not None and nights is not None:
        return nights.of(new.first_night, new.nights)
    if new.starts_at is None or new.ends_at is None:
        raise Malformed(reason="starts_at and ends_at, or for a room that is had by nights first_night and nights")
    try:
        return Span(new.starts_at, new.ends_at)
    except ValueError:
        raise Malformed(reason="ends_at comes after starts_at", field="ends_at") from None


def require_rules(actor: Principal, bookable: Bookable, span: Span, *, override: bool = False) -> None:
    """Whether somebody may have it then at all, whoever else has it. `override`: the office's, out of hours too."""
    now = clock.now()
    if bookable.retired_at is not None:
        raise NotBookable(rule="retired")
    nights = nights_of(bookable)
    if span.start < now and not (nights is not None and _is_tonight(bookable, nights, span, now)):
        raise NotBookable(rule="past")
    if span.start > now + timedelta(days=bookable.window_days):
        raise NotBookable(rule="window", limit=bookable.window_days)
    if span.end - span.start > timedelta(minutes=bookable.minutes_max):
        raise NotBookable(rule="length", limit=bookable.minutes_max)
    if bookable.unit_only and actor.unit_id != bookable.unit_id:
        raise NotBookable(rule="unit")
    if nights is not None and not nights.allows(span):
        raise NotBookable(rule="nights")
    if not override and not opening_of(bookable).allows(span):
        raise OutsideOpening(
            opens_at=bookable.opens_at and bookable.opens_at.isoformat("minutes"),
            closes_at=bookable.closes_at and bookable.closes_at.isoformat("minutes"),
            weekdays=bookable.weekdays,
        )


def _is_tonight(bookable: Bookable, nights: Nights, span: Span, now: datetime) -> bool:
    """Who comes in the evening asks for this night, though the room was free to be moved into since the afternoon."""
    return nights.is_day_of(span, now) and now < span.start + timedelta(minutes=bookable.no_show_minutes)


def require_room(bookable: Bookable, attendees: int, layout: str | None) -> None:
    """Whether so many fit in, in the layout that is wanted."""
    if layout is not None and layout not in bookable.layouts:
        raise NotBookable(rule="layout")
    most = bookable.capacity if layout is None else min(bookable.layouts[layout], bookable.capacity)
    if attendees > most:
        raise NotBookable(rule="capacity", limit=most)


async def require_open_max(session: AsyncSession, person_id: UUID, bookable: Bookable) -> None:
    """How many of its kind somebody has ahead."""
    if bookable.open_max is None:
        return
    # Two requests of one person at once would both count before either is written.
    await session.execute(_ONE_PERSON_AT_A_TIME, {"key": f"bookings of {person_id}"})
    if await queries.count_open(session, person_id, bookable.kind, clock.now()) >= bookable.open_max:
        raise TooManyBookings(limit=bookable.open_max)


async def require_all(
    session: AsyncSession,
    actor: Principal,
    bookable: Bookable,
    span: Span,
    wanted: Booking,
    *,
    override: bool = False,
    counting: Sequence[BookingQuota] | None = None,
) -> None:
    """Every rule at once, for a booking that is not written yet. `counting`: its quotas, where the caller knows them."""
    require_rules(actor, bookable, span, override=override)
    require_room(bookable, wanted.attendees, wanted.layout)
    if bookable.with_driver and not (await drivers.drivers_of(session, [bookable.id]))[bookable.id]:
        raise NotBookable(rule="driver")
    await require_open_max(session, actor.person_id, bookable)
    person_id = wanted.served_id or wanted.organiser_id
    await quotas.require_within(session, bookable, wanted.unit_id, person_id, span, quotas=counting)


async def who_is_served(session: AsyncSession, actor: Principal, served: str | None) -> tuple[UUID | None, UUID | None]:
    """(who it is for, where that is somebody else; the unit of whoever it is for): a colleague of the organiser's unit, or
    somebody who has named the organiser as delegate."""
    if served is None:
        return None, actor.unit_id
    person_id = parse_public_id("per", served)
    if person_id == actor.person_id:
        return None, actor.unit_id
    if person_id not in await person_summary(session, [person_id]):
        raise NotFound(what="person")
    theirs = await membership_of(session, person_id, today())
    unit_id = theirs.unit_id if theirs is not None else None
    is_colleague = unit_id is not None and unit_id == actor.unit_id
    if not is_colleague and person_id not in await delegates.acts_for(session, actor.person_id):
        raise NotBookable(rule="served")
    return person_id, unit_id


def needs_approval(bookable: Bookable, unit_id: UUID | None) -> bool:
    """Whether the office decides: not on people of its own unit, where the rules say so."""
    is_own = bookable.unit_books and unit_id is not None and unit_id == bookable.unit_id
    return bookable.needs_approval and not is_own


def require_office(actor: Principal, bookable: Bookable) -> None:
    """Whoever keeps the catalogue there; Forbidden for others."""
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)


def sides_of(
    booking: Booking, bookable: Bookable, reader: Principal, acts_for: Collection[UUID] = ()
) -> frozenset[str]:
    """Whose part somebody takes in a booking: organiser (the person served and their delegates too), driver, office, none."""
    sides = set()
    people = {reader.person_id, *acts_for}
    if people & {booking.organiser_id, booking.served_id} and booking.state not in ("closed", "reopened"):
        sides.add("organiser")
    if booking.driver_id is not None and booking.driver_id == reader.person_id:
        sides.add("driver")
    if reader.may(*OFFICE_ROLES, region_id=bookable.region_id):
        sides.add("office")
    return frozenset(sides)
