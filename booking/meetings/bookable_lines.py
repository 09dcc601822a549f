"""The kinds of line that are booking's own: a hall, rooms for some nights, a way by car, badges."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries
from booking.alternatives import suggestions
from booking.catalogue import buffers_of
from booking.errors import BookingClash, NotBookable, OutsideOpening
from booking.meetings import schemas
from booking.meetings.bookable_holds import Claim, Drivers, SpanOf, free_among, move, take
from booking.meetings.errors import NoCar, NotEnoughRooms
from booking.meetings.lines import Held, HeldLine, LinePlace, Wish
from booking.meetings.queries import policy_of
from booking.models import Bookable, Booking
from booking.rules import require_rules
from booking.spans import Span
from identity.api import places_below
from kernel.errors import GuanjiaError, Malformed, NotFound
from kernel.ids import parse_public_id, public_id

_ARRIVE, _LEAVE = time(14), time(12)
_ROOMS_SEEN_MAX: Final = 500
_DAYS_AHEAD: Final = 7
_QUARTERS: Final = 12
_DAYS_MAX, _NEAR_MAX = 2, 3

Alternative = tuple[str, Mapping[str, Any]]


def read_wish(model: type[schemas.LineWish], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A line's own fields, checked, in the form in which they are kept."""
    try:
        return model.model_validate(dict(wanted)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["line", *(str(part) for part in first["loc"])])
        raise Malformed(reason=f"{where}: {first['msg']}", field=where) from None


class _OfBookables:
    """What halls, rooms and cars have in common."""

    counts_guests: ClassVar[bool] = False

    async def move(self, session: AsyncSession, refs: Collection[UUID], trigger: str, actor: str, words: str) -> None:
        await move(session, refs, trigger, actor, words)

    async def places_of(self, session: AsyncSession, refs: Collection[UUID]) -> Mapping[UUID, LinePlace]:
        rows = await session.execute(
            select(Booking, Bookable).join(Bookable, Bookable.id == Booking.bookable_id).where(Booking.id.in_(refs))
        )
        return {
            booking.id: LinePlace(
                id=public_id("bkb", bookable.id),
                name_zh=bookable.name_zh,
                name_en=bookable.name_en,
                place_id=bookable.place_id,
                payee_id=bookable.unit_id,
                cost_fen=booking.cost_fen,
                driver_id=booking.driver_id,
                plate=bookable.plate,
                is_lost=booking.state == "superseded",
            )
            for booking, bookable in rows
        }

    async def note_needs(self, session: AsyncSession, refs: Collection[UUID], needs: Mapping[str, int]) -> None:
        """Nobody cooks here."""


class VenueLine(_OfBookables):
    """One hall for a time."""

    kind: ClassVar[str] = "venue"

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        wish = read_wish(schemas.VenueWish, wanted)
        parse_public_id("bkb", wish["bookable"])
        return wish

    def moved(self, wanted: Mapping[str, Any], days: int, zone: str) -> dict[str, Any]:
        return {**wanted, **_times(span_later(span_wanted(wanted), days, ZoneInfo(zone)))}

    def locks_of(self, wanted: Mapping[str, Any], _region_id: UUID) -> Sequence[str]:
        return [wanted["bookable"]]

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], state: str
    ) -> Mapping[UUID, Held | GuanjiaError]:
        ids = {wish.line_id: parse_public_id("bkb", wish.wanted["bookable"]) for wish in wishes}
        known = await queries.bookables_of(session, set(ids.values()))
        found: dict[UUID, Held | GuanjiaError] = {}
        claims = []
        for wish in wishes:
            bookable, span = known.get(ids[wish.line_id]), span_wanted(wish.wanted)
            refusal = _refusal_of(wish, bookable, span)
            if refusal is not None:
                found[wish.line_id] = refusal
            elif bookable is not None:
                claims.append(Claim(wish, [bookable], _always(span)))
        await take(session, claims, state)
        for claim in claims:
            found[claim.wish.line_id] = (
                claim.held() if claim.is_met else BookingClash(bookable=claim.wish.wanted["bookable"])
            )
        return found

    async def suggest(self, session: AsyncSession, wish: Wish) -> Sequence[Alternative]:
        bookable = await session.get(Bookable, parse_public_id("bkb", wish.wanted["bookable"]))
        if bookable is None or bookable.kind != "venue":
            return []
        span = span_wanted(wish.wanted)
        found = await suggestions(session, bookable, span, wish.attendees)
        named = await queries.bookables_of(session, {each.bookable for each in found})
        return [
            (
                each.kind,
                {**wish.wanted, "bookable": public_id("bkb", each.bookable), **_times(each.span)},
            )
            for each in found
            if _refusal_of(wish, named[each.bookable], each.span) is None
        ]


