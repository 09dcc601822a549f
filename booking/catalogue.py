"""What can be booked: opened, changed and retired by the office."""

from datetime import time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from booking import queries
from booking.models import Bookable
from booking.schemas import BookableChange, NewBookable
from booking.spans import Candidate, Opening, Span
from identity.api import Principal, Role, pinyin_of, place_names, place_summary
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
    _require_sound(new.opens_at, new.closes_at, unit_only=new.unit_only, unit_id=unit_id)
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
    )
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


def _require_sound(opens_at: time | None, closes_at: time | None, *, unit_only: bool, unit_id: UUID | None) -> None:
    if (opens_at is None) != (closes_at is None):
        raise Malformed(reason="opens_at and closes_at come together", field="closes_at")
    if unit_only and unit_id is None:
        raise Malformed(reason="only a unit's own can be kept for the unit", field="unit_only")


async def change_bookable(
    session: AsyncSession, actor: Principal, bookable_id: UUID, change: BookableChange
) -> Bookable:
    """New names, hours or rules, from now on; bookings that stand are not touched."""
    bookable = await queries.get_bookable(session, bookable_id)
    actor.require(*OFFICE_ROLES, region_id=bookable.region_id)
    changes: dict[str, Any] = change.model_dump(exclude_unset=True)
    for name, value in changes.items():
        setattr(bookable, name, value)
    bookable.pinyin = pinyin_of(bookable.name_zh)
    _require_sound(bookable.opens_at, bookable.closes_at, unit_only=bookable.unit_only, unit_id=bookable.unit_id)
    await _note(session, actor, bookable, "change", {name: str(value) for name, value in changes.items()})
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


def candidate_of(bookable: Bookable, busy: list[Span]) -> Candidate:
    """For suggestions."""
    return Candidate(bookable.id, opening_of(bookable), *buffers_of(bookable), tuple(busy))
