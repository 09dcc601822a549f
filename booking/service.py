"""Use cases of booking: hold, confirm, move, end; close a room; wait for it.

Nothing looks whether a time is free before it takes it: the row is written, and the database says 23P01 where it is not.
A trigger locks its booking; who acts on a version that is no longer so, or comes second of two at once, is told what
the state allows now. What becomes free is offered to the waiting list in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries
from booking.catalogue import OFFICE_ROLES, buffers_of, candidate_of, opening_of
from booking.deadlines import HOLD_FOR, OFFER_FOR, set_clock
from booking.errors import BookingClash, NotBookable, NotNow, OutsideOpening, TooManyBookings
from booking.events import BookingChanged
from booking.models import Bookable, Booking, BookingStep
from booking.queries import range_of, span_of
from booking.schemas import BookingAnswer, NewBooking, NewClosure
from booking.spans import Span, Suggestion, suggest
from booking.states import BOOKING, allowed_to, may_pull, next_state, occupies
from identity.api import Principal, membership_of, person_summary, today
from kernel import clock
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint

CHECK_IN_WITHIN: Final = timedelta(minutes=15)
_SIMILAR_LOOKED_AT: Final = 8
_LOOKED_AHEAD: Final = timedelta(days=8)
_FREEING: Final = frozenset({"cancel", "expire", "reject", "miss", "finish", "decline", "reopen", "move", "resubmit"})
_ONE_PERSON_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


# ---- taking a time


async def hold(session: AsyncSession, actor: Principal, new: NewBooking) -> tuple[Booking, bool]:
    """Take a time for ten minutes, or a place on the waiting list; False where this request was taken before."""
    known = await queries.find_request(session, actor.person_id, new.request_id)
    if known is not None:
        return known, False
    bookable = await queries.get_bookable(session, parse_public_id("bkb", new.bookable))
    span = _span(new.starts_at, new.ends_at)
    await _require_bookable(session, actor, bookable, span, new.attendees)
    served_id = await _served(session, actor, new.served)
    booking = new_row(bookable, actor.person_id, span, new.request_id, new.title, "held")
    booking.attendees, booking.served_id = new.attendees, served_id
    booking.due_at = clock.now() + HOLD_FOR
    if await _is_written(session, booking):
        await _note(session, booking, "hold", actor.actor, "")
    elif (known := await queries.find_request(session, actor.person_id, new.request_id)) is not None:
        return known, False
    elif not new.waitlist:
        raise await clash(session, bookable, span, new.attendees)
    else:
        booking = await _wait(session, actor, booking)
    await set_clock(session, booking)
    return booking, True


async def _wait(session: AsyncSession, actor: Principal, wanted: Booking) -> Booking:
    waiting = Booking(
        **{column.key: getattr(wanted, column.key) for column in Booking.__table__.columns}
        | {"state": "waitlisted", "blocks": False, "due_at": None}
    )
    session.add(waiting)
    await session.flush()
    await _note(session, waiting, "waitlist", actor.actor, "")
    return waiting


def _span(starts_at: datetime, ends_at: datetime) -> Span:
    try:
        return Span(starts_at, ends_at)
    except ValueError:
        raise Malformed(reason="ends_at comes after starts_at", field="ends_at") from None


def new_row(bookable: Bookable, organiser_id: UUID, span: Span, request_id: UUID, title: str, state: str) -> Booking:
    """A booking as it is before it is written."""
    now = clock.now()
    return Booking(
        id=uuid7(),
        bookable_id=bookable.id,
        organiser_id=organiser_id,
        served_id=None,
        request_id=request_id,
        series_id=None,
        title=title,
        attendees=0,
        during=range_of(span),
        blocked=range_of(span.widened(*buffers_of(bookable))),
        blocks=occupies(state, pending_blocks=bookable.pending_blocks),
        state=state,
        version=0,
        due_at=None,
        created_at=now,
        changed_at=now,
    )


async def _is_written(session: AsyncSession, booking: Booking) -> bool:
    """False where it is taken: by an overlapping booking, or by the same request a moment before."""
    try:
        async with savepoint(session):
            session.add(booking)
            await session.flush()
    except IntegrityError as error:
        if _is_taken(error):
            return False
        raise
    return True


def _is_taken(error: IntegrityError) -> bool:
    cause = error.orig.__cause__ if error.orig else None
    return isinstance(cause, asyncpg.ExclusionViolationError | asyncpg.UniqueViolationError)


async def _require_bookable(
    session: AsyncSession, actor: Principal, bookable: Bookable, span: Span, attendees: int
) -> None:
    """The rules that need no look at other bookings, and how many this person has ahead."""
    require_rules(actor, bookable, span)
    if attendees > bookable.capacity:
        raise NotBookable(rule="capacity", limit=bookable.capacity)
    if bookable.open_max is None:
        return
    # Two requests of one person at once would both count before either is written.
    await session.execute(_ONE_PERSON_AT_A_TIME, {"key": f"bookings of {actor.person_id}"})
    if await queries.count_open(session, actor.person_id, bookable.kind, clock.now()) >= bookable.open_max:
        raise TooManyBookings(limit=bookable.open_max)


def require_rules(actor: Principal, bookable: Bookable, span: Span) -> None:
    """Whether somebody may have it then at all, whoever else has it."""
    now = clock.now()
    if bookable.retired_at is not None:
        raise NotBookable(rule="retired")
    if span.start < now:
        raise NotBookable(rule="past")
    if span.start > now + timedelta(days=bookable.window_days):
        raise NotBookable(rule="window", limit=bookable.window_days)
    if span.end - span.start > timedelta(minutes=bookable.minutes_max):
        raise NotBookable(rule="length", limit=bookable.minutes_max)
    if bookable.unit_only and actor.unit_id != bookable.unit_id:
        raise NotBookable(rule="unit")
    opening = opening_of(bookable)
    if not opening.allows(span):
        raise OutsideOpening(
            opens_at=bookable.opens_at and bookable.opens_at.isoformat("minutes"),
            closes_at=bookable.closes_at and bookable.closes_at.isoformat("minutes"),
            weekdays=bookable.weekdays,
        )


async def _served(session: AsyncSession, actor: Principal, served: str | None) -> UUID | None:
    """Who it is for: somebody of the organiser's own unit."""
    if served is None:
        return None
    person_id = parse_public_id("per", served)
    if person_id not in await person_summary(session, [person_id]):
        raise NotFound(what="person")
    theirs = await membership_of(session, person_id, today())
    if theirs is None or theirs.unit_id != actor.unit_id:
        raise NotBookable(rule="served")
    return None if person_id == actor.person_id else person_id


