"""Reads of the register."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from kernel.ids import public_id
from repairs.assets.models import Asset

PREFIX: Final = "ast"


async def get_asset(session: AsyncSession, asset_id: UUID, *, locked: bool = False) -> Asset:
    """The asset; NotFound."""
    asset = await session.get(Asset, asset_id, populate_existing=True, with_for_update=locked)
    if asset is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, asset_id))
    return asset


async def assets_by_id(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Asset]:
    """Some assets."""
    rows = await session.scalars(select(Asset).where(Asset.id.in_(ids)))
    return {row.id: row for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFilter:
    """Which assets: at these places, of a kind, by words; retired ones only where they are asked for."""

    place_ids: Collection[UUID] | None = None
    category_id: UUID | None = None
    words: str | None = None
    also_retired: bool = False


async def list_assets(
    session: AsyncSession, chosen: AssetFilter, limit: int, before: UUID | None = None
) -> list[Asset]:
    """Newest first, one more than the limit."""
    query = select(Asset).order_by(Asset.id.desc()).limit(limit + 1)
    if chosen.place_ids is not None:
        query = query.where(Asset.place_id.in_(chosen.place_ids))
    if chosen.category_id is not None:
        query = query.where(Asset.category_id == chosen.category_id)
    if chosen.words:
        word = chosen.words.strip()
        query = query.where(
            or_(
                Asset.name_zh.contains(word, autoescape=True),
                Asset.name_en.icontains(word, autoescape=True),
                Asset.code.icontains(word, autoescape=True),
                Asset.serial.icontains(word, autoescape=True),
                Asset.pinyin.startswith(word.casefold(), autoescape=True),
            )
        )
    if not chosen.also_retired:
        query = query.where(Asset.retired_at.is_(None))
    if before is not None:
        query = query.where(Asset.id < before)
    return list(await session.scalars(query))
