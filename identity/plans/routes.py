"""`/v1/plans` and `/v1/routes`: plans of storeys and grounds, and the way from one place to another."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from identity.access import SIGNED_IN, CurrentPerson
from identity.kinds import Role
from identity.place_tree import place_summary
from identity.plans import queries, service, views
from identity.plans.errors import NoWay, PlanExists
from identity.plans.queries import PREFIX
from identity.plans.schemas import DrawnPlan, NewGraph, NewPlan, PlanChange, PlanId, Plans, WayView
from identity.principal import Principal
from identity.schemas import PublicId
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.files import FilesInUse
from kernel.http import raises
from kernel.ids import parse_public_id

router = APIRouter(prefix="/v1", tags=["places"])
DRAUGHTSMEN = (Role.SYSTEM_ADMIN, Role.DISPATCHER)
_WRITE = raises(Unauthenticated, Forbidden, NotFound)


async def _require_at(session: AsyncSession, person: Principal, place_id: UUID, roles: Sequence[Role]) -> None:
    place = (await place_summary(session, [place_id])).get(place_id)
    if place is None:
        raise NotFound(what="pla")
    person.require(*roles, site_id=place.site_id, region_id=place.region_id)


@router.get("/plans", responses=raises(Unauthenticated, NotFound), dependencies=SIGNED_IN)
async def list_plans(place: PublicId, session: SessionDep) -> Plans:
    """Those of a place and of all below it, in the order in which one walks."""
    rows = await queries.plans_below(session, [parse_public_id("pla", place)])
    return Plans(data=await views.plan_views(session, rows))


@router.get("/plans/{plan}", responses=raises(Unauthenticated, NotFound), dependencies=SIGNED_IN)
async def get_plan(plan: PlanId, session: SessionDep) -> DrawnPlan:
    return await views.drawn_view(session, await queries.get_plan(session, parse_public_id(PREFIX, plan)))


@router.post("/plans", status_code=201, responses=_WRITE | raises(PlanExists, FilesInUse))
async def post_plan(body: NewPlan, person: CurrentPerson, session: SessionDep) -> DrawnPlan:
    """A picture that was sent to /v1/files is the plan of a place from now on."""
    await _require_at(session, person, parse_public_id("pla", body.place), DRAUGHTSMEN)
    return await views.drawn_view(session, await service.open_plan(session, body, actor=person.actor))


@router.patch("/plans/{plan}", responses=_WRITE | raises(FilesInUse))
async def patch_plan(plan: PlanId, body: PlanChange, person: CurrentPerson, session: SessionDep) -> DrawnPlan:
    row = await _mine(session, person, plan)
    return await views.drawn_view(session, await service.change_plan(session, row, body, actor=person.actor))


@router.put("/plans/{plan}/graph", responses=_WRITE | raises(StateConflict))
async def put_graph(plan: PlanId, body: NewGraph, person: CurrentPerson, session: SessionDep) -> DrawnPlan:
    """All that is drawn on it; who looked at an older version is told, and nothing is lost."""
    row = await _mine(session, person, plan)
    return await views.drawn_view(session, await service.draw(session, row, body, actor=person.actor))


@router.post("/plans/{plan}/retire", responses=_WRITE)
async def retire_plan(plan: PlanId, person: CurrentPerson, session: SessionDep) -> DrawnPlan:
    row = await _mine(session, person, plan)
    return await views.drawn_view(session, await service.retire_plan(session, row, actor=person.actor))


async def _mine(session: AsyncSession, person: Principal, plan: str) -> UUID:
    row = await queries.get_plan(session, parse_public_id(PREFIX, plan))
    await _require_at(session, person, row.place_id, DRAUGHTSMEN)
    return row.id


@router.get("/routes", responses=raises(Unauthenticated, NotFound, NoWay), dependencies=SIGNED_IN)
async def get_way(
    session: SessionDep,
    start: Annotated[str, Query(alias="from", max_length=80)],
    end: Annotated[str, Query(alias="to", max_length=80)],
    *,
    step_free: Annotated[bool, Query(description="As a wheelchair goes.")] = False,
) -> WayView:
    """The shortest way from a place to another, leg by leg."""
    ids = (parse_public_id("pla", identifier) for identifier in (start, end))
    return await views.way_view(session, await service.find_way(session, *ids, step_free=step_free))
