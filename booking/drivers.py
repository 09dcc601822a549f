"""Who drives: a car that comes with its driver takes one who is free, and the database lets nobody drive two at once."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Bookable, Booking, BookingDriver
from booking.queries import range_of, span_of
from booking.spans import Span


async def drivers_of(session: AsyncSession, bookables: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    """Who may drive each of them."""
    if not bookables:
        return {}
    rows = await session.execute(
        select(BookingDriver.bookable_id, BookingDriver.person_id)
        .where(BookingDriver.bookable_id.in_(bookables))
        .order_by(BookingDriver.person_id)
    )
    found: dict[UUID, list[UUID]] = {identifier: [] for identifier in bookables}
    for bookable_id, person_id in rows:
        found[bookable_id].append(person_id)
    return found


async def name_drivers(session: AsyncSession, bookable: Bookable, people: Collection[UUID]) -> None:
    """From now on these; who is named for a booking already stays so."""
    await session.execute(delete(BookingDriver).where(BookingDriver.bookable_id == bookable.id))
    if people:
        rows = [{"bookable_id": bookable.id, "person_id": person} for person in dict.fromkeys(people)]
        await session.execute(insert(BookingDriver).values(rows))


async def busy_of_drivers(session: AsyncSession, people: Collection[UUID], window: Span) -> dict[UUID, list[Span]]:
    """When each of them is on the road, in a window."""
    if not people:
        return {}
    rows = await session.execute(
        select(Booking.driver_id, Booking.blocked).where(
            Booking.blocks, Booking.driver_id.in_(people), Booking.blocked.op("&&")(range_of(window))
        )
    )
    found: dict[UUID, list[Span]] = {person: [] for person in people}
    for driver_id, blocked in rows:
        assert driver_id is not None, "the query asks for it"
        found[driver_id].append(span_of(blocked))
    return found


async def to_try(session: AsyncSession, booking: Booking, bookable: Bookable, blocked: Span) -> Sequence[UUID | None]:
    """With whom a booking may be written, in order; (None,) where nobody is needed. Only who looks free: the constraint
    says whether it is so."""
    if not bookable.with_driver:
        return (None,)
    people = (await drivers_of(session, [bookable.id]))[bookable.id]
    busy = await busy_of_drivers(session, people, blocked)
    if booking.driver_id in busy:
        # Who has it already goes with it when it moves.
        return [booking.driver_id, *(person for person in people if person != booking.driver_id and not busy[person])]
    return [person for person in people if not busy[person]]
