"""Check-in by a scan: the code at the door (whoever scans has a booking there now), or a booking's own code."""

from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import codes, delegates, queries, service
from booking.errors import NothingHere
from booking.models import Bookable, Booking
from booking.schemas import BookingAnswer
from identity.api import Principal
from kernel import clock
from kernel.ids import public_id


async def check_in(session: AsyncSession, actor: Principal, scanned: str) -> Booking:
    """By either code. Checked in already, it stays so."""
    kind, identifier = codes.read_code(scanned)
    booking_id = identifier if kind == "booking" else await _mine_here(session, actor, identifier)
    booking = await queries.lock_booking(session, booking_id)
    bookable = await queries.get_bookable(session, booking.bookable_id)
    sides = service.sides_of(booking, bookable, actor, await delegates.acts_for(session, actor.person_id))
    if not sides:
        raise NothingHere(bookable=public_id("bkb", bookable.id))
    if booking.state in ("checked_in", "in_use"):
        return booking
    found, _ = await service.pull(session, actor, booking_id, "check_in", BookingAnswer())
    return found


async def _mine_here(session: AsyncSession, actor: Principal, bookable_id: UUID) -> UUID:
    """The booking of this person, or of those for whom they act, that begins or runs now."""
    bookable = await queries.get_bookable(session, bookable_id)
    people = {actor.person_id, *await delegates.acts_for(session, actor.person_id)}
    found = await session.scalar(_here_now(bookable).where(queries.of_people(people)).limit(1))
    if found is None:
        raise NothingHere(bookable=public_id("bkb", bookable_id))
    return found


def _here_now(bookable: Bookable) -> Select[UUID]:
    now = clock.now()
    return (
        select(Booking.id)
        .where(
            Booking.bookable_id == bookable.id,
            Booking.state.in_(("confirmed", "checked_in", "in_use")),
            func.lower(Booking.during) <= now + service.CHECK_IN_WITHIN,
            func.upper(Booking.during) > now,
        )
        # Who has one that runs and one that begins right after it comes for the one that they are not in yet.
        .order_by(Booking.state != "confirmed", func.lower(Booking.during))
    )
