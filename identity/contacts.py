"""How somebody is reached outside of their page, and which regions and places stand above one another."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Contact:
    """An active person's own ways, and the region whose gateways serve them."""

    id: UUID
    name: str
    language: str
    phone: str | None
    email: str | None
    region_id: UUID | None


_CONTACTS: Final = text("""
    SELECT p.id, p.name, p.language, p.phone, p.email, o.home_region_id AS region_id
      FROM people p
      LEFT JOIN memberships m ON m.person_id = p.id AND m.valid @> CAST(:today AS date)
      LEFT JOIN organisations o ON o.id = m.organisation_id
     WHERE p.id = ANY(CAST(:ids AS uuid[])) AND p.status = 'active'
""")
_REGIONS_UP: Final = text("""
    WITH RECURSIVE up AS (
        SELECT id, parent_id, 0 AS height FROM regions WHERE id = :region
        UNION ALL
        SELECT r.id, r.parent_id, up.height + 1 FROM regions r JOIN up ON r.id = up.parent_id
    )
    SELECT id FROM up ORDER BY height
""")
_PLACES_UP: Final = text("SELECT path FROM places WHERE id = :place")


async def contacts_of(session: AsyncSession, ids: Collection[UUID], today: date) -> dict[UUID, Contact]:
    """Who of these people is active, and how each is reached."""
    rows = await session.execute(_CONTACTS, {"ids": list(ids), "today": today})
    return {row.id: Contact(*row) for row in rows}


async def regions_up(session: AsyncSession, region_id: UUID) -> list[UUID]:
    """A region and those above it, the nearest first."""
    return list(await session.scalars(_REGIONS_UP, {"region": region_id}))


async def places_up(session: AsyncSession, place_id: UUID) -> list[UUID]:
    """A place of the tree and those that it is in, the nearest first; empty for one that nobody knows."""
    path: list[UUID] | None = await session.scalar(_PLACES_UP, {"place": place_id})
    return list(reversed(path or []))
