"""HTTP of promises: what is promised to whom, and in whose hours. An order's own clock comes with the order."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from identity.api import CurrentPerson
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from repairs.sla import administration, queries, schemas
from repairs.sla.errors import HoursUnsound, PromiseOutOfReach, TargetNotAhead
from repairs.sla.kinds import Urgency
from repairs.sla.models import SlaHours, SlaTarget
from repairs.sla.promises import due_of, find_where, open_book
from repairs.sla.views import hours_view, target_view

router = APIRouter(prefix="/v1", tags=["repairs"])
TargetId = Annotated[str, Path(max_length=80)]
HoursId = Annotated[str, Path(max_length=80)]


@router.get("/sla_targets", responses=raises(Unauthenticated, NotFound))
async def list_targets(
    _person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str | None, Query(max_length=80)] = None,
    category: Annotated[str | None, Query(max_length=80)] = None,
    urgency: Urgency | None = None,
    at: Annotated[date | None, Query(description="Only those that count on this day.")] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.SlaTargetView]:
    """What is promised, newest first: everybody may know."""
    query = queries.list_targets(
        region_id=parse_public_id("reg", region) if region is not None else None,
        category_id=parse_public_id(queries.CATEGORY, category) if category is not None else None,
        urgency=urgency,
        at=at,
    ).limit(limit + 1)
    if starting_after is not None:
        query = query.where(SlaTarget.id < parse_public_id(queries.TARGET, starting_after))
    return page_of([target_view(row) for row in await session.scalars(query)], limit)


@router.post(
    "/sla_targets",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, TargetNotAhead, PromiseOutOfReach),
)
async def open_target(body: schemas.TargetBody, person: CurrentPerson, session: SessionDep) -> schemas.SlaTargetView:
    """A promise from a day on, today or later; the one that counted until then ends by itself."""
    return target_view(await administration.open_target(session, person, body))


@router.get("/sla_targets/preview", responses=raises(Unauthenticated, NotFound))
async def preview_target(
    _person: CurrentPerson,
    session: SessionDep,
    place: Annotated[str, Query(max_length=80)],
    urgency: Urgency = "normal",
    category: Annotated[str | None, Query(max_length=80)] = None,
) -> schemas.PreviewView:
    """What an order raised there now would be promised."""
    category_id = parse_public_id(queries.CATEGORY, category) if category is not None else None
    book, now = await open_book(session), clock.now()
    where = await find_where(session, book, parse_public_id("pla", place), None)
    target = book.target(where, category_id, urgency, now)
    hours = book.hours_of(where, target)
    due = due_of(book.calendar(where.zone, hours), target, now)
    written = await queries.get_target(session, target.id) if target.id is not None else None
    return schemas.PreviewView.model_validate(
        {
            "target": target_view(written) if written is not None else None,
            "seconds": target.seconds,
            "due": {name: clock.rfc3339(due_at) for name, due_at in due.due_at.items()},
            "hours": hours.kind,
            "zone": where.zone.key,
            "warning": "calendar_year_missing" if due.years_missing else None,
            "years_missing": due.years_missing,
        }
    )


@router.post("/sla_targets/{target_id}/retire", responses=raises(Unauthenticated, Forbidden, NotFound, TargetNotAhead))
async def retire_target(
    target_id: TargetId, person: CurrentPerson, session: SessionDep, body: schemas.RetireBody | None = None
) -> schemas.SlaTargetView:
    """It does not count any more from a day on; orders that carry it keep it."""
    identifier, until = parse_public_id(queries.TARGET, target_id), body.effective_until if body else None
    return target_view(await administration.retire_target(session, person, identifier, until))


@router.get("/sla_hours", responses=raises(Unauthenticated, NotFound))
async def list_hours(
    _person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str | None, Query(max_length=80)] = None,
    *,
    retired: Annotated[bool, Query(description="Those that count no more as well.")] = False,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.HoursView]:
    """When places work, where that is not the usual office day; newest first."""
    region_id: UUID | None = parse_public_id("reg", region) if region is not None else None
    query = queries.list_hours(region_id, also_retired=retired).limit(limit + 1)
    if starting_after is not None:
        query = query.where(SlaHours.id < parse_public_id(queries.HOURS, starting_after))
    return page_of([hours_view(row) for row in await session.scalars(query)], limit)


@router.post(
    "/sla_hours",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, HoursUnsound, PromiseOutOfReach),
)
async def set_hours(body: schemas.HoursBody, person: CurrentPerson, session: SessionDep) -> schemas.HoursView:
    """The hours of a region, or of a place and all below it; for orders from now on."""
    return hours_view(await administration.set_hours(session, person, body))


@router.post("/sla_hours/{hours_id}/retire", responses=raises(Unauthenticated, Forbidden, NotFound))
async def retire_hours(hours_id: HoursId, person: CurrentPerson, session: SessionDep) -> schemas.HoursView:
    """From now on the hours of what is above count."""
    return hours_view(await administration.retire_hours(session, person, parse_public_id(queries.HOURS, hours_id)))
