"""Halls, rooms and cars held for a meeting: many bookings in one INSERT, and their steps with the meeting's.

Written with `ON CONFLICT DO NOTHING`: the exclusion constraint decides, as for a single booking, and what is not returned was
taken. A single booking may still come between the look and the writing; then the next that is free is tried.
A booking of a meeting has no clock of its own: the meeting's is enough.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from booking import drivers, queries, service
from booking.catalogue import buffers_of, candidate_of
from booking.errors import NotBookable, OutsideOpening
from booking.meetings.lines import HeldLine, Wish
from booking.models import Bookable, Booking, BookingStep
from booking.queries import range_of, span_of
from booking.rules import needs_approval, require_rules
from booking.spans import Span
from booking.states import BOOKING, next_state
from identity.api import Principal
from kernel import clock
from kernel.outbox import publish

_ROUNDS_MAX: Final = 3
_FREEING: Final = frozenset({"cancel", "expire", "reject", "finish", "offer"})
# What a meeting's trigger is for the bookings that it holds.
_CHAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "submit": ("submit",),
    "confirm": ("confirm",),
    "approve": ("approve",),
    "reject": ("reject",),
    "cancel": ("cancel",),
    "replace": ("cancel",),
    "offer": (),
    "expire": ("expire",),
    "end": ("check_in", "begin", "end"),
}

_BOOKINGS: Final = Booking.metadata.tables[Booking.__tablename__]
_WRITE: Final = upsert(_BOOKINGS).on_conflict_do_nothing().returning(_BOOKINGS.c.id)

SpanOf = Callable[[Bookable], Span]


@dataclass(slots=True)
class Claim:
    """So many bookables out of a pool, for one wish; `pool` is in the order in which they are tried."""

    wish: Wish
    pool: Sequence[Bookable]
    span_of: SpanOf
    count: int = 1
    taken: list[tuple[Booking, Bookable]] = field(default_factory=list)
    # How many there were when it was last looked.
    free_count: int = 0

    @property
    def is_met(self) -> bool:
        return len(self.taken) == self.count

    def held(self) -> HeldLine:
        """What it has come to."""
        spans = [span_of(booking.during) for booking, _ in self.taken]
        return HeldLine(
            refs=tuple(booking.id for booking, _ in self.taken),
            starts_at=min(span.start for span in spans),
            ends_at=max(span.end for span in spans),
            quantity=len(spans),
            estimate_fen=sum(booking.cost_fen for booking, _ in self.taken),
            needs_approval=any(needs_approval(bookable, self.wish.organiser.unit_id) for _, bookable in self.taken),
        )


def may_have(organiser: Principal, bookable: Bookable, span: Span) -> bool:
    """Whether its rules allow it, whoever else has it."""
    try:
        require_rules(organiser, bookable, span)
    except (NotBookable, OutsideOpening):
        return False
    return True


async def take(session: AsyncSession, claims: Sequence[Claim], state: str) -> None:
    """Fill the claims as far as it goes; those that are not met then cannot be."""
    for _ in range(_ROUNDS_MAX):
        open_claims = [claim for claim in claims if not claim.is_met]
        if not open_claims:
            return
        chosen = await _choose(session, open_claims, state)
        if not chosen:
            return
        written = await _write(session, [booking for _, booking, _ in chosen])
        for claim, booking, bookable in chosen:
            if booking.id in written:
                claim.taken.append((booking, bookable))


async def _choose(session: AsyncSession, claims: Sequence[Claim], state: str) -> list[tuple[Claim, Booking, Bookable]]:
    pools = {bookable.id: bookable for claim in claims for bookable in claim.pool}
    spans = [claim.span_of(bookable) for claim in claims for bookable in claim.pool]
    if not spans:
        return []
    window = Span(min(span.start for span in spans), max(span.end for span in spans))
    busy = await queries.busy_of(session, list(pools), window.widened(timedelta(days=1), timedelta(days=1)))
    on_the_road = await Drivers.load(session, list(pools.values()), window)
    chosen: list[tuple[Claim, Booking, Bookable]] = []
    for claim in claims:
        found = list(_free_ones(claim, busy, on_the_road, state))
        claim.free_count = len(claim.taken) + len(found)
        # Where there are too few, none are taken: they may be all that another line needs.
        if claim.free_count >= claim.count:
            chosen += [(claim, booking, bookable) for booking, bookable in found]
    return chosen


def _free_ones(
    claim: Claim, busy: dict[UUID, list[Span]], on_the_road: "Drivers", state: str
) -> Iterator[tuple[Booking, Bookable]]:
    """As many as the claim still needs; each is busy from then on."""
    missing = claim.count - len(claim.taken)
    for bookable in claim.pool:
        if not missing:
            return
        span = claim.span_of(bookable)
        blocked = span.widened(*buffers_of(bookable))
        is_busy = any(blocked.overlaps(other) for other in busy[bookable.id])
        if is_busy or not may_have(claim.wish.organiser, bookable, span):
            continue
        driver_id = on_the_road.find(bookable, blocked)
        if bookable.with_driver and driver_id is None:
            continue
        if driver_id is not None:
            on_the_road.busy[driver_id].append(blocked)
        busy[bookable.id].append(blocked)
        missing -= 1
        yield _row(claim.wish, bookable, span, state, driver_id), bookable


@dataclass(slots=True)
class Drivers:
    """Who drives which car, and when each of them is under way."""

    of: Mapping[UUID, Sequence[UUID]]
    busy: dict[UUID, list[Span]]

    @classmethod
    async def load(cls, session: AsyncSession, bookables: Sequence[Bookable], window: Span) -> "Drivers":
        cars = [bookable.id for bookable in bookables if bookable.with_driver]
        if not cars:
            return cls({}, {})
        of = await drivers.drivers_of(session, cars)
        people = {person for pool in of.values() for person in pool}
        return cls(of, await drivers.busy_of_drivers(session, people, window))

    def find(self, bookable: Bookable, blocked: Span) -> UUID | None:
        """Somebody who drives it and is not under way then."""
        for driver_id in self.of.get(bookable.id, ()):
            if not any(blocked.overlaps(other) for other in self.busy[driver_id]):
                return driver_id
        return None


def _row(wish: Wish, bookable: Bookable, span: Span, state: str, driver_id: UUID | None) -> Booking:
    booking = service.new_row(bookable, wish.organiser.person_id, span, wish.line_id, wish.title, state)
    # The request is the meeting's; a line may hold several, one after another.
    booking.request_id = booking.id
    booking.attendees = min(wish.attendees, bookable.capacity)
    # A meeting that waits for the office keeps what it asks for, whatever its parts would do.
    booking.blocks, booking.version = True, 1
    booking.meeting_id, booking.driver_id, booking.unit_id = wish.meeting_id, driver_id, wish.organiser.unit_id
    booking.cost_fen = service.price_of(bookable, booking, span)
    return booking


async def _write(session: AsyncSession, bookings: Sequence[Booking]) -> set[UUID]:
    """Those that were free, with their first step."""
    ordered = sorted(bookings, key=lambda booking: (booking.bookable_id, span_of(booking.during)))
    names = [column.key for column in Booking.__table__.columns if column.key in ordered[0].__dict__]
    rows = [{name: getattr(booking, name) for name in names} for booking in ordered]
    # A list of rows, not a statement of so many: SQLAlchemy then has it compiled already.
    written = set(await session.scalars(_WRITE, rows))
    held = [booking for booking in ordered if booking.id in written]
    if held:
        await session.execute(insert(BookingStep), [_step(booking, "hold", "system", "") for booking in held])
        publish(session, *(service.changed(booking, "hold") for booking in held))
    return written


def _step(booking: Booking, trigger: str, actor: str, words: str) -> dict[str, object]:
    return {
        "booking_id": booking.id,
        "version": booking.version,
        "trigger": trigger,
        "state": booking.state,
        "actor": actor,
        "words": words,
        "recorded_at": booking.changed_at,
    }


async def move(session: AsyncSession, refs: Collection[UUID], trigger: str, actor: str, words: str) -> None:
    """Let the bookings follow the meeting, as far as their own table allows; what becomes free is offered."""
    if not refs:
        return
    rows = await session.scalars(
        select(Booking)
        .where(Booking.id.in_(refs))
        .order_by(Booking.bookable_id, Booking.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    steps: list[dict[str, object]] = []
    freed: set[UUID] = set()
    for booking in rows.all():
        if trigger in _FREEING:
            freed.add(booking.bookable_id)
        for pulled in _chain_of(booking, trigger):
            if (booking.state, pulled) not in BOOKING:
                break
            _pull(booking, pulled)
            steps.append(_step(booking, pulled, actor, words))
            publish(session, service.changed(booking, pulled))
    await session.flush()
    if steps:
        await session.execute(insert(BookingStep), steps)
    for bookable in sorted((await queries.bookables_of(session, freed)).values(), key=lambda each: each.id):
        await service.offer_freed(session, bookable)


def _chain_of(booking: Booking, trigger: str) -> Iterable[str]:
    if trigger != "finish":
        return _CHAINS[trigger]
    during, now = span_of(booking.during), clock.now()
    if during.start >= now:
        return ("cancel",)
    return ("check_in", "begin", "finish") if during.end > now else ("check_in", "begin", "end")


def _pull(booking: Booking, trigger: str) -> None:
    booking.state = next_state(booking.state, trigger)
    booking.blocks = booking.state in ("held", "pending_approval", "confirmed", "checked_in", "in_use", "completed")
    booking.version += 1
    booking.changed_at = clock.now()
    if trigger == "finish":
        # What is left of it is anybody's.
        used = Span(span_of(booking.during).start, booking.changed_at)
        blocked = span_of(booking.blocked)
        cleaning = blocked.end - span_of(booking.during).end
        booking.during, booking.blocked = range_of(used), range_of(Span(blocked.start, used.end + cleaning))


def free_among(pool: Iterable[Bookable], busy: Mapping[UUID, list[Span]], span_of_one: SpanOf, wish: Wish) -> int:
    """How many of a pool could be had."""
    return sum(
        candidate_of(bookable, busy[bookable.id]).is_free(span_of_one(bookable))
        and may_have(wish.organiser, bookable, span_of_one(bookable))
        for bookable in pool
    )
