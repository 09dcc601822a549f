"""`/v1/regions`, `/v1/organisations`, `/v1/sites`."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from identity import lists, places
from identity.access import SIGNED_IN, CurrentPerson
from identity.errors import AlreadyExists, NotATree
from identity.events import optional_id
from identity.kinds import OrganisationKind, Role, SiteKind
from identity.lists import Slice
from identity.models import Organisation, Region, Site
from identity.place_schemas import (
    NewOrganisation,
    NewRegion,
    NewSite,
    OrganisationMove,
    OrganisationView,
    PlaceChange,
    PlaceMove,
    RegionView,
    SiteChange,
    SiteView,
)
from identity.schemas import PublicId
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id

router = APIRouter(tags=["places"])
SearchQuery = Annotated[
    str | None,
    StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Query(description="A part of the name, or the beginning of its pinyin or code."),
]
_READ = raises(Unauthenticated, NotFound)
_WRITE = raises(Unauthenticated, Forbidden, NotFound, AlreadyExists)


def optional(prefix: str, text: str | None) -> UUID | None:
    """An id that may be left out."""
    return None if text is None else parse_public_id(prefix, text)


def given(body: Any, *names: str) -> dict[str, Any]:
    """Of a PATCH, the fields that were sent and are not null."""
    sent = body.model_dump(exclude_none=True, exclude_unset=True)
    return {name: sent[name] for name in names if name in sent}


# ---- regions


def _region(row: Region) -> RegionView:
    return RegionView(
        id=public_id("reg", row.id),
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        pinyin=row.pinyin,
        timezone=row.timezone,
        parent=optional_id("reg", row.parent_id),
        created_at=row.created_at,
    )


@router.get("/v1/regions", responses=_READ, dependencies=SIGNED_IN)
async def get_regions(
    session: SessionDep,
    q: SearchQuery = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[RegionView]:
    rows = await lists.list_regions(session, Slice(limit, optional("reg", starting_after)), search=q)
    return page_of([_region(row) for row in rows], limit)


@router.post("/v1/regions", status_code=201, responses=_WRITE)
async def post_region(body: NewRegion, person: CurrentPerson, session: SessionDep) -> RegionView:
    parent_id = optional("reg", body.parent)
    person.require(Role.SYSTEM_ADMIN, region_id=parent_id)
    fields = body.model_dump(exclude={"parent"})
    region_id = await places.open_region(session, **fields, parent_id=parent_id, actor=person.actor)
    return _region(await places.get_place(session, Region, region_id))


@router.get("/v1/regions/{region}", responses=_READ, dependencies=SIGNED_IN)
async def get_region(region: PublicId, session: SessionDep) -> RegionView:
    return _region(await places.get_place(session, Region, parse_public_id("reg", region)))


@router.patch("/v1/regions/{region}", responses=_WRITE)
async def patch_region(region: PublicId, body: PlaceChange, person: CurrentPerson, session: SessionDep) -> RegionView:
    region_id = parse_public_id("reg", region)
    person.require(Role.SYSTEM_ADMIN, region_id=region_id)
    await places.edit_place(session, Region, region_id, given(body, "name_zh", "name_en"), actor=person.actor)
    return _region(await places.get_place(session, Region, region_id))


@router.post("/v1/regions/{region}/move", responses=_WRITE | raises(NotATree, AlreadyExists))
async def move_region(region: PublicId, body: PlaceMove, person: CurrentPerson, session: SessionDep) -> RegionView:
    region_id, parent_id = parse_public_id("reg", region), parse_public_id("reg", body.parent)
    person.require(Role.SYSTEM_ADMIN, region_id=region_id)
    person.require(Role.SYSTEM_ADMIN, region_id=parent_id)
    await places.move_region(session, region_id, parent_id, actor=person.actor)
    return _region(await places.get_place(session, Region, region_id))


# ---- organisations


def _organisation(row: Organisation) -> OrganisationView:
    return OrganisationView(
        id=public_id("org", row.id),
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        pinyin=row.pinyin,
        kind=OrganisationKind(row.kind),
        home_region=public_id("reg", row.home_region_id),
        parent=optional_id("org", row.parent_id),
        created_at=row.created_at,
    )


@router.get("/v1/organisations", responses=_READ, dependencies=SIGNED_IN)
async def get_organisations(
    session: SessionDep,
    q: SearchQuery = None,
    kind: OrganisationKind | None = None,
    region: PublicId | None = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[OrganisationView]:
    part = Slice(limit, optional("org", starting_after))
    rows = await lists.list_organisations(session, part, search=q, kind=kind, region=optional("reg", region))
    return page_of([_organisation(row) for row in rows], limit)


@router.post("/v1/organisations", status_code=201, responses=_WRITE)
async def post_organisation(body: NewOrganisation, person: CurrentPerson, session: SessionDep) -> OrganisationView:
    home_region_id, parent_id = parse_public_id("reg", body.home_region), optional("org", body.parent)
    person.require(Role.SYSTEM_ADMIN, region_id=home_region_id, organisation_id=parent_id)
    fields = body.model_dump(exclude={"parent", "home_region"})
    organisation_id = await places.open_organisation(
        session, **fields, home_region_id=home_region_id, parent_id=parent_id, actor=person.actor
    )
    return _organisation(await places.get_place(session, Organisation, organisation_id))


@router.get("/v1/organisations/{organisation}", responses=_READ, dependencies=SIGNED_IN)
async def get_organisation(organisation: PublicId, session: SessionDep) -> OrganisationView:
    return _organisation(await places.get_place(session, Organisation, parse_public_id("org", organisation)))


@router.patch("/v1/organisations/{organisation}", responses=_WRITE)
async def patch_organisation(
    organisation: PublicId, body: PlaceChange, person: CurrentPerson, session: SessionDep
) -> OrganisationView:
    organisation_id = parse_public_id("org", organisation)
    person.require(Role.SYSTEM_ADMIN, organisation_id=organisation_id)
    changes = given(body, "name_zh", "name_en")
    await places.edit_place(session, Organisation, organisation_id, changes, actor=person.actor)
    return _organisation(await places.get_place(session, Organisation, organisation_id))


@router.post("/v1/organisations/{organisation}/move", responses=_WRITE | raises(NotATree, AlreadyExists))
async def move_organisation(
    organisation: PublicId, body: OrganisationMove, person: CurrentPerson, session: SessionDep
) -> OrganisationView:
    """Under another organisation, to another home region, or both. The money of its people follows into the book of the
    region whose unit pays for them now."""
    organisation_id = parse_public_id("org", organisation)
    parent_id, region_id = optional("org", body.parent), optional("reg", body.home_region)
    person.require(Role.SYSTEM_ADMIN, organisation_id=organisation_id)
    if parent_id is not None:
        person.require(Role.SYSTEM_ADMIN, organisation_id=parent_id)
    if region_id is not None:
        person.require(Role.SYSTEM_ADMIN, region_id=region_id)
    await places.move_organisation(
        session, organisation_id, parent_id=parent_id, home_region_id=region_id, actor=person.actor
    )
    return _organisation(await places.get_place(session, Organisation, organisation_id))


# ---- sites


def _site(row: Site) -> SiteView:
    return SiteView(
        id=public_id("sit", row.id),
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        pinyin=row.pinyin,
        kind=SiteKind(row.kind),
        region=public_id("reg", row.region_id),
        operator=public_id("org", row.operator_id),
        latitude=row.latitude,
        longitude=row.longitude,
        created_at=row.created_at,
    )


@router.get("/v1/sites", responses=_READ, dependencies=SIGNED_IN)
async def get_sites(
    session: SessionDep,
    q: SearchQuery = None,
    kind: SiteKind | None = None,
    region: PublicId | None = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[SiteView]:
    part = Slice(limit, optional("sit", starting_after))
    rows = await lists.list_sites(session, part, search=q, kind=kind, region=optional("reg", region))
    return page_of([_site(row) for row in rows], limit)


@router.post("/v1/sites", status_code=201, responses=_WRITE)
async def post_site(body: NewSite, person: CurrentPerson, session: SessionDep) -> SiteView:
    region_id, operator_id = parse_public_id("reg", body.region), parse_public_id("org", body.operator)
    person.require(Role.SYSTEM_ADMIN, region_id=region_id)
    fields = body.model_dump(exclude={"region", "operator"})
    site_id = await places.open_site(
        session, **fields, region_id=region_id, operator_id=operator_id, actor=person.actor
    )
    return _site(await places.get_place(session, Site, site_id))


@router.get("/v1/sites/{site}", responses=_READ, dependencies=SIGNED_IN)
async def get_site(site: PublicId, session: SessionDep) -> SiteView:
    return _site(await places.get_place(session, Site, parse_public_id("sit", site)))


@router.patch("/v1/sites/{site}", responses=_WRITE)
async def patch_site(site: PublicId, body: SiteChange, person: CurrentPerson, session: SessionDep) -> SiteView:
    site_id = parse_public_id("sit", site)
    person.require(Role.SYSTEM_ADMIN, site_id=site_id)
    changes = given(body, "name_zh", "name_en", "latitude", "longitude")
    if ("latitude" in changes) != ("longitude" in changes):
        raise Malformed(reason="latitude and longitude come together", field="latitude")
    await places.edit_place(session, Site, site_id, changes, actor=person.actor)
    return _site(await places.get_place(session, Site, site_id))
