"""HTTP of stores and parts, of what an order takes and costs, and of labour rates."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, Principal
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from payments.errors import PeriodLocked
from repairs.orders.models import WorkOrder
from repairs.orders.parties import actor_of, standing_of
from repairs.orders.queries import PREFIX as ORDER
from repairs.orders.queries import get_order
from repairs.stock import charging, queries, schemas, service, views
from repairs.stock.errors import MoreThanTaken, NobodyPays, PartCodeTaken, PartShort, RateNotAhead, SheetCharged
from repairs.stock.models import LabourRate, Part, PartMove, PartStore

router = APIRouter(prefix="/v1", tags=["repairs"])
StoreId = Annotated[str, Path(max_length=80)]
PartId = Annotated[str, Path(max_length=80)]
OrderId = Annotated[str, Path(max_length=80)]


# ---- stores


def _regions_of(person: Principal) -> frozenset[UUID] | None:
    """Those whose stores somebody may look into; None: all. Forbidden for whom that is no business of."""
    if not person.holds(*service.USER_ROLES):
        raise Forbidden(roles=[role.value for role in service.USER_ROLES])
    cover = person.cover_of(*service.USER_ROLES)
    return cover.regions if cover is not None else None


@router.get("/stores", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_stores(
    person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str | None, Query(max_length=80)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.StoreView]:
    """The cupboards that I may take from, newest first."""
    region_id = parse_public_id("reg", region) if region is not None else None
    query = queries.list_stores(_regions_of(person), region_id).limit(limit + 1)
    if starting_after is not None:
        query = query.where(PartStore.id < parse_public_id(queries.STORE, starting_after))
    return page_of([views.store_view(row) for row in await session.scalars(query)], limit)


@router.post("/stores", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def open_store(body: schemas.StoreBody, person: CurrentPerson, session: SessionDep) -> schemas.StoreView:
    """A cupboard of a region, perhaps at a place of it."""
    return views.store_view(await service.open_store(session, person, body))


@router.post("/stores/{store_id}/close", responses=raises(Unauthenticated, Forbidden, NotFound))
async def close_store(store_id: StoreId, person: CurrentPerson, session: SessionDep) -> schemas.StoreView:
    """Nothing goes in or out any more."""
    return views.store_view(await service.close_store(session, person, parse_public_id(queries.STORE, store_id)))


@router.get("/stores/{store_id}/parts", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_parts(
    store_id: StoreId,
    person: CurrentPerson,
    session: SessionDep,
    search: Annotated[str | None, Query(max_length=100)] = None,
    *,
    low: Annotated[bool, Query(description="Only those of which more should be bought.")] = False,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.PartView]:
    """What lies there, newest first."""
    store = await service.store_for(session, person, parse_public_id(queries.STORE, store_id))
    query = queries.list_parts(store.id, search, only_low=low).limit(limit + 1)
    if starting_after is not None:
        query = query.where(Part.id < parse_public_id(queries.PART, starting_after))
    return page_of([views.part_view(row) for row in await session.scalars(query)], limit)


@router.post(
    "/stores/{store_id}/parts",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, PartCodeTaken),
)
async def open_part(
    store_id: StoreId, body: schemas.NewPartBody, person: CurrentPerson, session: SessionDep
) -> schemas.PartView:
    """A kind of part, and what lies there already."""
    return views.part_view(await service.open_part(session, person, parse_public_id(queries.STORE, store_id), body))


@router.post(
    "/stores/{store_id}/parts/{part_id}/receive",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def receive(
    store_id: StoreId, part_id: PartId, body: schemas.ReceiveBody, person: CurrentPerson, session: SessionDep
) -> schemas.PartView:
    """More of a part; sent twice under one `client_id`, it is one delivery."""
    store, part = parse_public_id(queries.STORE, store_id), parse_public_id(queries.PART, part_id)
    return views.part_view(await service.receive(session, person, store, part, body))


@router.post(
    "/stores/{store_id}/parts/{part_id}/count",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def count(
    store_id: StoreId, part_id: PartId, body: schemas.CountBody, person: CurrentPerson, session: SessionDep
) -> schemas.PartView:
    """What somebody has counted is what there is; the difference is written down."""
    store, part = parse_public_id(queries.STORE, store_id), parse_public_id(queries.PART, part_id)
    return views.part_view(await service.count(session, person, store, part, body))


@router.get("/stores/{store_id}/moves", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_moves(
    store_id: StoreId,
    person: CurrentPerson,
    session: SessionDep,
    part: Annotated[str | None, Query(max_length=80)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.MoveView]:
    """What came in and went out, newest first."""
    store = await service.store_for(session, person, parse_public_id(queries.STORE, store_id))
    part_id = parse_public_id(queries.PART, part) if part is not None else None
    query = queries.list_moves(store.id, part_id).limit(limit + 1)
    if starting_after is not None:
        query = query.where(PartMove.id < parse_public_id(queries.MOVE, starting_after))
    rows = [(row[0], row[1]) for row in (await session.execute(query)).all()]
    return page_of(await views.move_views(session, rows), limit)


# ---- what an order takes and costs


async def _sheet(session: AsyncSession, person: Principal, order: WorkOrder) -> schemas.CostSheetView:
    standing = await standing_of(session, order, actor_of(person))
    return await views.cost_sheet(session, order, may_charge="lead" in standing.sides)


@router.post(
    "/work_orders/{order_id}/parts",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, PartShort, SheetCharged),
)
async def take_part(
    order_id: OrderId, body: schemas.OrderPartBody, person: CurrentPerson, session: SessionDep
) -> schemas.CostSheetView:
    """Parts for an order: its assignee's, or who leads. Of two who take the last one, one gets it."""
    order = await service.take_for_order(session, person, parse_public_id(ORDER, order_id), body)
    return await _sheet(session, person, order)


