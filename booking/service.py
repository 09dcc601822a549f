"""Use cases of booking: hold, confirm, move, end; close a room; wait for it.

That a time is free is not looked for before it is taken: the row is written, and the database says where it is not so. What
may be looked for beforehand is that it is taken (`looks.py`).
A trigger locks its booking; who acts on a version that is no longer so, or comes second of two at once, is told what
the state allows now. What becomes free is offered to the waiting list in the same transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached

from booking import charging, delegates, drivers, invitations, looks, queries, quotas
from booking.alternatives import clash, suggestions
from booking.catalogue import buffers_of
from booking.deadlines import HOLD_FOR, OFFER_FOR, set_clock
from booking.errors import NotNow
from booking.events import BookingChanged
from booking.meetings.errors import BookingOfMeeting
from booking.models import Bookable, Booking, BookingInvitee, BookingQuota, BookingStep
from booking.pricing import cost_of
from booking.queries import range_of, span_of
from booking.rules import (
    needs_approval,
    require_all,
    require_office,
    require_rules,
    sides_of,
    span_wanted,
    who_is_served,
)
from booking.schemas import BookingAnswer, NewBooking, NewClosure, NewInvitees, OneInvitee
from booking.spans import Span
from booking.states import BOOKING, OPEN, allowed_to, may_pull, next_state, occupies
from identity.api import Principal
from kernel import clock
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint

__all__ = ["require_rules", "sides_of", "suggestions"]

CHECK_IN_WITHIN: Final = timedelta(minutes=15)
_FREEING: Final = frozenset({"cancel", "expire", "reject", "miss", "finish", "decline", "reopen", "move", "resubmit"})
_NOBODYS_DRIVER: Final = "bookings_driver_no_overlap"


# ---- taking a time


async def hold(session: AsyncSession, actor: Principal, new: NewBooking) -> tuple[Booking, bool]:
    """Take a time for ten minutes, or a place on the waiting list; False where this request was taken before."""
    seen = await looks.look(session, actor, parse_public_id("bkb", new.bookable), new)
    if seen.clash is not None:
        raise seen.clash
    if seen.is_known and (known := await queries.find_request(session, actor.person_id, new.request_id)) is not None:
        return known, False
    # Whose time it is for another's unit, its quotas are looked for.
    counting = None if seen.is_rationed or new.served else ()
    bookable, booking = await wanted_booking(session, actor, new, counting)
    span = span_of(booking.during)
    if new.override:
        await _cut_closures(session, actor, bookable, booking)
    if await _is_written(session, booking, bookable):
        await _note(session, booking, "hold", actor.actor, "")
    elif (known := await queries.find_request(session, actor.person_id, new.request_id)) is not None:
        return known, False
    elif new.waitlist:
        booking = await _wait(session, actor, booking)
    else:
        # All who have lost it in this moment are told so by one look, where that is possible.
        seen = await looks.look(session, actor, bookable.id, new)
        raise seen.clash or await clash(session, actor, bookable, span, booking)
    await set_clock(session, booking)
    return booking, True


async def wanted_booking(
    session: AsyncSession, actor: Principal, new: NewBooking, counting: Sequence[BookingQuota] | None = None
) -> tuple[Bookable, Booking]:
    """What somebody asks for, as it would be written, within all rules; nothing is written. `counting`: the quotas under which
    it is, where the caller knows them."""
    bookable = await queries.get_bookable(session, parse_public_id("bkb", new.bookable))
    if new.override:
        require_office(actor, bookable)
    span = span_wanted(bookable, new)
    served_id, unit_id = await who_is_served(session, actor, new.served)
    booking = new_row(bookable, actor.person_id, span, new.request_id, new.title, "held")
    booking.attendees, booking.layout = new.attendees, new.layout
    booking.served_id, booking.unit_id = served_id, unit_id
    booking.cost_fen = price_of(bookable, booking, span)
    booking.due_at = clock.now() + HOLD_FOR
    await require_all(session, actor, bookable, span, booking, override=new.override, counting=counting)
    return bookable, booking


def price_of(bookable: Bookable, booking: Booking, span: Span) -> int:
    """Nobody pays themselves."""
    return 0 if booking.unit_id is not None and booking.unit_id == bookable.unit_id else cost_of(bookable, span)


async def _wait(session: AsyncSession, actor: Principal, wanted: Booking) -> Booking:
    waiting = Booking(
        **{column.key: getattr(wanted, column.key) for column in Booking.__table__.columns}
        | {"state": "waitlisted", "blocks": False, "due_at": None, "driver_id": None}
    )
    session.add(waiting)
    await session.flush()
    await _note(session, waiting, "waitlist", actor.actor, "")
    return waiting


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
        unit_id=None,
        meeting_id=None,
        driver_id=None,
        layout=None,
        occurrence_at=None,
        cost_fen=cost_of(bookable, span),
        charge_reference=None,
        charged_fen=0,
        refunded_fen=0,
        during=range_of(span),
        blocked=range_of(span.widened(*buffers_of(bookable))),
        blocks=occupies(state, pending_blocks=bookable.pending_blocks),
        state=state,
        version=0,
        due_at=None,
        created_at=now,
        changed_at=now,
    )


async def _is_written(session: AsyncSession, booking: Booking, bookable: Bookable) -> bool:
    """False where it is taken: by an overlapping booking, or by the same request a moment before; or nobody can drive."""

    for driver_id in await drivers.to_try(session, booking, bookable, span_of(booking.blocked)):
        booking.driver_id = driver_id
        row = {column.key: getattr(booking, column.key) for column in Booking.__table__.columns}
        # Not inserted and then undone: two who insert the same time would each wait for the other.
        written = insert(Booking).values(row).on_conflict_do_nothing().returning(Booking.id)
        if await session.scalar(written) is not None:
            make_transient_to_detached(booking)
            session.add(booking)
            return True
    return False


async def _takes(
    session: AsyncSession, booking: Booking, bookable: Bookable, blocked: Span, write: Callable[[], Awaitable[None]]
) -> bool:
    """Write something that may be taken, with one driver after the other where it needs one; False where it cannot be had."""
    for driver_id in await drivers.to_try(session, booking, bookable, blocked):
        try:
            async with savepoint(session):
                booking.driver_id = driver_id
                await write()
        except IntegrityError as error:
            if not _is_taken(error):
                raise
            await session.refresh(booking)
            if _constraint_of(error) != _NOBODYS_DRIVER:
                return False
        else:
            return True
    return False


def _is_taken(error: IntegrityError) -> bool:
    cause = error.orig.__cause__ if error.orig else None
    return isinstance(cause, asyncpg.ExclusionViolationError | asyncpg.UniqueViolationError)


def _constraint_of(error: IntegrityError) -> str | None:
    cause = error.orig.__cause__ if error.orig else None
    return getattr(cause, "constraint_name", None)


async def _cut_closures(session: AsyncSession, actor: Principal, bookable: Bookable, booking: Booking) -> None:
    """The office books into its own closure: what is left of it before and after stands."""
    wanted = span_of(booking.blocked)
    for closure_id in await queries.closures_in(session, bookable.id, wanted):
        closure = await queries.lock_booking(session, closure_id)
        closed = span_of(closure.during)
        left = [Span(closed.start, wanted.start)] if closed.start < wanted.start else []
        left += [Span(wanted.end, closed.end)] if wanted.end < closed.end else []
        if not left:
            # No step: what it leaves free is taken in this transaction, and not for who waits.
            closure.state, closure.blocks = next_state(closure.state, "reopen"), False
            await _note(session, closure, "reopen", actor.actor, booking.title)
            continue
        closure.during = closure.blocked = range_of(left[0])
        await _note(session, closure, "cut", actor.actor, booking.title)
        for span in left[1:]:
            rest = new_row(bookable, actor.person_id, span, uuid7(), closure.title, "closed")
            rest.blocked, rest.cost_fen = rest.during, 0
            session.add(rest)
            await _note(session, rest, "close", actor.actor, closure.title)


# ---- triggers


async def pull(
    session: AsyncSession, actor: Principal, booking_id: UUID, trigger: str, answer: BookingAnswer
) -> tuple[Booking, Bookable]:
    """Any trigger of a person's, as the table allows it."""
    booking = await queries.lock_booking(session, booking_id)
    bookable = await queries.get_bookable(session, booking.bookable_id)
    sides = sides_of(booking, bookable, actor, await delegates.acts_for(session, actor.person_id))
    if not sides:
        raise NotFound(what="booking")
    if booking.meeting_id is not None:
        raise BookingOfMeeting(meeting=public_id("mtg", booking.meeting_id))
    if not may_pull(trigger, sides):
        raise Forbidden
    is_stale = answer.version is not None and answer.version != booking.version
    if is_stale or (booking.state, trigger) not in BOOKING:
        raise StateConflict(
            state=booking.state, trigger=trigger, allowed=allowed_to(booking.state, sides), version=booking.version
        )
    await _pull(session, actor, booking, bookable, trigger, answer, is_office="organiser" not in sides)
    return booking, bookable


