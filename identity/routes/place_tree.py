"""`/v1/places`: the tree of campus, building, storey and room, and its labels."""

import asyncio
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from identity import place_imports, place_labels, place_tree
from identity.access import SIGNED_IN, CallerDep, CurrentPerson, CurrentPersonApart, authenticate, token_of
from identity.errors import AlreadyExists, ImportHasBadCells, PlaceLabelEnded, PlaceLabelUnknown, PlaceRetired
from identity.events import optional_id
from identity.kinds import PlaceKind, Role
from identity.lists import Slice
from identity.models import PlaceRow
from identity.place_label_sheet import Label, Layout, label_sheet
from identity.place_schemas import NewTreePlace, PlaceChildren, ScannedPlace, TreePlaceChange, TreePlaceView
from identity.place_tree import PREFIX, NewPlace, PlaceFilter, PlaceSummary
from identity.principal import Principal
from identity.queries import site_summary
from identity.routes.places import SearchQuery, given, optional
from identity.schemas import ImportReport, PublicId
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from kernel.uploads import TABLE_BODY, XLSX, read_file

router = APIRouter(tags=["places"])
EDITORS = (Role.SYSTEM_ADMIN,)
PRINTERS = (Role.SYSTEM_ADMIN, Role.DISPATCHER)
LABELS_MAX = 400
_READ = raises(Unauthenticated, NotFound)
_WRITE = raises(Unauthenticated, Forbidden, NotFound, AlreadyExists, PlaceRetired)
DryRunQuery = Annotated[bool, Query(description="Say what would happen, and which cells are wrong; import nothing.")]
LabelQuery = Annotated[str, Query(pattern=place_labels.LABEL_PATTERN, description="The letters of the scanned label.")]


# ---- reading


@router.get("/v1/places", responses=_READ, dependencies=SIGNED_IN)
async def get_places(
    session: SessionDep,
    q: SearchQuery = None,
    site: PublicId | None = None,
    below: PublicId | None = None,
    kind: PlaceKind | None = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    *,
    also_retired: bool = False,
) -> Page[TreePlaceView]:
    """By words (each somewhere on the way, the last in the place's own name), site, kind, or below a place."""
    chosen = PlaceFilter(
        search=q,
        site_id=optional("sit", site),
        below=optional(PREFIX, below),
        kind=kind,
        also_retired=also_retired,
    )
    rows = await place_tree.list_places(session, Slice(limit, optional(PREFIX, starting_after)), chosen)
    return page_of([_view(place) for place in await place_tree.summaries_of(session, rows)], limit)


@router.get("/v1/places/tree", responses=_READ, dependencies=SIGNED_IN)
async def get_children(
    session: SessionDep, parent: PublicId | None = None, site: PublicId | None = None, *, also_retired: bool = False
) -> PlaceChildren:
    """What stands right below a place, or the roots of a site or of all, in the order in which one walks."""
    rows = await place_tree.list_children(
        session, parent_id=optional(PREFIX, parent), site_id=optional("sit", site), also_retired=also_retired
    )
    return PlaceChildren(data=[_view(place) for place in await place_tree.summaries_of(session, rows)])


async def _signed_in_if_asked(request: Request, session: SessionDep) -> Principal | None:
    try:
        return await authenticate(session, token_of(request))
    except Unauthenticated:
        return None


@router.get("/v1/places/by_code", responses=raises(Unauthenticated, PlaceLabelUnknown, PlaceLabelEnded))
async def get_place_by_code(
    code: LabelQuery,
    session: SessionDep,
    person: Annotated[Principal | None, Depends(_signed_in_if_asked, scope="function")],
) -> ScannedPlace:
    """Where a scanned label hangs. Who is not signed in is told where the place is open to strangers."""
    place = await place_labels.find_place_by_code(session, code)
    if person is None and not place.open_to_strangers:
        raise Unauthenticated
    (found,) = await place_tree.summaries_of(session, [place])
    return ScannedPlace(
        id=public_id(PREFIX, found.id),
        kind=PlaceKind(found.kind),
        name_zh=found.name_zh,
        name_en=found.name_en,
        full_name_zh=found.full_name_zh,
        full_name_en=found.full_name_en,
        open_to_strangers=found.open_to_strangers,
    )


