"""Regions, organisations and sites: opened and edited. Two trees that stay trees, also when two people edit at once."""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.errors import NotATree
from identity.events import PlacesChanged
from identity.kinds import OrganisationKind, SiteKind
from identity.models import Organisation, Region, Site
from identity.names import pinyin_of
from identity.uniqueness import unique_or_refused
from kernel import audit_log, clock
from kernel.db import Base
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish

Place = Region | Organisation | Site
P = TypeVar("P", bound=Region | Organisation | Site)
T = TypeVar("T", Region, Organisation)

PREFIXES: Final[Mapping[type[Base], str]] = {Region: "reg", Organisation: "org", Site: "sit"}
_PLACE_NAMES: Final = {"reg": "region", "org": "organisation", "sit": "site"}

_ABOVE: Final = """
    WITH RECURSIVE above AS (
        SELECT id, parent_id FROM {table} WHERE id = :parent
        UNION
        SELECT t.id, t.parent_id FROM {table} t JOIN above a ON t.id = a.parent_id
    )
    SELECT EXISTS (SELECT FROM above WHERE id = :place)
"""


async def open_region(
    session: AsyncSession,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    timezone: str,
    parent_id: UUID | None = None,
    actor: str,
) -> UUID:
    """Open a region below another one, or at the top."""
    if timezone not in available_timezones():
        raise Malformed(reason=f"timezone: {timezone}", field="timezone")
    if parent_id is not None:
        await get_place(session, Region, parent_id)
    region = Region(
        id=uuid7(),
        parent_id=parent_id,
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        pinyin=pinyin_of(name_zh),
        timezone=timezone,
        created_at=clock.now(),
    )
    return await _open(session, region, actor)


async def open_organisation(
    session: AsyncSession,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    kind: str | OrganisationKind,
    home_region_id: UUID,
    parent_id: UUID | None = None,
    actor: str,
) -> UUID:
    """Open a unit, a department of one, or an operator."""
    await get_place(session, Region, home_region_id)
    if parent_id is not None:
        await get_place(session, Organisation, parent_id)
    elif kind == OrganisationKind.DEPARTMENT:
        raise Malformed(reason="parent: a department is part of something", field="parent")
    organisation = Organisation(
        id=uuid7(),
        parent_id=parent_id,
        home_region_id=home_region_id,
        kind=str(kind),
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        pinyin=pinyin_of(name_zh),
        created_at=clock.now(),
    )
    return await _open(session, organisation, actor)


async def open_site(
    session: AsyncSession,
    *,
    code: str,
    name_zh: str,
    name_en: str,
    kind: str | SiteKind,
    region_id: UUID,
    operator_id: UUID,
    actor: str,
) -> UUID:
    """Open a place with a purpose; the domain of that purpose uses this id as its own."""
    await get_place(session, Region, region_id)
    await get_place(session, Organisation, operator_id)
    site = Site(
        id=uuid7(),
        region_id=region_id,
        operator_id=operator_id,
        kind=str(kind),
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        pinyin=pinyin_of(name_zh),
        created_at=clock.now(),
    )
    return await _open(session, site, actor)


async def _open(session: AsyncSession, place: Place, actor: str) -> UUID:
    async with unique_or_refused(session):
        session.add(place)
    await _note(session, place, "open", {"code": place.code}, actor)
    return place.id


async def edit_place(
    session: AsyncSession, cls: type[Place], place_id: UUID, changes: dict[str, Any], *, actor: str
) -> None:
    """Change names; only what is in `changes`."""
    place = await get_place(session, cls, place_id)
    changes = {name: value for name, value in changes.items() if getattr(place, name) != value}
    if not changes:
        return
    for name, value in changes.items():
        setattr(place, name, value)
    place.pinyin = pinyin_of(place.name_zh)
    await _note(session, place, "edit", changes, actor)


async def move_region(session: AsyncSession, region_id: UUID, parent_id: UUID, *, actor: str) -> None:
    """Hang a region below another one. Its book is its own and stays."""
    region = await _hang_below(session, Region, region_id, parent_id)
    await _note(session, region, "move", {"parent": public_id("reg", parent_id)}, actor)


