"""Wire forms of bookables and bookings, as their reader may see them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries, schemas
from booking.models import Bookable, Booking, BookingStep
from booking.queries import span_of
from booking.service import sides_of
from booking.spans import Span
from booking.states import allowed_to
from identity.api import PersonSummary, PlaceSummary, Principal, person_summary, place_summary
from kernel import clock
from kernel.ids import public_id


async def bookable_views(session: AsyncSession, rows: Sequence[Bookable]) -> list[schemas.BookableView]:
    places = await place_summary(session, [row.place_id for row in rows if row.place_id is not None])
    return [_bookable(row, places.get(row.place_id) if row.place_id else None) for row in rows]


def _bookable(row: Bookable, place: PlaceSummary | None) -> schemas.BookableView:
    return schemas.BookableView(
        id=public_id("bkb", row.id),
        kind=row.kind,
        name_zh=row.name_zh,
        name_en=row.name_en,
        region=public_id("reg", row.region_id),
        place=public_id("pla", place.id) if place else None,
        place_name_zh=place.full_name_zh if place else None,
        place_name_en=place.full_name_en if place else None,
        unit=public_id("org", row.unit_id) if row.unit_id else None,
        unit_only=row.unit_only,
        capacity=row.capacity,
        features=row.features,
        zone=row.zone,
        opens_at=row.opens_at.isoformat("minutes") if row.opens_at is not None else None,
        closes_at=row.closes_at.isoformat("minutes") if row.closes_at is not None else None,
        weekdays=row.weekdays,
        setup_minutes=row.setup_minutes,
        cleanup_minutes=row.cleanup_minutes,
        needs_approval=row.needs_approval,
        pending_blocks=row.pending_blocks,
        window_days=row.window_days,
        minutes_max=row.minutes_max,
        open_max=row.open_max,
        active=row.retired_at is None,
    )


async def booking_views(session: AsyncSession, rows: Sequence[Booking], reader: Principal) -> list[schemas.BookingView]:
    """Several at once, with their bookables, people and steps."""
    bookables = await queries.bookables_of(session, {row.bookable_id for row in rows})
    steps = await queries.steps_of(session, [row.id for row in rows])
    ids = {person for row in rows for person in (row.organiser_id, row.served_id) if person is not None}
    people = await person_summary(session, list(ids))
    return [_booking(row, bookables[row.bookable_id], people, steps[row.id], reader) for row in rows]


def _booking(
    row: Booking,
    bookable: Bookable,
    people: Mapping[UUID, PersonSummary],
    steps: Sequence[BookingStep],
    reader: Principal,
) -> schemas.BookingView:
    during = span_of(row.during)
    served = people.get(row.served_id) if row.served_id else None
    return schemas.BookingView(
        id=public_id("bkg", row.id),
        bookable=public_id("bkb", bookable.id),
        bookable_name_zh=bookable.name_zh,
        bookable_name_en=bookable.name_en,
        series=public_id("bks", row.series_id) if row.series_id else None,
        organiser=public_id("per", row.organiser_id),
        organiser_name=people[row.organiser_id].name,
        served=public_id("per", row.served_id) if row.served_id else None,
        served_name=served.name if served else None,
        title=row.title,
        attendees=row.attendees,
        starts_at=clock.rfc3339(during.start),
        ends_at=clock.rfc3339(during.end),
        state=row.state,
        version=row.version,
        due_at=clock.rfc3339(row.due_at) if row.due_at else None,
        allowed=allowed_to(row.state, sides_of(row, bookable, reader)),
        steps=[
            schemas.BookingStepView(
                trigger=step.trigger, state=step.state, words=step.words, at=clock.rfc3339(step.recorded_at)
            )
            for step in steps
        ],
        created_at=clock.rfc3339(row.created_at),
    )


def span_view(span: Span) -> schemas.SpanView:
    return schemas.SpanView(starts_at=clock.rfc3339(span.start), ends_at=clock.rfc3339(span.end))