async def _pull(
    session: AsyncSession,
    actor: Principal,
    booking: Booking,
    bookable: Bookable,
    trigger: str,
    answer: BookingAnswer,
    *,
    is_office: bool,
) -> None:
    if trigger == "move":
        await _move(session, actor, booking, bookable, answer)
    else:
        if trigger == "reject" and not answer.words:
            raise Malformed(reason="who rejects says why", field="words")
        if trigger == "confirm" and needs_approval(bookable, booking.unit_id):
            trigger = "submit"
        if trigger == "check_in":
            _require_check_in_time(booking, bookable)
        if not await _is_stepped(session, booking, bookable, trigger, actor.actor, answer.words, is_office=is_office):
            # A request that kept nobody out is approved, and somebody else has had the time meanwhile.
            raise await clash(session, actor, bookable, span_of(booking.during), booking)
    if booking.state == "confirmed":
        await charging.charge(session, booking, bookable, actor.actor)
    if booking.state == "checked_in" and clock.now() >= span_of(booking.during).start:
        await step(session, booking, bookable, "begin", actor.actor, "")


async def _is_stepped(
    session: AsyncSession,
    booking: Booking,
    bookable: Bookable,
    trigger: str,
    actor: str,
    words: str,
    *,
    is_office: bool = False,
) -> bool:
    """One step; False where it would occupy what somebody else has."""

    async def write() -> None:
        await step(session, booking, bookable, trigger, actor, words, is_office=is_office)

    will_block = occupies(next_state(booking.state, trigger), pending_blocks=bookable.pending_blocks)
    if booking.blocks or not will_block:
        await write()
        return True
    return await _takes(session, booking, bookable, span_of(booking.blocked), write)