def _refusal_of(wish: Wish, bookable: Bookable | None, span: Span) -> GuanjiaError | None:
    if bookable is None or bookable.kind != "venue":
        return NotFound(what="bookable")
    if wish.attendees > bookable.capacity:
        return NotBookable(rule="capacity", limit=bookable.capacity)
    try:
        require_rules(wish.organiser, bookable, span)
    except (NotBookable, OutsideOpening) as refusal:
        return refusal
    return None


def span_wanted(wanted: Mapping[str, Any]) -> Span:
    """The time that a wish names; its model has seen to it that it ends after it starts."""
    return Span(datetime.fromisoformat(wanted["starts_at"]), datetime.fromisoformat(wanted["ends_at"]))


def _times(span: Span) -> dict[str, str]:
    return schemas.Times(starts_at=span.start, ends_at=span.end).model_dump(mode="json")


def _always(span: Span) -> SpanOf:
    return lambda _: span


# ---- rooms


class RoomsLine(_OfBookables):
    """So many rooms of a type for some nights, whichever are free."""

    kind: ClassVar[str] = "rooms"

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        wish = read_wish(schemas.RoomsWish, wanted)
        if wish["place"] is not None:
            parse_public_id("pla", wish["place"])
        return wish

    def moved(self, wanted: Mapping[str, Any], days: int, _zone: str) -> dict[str, Any]:
        return {**wanted, "first_night": _later(wanted, days)}

    def locks_of(self, wanted: Mapping[str, Any], region_id: UUID) -> Sequence[str]:
        return [f"{region_id}:{wanted['room_type']}"]

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], state: str
    ) -> Mapping[UUID, Held | GuanjiaError]:
        pools: dict[tuple[str, str | None], Sequence[Bookable]] = {}
        claims = []
        for wish in wishes:
            which = wish.wanted["room_type"], wish.wanted["place"]
            if which not in pools:
                pools[which] = await _rooms(session, wish, wish.wanted["room_type"])
            claims.append(Claim(wish, pools[which], _nights(wish), wish.wanted["count"]))
        await take(session, claims, state)
        return {
            claim.wish.line_id: _with_nights(claim) if claim.is_met else NotEnoughRooms(free=claim.free_count)
            for claim in claims
        }

    async def suggest(self, session: AsyncSession, wish: Wish) -> Sequence[Alternative]:
        """Other types for the same nights, the same rooms on other days, or as many as there are."""
        pools = await _rooms_by_type(session, wish)
        rooms = [room for pool in pools.values() for room in pool]
        spans = [_nights(wish, days)(room) for room in rooms for days in (0, _DAYS_AHEAD)]
        if not spans:
            return []
        window = Span(min(span.start for span in spans), max(span.end for span in spans))
        busy = await queries.busy_of(
            session, [room.id for room in rooms], window.widened(timedelta(days=1), timedelta(days=1))
        )
        own_type, count = wish.wanted["room_type"], wish.wanted["count"]
        found: list[Alternative] = [
            ("similar", {**wish.wanted, "room_type": room_type})
            for room_type, pool in pools.items()
            if room_type != own_type and free_among(pool, busy, _nights(wish), wish) >= count
        ]
        own = pools.get(own_type, [])
        days = [days for days in range(1, _DAYS_AHEAD + 1) if free_among(own, busy, _nights(wish, days), wish) >= count]
        found += [("day", {**wish.wanted, "first_night": _later(wish.wanted, number)}) for number in days[:_DAYS_MAX]]
        left = free_among(own, busy, _nights(wish), wish)
        return [*found, ("fewer", {**wish.wanted, "count": left})] if 0 < left < count else found