# ---- what else would do


async def clash(session: AsyncSession, bookable: Bookable, span: Span, attendees: int) -> BookingClash:
    """The refusal, with what could be had instead at this moment."""
    found = await suggestions(session, bookable, span, attendees)
    return BookingClash(
        bookable=public_id("bkb", bookable.id),
        suggestions=[
            {
                "kind": suggestion.kind,
                "bookable": public_id("bkb", suggestion.bookable),
                "starts_at": clock.rfc3339(suggestion.span.start),
                "ends_at": clock.rfc3339(suggestion.span.end),
            }
            for suggestion in found
        ],
    )


async def suggestions(session: AsyncSession, bookable: Bookable, span: Span, attendees: int) -> list[Suggestion]:
    """Other times of the day, others like it, other days; each within its rules, and free as things stand."""
    others = await queries.similar_to(session, bookable, attendees, _SIMILAR_LOOKED_AT)
    others = [other for other in others if not other.unit_only or other.unit_id == bookable.unit_id]
    busy = await queries.busy_of(session, [bookable.id, *(other.id for other in others)], _looked_at(span))
    latest = clock.now() + timedelta(days=bookable.window_days)
    found = suggest(
        span,
        candidate_of(bookable, busy[bookable.id]),
        [candidate_of(other, busy[other.id]) for other in others if _fits_rules(other, span)],
        clock.now(),
    )
    return [suggestion for suggestion in found if suggestion.span.start <= latest]


def _looked_at(span: Span) -> Span:
    return span.widened(timedelta(days=2), _LOOKED_AHEAD + timedelta(days=2))