@router.post(
    "/work_orders/{order_id}/parts/return",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, MoreThanTaken, SheetCharged),
)
async def return_part(
    order_id: OrderId, body: schemas.OrderPartBody, person: CurrentPerson, session: SessionDep
) -> schemas.CostSheetView:
    """What was not needed, at what it cost when it was taken."""
    order = await service.return_from_order(session, person, parse_public_id(ORDER, order_id), body)
    return await _sheet(session, person, order)


@router.get("/work_orders/{order_id}/costs", responses=raises(Unauthenticated, Forbidden, NotFound))
async def read_costs(order_id: OrderId, person: CurrentPerson, session: SessionDep) -> schemas.CostSheetView:
    """What an order costs, for everybody who may see the order."""
    order = await get_order(session, parse_public_id(ORDER, order_id))
    return await _sheet(session, person, order)


@router.post(
    "/work_orders/{order_id}/costs/charge",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, NobodyPays, PeriodLocked),
)
async def charge(order_id: OrderId, person: CurrentPerson, session: SessionDep) -> schemas.CostSheetView:
    """Charge the unit served now: who leads may, where it was not possible when the order was confirmed. Once, however often."""
    order = await get_order(session, parse_public_id(ORDER, order_id))
    standing = await standing_of(session, order, actor_of(person))
    if "lead" not in standing.sides:
        raise Forbidden
    await charging.charge_order(session, order.id, actor=person.actor)
    return await _sheet(session, person, order)


# ---- labour


@router.get("/labour_rates", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_rates(
    person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str | None, Query(max_length=80)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.RateView]:
    """What an hour costs, newest first."""
    regions = _regions_of(person)
    query = queries.list_rates(parse_public_id("reg", region) if region is not None else None).limit(limit + 1)
    if regions is not None:
        query = query.where(LabourRate.region_id.in_(regions))
    if starting_after is not None:
        query = query.where(LabourRate.id < parse_public_id(queries.RATE, starting_after))
    return page_of([views.rate_view(row) for row in await session.scalars(query)], limit)


@router.post("/labour_rates", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound, RateNotAhead))
async def set_rate(body: schemas.RateBody, person: CurrentPerson, session: SessionDep) -> schemas.RateView:
    """What an hour costs in a region from a day on; the one before it ends by itself."""
    return views.rate_view(await service.set_rate(session, person, body))