def _with_nights(claim: Claim) -> HeldLine:
    held = claim.held()
    return HeldLine(
        refs=held.refs,
        starts_at=held.starts_at,
        ends_at=held.ends_at,
        quantity=held.quantity * claim.wish.wanted["nights"],
        estimate_fen=held.estimate_fen,
        needs_approval=held.needs_approval,
    )


def _later(wanted: Mapping[str, Any], days: int) -> str:
    return (date.fromisoformat(wanted["first_night"]) + timedelta(days=days)).isoformat()


def _nights(wish: Wish, days_later: int = 0) -> SpanOf:
    """From the afternoon of the first night to the noon after the last, by the clock of the house."""
    first = date.fromisoformat(wish.wanted["first_night"]) + timedelta(days=days_later)

    def span_of_room(room: Bookable) -> Span:
        zone = ZoneInfo(room.zone)
        start = datetime.combine(first, room.arrive_at or _ARRIVE, zone)
        end = datetime.combine(first + timedelta(days=wish.wanted["nights"]), room.leave_at or _LEAVE, zone)
        return Span(start.astimezone(UTC), end.astimezone(UTC))

    return span_of_room


async def _rooms(session: AsyncSession, wish: Wish, room_type: str) -> Sequence[Bookable]:
    return (await _rooms_by_type(session, wish, room_type)).get(room_type, [])


async def _rooms_by_type(session: AsyncSession, wish: Wish, room_type: str | None = None) -> dict[str, list[Bookable]]:
    """Rooms of the region, or below a place where one is named, in the order in which they are given out."""
    chosen = select(Bookable).where(
        Bookable.kind == "hotel_room",
        Bookable.region_id == wish.region_id,
        Bookable.room_type.is_not(None),
        Bookable.retired_at.is_(None),
    )
    if room_type is not None:
        chosen = chosen.where(Bookable.room_type == room_type)
    if wish.wanted["place"] is not None:
        below = await places_below(session, parse_public_id("pla", wish.wanted["place"]))
        chosen = chosen.where(Bookable.place_id.in_([place.id for place in below]))
    pools: dict[str, list[Bookable]] = {}
    for room in await session.scalars(chosen.order_by(Bookable.id).limit(_ROOMS_SEEN_MAX)):
        pools.setdefault(str(room.room_type), []).append(room)
    return pools


# ---- cars


class CarLine(_OfBookables):
    """A way by car: a named one, or any that is large enough, the smallest first."""

    kind: ClassVar[str] = "car"

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return read_wish(schemas.CarWish, wanted)

    def moved(self, wanted: Mapping[str, Any], days: int, zone: str) -> dict[str, Any]:
        return {**wanted, **_times(span_later(span_wanted(wanted), days, ZoneInfo(zone)))}

    def locks_of(self, _wanted: Mapping[str, Any], region_id: UUID) -> Sequence[str]:
        # A driver may have several cars, so that cars of a region are one thing to compete for.
        return [str(region_id)]

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], state: str
    ) -> Mapping[UUID, Held | GuanjiaError]:
        cars = await _cars(session, wishes)
        claims = [Claim(wish, _large_enough(cars, wish), _always(span_wanted(wish.wanted))) for wish in wishes]
        # Who names a car has it before somebody is given any.
        claims.sort(key=lambda claim: (claim.wish.wanted["bookable"] is None, -claim.wish.wanted["seats"]))
        await take(session, claims, state)
        return {claim.wish.line_id: claim.held() if claim.is_met else NoCar() for claim in claims}

    async def suggest(self, session: AsyncSession, wish: Wish) -> Sequence[Alternative]:
        """Any other car at the time, or one a little earlier or later, or on another day."""
        cars = _large_enough(await _cars(session, [wish]), wish, any_car=True)
        span = span_wanted(wish.wanted)
        window = span.widened(timedelta(days=1), timedelta(days=_DAYS_AHEAD + 1))
        busy = await queries.busy_of(session, [car.id for car in cars], window)
        on_the_road = await Drivers.load(session, cars, window)

        def is_had(at: Span) -> bool:
            return any(
                free_among([car], busy, _always(at), wish)
                and (not car.with_driver or on_the_road.find(car, at.widened(*buffers_of(car))) is not None)
                for car in cars
            )

        anyone = {**wish.wanted, "bookable": None}
        found: list[Alternative] = [("similar", anyone)] if wish.wanted["bookable"] is not None and is_had(span) else []
        near = [at for at in _near(span) if is_had(at)][:_NEAR_MAX]
        later = [at for at in _days_after(span, ZoneInfo(wish.zone)) if is_had(at)][:_DAYS_MAX]
        found += [("near", {**anyone, **_times(at)}) for at in near]
        return found + [("day", {**anyone, **_times(at)}) for at in later]


