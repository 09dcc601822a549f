"""SELECTs of booking; `lock_booking` takes the row's lock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Bookable, Booking, BookingStep
from booking.spans import Span
from booking.states import OPEN
from identity.api import Cover
from kernel.audit_log import AuditRow
from kernel.errors import NotFound


def span_of(found: Range[datetime]) -> Span:
    """A range of the database as plain data; the constraints hold that it has both ends."""
    assert found.lower is not None
    assert found.upper is not None
    return Span(found.lower, found.upper)


def range_of(span: Span) -> Range[datetime]:
    return Range(span.start, span.end, bounds="[)")


async def get_bookable(session: AsyncSession, bookable_id: UUID) -> Bookable:
    found = await session.get(Bookable, bookable_id)
    if found is None:
        raise NotFound(what="bookable")
    return found


async def bookables_of(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Bookable]:
    rows = await session.scalars(select(Bookable).where(Bookable.id.in_(ids)))
    return {row.id: row for row in rows}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which bookables: of a kind, in a region, below some places, large enough, with all of these features."""

    kind: str | None = None
    region_id: UUID | None = None
    places: Collection[UUID] | None = None
    capacity_min: int = 1
    features: Collection[str] = ()
    layout: str | None = None
    room_type: str | None = None
    with_driver: bool | None = None
    ids: Collection[UUID] = ()

    def select(self) -> Select[Bookable]:
        """Those in use."""
        fits = Bookable.capacity >= self.capacity_min
        if self.layout is not None:
            fits = Bookable.layouts[self.layout].as_integer() >= self.capacity_min
        conditions = [Bookable.retired_at.is_(None), fits]
        exact = {
            Bookable.kind: self.kind,
            Bookable.region_id: self.region_id,
            Bookable.room_type: self.room_type,
            Bookable.with_driver: self.with_driver,
        }
        conditions += [column == value for column, value in exact.items() if value is not None]
        if self.places is not None:
            conditions.append(Bookable.place_id.in_(self.places))
        if self.features:
            conditions.append(Bookable.features.contains(list(self.features)))
        if self.ids:
            conditions.append(Bookable.id.in_(self.ids))
        return select(Bookable).where(*conditions)


async def list_bookables(
    session: AsyncSession, chosen: Chosen, limit: int, after: UUID | None = None
) -> Sequence[Bookable]:
    """Newest first; one more than the limit."""
    query = chosen.select()
    if after is not None:
        query = query.where(Bookable.id < after)
    return (await session.scalars(query.order_by(Bookable.id.desc()).limit(limit + 1))).all()


async def similar_to(session: AsyncSession, bookable: Bookable, attendees: int, most: int) -> Sequence[Bookable]:
    """Others of its kind and region that are large enough, the closest in size first."""
    rows = await session.scalars(
        select(Bookable)
        .where(
            Bookable.id != bookable.id,
            Bookable.kind == bookable.kind,
            Bookable.region_id == bookable.region_id,
            Bookable.capacity >= attendees,
            Bookable.retired_at.is_(None),
        )
        .order_by(func.abs(Bookable.capacity - bookable.capacity), Bookable.id)
        .limit(most)
    )
    return rows.all()


async def busy_of(session: AsyncSession, ids: Collection[UUID], window: Span) -> dict[UUID, list[Span]]:
    """What keeps others out in a window, buffers included, by bookable."""
    rows = await session.execute(
        select(Booking.bookable_id, Booking.blocked)
        .where(Booking.blocks, Booking.bookable_id.in_(ids), Booking.blocked.op("&&")(range_of(window)))
        .order_by(Booking.bookable_id, Booking.blocked)
    )
    found: dict[UUID, list[Span]] = {identifier: [] for identifier in ids}
    for bookable_id, blocked in rows:
        found[bookable_id].append(span_of(blocked))
    return found


async def get_booking(session: AsyncSession, booking_id: UUID) -> Booking:
    found = await session.get(Booking, booking_id)
    if found is None:
        raise NotFound(what="booking")
    return found


async def bookings_by_id(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, Booking]:
    rows = await session.scalars(select(Booking).where(Booking.id.in_(ids)))
    return {row.id: row for row in rows}