async def move_organisation(
    session: AsyncSession,
    organisation_id: UUID,
    *,
    parent_id: UUID | None = None,
    home_region_id: UUID | None = None,
    actor: str,
) -> None:
    """Hang an organisation below another one, let it be at home in another region, or both. Payments hears of it: where
    another unit or region is to pay now, the money of its people follows."""
    data: dict[str, Any] = {}
    organisation = await get_place(session, Organisation, organisation_id)
    if parent_id is not None:
        organisation = await _hang_below(session, Organisation, organisation_id, parent_id)
        data["parent"] = public_id("org", parent_id)
    if home_region_id is not None:
        await get_place(session, Region, home_region_id)
        organisation.home_region_id = home_region_id
        data["home_region"] = public_id("reg", home_region_id)
    await _note(session, organisation, "move", data, actor)


async def _hang_below(session: AsyncSession, cls: type[T], place_id: UUID, parent_id: UUID) -> T:
    """Two moves at once could each be fine and make a ring together, so moves go one after the other."""
    await session.execute(text(f"LOCK TABLE {cls.__tablename__} IN SHARE ROW EXCLUSIVE MODE"))
    place = await get_place(session, cls, place_id)
    await get_place(session, cls, parent_id)
    await _refuse_cycle(session, cls, place_id, parent_id)
    place.parent_id = parent_id
    return place


_BELOW: Final = """
    WITH RECURSIVE below AS (
        SELECT id, kind FROM organisations WHERE id = :organisation
        UNION
        SELECT o.id, o.kind FROM organisations o JOIN below b ON o.parent_id = b.id
    )
"""
_MEMBERS_BELOW: Final = text(f"""
    {_BELOW}
    SELECT m.person_id FROM memberships m JOIN below b ON b.id = m.organisation_id
     WHERE m.valid @> CAST(:on AS date) AND (CAST(:after AS uuid) IS NULL OR m.person_id > :after)
     ORDER BY m.person_id LIMIT :limit
""")  # noqa: S608  (constants only)
_UNITS_BELOW: Final = text(f"""
    {_BELOW} SELECT o.id, o.home_region_id FROM organisations o JOIN below b ON b.id = o.id WHERE o.kind = 'unit'
""")  # noqa: S608  (constants only)


async def members_below(
    session: AsyncSession, organisation_id: UUID, on: date, after: UUID | None, limit: int
) -> list[UUID]:
    """Who belongs to an organisation or one below it on a day, in order of id, from behind `after` on."""
    asked = {"organisation": organisation_id, "on": on, "after": after, "limit": limit}
    return list(await session.scalars(_MEMBERS_BELOW, asked))


async def units_below(session: AsyncSession, organisation_id: UUID) -> dict[UUID, UUID]:
    """The units at and below an organisation, each with the region whose book it is in."""
    rows = await session.execute(_UNITS_BELOW, {"organisation": organisation_id})
    return {row.id: row.home_region_id for row in rows}


async def _refuse_cycle(
    session: AsyncSession, cls: type[Region | Organisation], place_id: UUID, parent_id: UUID
) -> None:
    above = text(_ABOVE.format(table=cls.__tablename__))
    if await session.scalar(above, {"parent": parent_id, "place": place_id}):
        raise NotATree


async def get_place(session: AsyncSession, cls: type[P], place_id: UUID) -> P:
    """The row, or NotFound."""
    place = await session.get(cls, place_id)
    if place is None:
        raise NotFound(what=PREFIXES[cls], id=public_id(PREFIXES[cls], place_id))
    return place


async def _note(session: AsyncSession, place: Place, verb: str, data: dict[str, Any], actor: str) -> None:
    prefix = PREFIXES[type(place)]
    kind, subject = _PLACE_NAMES[prefix], public_id(prefix, place.id)
    moved = kind == "organisation" and verb == "move"
    publish(session, PlacesChanged(happened_at=clock.rfc3339(clock.now()), kind=kind, place=subject, moved=moved))
    await audit_log.record(session, actor=actor, action=f"{kind}.{verb}", subject=subject, data=data)