async def _cars(session: AsyncSession, wishes: Sequence[Wish]) -> Sequence[Bookable]:
    rows = await session.scalars(
        select(Bookable)
        .where(
            Bookable.kind == "car",
            Bookable.region_id.in_({wish.region_id for wish in wishes}),
            Bookable.retired_at.is_(None),
        )
        .order_by(Bookable.capacity, Bookable.id)
        .limit(_ROOMS_SEEN_MAX)
    )
    return rows.all()


def _large_enough(cars: Sequence[Bookable], wish: Wish, *, any_car: bool = False) -> list[Bookable]:
    named = None if any_car else wish.wanted["bookable"]
    return [
        car
        for car in cars
        if car.capacity >= wish.wanted["seats"]
        and (car.with_driver or not wish.wanted["with_driver"])
        and (named is None or public_id("bkb", car.id) == named)
    ]


def _near(span: Span) -> Iterator[Span]:
    for quarters in range(1, _QUARTERS + 1):
        yield span.moved(timedelta(minutes=15 * quarters))
        yield span.moved(timedelta(minutes=-15 * quarters))


def span_later(span: Span, days: int, zone: ZoneInfo) -> Span:
    """The same time of so many days later, on the clock of the place."""
    start = (span.start.astimezone(zone) + timedelta(days=days)).astimezone(UTC)
    return Span(start, start + (span.end - span.start))


def _days_after(span: Span, zone: ZoneInfo) -> Iterator[Span]:
    return (span_later(span, days, zone) for days in range(1, _DAYS_AHEAD + 1))


# ---- badges


class BadgesLine:
    """Badges to print: nobody competes for them, but they cost something."""

    kind: ClassVar[str] = "badges"
    counts_guests: ClassVar[bool] = False

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return read_wish(schemas.BadgesWish, wanted)

    def moved(self, wanted: Mapping[str, Any], _days: int, _zone: str) -> dict[str, Any]:
        return dict(wanted)

    def locks_of(self, _wanted: Mapping[str, Any], _region_id: UUID) -> Sequence[str]:
        return []

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], _state: str
    ) -> Mapping[UUID, Held | GuanjiaError]:
        found: dict[UUID, Held | GuanjiaError] = {}
        for wish in wishes:
            policy, count = await policy_of(session, wish.region_id), wish.wanted["count"]
            found[wish.line_id] = HeldLine(quantity=count, estimate_fen=count * policy.badge_fen)
        return found

    async def suggest(self, _session: AsyncSession, _wish: Wish) -> Sequence[Alternative]:
        return []

    async def move(self, session: AsyncSession, refs: Collection[UUID], trigger: str, actor: str, words: str) -> None:
        """Nothing is held."""

    async def places_of(self, _session: AsyncSession, _refs: Collection[UUID]) -> Mapping[UUID, LinePlace]:
        return {}

    async def note_needs(self, session: AsyncSession, refs: Collection[UUID], needs: Mapping[str, int]) -> None:
        """Nobody cooks here."""