async def lock_booking(session: AsyncSession, booking_id: UUID) -> Booking:
    """The row as it stands now, and nobody else's until this transaction ends."""
    found = await session.get(Booking, booking_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(what="booking")
    return found


async def find_request(session: AsyncSession, organiser_id: UUID, request_id: UUID) -> Booking | None:
    return await session.scalar(
        select(Booking).where(Booking.organiser_id == organiser_id, Booking.request_id == request_id)
    )


async def count_open(session: AsyncSession, organiser_id: UUID, kind: str, now: datetime) -> int:
    """How many bookings of a kind somebody has ahead."""
    found = await session.scalar(
        select(func.count())
        .select_from(Booking)
        .join(Bookable, Bookable.id == Booking.bookable_id)
        .where(
            Booking.organiser_id == organiser_id,
            Booking.state.in_(OPEN),
            Bookable.kind == kind,
            func.upper(Booking.during) > now,
        )
    )
    return found or 0


async def waiting_for(session: AsyncSession, bookable_id: UUID, now: datetime) -> Sequence[UUID]:
    """The waiting list of a bookable, in the order in which people came."""
    rows = await session.scalars(
        select(Booking.id)
        .where(Booking.bookable_id == bookable_id, Booking.state == "waitlisted", func.lower(Booking.during) > now)
        .order_by(Booking.id)
    )
    return rows.all()


async def in_the_way(session: AsyncSession, bookable_id: UUID, span: Span) -> Sequence[UUID]:
    """Open bookings that a closure would run over, in the order in which they are locked."""
    rows = await session.scalars(
        select(Booking.id)
        .where(
            Booking.bookable_id == bookable_id,
            Booking.state.in_(OPEN),
            Booking.state != "waitlisted",
            Booking.blocked.op("&&")(range_of(span)),
        )
        .order_by(Booking.id)
    )
    return rows.all()


async def closures_in(session: AsyncSession, bookable_id: UUID, span: Span) -> Sequence[UUID]:
    """The office's closures that a span would run into, in the order in which they are locked."""
    rows = await session.scalars(
        select(Booking.id)
        .where(
            Booking.bookable_id == bookable_id,
            Booking.state == "closed",
            Booking.blocked.op("&&")(range_of(span)),
        )
        .order_by(Booking.id)
    )
    return rows.all()


def of_people(people: Collection[UUID]) -> ColumnElement[bool]:
    """Made by them, for them, or driven by them."""
    return or_(Booking.organiser_id.in_(people), Booking.served_id.in_(people), Booking.driver_id.in_(people))


async def list_own(
    session: AsyncSession, people: Collection[UUID], limit: int, before: UUID | None
) -> Sequence[Booking]:
    """Those that some people have made, are for them, or are driven by them, newest first; one more than the limit."""
    mine = of_people(people)
    return await _page(session, and_(mine, Booking.state.not_in(("closed", "reopened"))), limit, before)


async def list_for_office(
    session: AsyncSession, cover: Cover | None, limit: int, before: UUID | None, *, states: Collection[str] | None
) -> Sequence[Booking]:
    """Those of the regions that somebody works for (None: all), newest first; one more than the limit."""
    where: ColumnElement[bool] = Booking.bookable_id.in_(_bookables_in(cover))
    if states is not None:
        where = and_(where, Booking.state.in_(states))
    return await _page(session, where, limit, before)


def _bookables_in(cover: Cover | None) -> Select[UUID]:
    chosen = select(Bookable.id)
    return chosen if cover is None else chosen.where(Bookable.region_id.in_(cover.regions))


async def list_of_bookable(session: AsyncSession, bookable_id: UUID, window: Span) -> Sequence[Booking]:
    """What occupies a bookable in a window, in order of time."""
    rows = await session.scalars(
        select(Booking)
        .where(Booking.blocks, Booking.bookable_id == bookable_id, Booking.blocked.op("&&")(range_of(window)))
        .order_by(func.lower(Booking.during))
    )
    return rows.all()


async def _page(
    session: AsyncSession, where: ColumnElement[bool], limit: int, before: UUID | None
) -> Sequence[Booking]:
    chosen = select(Booking).where(where)
    if before is not None:
        chosen = chosen.where(Booking.id < before)
    return (await session.scalars(chosen.order_by(Booking.id.desc()).limit(limit + 1))).all()


async def steps_of(session: AsyncSession, bookings: Collection[UUID]) -> dict[UUID, list[BookingStep]]:
    rows = await session.scalars(
        select(BookingStep)
        .where(BookingStep.booking_id.in_(bookings))
        .order_by(BookingStep.booking_id, BookingStep.version)
    )
    found: dict[UUID, list[BookingStep]] = {identifier: [] for identifier in bookings}
    for step in rows:
        found[step.booking_id].append(step)
    return found


async def history_of(session: AsyncSession, subject: str) -> Sequence[AuditRow]:
    """What the audit log has of something, the last hundred, newest first."""
    rows = await session.scalars(
        select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.id.desc()).limit(100)
    )
    return rows.all()