@router.get(
    "/v1/places/labels",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **raises(Unauthenticated, Forbidden, NotFound)},
)
async def print_labels(
    place: PublicId,
    person: CurrentPerson,
    session: SessionDep,
    request: Request,
    layout: Annotated[Layout, Query(description="`sheet`: one on a page; `labels`: eight on a page.")] = "sheet",
    *,
    below: Annotated[bool, Query(description="Also of all places below it.")] = False,
) -> Response:
    """The labels of a place, and of those below it if asked, as a PDF to print and stick up."""
    root = await place_tree.get_tree_place(session, parse_public_id(PREFIX, place))
    await _require_at(session, person, root.site_id, PRINTERS)
    rows = await place_tree.places_below(session, root.id)
    rows = rows if below else [row for row in rows if row.id == root.id]
    if not rows:
        raise NotFound(what=PREFIX, id=place)
    if len(rows) > LABELS_MAX:
        raise Malformed(reason=f"more than {LABELS_MAX} labels; print a part", field="place")
    address = (get_settings().public_url or str(request.base_url)).rstrip("/")
    pdf = await asyncio.to_thread(label_sheet, await _labels(session, rows, address), layout)
    headers = {"Content-Disposition": f'inline; filename="places-{root.id.hex[-6:]}.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, 200, headers, "application/pdf")


async def _labels(session: AsyncSession, rows: Sequence[PlaceRow], address: str) -> list[Label]:
    return [
        Label(
            name_zh=place.name_zh,
            name_en=place.name_en,
            way_zh=place.full_name_zh.rpartition(place_tree.JOINT)[0],
            way_en=place.full_name_en.rpartition(place_tree.JOINT)[0],
            code=place.code,
            issue=place.label_issue,
            url=f"{address}/at/{place_labels.place_code_of(place.id, place.label_issue)}",
        )
        for place in await place_tree.summaries_of(session, rows)
    ]


@router.get("/v1/places/{place}", responses=_READ)
async def get_place(place: PublicId, session: SessionDep, _caller: CallerDep) -> TreePlaceView:
    return await _shown(session, await place_tree.get_tree_place(session, parse_public_id(PREFIX, place)))


# ---- changing


@router.post("/v1/places", status_code=201, responses=_WRITE)
async def post_place(body: NewTreePlace, person: CurrentPerson, session: SessionDep) -> TreePlaceView:
    site_id, parent_id = optional("sit", body.site), optional(PREFIX, body.parent)
    await _require_for_new(session, person, site_id, parent_id)
    new = NewPlace(**body.model_dump(exclude={"site", "parent"}))
    row = await place_tree.open_place(session, new, site_id=site_id, parent_id=parent_id, actor=person.actor)
    return await _shown(session, row)


@router.patch("/v1/places/{place}", responses=_WRITE)
async def patch_place(
    place: PublicId, body: TreePlaceChange, person: CurrentPerson, session: SessionDep
) -> TreePlaceView:
    row = await _require_place(session, person, place, EDITORS)
    changes = given(body, "name_zh", "name_en", "ordinal", "plan_x", "plan_y", "open_to_strangers")
    if ("plan_x" in changes) != ("plan_y" in changes):
        raise Malformed(reason="plan_x and plan_y come together", field="plan_x")
    return await _shown(session, await place_tree.edit_tree_place(session, row.id, changes, actor=person.actor))


@router.post("/v1/places/{place}/retire", responses=_WRITE)
async def retire_place(place: PublicId, person: CurrentPerson, session: SessionDep) -> TreePlaceView:
    """Out of use, with all below it."""
    row = await _require_place(session, person, place, EDITORS)
    return await _shown(session, await place_tree.retire_place(session, row.id, actor=person.actor))


@router.post("/v1/places/{place}/reopen", responses=_WRITE)
async def reopen_place(place: PublicId, person: CurrentPerson, session: SessionDep) -> TreePlaceView:
    row = await _require_place(session, person, place, EDITORS)
    return await _shown(session, await place_tree.reopen_place(session, row.id, actor=person.actor))


@router.post("/v1/places/{place}/replace_label", responses=_WRITE)
async def replace_label(place: PublicId, person: CurrentPerson, session: SessionDep) -> TreePlaceView:
    """The labels before it lead nowhere any more."""
    row = await _require_place(session, person, place, PRINTERS)
    return await _shown(session, await place_labels.replace_label(session, row.id, actor=person.actor))


@router.post(
    "/v1/imports/places", responses=raises(Unauthenticated, Forbidden, ImportHasBadCells), openapi_extra=TABLE_BODY
)
async def post_places(
    request: Request, person: CurrentPersonApart, db: DatabaseDep, *, dry_run: DryRunQuery = False
) -> ImportReport:
    """Columns: code, name_zh, name_en, kind, parent_code, site_code, ordinal, open_to_strangers; or Chinese titles."""
    _refuse_others(person)
    content = await read_file(request)
    cover = person.cover_of(Role.SYSTEM_ADMIN)
    return await place_imports.import_places(db, content, dry_run=dry_run, cover=cover, actor=person.actor)


@router.get(
    "/v1/imports/places/template",
    responses=raises(Unauthenticated, Forbidden) | {200: {"content": {XLSX: {}}}},
    response_class=Response,
)
async def get_place_template(person: CurrentPerson) -> Response:
    """An empty workbook to fill in, with a note at each column."""
    _refuse_others(person)
    headers = {"Content-Disposition": 'attachment; filename="places.xlsx"'}
    return Response(await asyncio.to_thread(place_imports.place_template), headers=headers, media_type=XLSX)


# ---- parts


def _refuse_others(person: Principal) -> None:
    if not person.holds(Role.SYSTEM_ADMIN):
        raise Forbidden(roles=[str(Role.SYSTEM_ADMIN)])


async def _require_at(session: AsyncSession, person: Principal, site_id: UUID, roles: Sequence[Role]) -> None:
    site = (await site_summary(session, [site_id])).get(site_id)
    if site is None:
        raise NotFound(what="sit", id=public_id("sit", site_id))
    person.require(*roles, site_id=site_id, region_id=site.region_id)


async def _require_place(session: AsyncSession, person: Principal, place: str, roles: Sequence[Role]) -> PlaceRow:
    row = await place_tree.get_tree_place(session, parse_public_id(PREFIX, place))
    await _require_at(session, person, row.site_id, roles)
    return row


async def _require_for_new(
    session: AsyncSession, person: Principal, site_id: UUID | None, parent_id: UUID | None
) -> None:
    if parent_id is not None:
        site_id = (await place_tree.get_tree_place(session, parent_id)).site_id
    assert site_id is not None, "the schema asks for one of the two"
    await _require_at(session, person, site_id, EDITORS)


async def _shown(session: AsyncSession, row: PlaceRow) -> TreePlaceView:
    (place,) = await place_tree.summaries_of(session, [row])
    return _view(place)


def _view(place: PlaceSummary) -> TreePlaceView:
    return TreePlaceView(
        id=public_id(PREFIX, place.id),
        site=public_id("sit", place.site_id),
        region=public_id("reg", place.region_id),
        timezone=place.timezone,
        parent=optional_id(PREFIX, place.parent_id),
        path=[public_id(PREFIX, identifier) for identifier in place.path],
        kind=PlaceKind(place.kind),
        code=place.code,
        name_zh=place.name_zh,
        name_en=place.name_en,
        full_name_zh=place.full_name_zh,
        full_name_en=place.full_name_en,
        ordinal=place.ordinal,
        plan_x=place.plan_x,
        plan_y=place.plan_y,
        open_to_strangers=place.open_to_strangers,
        active=place.active,
        label_issue=place.label_issue,
        children=place.children,
        created_at=place.created_at,
    )