def _fits_rules(bookable: Bookable, span: Span) -> bool:
    is_near = span.start <= clock.now() + timedelta(days=bookable.window_days)
    return is_near and span.end - span.start <= timedelta(minutes=bookable.minutes_max)


# ---- triggers


def sides_of(booking: Booking, bookable: Bookable, reader: Principal) -> frozenset[str]:
    """Whose part somebody takes in a booking: organiser (the person served too), office, or neither."""
    sides = set()
    if reader.person_id in (booking.organiser_id, booking.served_id) and booking.state not in ("closed", "reopened"):
        sides.add("organiser")
    if reader.may(*OFFICE_ROLES, region_id=bookable.region_id):
        sides.add("office")
    return frozenset(sides)


async def pull(
    session: AsyncSession, actor: Principal, booking_id: UUID, trigger: str, answer: BookingAnswer
) -> tuple[Booking, Bookable]:
    """Any trigger of a person's, as the table allows it."""
    booking = await queries.lock_booking(session, booking_id)
    bookable = await queries.get_bookable(session, booking.bookable_id)
    sides = sides_of(booking, bookable, actor)
    if not sides:
        raise NotFound(what="booking")
    if not may_pull(trigger, sides):
        raise Forbidden
    is_stale = answer.version is not None and answer.version != booking.version
    if is_stale or (booking.state, trigger) not in BOOKING:
        raise StateConflict(
            state=booking.state, trigger=trigger, allowed=allowed_to(booking.state, sides), version=booking.version
        )
    await _pull(session, actor, booking, bookable, trigger, answer)
    return booking, bookable


async def _pull(
    session: AsyncSession, actor: Principal, booking: Booking, bookable: Bookable, trigger: str, answer: BookingAnswer
) -> None:
    if trigger == "move":
        await _move(session, actor, booking, bookable, answer)
        return
    if trigger == "reject" and not answer.words:
        raise Malformed(reason="who rejects says why", field="words")
    if trigger == "confirm" and bookable.needs_approval:
        trigger = "submit"
    if trigger == "check_in":
        _require_check_in_time(booking)
    try:
        async with savepoint(session):
            await step(session, booking, bookable, trigger, actor.actor, answer.words)
    except IntegrityError as error:
        # A request that kept nobody out is approved, and somebody else has had the time meanwhile.
        if not _is_taken(error):
            raise
        await session.refresh(booking)
        raise await clash(session, bookable, span_of(booking.during), booking.attendees) from None
    if booking.state == "checked_in" and clock.now() >= span_of(booking.during).start:
        await step(session, booking, bookable, "begin", actor.actor, "")


def _require_check_in_time(booking: Booking) -> None:
    start = span_of(booking.during).start
    opens, until = start - CHECK_IN_WITHIN, start + CHECK_IN_WITHIN
    if not opens <= clock.now() <= until:
        raise NotNow(**{"from": clock.rfc3339(opens), "until": clock.rfc3339(until)})


async def _move(
    session: AsyncSession, actor: Principal, booking: Booking, bookable: Bookable, answer: BookingAnswer
) -> None:
    """To another time, as one UPDATE under the constraint. Shortening needs no new approval."""
    before = span_of(booking.during)
    span = _span(answer.starts_at or before.start, answer.ends_at or before.end)
    if span == before:
        raise Malformed(reason="a move names another time", field="starts_at")
    if not before.holds(span):
        require_rules(actor, bookable, span)
    asks_anew = booking.state == "confirmed" and bookable.needs_approval and not before.holds(span)
    try:
        async with savepoint(session):
            booking.during = range_of(span)
            booking.blocked = range_of(span.widened(*buffers_of(bookable)))
            await session.flush()
    except IntegrityError as error:
        if not _is_taken(error):
            raise
        await session.refresh(booking)
        raise await clash(session, bookable, span, booking.attendees) from None
    await step(session, booking, bookable, "resubmit" if asks_anew else "move", actor.actor, answer.words)


