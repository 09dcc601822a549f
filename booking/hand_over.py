"""A call for help that becomes a booking: somebody who needs a room now has one, near where they are.

The nearest hall that is free from the next quarter of an hour on, for an hour, is held for whoever has called. What costs nothing
and needs nobody's decision is confirmed at once; else it stands for ten minutes like any hold, in their own bookings.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries, rules, service
from booking.catalogue import buffers_of
from booking.errors import BookingClash, NotBookable, NothingFreeNearby, OutsideOpening
from booking.models import Bookable, Booking
from booking.queries import Chosen
from booking.schemas import BookingAnswer, NewBooking
from booking.spans import Span
from identity.api import Principal, place_summary, principal_of, today
from kernel import clock
from kernel.ids import public_id
from realtime.calls.api import HandedCall, HandOverTarget

_STEP: Final = timedelta(minutes=15)
_LENGTH: Final = timedelta(hours=1)
_TITLE_MAX: Final = 80
_LOOKED_AT: Final = 500
_TRIED: Final = 5


class BookingOfCall(HandOverTarget):
    """`hand_over` with the target `booking`."""

    name = "booking"
    name_zh = "就近订会议室"
    name_en = "A room nearby"

    async def take_over(self, session: AsyncSession, call: HandedCall, actor: Principal) -> str:
        """A booking of the caller's; of whoever hands it over, where a button on a wall has called."""
        organiser = await principal_of(session, call.caller_id, today()) if call.caller_id is not None else actor
        start = _next_quarter(clock.now())
        span = Span(start, start + _LENGTH)
        for bookable in (await _nearest_free(session, call, organiser, span))[:_TRIED]:
            try:
                booking, is_new = await service.hold(session, organiser, self._wanted(call, bookable, span))
            except (BookingClash, NotBookable, OutsideOpening):
                # Taken a moment ago, or by a rule of its own: the next one may do.
                continue
            if is_new:
                await _confirm_if_free(session, organiser, booking, bookable)
            return public_id("bkg", booking.id)
        raise NothingFreeNearby

    def _wanted(self, call: HandedCall, bookable: Bookable, span: Span) -> NewBooking:
        return NewBooking(
            bookable=public_id("bkb", bookable.id),
            starts_at=span.start,
            ends_at=span.end,
            title=(call.words.strip() or call.place_text.strip() or self.name_zh)[:_TITLE_MAX],
            # A call becomes one booking, however often it is handed over.
            request_id=call.call_id,
        )


def _next_quarter(now: datetime) -> datetime:
    return now + (-(now - datetime.min.replace(tzinfo=now.tzinfo)) % _STEP)


async def _nearest_free(
    session: AsyncSession, call: HandedCall, organiser: Principal, span: Span
) -> Sequence[Bookable]:
    """Halls of the region that look free, those first that share most of the way to the caller; the smaller one of two."""
    halls = await queries.list_bookables(session, Chosen(kind="venue", region_id=call.region_id), _LOOKED_AT)
    busy = await queries.busy_of(
        session, [hall.id for hall in halls], span.widened(timedelta(days=1), timedelta(days=1))
    )
    free = [hall for hall in halls if _may_have(organiser, hall, span) and not _is_taken(hall, busy[hall.id], span)]
    wanted = [place for place in (call.place_id, *(hall.place_id for hall in free)) if place is not None]
    paths = {place_id: place.path for place_id, place in (await place_summary(session, wanted)).items()}
    here = paths.get(call.place_id, ()) if call.place_id is not None else ()

    def shared(hall: Bookable) -> int:
        there = paths.get(hall.place_id, ()) if hall.place_id is not None else ()
        return _shared(here, there)

    return sorted(free, key=lambda hall: (-shared(hall), hall.capacity, hall.id))


def _shared(here: Sequence[UUID], there: Sequence[UUID]) -> int:
    count = 0
    for one, other in zip(here, there, strict=False):
        if one != other:
            break
        count += 1
    return count


def _may_have(organiser: Principal, hall: Bookable, span: Span) -> bool:
    try:
        rules.require_rules(organiser, hall, span)
    except (NotBookable, OutsideOpening):
        return False
    return True


def _is_taken(hall: Bookable, busy: Sequence[Span], span: Span) -> bool:
    blocked = span.widened(*buffers_of(hall))
    return any(blocked.overlaps(other) for other in busy)


async def _confirm_if_free(session: AsyncSession, organiser: Principal, booking: Booking, bookable: Bookable) -> None:
    if not booking.cost_fen and not rules.needs_approval(bookable, booking.unit_id):
        await service.pull(session, organiser, booking.id, "confirm", BookingAnswer())
