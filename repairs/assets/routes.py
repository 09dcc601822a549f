"""`/v1/repair_assets`: the register of machines and fittings, and their labels."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Layout, Principal, label_sheet, place_summary, places_below
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from repairs.assets import service
from repairs.assets.errors import AssetCodeTaken, AssetRetired
from repairs.assets.labels import asset_code_of, labels_of
from repairs.assets.models import Asset
from repairs.assets.queries import PREFIX, AssetFilter, get_asset, list_assets
from repairs.assets.schemas import AssetChange, AssetRequest, AssetView, PublicId

router = APIRouter(prefix="/v1/repair_assets", tags=["repairs"])
LABELS_MAX: Final = 400
_READ: Final = raises(Unauthenticated, NotFound)
_WRITE: Final = raises(Unauthenticated, Forbidden, NotFound, AssetCodeTaken, AssetRetired)
_VERBS: Final[dict[str, Callable[[AsyncSession, Principal, Asset], Awaitable[Asset]]]] = {
    "retire": service.retire_asset,
    "reopen": service.reopen_asset,
    "replace_label": service.replace_label,
}


@router.get("", responses=_READ)
async def get_assets(
    person: CurrentPerson,
    session: SessionDep,
    place: PublicId | None = None,
    below: Annotated[PublicId | None, Query(description="This place and all below it.")] = None,
    category: PublicId | None = None,
    q: Annotated[str | None, Query(max_length=60, pattern=r"^[^\x00]*$")] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    *,
    also_retired: bool = False,
) -> Page[AssetView]:
    """By place, kind and words, newest first."""
    chosen = AssetFilter(
        place_ids=await _places(session, place, below),
        category_id=parse_public_id("rcat", category) if category else None,
        words=q,
        also_retired=also_retired,
    )
    before = parse_public_id(PREFIX, starting_after) if starting_after else None
    rows = await list_assets(session, chosen, limit, before)
    return page_of(await _views(session, rows, person), limit)


async def _places(session: AsyncSession, place: str | None, below: str | None) -> list[UUID] | None:
    if below is not None:
        return [row.id for row in await places_below(session, parse_public_id("pla", below))]
    return [parse_public_id("pla", place)] if place is not None else None


@router.get(
    "/labels",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **raises(Unauthenticated, Forbidden, NotFound)},
)
async def print_labels(
    person: CurrentPerson,
    session: SessionDep,
    request: Request,
    asset: PublicId | None = None,
    place: PublicId | None = None,
    layout: Annotated[Layout, Query(description="`sheet`: one on a page; `labels`: eight on a page.")] = "labels",
    *,
    below: Annotated[bool, Query(description="Also of all places below it.")] = False,
) -> Response:
    """The label of one asset, or of all at a place, as a PDF to print and stick on."""
    rows = await _to_print(session, asset, place, below=below)
    for row in rows:
        service.require_editor(person, row)
    address = (get_settings().public_url or str(request.base_url)).rstrip("/")
    pdf = await asyncio.to_thread(label_sheet, await labels_of(session, rows, address), layout)
    headers = {"Content-Disposition": 'inline; filename="assets.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, 200, headers, "application/pdf")


async def _to_print(session: AsyncSession, asset: str | None, place: str | None, *, below: bool) -> Sequence[Asset]:
    if (asset is None) == (place is None):
        raise Malformed(reason="either an asset or a place", field="asset")
    if asset is not None:
        return [await get_asset(session, parse_public_id(PREFIX, asset))]
    places = await _places(session, None if below else place, place if below else None)
    rows = await list_assets(session, AssetFilter(place_ids=places), LABELS_MAX)
    if not rows:
        raise NotFound(what=PREFIX, id=place or "")
    if len(rows) > LABELS_MAX:
        raise Malformed(reason=f"more than {LABELS_MAX} labels; print a part", field="place")
    return sorted(rows, key=lambda row: row.code)


@router.post("", status_code=201, responses=_WRITE)
async def post_asset(body: AssetRequest, person: CurrentPerson, session: SessionDep) -> AssetView:
    return await _view(session, await service.open_asset(session, person, body), person)


@router.get("/{asset}", responses=_READ)
async def show_asset(asset: PublicId, person: CurrentPerson, session: SessionDep) -> AssetView:
    return await _view(session, await get_asset(session, parse_public_id(PREFIX, asset)), person)


@router.patch("/{asset}", responses=_WRITE)
async def patch_asset(asset: PublicId, body: AssetChange, person: CurrentPerson, session: SessionDep) -> AssetView:
    row = await get_asset(session, parse_public_id(PREFIX, asset), locked=True)
    return await _view(session, await service.change_asset(session, person, row, body), person)


@router.post("/{asset}/{verb}", responses=_WRITE)
async def turn_asset(
    asset: PublicId, verb: Literal["retire", "reopen", "replace_label"], person: CurrentPerson, session: SessionDep
) -> AssetView:
    """Out of use, in use again, or a new label that ends the ones before it."""
    row = await get_asset(session, parse_public_id(PREFIX, asset), locked=True)
    return await _view(session, await _VERBS[verb](session, person, row), person)


async def _view(session: AsyncSession, asset: Asset, reader: Principal) -> AssetView:
    return (await _views(session, [asset], reader))[0]


async def _views(session: AsyncSession, assets: Sequence[Asset], reader: Principal) -> list[AssetView]:
    places = await place_summary(session, {asset.place_id for asset in assets})
    return [
        AssetView(
            id=public_id(PREFIX, asset.id),
            region=public_id("reg", asset.region_id),
            place=public_id("pla", asset.place_id),
            place_name_zh=places[asset.place_id].full_name_zh,
            place_name_en=places[asset.place_id].full_name_en,
            code=asset.code,
            name_zh=asset.name_zh,
            name_en=asset.name_en,
            category=public_id("rcat", asset.category_id) if asset.category_id else None,
            model=asset.model,
            serial=asset.serial,
            installed_on=asset.installed_on,
            label_issue=asset.label_issue,
            label=asset_code_of(asset) if reader.may(*service.EDITORS, region_id=asset.region_id) else None,
            is_retired=asset.retired_at is not None,
            created_at=clock.rfc3339(asset.created_at),
            changed_at=clock.rfc3339(asset.changed_at),
        )
        for asset in assets
    ]