async def step(
    session: AsyncSession,
    booking: Booking,
    bookable: Bookable,
    trigger: str,
    actor: str,
    words: str,
    *,
    is_striking: bool = False,
) -> None:
    """One step of the table with all that follows from it: what it occupies, its clock, its history, who waits for it."""
    booking.state = next_state(booking.state, trigger)
    booking.blocks = occupies(booking.state, pending_blocks=bookable.pending_blocks)
    booking.due_at = None
    if trigger == "accept":
        booking.due_at = clock.now() + HOLD_FOR
    elif trigger == "offer":
        booking.due_at = clock.now() + OFFER_FOR
    elif trigger == "finish":
        _free_the_rest(booking, bookable)
    await session.flush()
    await _note(session, booking, trigger, actor, words)
    await set_clock(session, booking, is_striking=is_striking)
    if trigger in _FREEING:
        await offer_freed(session, bookable)


def _free_the_rest(booking: Booking, bookable: Bookable) -> None:
    """An early end: what is left, but for the cleaning, is anybody's."""
    before, now = span_of(booking.during), clock.now()
    if before.start < now < before.end:
        used = Span(before.start, now)
        booking.during = range_of(used)
        booking.blocked = range_of(used.widened(*buffers_of(bookable)))


async def offer_freed(session: AsyncSession, bookable: Bookable) -> None:
    """Offer what has become free to those who wait for it, in the order in which they came."""
    for booking_id in await queries.waiting_for(session, bookable.id, clock.now()):
        booking = await queries.lock_booking(session, booking_id)
        if booking.state != "waitlisted":
            continue
        try:
            async with savepoint(session):
                await step(session, booking, bookable, "offer", "system", "")
        except IntegrityError as error:
            if not _is_taken(error):
                raise
            # Still taken for this one; the next may want another time.
            await session.refresh(booking)


# ---- the office


async def close(
    session: AsyncSession, actor: Principal, bookable_id: UUID, new: NewClosure
) -> tuple[Booking, Sequence[Booking]]:
    """Nobody has it in this time. With `override` what stands in the way is superseded, and its people are told."""
    bookable = await queries.get_bookable(session, bookable_id)
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)
    known = await queries.find_request(session, actor.person_id, new.request_id)
    if known is not None:
        return known, []
    span = _span(new.starts_at, new.ends_at)
    closure = new_row(bookable, actor.person_id, span, new.request_id, new.reason, "closed")
    # A closure needs no time to set up, and cleans nothing.
    closure.blocked = closure.during
    superseded = await _supersede(session, actor, bookable, span, new.reason) if new.override else []
    if not await _is_written(session, closure):
        raise await clash(session, bookable, span, 0)
    await _note(session, closure, "close", actor.actor, new.reason)
    return closure, superseded


async def _supersede(
    session: AsyncSession, actor: Principal, bookable: Bookable, span: Span, reason: str
) -> Sequence[Booking]:
    """What is in use is not thrown out of the room; everything else gives way."""
    gone = []
    for booking_id in await queries.in_the_way(session, bookable.id, span):
        booking = await queries.lock_booking(session, booking_id)
        if (booking.state, "supersede") in BOOKING:
            await step(session, booking, bookable, "supersede", actor.actor, reason)
            gone.append(booking)
    return gone


# ---- what is written down


async def _note(session: AsyncSession, booking: Booking, trigger: str, actor: str, words: str) -> None:
    booking.version += 1
    booking.changed_at = clock.now()
    session.add(
        BookingStep(
            booking_id=booking.id,
            version=booking.version,
            trigger=trigger,
            state=booking.state,
            actor=actor,
            words=words,
            recorded_at=booking.changed_at,
        )
    )
    await session.flush()
    publish(session, changed(booking, trigger))


def changed(booking: Booking, trigger: str) -> BookingChanged:
    """What is told of a booking after a step."""
    during = span_of(booking.during)
    return BookingChanged(
        happened_at=clock.rfc3339(booking.changed_at),
        booking=public_id("bkg", booking.id),
        bookable=public_id("bkb", booking.bookable_id),
        organiser=public_id("per", booking.organiser_id),
        served=public_id("per", booking.served_id) if booking.served_id else None,
        trigger=trigger,
        state=booking.state,
        starts_at=clock.rfc3339(during.start),
        ends_at=clock.rfc3339(during.end),
    )