def _require_check_in_time(booking: Booking, bookable: Bookable) -> None:
    start = span_of(booking.during).start
    opens, until = start - CHECK_IN_WITHIN, start + timedelta(minutes=bookable.no_show_minutes)
    if not opens <= clock.now() <= until:
        raise NotNow(**{"from": clock.rfc3339(opens), "until": clock.rfc3339(until)})


async def _move(
    session: AsyncSession, actor: Principal, booking: Booking, bookable: Bookable, answer: BookingAnswer
) -> None:
    """To another time, as one UPDATE under the constraint. Shortening needs no new approval."""
    before = span_of(booking.during)
    span = _moved(before, answer)
    is_shorter = before.holds(span)
    if not is_shorter:
        require_rules(actor, bookable, span)
        person_id = booking.served_id or booking.organiser_id
        await quotas.require_within(session, bookable, booking.unit_id, person_id, span, booking.id)
    asks_anew = booking.state == "confirmed" and needs_approval(bookable, booking.unit_id) and not is_shorter
    blocked = span.widened(*buffers_of(bookable))

    async def write() -> None:
        booking.during, booking.blocked = range_of(span), range_of(blocked)
        booking.cost_fen = price_of(bookable, booking, span)
        await session.flush()

    if not await _takes(session, booking, bookable, blocked, write):
        raise await clash(session, actor, bookable, span, booking)
    await step(session, booking, bookable, "resubmit" if asks_anew else "move", actor.actor, answer.words)


def _moved(before: Span, answer: BookingAnswer) -> Span:
    start, end = answer.starts_at or before.start, answer.ends_at or before.end
    if start >= end:
        raise Malformed(reason="ends_at comes after starts_at", field="ends_at")
    if (start, end) == (before.start, before.end):
        raise Malformed(reason="a move names another time", field="starts_at")
    return Span(start, end)


async def step(
    session: AsyncSession,
    booking: Booking,
    bookable: Bookable,
    trigger: str,
    actor: str,
    words: str,
    *,
    is_striking: bool = False,
    is_office: bool = False,
) -> None:
    """One step of the table with all that follows from it: what it occupies, its clock, its history, the money that comes
    back, who is invited and who waits for it."""
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
    await charging.refund_after(session, booking, bookable, trigger, actor, is_office=is_office)
    await invitations.follow(session, booking, bookable, trigger)
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
        # Still taken for this one; the next may want another time.
        await _is_stepped(session, booking, bookable, "offer", "system", "")


async def seen_booking(session: AsyncSession, reader: Principal, booking_id: UUID) -> tuple[Booking, Bookable]:
    """A booking for its people and the office; to anybody else there is none."""
    booking = await queries.get_booking(session, booking_id)
    bookable = await queries.get_bookable(session, booking.bookable_id)
    if not sides_of(booking, bookable, reader, await delegates.acts_for(session, reader.person_id)):
        raise NotFound(what="booking")
    return booking, bookable


