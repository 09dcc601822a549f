"""What can be booked: opened, changed and retired by the office."""

from collections.abc import Sequence
from datetime import time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from booking import drivers, queries
from booking.models import Bookable
from booking.schemas import BookableChange, NewBookable
from booking.spans import Candidate, Nights, Opening, Span
from identity.api import Principal, Role, person_summary, pinyin_of, place_names, place_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound
from kernel.ids import parse_public_id, public_id, uuid7

# Who keeps the catalogue, decides on requests and closes rooms.
OFFICE_ROLES: Final = (Role.DISPATCHER, Role.SYSTEM_ADMIN)


async def open_bookable(session: AsyncSession, actor: Principal, new: NewBookable) -> Bookable:
    """A hall, room or car is in the catalogue from now on. Its region and zone are those of its place, where it has one."""
    place_id = parse_public_id("pla", new.place) if new.place else None
    region_id, zone = await _where(session, new.region, place_id)
    actor.require(*OFFICE_ROLES, region_id=region_id)
    unit_id = parse_public_id("org", new.unit) if new.unit else None
    bookable = Bookable(
        id=uuid7(),
        region_id=region_id,
        place_id=place_id,
        unit_id=unit_id,
        zone=zone,
        pinyin=pinyin_of(new.name_zh),
        created_at=clock.now(),
        retired_at=None,
        **new.model_dump(exclude={"region", "place", "unit", "name_en"}),
        name_en=new.name_en or new.name_zh,
        version=1,
    )
    _require_sound(bookable)
    session.add(bookable)
    await session.flush()
    await _note(session, actor, bookable, "open", {"kind": bookable.kind, "name": bookable.name_zh})
    return bookable


async def _where(session: AsyncSession, region: str | None, place_id: UUID | None) -> tuple[UUID, str]:
    if place_id is not None:
        place = (await place_summary(session, [place_id])).get(place_id)
        if place is None or not place.active:
            raise NotFound(what="place")
        return place.region_id, place.timezone
    if region is None:
        raise Malformed(reason="a bookable stands at a place or in a region", field="region")
    region_id = parse_public_id("reg", region)
    named = (await place_names(session, [region_id])).get(region_id)
    if named is None:
        raise NotFound(what="region")
    return region_id, named.timezone


def _require_sound(bookable: Bookable) -> None:
    """What belongs together."""
    both = (
        ("closes_at", bookable.opens_at, bookable.closes_at),
        ("leave_at", bookable.arrive_at, bookable.leave_at),
        ("rate_per", bookable.rate_fen, bookable.rate_per),
    )
    for field, one, other in both:
        if (one is None) != (other is None):
            raise Malformed(reason="these come in twos", field=field)
    has_unit, has_place = bookable.unit_id is not None, bookable.place_id is not None
    if (bookable.unit_only or bookable.unit_books) and not has_unit:
        raise Malformed(reason="only a unit's own can be kept for the unit", field="unit")
    if bookable.rate_fen is not None and not (has_place or has_unit):
        raise Malformed(reason="what costs something stands at a place or is a unit's: who else is paid", field="unit")
    _require_kind(bookable)


def _require_kind(bookable: Bookable) -> None:
    """Layouts are of halls, nights of hotel rooms, drivers of cars."""
    own: dict[str, dict[str, object]] = {
        "venue": {"layouts": bookable.layouts},
        "hotel_room": {"room_type": bookable.room_type, "arrive_at": bookable.arrive_at},
        "car": {"plate": bookable.plate, "with_driver": bookable.with_driver},
    }
    for kind, facts in own.items():
        for field, fact in facts.items():
            if fact and kind != bookable.kind:
                raise Malformed(reason=f"that is said of a {kind}", field=field)


async def change_bookable(
    session: AsyncSession, actor: Principal, bookable_id: UUID, change: BookableChange
) -> Bookable:
    """New names, hours or rules, from now on; bookings that stand are not touched."""
    bookable = await queries.get_bookable(session, bookable_id)
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)
    changes: dict[str, Any] = change.model_dump(exclude_unset=True)
    changes = {name: value for name, value in changes.items() if getattr(bookable, name) != value}
    before = {name: getattr(bookable, name) for name in changes}
    for name, value in changes.items():
        setattr(bookable, name, value)
    bookable.pinyin = pinyin_of(bookable.name_zh)
    _require_sound(bookable)
    if changes:
        bookable.version += 1
        told = {name: [_told(before[name]), _told(value)] for name, value in changes.items()}
        await _note(session, actor, bookable, "change", told)
    return bookable


def _told(value: object) -> object:
    """For the history, as JSON has it."""
    return value.isoformat("minutes") if isinstance(value, time) else value


async def name_drivers(session: AsyncSession, actor: Principal, bookable_id: UUID, people: Sequence[UUID]) -> Bookable:
    """Who may drive it from now on."""
    bookable = await queries.get_bookable(session, bookable_id)
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)
    if bookable.kind != "car":
        raise Malformed(reason="that is said of a car", field="people")
    known = await person_summary(session, people)
    if set(people) - set(known):
        raise NotFound(what="person")
    await drivers.name_drivers(session, bookable, people)
    bookable.version += 1
    await _note(session, actor, bookable, "name_drivers", {"drivers": [public_id("per", person) for person in people]})
    return bookable


async def retire_bookable(session: AsyncSession, actor: Principal, bookable_id: UUID) -> Bookable:
    """Nobody books it any more; what stands is held."""
    bookable = await queries.get_bookable(session, bookable_id)
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)
    if bookable.retired_at is None:
        bookable.retired_at = clock.now()
        await _note(session, actor, bookable, "retire", {})
    return bookable


async def _note(session: AsyncSession, actor: Principal, bookable: Bookable, verb: str, data: dict[str, Any]) -> None:
    await audit_log.record(
        session, actor=actor.actor, action=f"bookable.{verb}", subject=public_id("bkb", bookable.id), data=data
    )


def opening_of(bookable: Bookable) -> Opening:
    """Its hours as plain data."""
    return Opening(ZoneInfo(bookable.zone), frozenset(bookable.weekdays), bookable.opens_at, bookable.closes_at)


def buffers_of(bookable: Bookable) -> tuple[timedelta, timedelta]:
    """The time that it takes to set up before, and to clean after."""
    return timedelta(minutes=bookable.setup_minutes), timedelta(minutes=bookable.cleanup_minutes)


def nights_of(bookable: Bookable) -> Nights | None:
    """A room that is booked by nights."""
    if bookable.arrive_at is None or bookable.leave_at is None:
        return None
    return Nights(ZoneInfo(bookable.zone), bookable.arrive_at, bookable.leave_at)


def candidate_of(
    bookable: Bookable, busy: Sequence[Span], drivers_busy: Sequence[Sequence[Span]] | None = None
) -> Candidate:
    """For suggestions. A car that needs a driver is told when each of them is busy."""
    return Candidate(
        bookable.id,
        opening_of(bookable),
        *buffers_of(bookable),
        tuple(busy),
        nights_of(bookable),
        None if drivers_busy is None else tuple(map(tuple, drivers_busy)),
    )
