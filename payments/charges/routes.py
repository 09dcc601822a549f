"""HTTP of charges: what units were charged for services, to read. They are made by the act itself."""

from typing import Annotated

from fastapi import APIRouter, Query

from identity.api import CurrentPerson, Role
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from payments.charges import queries, views
from payments.charges.schemas import ChargeView

router = APIRouter(prefix="/v1", tags=["charges"])

UnitQuery = Annotated[str | None, Query(max_length=80, description="An organisation: only what its unit was charged")]


@router.get("/charges", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_charges(
    person: CurrentPerson,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
    unit: UnitQuery = None,
) -> Page[ChargeView]:
    """Of the units and regions whose finance I am, newest first."""
    if not person.holds(Role.FINANCE):
        raise Forbidden(roles=[Role.FINANCE.value])
    rows = await queries.list_charges(
        session,
        person.cover_of(Role.FINANCE),
        limit,
        unit_id=parse_public_id("org", unit) if unit else None,
        before=parse_public_id("chg", starting_after) if starting_after else None,
    )
    return page_of(await views.views_of(session, rows), limit)
