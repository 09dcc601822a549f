"""A series of bookings: every occurrence a booking of its own, all held in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import delegates, queries, service
from booking.errors import BookingClash, NotBookable, OutsideOpening, QuotaExceeded, SeriesClash, TooManyBookings
from booking.models import Bookable, Booking, BookingSeries
from booking.recurrence import BadRule, Series, occurrences
from booking.schemas import BookingAnswer, NewBooking, NewSeries, SeriesEnd
from booking.spans import Span
from booking.states import BOOKING
from identity.api import Principal
from kernel import clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, uuid7


@dataclass(frozen=True, slots=True)
class Skipped:
    """An occurrence that could not be held, and why."""

    span: Span
    refusal: BookingClash | OutsideOpening | NotBookable | TooManyBookings | QuotaExceeded

    def told(self) -> dict[str, object]:
        return {
            "starts_at": clock.rfc3339(self.span.start),
            "ends_at": clock.rfc3339(self.span.end),
            "code": self.refusal.code,
            "suggestions": self.refusal.data.get("suggestions", []),
        }


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """What has come of a request for a series."""

    series: BookingSeries
    bookings: Sequence[Booking]
    skipped: Sequence[Skipped]


async def hold_series(session: AsyncSession, actor: Principal, new: NewSeries) -> tuple[HeldSeries, bool]:
    """Hold every occurrence. Those that clash are all told, or, where the caller says so, skipped."""
    known = await _find_request(session, actor.person_id, new.request_id)
    if known is not None:
        return HeldSeries(known, await bookings_of(session, known.id), []), False
    bookable = await queries.get_bookable(session, parse_public_id("bkb", new.bookable))
    found = _occurrences(bookable, new)
    series = BookingSeries(
        id=uuid7(),
        bookable_id=bookable.id,
        organiser_id=actor.person_id,
        request_id=new.request_id,
        rule=new.rule,
        zone=bookable.zone,
        first_starts_at=new.starts_at,
        first_ends_at=new.ends_at,
        is_cut=found.is_cut,
        created_at=clock.now(),
    )
    session.add(series)
    await session.flush()
    bookings, skipped = await _hold_each(session, actor, new, series, found.spans)
    if not bookings or (skipped and new.on_clash == "fail"):
        raise SeriesClash(clashes=[each.told() for each in skipped])
    return HeldSeries(series, bookings, skipped), True


def _occurrences(bookable: Bookable, new: NewSeries) -> Series:
    until = clock.now() + timedelta(days=bookable.window_days)
    if not new.starts_at < new.ends_at:
        raise Malformed(reason="ends_at comes after starts_at", field="ends_at")
    try:
        found = occurrences(
            new.rule, Span(new.starts_at, new.ends_at), ZoneInfo(bookable.zone), until, set(new.excluded)
        )
    except BadRule as error:
        raise Malformed(reason=str(error), field="rule") from None
    if not found.spans:
        raise Malformed(reason="the rule has no occurrence that can be booked now", field="rule")
    return found


async def _hold_each(
    session: AsyncSession, actor: Principal, new: NewSeries, series: BookingSeries, spans: Sequence[Span]
) -> tuple[list[Booking], list[Skipped]]:
    bookings, skipped = list[Booking](), list[Skipped]()
    shared = new.model_dump(include={"bookable", "title", "attendees", "served", "layout", "override"})
    for span in spans:
        # Named by series and start, so that the occurrence of a series is known again.
        request_id = uuid5(series.id, clock.rfc3339(span.start))
        one = NewBooking(**shared, starts_at=span.start, ends_at=span.end, request_id=request_id)
        try:
            booking, _ = await service.hold(session, actor, one)
        except (BookingClash, OutsideOpening, NotBookable, TooManyBookings, QuotaExceeded) as refusal:
            skipped.append(Skipped(span, refusal))
        else:
            booking.series_id, booking.occurrence_at = series.id, span.start
            bookings.append(booking)
    await session.flush()
    return bookings, skipped


async def _find_request(session: AsyncSession, organiser_id: UUID, request_id: UUID) -> BookingSeries | None:
    return await session.scalar(
        select(BookingSeries).where(BookingSeries.organiser_id == organiser_id, BookingSeries.request_id == request_id)
    )


async def bookings_of(session: AsyncSession, series_id: UUID) -> Sequence[Booking]:
    """The occurrences of a series that were held, in order of time."""
    rows = await session.scalars(select(Booking).where(Booking.series_id == series_id).order_by(Booking.during))
    return rows.all()


# ---- the whole of it at once


async def get_series(
    session: AsyncSession, reader: Principal, series_id: UUID
) -> tuple[BookingSeries, Sequence[Booking]]:
    """For its people and the office; to anybody else there is none."""
    series = await session.get(BookingSeries, series_id)
    bookings = await bookings_of(session, series_id)
    if series is None or not bookings:
        raise NotFound(what="series")
    bookable = await queries.get_bookable(session, series.bookable_id)
    acting = await delegates.acts_for(session, reader.person_id)
    if not any(service.sides_of(booking, bookable, reader, acting) for booking in bookings):
        raise NotFound(what="series")
    return series, bookings


async def confirm_series(
    session: AsyncSession, actor: Principal, series_id: UUID
) -> tuple[BookingSeries, Sequence[Booking]]:
    """All that is held of it."""
    series, bookings = await get_series(session, actor, series_id)
    held = [booking for booking in bookings if booking.state == "held"]
    if not held:
        raise StateConflict(state=bookings[0].state, trigger="confirm", allowed=[])
    await _pull_each(session, actor, held, "confirm", BookingAnswer())
    return series, await bookings_of(session, series_id)


async def cancel_series(
    session: AsyncSession, actor: Principal, series_id: UUID, end: SeriesEnd
) -> tuple[BookingSeries, Sequence[Booking]]:
    """What is to come of it."""
    series, bookings = await get_series(session, actor, series_id)
    start = max(end.starts_from or clock.now(), clock.now())
    ahead = [
        booking
        for booking in bookings
        if (booking.state, "cancel") in BOOKING and queries.span_of(booking.during).start >= start
    ]
    if not ahead:
        raise StateConflict(state=bookings[-1].state, trigger="cancel", allowed=[])
    await _pull_each(session, actor, ahead, "cancel", BookingAnswer(words=end.words))
    return series, await bookings_of(session, series_id)


async def _pull_each(
    session: AsyncSession, actor: Principal, bookings: Sequence[Booking], trigger: str, answer: BookingAnswer
) -> None:
    """In the order in which everybody locks them."""
    for booking in sorted(bookings, key=lambda each: each.id):
        await service.pull(session, actor, booking.id, trigger, answer)