async def name_invitees(session: AsyncSession, actor: Principal, booking_id: UUID, new: NewInvitees) -> Booking:
    """Who is invited from now on, by its organiser or the office."""
    booking, bookable = await _lock_to_invite(session, actor, booking_id)
    await invitations.invite(session, booking, bookable, new)
    return booking


async def invite_one(session: AsyncSession, actor: Principal, booking_id: UUID, new: OneInvitee) -> Booking:
    """One more, the others as they are."""
    booking, bookable = await _lock_to_invite(session, actor, booking_id)
    await invitations.invite_one(session, booking, bookable, new)
    return booking


async def uninvite(session: AsyncSession, actor: Principal, booking_id: UUID, invitee_id: UUID) -> Booking:
    """One less."""
    booking, bookable = await _lock_to_invite(session, actor, booking_id)
    await invitations.uninvite(session, booking, bookable, invitee_id)
    return booking


async def answer_invitation(session: AsyncSession, code: str, said: str) -> tuple[BookingInvitee, Booking, Bookable]:
    """What one of the invited says; the organiser sees it at once."""
    invited = await invitations.find_invitation(session, code)
    booking = await queries.lock_booking(session, invited.booking_id)
    bookable = await queries.get_bookable(session, booking.bookable_id)
    await invitations.answer(session, invited, booking, said)
    publish(session, changed(booking, "answer", bookable, at=clock.now()))
    return invited, booking, bookable


async def _lock_to_invite(session: AsyncSession, actor: Principal, booking_id: UUID) -> tuple[Booking, Bookable]:
    booking, bookable = await seen_booking(session, actor, booking_id)
    await queries.lock_booking(session, booking_id)
    sides = sides_of(booking, bookable, actor, await delegates.acts_for(session, actor.person_id))
    if not may_pull("move", sides):
        raise Forbidden
    if booking.state not in OPEN:
        raise StateConflict(state=booking.state, trigger="invite", allowed=allowed_to(booking.state, sides))
    return booking, bookable


# ---- the office


async def close(
    session: AsyncSession, actor: Principal, bookable_id: UUID, new: NewClosure
) -> tuple[Booking, Sequence[Booking]]:
    """Nobody has it in this time. With `override` what stands in the way is superseded, and its people are told."""
    bookable = await queries.get_bookable(session, bookable_id)
    require_office(actor, bookable)
    known = await queries.find_request(session, actor.person_id, new.request_id)
    if known is not None:
        return known, []
    if new.starts_at >= new.ends_at:
        raise Malformed(reason="ends_at comes after starts_at", field="ends_at")
    span = Span(new.starts_at, new.ends_at)
    closure = new_row(bookable, actor.person_id, span, new.request_id, new.reason, "closed")
    # A closure needs no time to set up, and cleans nothing.
    closure.blocked, closure.cost_fen = closure.during, 0
    superseded = await _supersede(session, actor, bookable, span, new.reason) if new.override else []
    if not await _is_closed(session, closure):
        raise await clash(session, actor, bookable, span, closure)
    await _note(session, closure, "close", actor.actor, new.reason)
    return closure, superseded


async def _is_closed(session: AsyncSession, closure: Booking) -> bool:
    try:
        async with savepoint(session):
            session.add(closure)
            await session.flush()
    except IntegrityError as error:
        if not _is_taken(error):
            raise
        return False
    return True


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
    bookable = await queries.get_bookable(session, booking.bookable_id)
    publish(session, changed(booking, trigger, bookable))


def changed(
    booking: Booking, trigger: str, bookable: Bookable | None = None, *, at: datetime | None = None
) -> BookingChanged:
    """What is told of a booking after a step, or `at` another moment; with the bookable, to the desk of its region too."""
    during = span_of(booking.during)
    return BookingChanged(
        happened_at=clock.rfc3339(at or booking.changed_at),
        booking=public_id("bkg", booking.id),
        bookable=public_id("bkb", booking.bookable_id),
        organiser=public_id("per", booking.organiser_id),
        served=public_id("per", booking.served_id) if booking.served_id else None,
        trigger=trigger,
        state=booking.state,
        starts_at=clock.rfc3339(during.start),
        ends_at=clock.rfc3339(during.end),
        region=public_id("reg", bookable.region_id) if bookable is not None else None,
        driver=public_id("per", booking.driver_id) if booking.driver_id else None,
    )
