"""Use cases of the register: a new asset, a change, a label."""

from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceSummary, Principal, Role, pinyin_of, place_summary
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id, uuid7
from repairs.assets.errors import AssetCodeTaken, AssetRetired
from repairs.assets.models import Asset
from repairs.assets.queries import PREFIX
from repairs.assets.schemas import AssetChange, AssetRequest

EDITORS: Final = (Role.SYSTEM_ADMIN, Role.DISPATCHER)
_LAST_ISSUE: Final = 65_535


async def open_asset(session: AsyncSession, actor: Principal, wanted: AssetRequest) -> Asset:
    """A new one, at a place that is in use."""
    place = await place_for(session, actor, wanted.place)
    if await session.scalar(select(Asset.id).where(Asset.code == wanted.code)):
        raise AssetCodeTaken(asset_code=wanted.code)
    now = clock.now()
    asset = Asset(
        id=uuid7(),
        region_id=place.region_id,
        place_id=place.id,
        code=wanted.code,
        name_zh=wanted.name_zh,
        name_en=wanted.name_en,
        pinyin=pinyin_of(wanted.name_zh),
        category_id=parse_public_id("rcat", wanted.category) if wanted.category else None,
        model=wanted.model,
        serial=wanted.serial,
        installed_on=wanted.installed_on,
        label_issue=1,
        created_at=now,
        changed_at=now,
    )
    session.add(asset)
    await session.flush()
    await _note(session, actor, asset, "open", {"code": asset.code})
    return asset


async def place_for(session: AsyncSession, actor: Principal, place: str) -> PlaceSummary:
    """A place in use whose assets the actor keeps; NotFound or Forbidden."""
    place_id = parse_public_id("pla", place)
    found = (await place_summary(session, [place_id])).get(place_id)
    if found is None or not found.active:
        raise NotFound(what="pla", id=place)
    actor.require(*EDITORS, region_id=found.region_id, site_id=found.site_id)
    return found


async def change_asset(session: AsyncSession, actor: Principal, asset: Asset, body: AssetChange) -> Asset:
    """Other words, another place: what was reported about it stays where it was."""
    require_editor(actor, asset)
    changes = body.model_dump(exclude_unset=True, exclude={"place", "category"})
    for name, value in changes.items():
        if value is not None or name == "installed_on":
            setattr(asset, name, value)
    if body.place is not None:
        place = await place_for(session, actor, body.place)
        asset.place_id, asset.region_id = place.id, place.region_id
    if "category" in body.model_fields_set:
        asset.category_id = parse_public_id("rcat", body.category) if body.category else None
    asset.pinyin, asset.changed_at = pinyin_of(asset.name_zh), clock.now()
    await _note(session, actor, asset, "change", body.model_dump(mode="json", exclude_unset=True))
    return asset


async def retire_asset(session: AsyncSession, actor: Principal, asset: Asset) -> Asset:
    """Out of use: its label leads nowhere any more."""
    require_editor(actor, asset)
    asset.retired_at = asset.retired_at or clock.now()
    await _note(session, actor, asset, "retire", {})
    return asset


async def reopen_asset(session: AsyncSession, actor: Principal, asset: Asset) -> Asset:
    """In use again."""
    require_editor(actor, asset)
    asset.retired_at = None
    await _note(session, actor, asset, "reopen", {})
    return asset


async def replace_label(session: AsyncSession, actor: Principal, asset: Asset) -> Asset:
    """A new issue: labels that were torn off or moved elsewhere say nothing any more."""
    require_editor(actor, asset)
    if asset.retired_at is not None:
        raise AssetRetired
    asset.label_issue = min(asset.label_issue + 1, _LAST_ISSUE)
    await _note(session, actor, asset, "replace_label", {"issue": asset.label_issue})
    return asset


def require_editor(actor: Principal, asset: Asset) -> None:
    """Forbidden for who does not keep the assets of its region."""
    actor.require(*EDITORS, region_id=asset.region_id)


async def _note(session: AsyncSession, actor: Principal, asset: Asset, verb: str, data: dict[str, Any]) -> None:
    asset.changed_at = clock.now()
    subject = public_id(PREFIX, asset.id)
    await audit_log.record(session, actor=actor.actor, action=f"asset.{verb}", subject=subject, data=data)
