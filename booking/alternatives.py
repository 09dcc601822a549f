"""What else would do on a clash. Whatever is told could be had in that instant by whoever asked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from booking import drivers, queries, quotas, rules
from booking.catalogue import candidate_of
from booking.errors import BookingClash
from booking.models import Bookable, Booking, BookingQuota
from booking.schemas import NewBooking
from booking.spans import Candidate, Span, Suggestion, suggest
from identity.api import Principal
from kernel import clock
from kernel.errors import GuanjiaError
from kernel.ids import public_id

_SIMILAR_LOOKED_AT: Final = 8
_LOOKED_AHEAD: Final = timedelta(days=8)


async def clash(
    session: AsyncSession, actor: Principal, bookable: Bookable, span: Span, wanted: Booking
) -> BookingClash:
    """The refusal, with what this person could have instead at this moment."""
    counting = await quotas.counting(session, bookable, wanted.unit_id)
    found = [
        _told(suggestion)
        for suggestion in await suggestions(session, bookable, span, wanted.attendees)
        if await _may_have(session, actor, suggestion, wanted, counting)
    ]
    return BookingClash(bookable=public_id("bkb", bookable.id), suggestions=found)


def _told(suggestion: Suggestion) -> dict[str, str]:
    return {
        "kind": suggestion.kind,
        "bookable": public_id("bkb", suggestion.bookable),
        "starts_at": clock.rfc3339(suggestion.span.start),
        "ends_at": clock.rfc3339(suggestion.span.end),
    }


async def _may_have(
    session: AsyncSession, actor: Principal, suggestion: Suggestion, wanted: Booking, counting: Sequence[BookingQuota]
) -> bool:
    """The rules of the other room or the other week, its quota too."""
    bookable = await queries.get_bookable(session, suggestion.bookable)
    try:
        await rules.require_all(session, actor, bookable, suggestion.span, wanted, counting=counting)
    except GuanjiaError:
        return False
    return True


async def instead_for_all(
    session: AsyncSession, actor: Principal, bookable: Bookable, span: Span, new: NewBooking
) -> list[dict[str, str]] | None:
    """What anybody of this person's unit could have instead, where no quota counts for them; None where one of it is under a
    rule about how many somebody has."""
    told = []
    for suggestion in await suggestions(session, bookable, span, new.attendees):
        other = await queries.get_bookable(session, suggestion.bookable)
        if other.open_max is not None:
            return None
        try:
            rules.require_rules(actor, other, suggestion.span)
            rules.require_room(other, new.attendees, new.layout)
        except GuanjiaError:
            continue
        told.append(_told(suggestion))
    return told


async def suggestions(session: AsyncSession, bookable: Bookable, span: Span, attendees: int) -> list[Suggestion]:
    """Other times of the day, others like it, other days; each open, free and not too far ahead, whoever asks."""
    others = await queries.similar_to(session, bookable, attendees, _SIMILAR_LOOKED_AT)
    others = [other for other in others if not other.unit_only or other.unit_id == bookable.unit_id]
    first, *rest = await _candidates(
        session, [bookable, *(other for other in others if _fits_rules(other, span))], span
    )
    latest = clock.now() + timedelta(days=bookable.window_days)
    found = suggest(span, first, rest, clock.now())
    return [suggestion for suggestion in found if suggestion.span.start <= latest]


async def _candidates(session: AsyncSession, bookables: Sequence[Bookable], span: Span) -> list[Candidate]:
    window = span.widened(timedelta(days=2), _LOOKED_AHEAD + timedelta(days=2))
    ids = [bookable.id for bookable in bookables]
    busy = await queries.busy_of(session, ids, window)
    pools = await drivers.drivers_of(session, [bookable.id for bookable in bookables if bookable.with_driver])
    on_the_road = await drivers.busy_of_drivers(session, {person for pool in pools.values() for person in pool}, window)
    return [
        candidate_of(
            bookable,
            busy[bookable.id],
            [on_the_road[person] for person in pools[bookable.id]] if bookable.with_driver else None,
        )
        for bookable in bookables
    ]


def _fits_rules(bookable: Bookable, span: Span) -> bool:
    is_near = span.start <= clock.now() + timedelta(days=bookable.window_days)
    return is_near and span.end - span.start <= timedelta(minutes=bookable.minutes_max)
