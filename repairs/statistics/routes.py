"""HTTP of figures: the same answer for a screen and as a workbook."""

import asyncio
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Response

from identity.api import CurrentPerson
from kernel import audit_log
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import language_of, raises
from repairs.statistics.figures import Step
from repairs.statistics.schemas import RepairStatistics
from repairs.statistics.service import DAYS_MAX, USUAL_DAYS, Asked, count_repairs
from repairs.statistics.sheets import workbook_of

router = APIRouter(prefix="/v1", tags=["repairs"])
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_READ: Final = raises(Unauthenticated, Forbidden, NotFound, Malformed)


def _asked(
    region: Annotated[
        str | None, Query(max_length=80, description="This region and all below it; all that I lead without it.")
    ] = None,
    place: Annotated[str | None, Query(max_length=80, description="This place and all below it.")] = None,
    category: Annotated[str | None, Query(max_length=80, description="This kind and all below it.")] = None,
    first_day: Annotated[
        date | None, Query(alias="from", description=f"The first day; the last {USUAL_DAYS // 7} weeks without it.")
    ] = None,
    last_day: Annotated[
        date | None, Query(alias="to", description=f"The last day, today without it; at most {DAYS_MAX} days.")
    ] = None,
    by: Annotated[Step, Query(description="What stands along the time.")] = "week",
) -> Asked:
    return Asked(region=region, place=place, category=category, first_day=first_day, last_day=last_day, by=by)


AskedDep = Annotated[Asked, Depends(_asked)]


@router.get("/repair_statistics", responses=_READ)
async def show_statistics(asked: AskedDep, person: CurrentPerson, session: SessionDep) -> RepairStatistics:
    """How many, how fast, how well, by whom and at what cost: of the orders raised within some days, where I lead the office."""
    return await count_repairs(session, person, asked)


@router.get(
    "/repair_statistics.xlsx",
    response_class=Response,
    responses={200: {"content": {XLSX: {}}}, **_READ},
)
async def download_statistics(
    asked: AskedDep,
    person: CurrentPerson,
    session: SessionDep,
    accept_language: Annotated[str | None, Header(alias="Accept-Language")] = None,
) -> Response:
    """The same figures as a workbook, a sheet for each table of them."""
    found = await count_repairs(session, person, asked)
    await audit_log.record(
        session,
        actor=person.actor,
        action="repair_statistics.download",
        subject=person.actor,
        data={"from": found.first_day.isoformat(), "to": found.last_day.isoformat(), "region": asked.region},
    )
    # Drawn up aside: a large one must not hold up whoever pays meanwhile.
    content = await asyncio.to_thread(workbook_of, found, language_of(accept_language))
    headers = {
        "Content-Disposition": f'attachment; filename="repairs-{found.first_day}-{found.last_day}.xlsx"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, 200, headers, XLSX)
