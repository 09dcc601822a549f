"""HTTP of covers: what a kitchen has to cook for meetings, and how many covers it makes."""

from datetime import date, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries as canteens
from canteen.channels import BOARD_ROLES
from canteen.covers import queries, service
from canteen.covers.schemas import Capacities, CoverDayView, CoverList, CoversView
from canteen.views import parse_canteen
from identity.api import CurrentPerson, Principal, Role
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import raises
from kernel.ids import public_id

router = APIRouter(prefix="/v1", tags=["canteens"])

_KITCHEN: Final = (Role.CANTEEN_MANAGER, Role.SYSTEM_ADMIN)
_WINDOW_MAX: Final = timedelta(days=62)
CanteenId = Annotated[str, Path(max_length=80)]


async def _canteen(session: AsyncSession, person: Principal, text: str, *roles: Role) -> UUID:
    canteen = await canteens.get_canteen(session, parse_canteen(text))
    person.require(*roles, site_id=canteen.id, region_id=canteen.region_id)
    return canteen.id


@router.get("/canteens/{canteen_id}/covers", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_covers(
    canteen_id: CanteenId,
    person: CurrentPerson,
    session: SessionDep,
    from_date: Annotated[date, Query(alias="from", description="A business date.")],
    until: Annotated[date, Query(description="The last one.")],
) -> CoverList:
    """Covers for meetings in at most 62 days, with what their guests cannot eat; nobody's name."""
    if not timedelta(0) <= until - from_date <= _WINDOW_MAX:
        raise Malformed(reason="from one day until the same or a later one, at most 62 days", field="until")
    identifier = await _canteen(session, person, canteen_id, *BOARD_ROLES)
    rows = await queries.covers_between(session, identifier, from_date, until)
    days = await queries.days_between(session, identifier, from_date, until)
    return CoverList(
        data=[
            CoversView(
                id=public_id(service.PREFIX, row.id),
                business_date=row.business_date,
                meal=row.meal,
                covers=row.covers,
                title=row.title,
                needs=row.needs,
                state=row.state,
            )
            for row in rows
        ],
        days=[
            CoverDayView(business_date=day.business_date, meal=day.meal, capacity=day.capacity, taken=day.taken)
            for day in days
        ],
    )


@router.get("/canteens/{canteen_id}/cover_capacities", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_capacities(canteen_id: CanteenId, person: CurrentPerson, session: SessionDep) -> Capacities:
    """How many covers the kitchen has said it makes for meetings."""
    return await service.capacities_of(session, await _canteen(session, person, canteen_id, *BOARD_ROLES))


@router.put("/canteens/{canteen_id}/cover_capacities", responses=raises(Unauthenticated, Forbidden, NotFound))
async def put_capacities(
    canteen_id: CanteenId, body: Capacities, person: CurrentPerson, session: SessionDep
) -> Capacities:
    """How many it makes from now on; what it has promised stays."""
    identifier = await _canteen(session, person, canteen_id, *_KITCHEN)
    return await service.set_capacities(session, identifier, body, actor=person.actor)
