"""One look for all who want one thing at the same moment: in a hot hour nearly everybody comes too late.

Who comes second would write a row for nothing, and be told by a dozen questions of their own what else would do; so does the
next, about the same hall and the same hour. Therefore those of one process who want the same bookable wait for one look,
which begins after each of them has asked: who is too late then is told so by it, with what could be had instead at that moment.

A look only refuses. That a time is free says nothing: it is taken by writing the row, and the database decides. Rules that
count somebody's own bookings, or people's shifts at the wheel, are no part of a look: who is under such a rule asks alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import TIMESTAMP, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from booking import alternatives, queries, rules
from booking.catalogue import buffers_of
from booking.errors import BookingClash
from booking.models import Bookable
from booking.schemas import NewBooking
from booking.spans import Span
from identity.api import Principal
from kernel.errors import GuanjiaError
from kernel.ids import public_id

# By asker: sent before; under a quota; taken by somebody.
_LOOK: Final = text("""
    SELECT EXISTS (SELECT FROM bookings b WHERE b.organiser_id = a.organiser_id AND b.request_id = a.request_id) AS is_known,
           EXISTS (SELECT FROM booking_quotas q WHERE q.region_id = :region_id AND q.kind = :kind AND q.ended_at IS NULL
                      AND (q.unit_id IS NULL OR q.unit_id = a.unit_id)) AS is_rationed,
           EXISTS (SELECT FROM bookings b WHERE b.blocks AND b.bookable_id = :bookable_id
                      AND b.blocked && tstzrange(a.starts_at, a.ends_at)) AS is_taken
      FROM unnest(:organisers, :requests, :units, :starts, :ends)
           WITH ORDINALITY AS a (organiser_id, request_id, unit_id, starts_at, ends_at, n)
     ORDER BY a.n
""").bindparams(
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("organisers", "requests", "units")),
    *(bindparam(name, type_=ARRAY(TIMESTAMP(timezone=True))) for name in ("starts", "ends")),
)

Suggestions = Sequence[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look has told one of the askers. `clash`: it is taken, nothing but that stands in the way, and this is what
    else would do."""

    is_known: bool = False
    is_rationed: bool = True
    clash: BookingClash | None = None


_NOTHING_SEEN: Final = Seen()


@dataclass(eq=False, slots=True)
class _Asker:
    actor: Principal
    new: NewBooking
    seen: Seen | None = None


@dataclass(eq=False, slots=True)
class _Counter:
    """Those who want one bookable: one of them looks for all who have come until then."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Asker] = field(default_factory=list)
    count: int = 0


# By database, and there by bookable and event loop, for as long as anybody waits.
_counters: WeakKeyDictionary[Any, dict[tuple[UUID, int], _Counter]] = WeakKeyDictionary()


async def look(session: AsyncSession, actor: Principal, bookable_id: UUID, new: NewBooking) -> Seen:
    """What is seen of it by a look that begins after this call. The look is made in the session of one of those who wait."""
    counters = _counters.setdefault(session.get_bind(), {})
    key = (bookable_id, id(asyncio.get_running_loop()))
    counter = counters.setdefault(key, _Counter())
    asker = _Asker(actor, new)
    counter.waiting.append(asker)
    counter.count += 1
    try:
        return await _wait(session, bookable_id, counter, asker)
    finally:
        counter.count -= 1
        if not counter.count:
            counters.pop(key, None)


async def _wait(session: AsyncSession, bookable_id: UUID, counter: _Counter, asker: _Asker) -> Seen:
    async with counter.lock:
        if asker.seen is None:
            askers, counter.waiting = counter.waiting, []
            try:
                await _look(session, bookable_id, askers)
            except BaseException:
                # Whatever has befallen this session, the next one looks for the others.
                counter.waiting[:0] = [each for each in askers if each is not asker and each.seen is None]
                raise
    return _told(asker)


def _told(asker: _Asker) -> Seen:
    assert asker.seen is not None, "who looks waits too"
    return asker.seen


async def _look(session: AsyncSession, bookable_id: UUID, askers: Sequence[_Asker]) -> None:
    bookable = await queries.get_bookable(session, bookable_id)
    spans = [_span_of(bookable, asker.new) for asker in askers]
    rows = await _ask(session, bookable, [(each, span) for each, span in zip(askers, spans, strict=True) if span])
    found: dict[tuple[object, ...], Suggestions | None] = {}
    for asker, span in zip(askers, spans, strict=True):
        if span is None:
            asker.seen = _NOTHING_SEEN
            continue
        row = next(rows)
        told = None
        if row.is_taken and not row.is_known and not row.is_rationed and _is_plain(bookable, asker.new):
            key = (span, asker.new.attendees, asker.new.layout, asker.actor.unit_id)
            if key not in found:
                found[key] = await _suggestions(session, asker, bookable, span)
            told = found[key]
        clash = None if told is None else BookingClash(bookable=public_id("bkb", bookable.id), suggestions=told)
        asker.seen = Seen(row.is_known, row.is_rationed, clash)


def _span_of(bookable: Bookable, new: NewBooking) -> Span | None:
    try:
        return rules.span_wanted(bookable, new)
    except GuanjiaError:
        # Whoever asked is told so by who reads the request.
        return None


def _is_plain(bookable: Bookable, new: NewBooking) -> bool:
    """Whether all who are of one unit would be answered the same."""
    is_own_affair = bookable.open_max is not None or bookable.with_driver
    return not (is_own_affair or new.override or new.waitlist or new.served)


async def _ask(session: AsyncSession, bookable: Bookable, asked: Sequence[tuple[_Asker, Span]]) -> Any:
    if not asked:
        return iter(())
    blocked = [span.widened(*buffers_of(bookable)) for _, span in asked]
    values = {
        "bookable_id": bookable.id,
        "region_id": bookable.region_id,
        "kind": bookable.kind,
        "organisers": [asker.actor.person_id for asker, _ in asked],
        "requests": [asker.new.request_id for asker, _ in asked],
        "units": [asker.actor.unit_id for asker, _ in asked],
        "starts": [span.start for span in blocked],
        "ends": [span.end for span in blocked],
    }
    return iter((await session.execute(_LOOK, values)).all())


async def _suggestions(session: AsyncSession, asker: _Asker, bookable: Bookable, span: Span) -> Suggestions | None:
    """What else would do, for whoever is of the same unit; None where a rule stands in the way, or is about the person."""
    try:
        rules.require_rules(asker.actor, bookable, span)
        rules.require_room(bookable, asker.new.attendees, asker.new.layout)
    except GuanjiaError:
        return None
    return await alternatives.instead_for_all(session, asker.actor, bookable, span, asker.new)
