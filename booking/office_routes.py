"""HTTP of booking for the office and for what people set up once: drivers, history, quotas, delegates."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from booking import catalogue, delegates, over_time, queries, quotas, schemas, views
from booking.models import BookingQuota
from identity.api import Cover, CurrentPerson, PersonSummary, Principal, Role, find_people_to_name, today
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id

router = APIRouter(prefix="/v1", tags=["booking"])
Id = Annotated[str, Path(max_length=80)]


@router.put("/bookables/{bookable_id}/drivers", responses=raises(Unauthenticated, Forbidden, NotFound))
async def put_drivers(
    bookable_id: Id, body: schemas.People, person: CurrentPerson, session: SessionDep
) -> schemas.BookableView:
    """Who may drive it: exactly these."""
    people = [parse_public_id("per", each) for each in body.people]
    bookable = await catalogue.name_drivers(session, person, parse_public_id("bkb", bookable_id), people)
    return (await views.bookable_views(session, [bookable], person))[0]


@router.get("/bookables/{bookable_id}/history", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_history(bookable_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.HistoryView:
    """Every change of what it is and of its rules, the last hundred."""
    bookable = await queries.get_bookable(session, parse_public_id("bkb", bookable_id))
    person.require(*catalogue.OFFICE_ROLES, region_id=bookable.region_id)
    return await views.history_view(session, await queries.history_of(session, public_id("bkb", bookable.id)))


@router.get("/bookings_of_the_hour", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_of_the_hour(
    region: Annotated[str, Query(max_length=80)], person: CurrentPerson, session: SessionDep
) -> schemas.BookingsView:
    """For the desk, and that of calls beside it: what runs, or begins within the hour. Changes come on `desk:bookings-<region>`."""
    region_id = parse_public_id("reg", region)
    person.require(*catalogue.OFFICE_ROLES, Role.DUTY_STAFF, region_id=region_id)
    rows = await over_time.of_the_hour(session, region_id)
    return schemas.BookingsView(data=await views.booking_views(session, rows, person))


# ---- quotas


@router.get("/booking_quotas", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_quotas(
    person: CurrentPerson,
    session: SessionDep,
    region: Annotated[str | None, Query(max_length=80)] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.QuotaView]:
    """Newest first, ended ones too."""
    region_id = parse_public_id("reg", region) if region else None
    person.require(*catalogue.OFFICE_ROLES, region_id=region_id)
    before = parse_public_id("bkq", starting_after) if starting_after else None
    rows = await quotas.list_quotas(session, region_id, limit, before)
    return page_of(await views.quota_views(session, rows), limit)


@router.post("/booking_quotas", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def post_quota(body: schemas.NewQuota, person: CurrentPerson, session: SessionDep) -> schemas.QuotaView:
    """So many hours; where there is one of the same sort, it is changed."""
    person.require(*catalogue.OFFICE_ROLES, region_id=parse_public_id("reg", body.region))
    return (await views.quota_views(session, [await quotas.open_quota(session, person, body)]))[0]


async def _quota(session: AsyncSession, person: Principal, quota_id: str) -> BookingQuota:
    quota = await quotas.get_quota(session, parse_public_id("bkq", quota_id))
    person.require(*catalogue.OFFICE_ROLES, region_id=quota.region_id)
    return quota


@router.patch("/booking_quotas/{quota_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def patch_quota(
    quota_id: Id, body: schemas.QuotaChange, person: CurrentPerson, session: SessionDep
) -> schemas.QuotaView:
    """More or fewer hours; nobody loses what stands."""
    quota = await _quota(session, person, quota_id)
    changed = await quotas.change_quota(session, person, quota, body.hours_max)
    return (await views.quota_views(session, [changed]))[0]


@router.post("/booking_quotas/{quota_id}/end", responses=raises(Unauthenticated, Forbidden, NotFound))
async def end_quota(quota_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.QuotaView:
    """It counts no more."""
    ended = await quotas.end_quota(session, person, await _quota(session, person, quota_id))
    return (await views.quota_views(session, [ended]))[0]


@router.get("/me/booking_quotas", responses=raises(Unauthenticated))
async def show_my_quotas(
    person: CurrentPerson, session: SessionDep, kind: Annotated[schemas.Kind | None, Query()] = None
) -> schemas.QuotasLeft:
    """What is left of them for me, in my region, now."""
    return schemas.QuotasLeft(data=await views.left_views(session, await quotas.left_for(session, person, kind)))


# ---- delegates


@router.get("/me/booking_delegates", responses=raises(Unauthenticated))
async def list_delegates(person: CurrentPerson, session: SessionDep) -> schemas.PeopleView:
    """Who may book and act for me."""
    return _people(await delegates.delegates_of(session, person.person_id))


@router.post("/me/booking_delegates", status_code=201, responses=raises(Unauthenticated, NotFound, Malformed))
async def post_delegate(body: schemas.OnePerson, person: CurrentPerson, session: SessionDep) -> schemas.PeopleView:
    """From now on this person may, too."""
    await delegates.name_delegate(session, person, parse_public_id("per", body.person))
    return _people(await delegates.delegates_of(session, person.person_id))


@router.delete("/me/booking_delegates/{delegate}", status_code=204, responses=raises(Unauthenticated, NotFound))
async def delete_delegate(delegate: Id, person: CurrentPerson, session: SessionDep) -> Response:
    """They may no more; what they have booked stands."""
    await delegates.end_delegate(session, person, parse_public_id("per", delegate))
    return Response(status_code=204)


@router.get("/me/booking_principals", responses=raises(Unauthenticated))
async def list_principals(person: CurrentPerson, session: SessionDep) -> schemas.PeopleView:
    """Who has named me as their delegate: for them I may book and act."""
    return _people(await delegates.principals_of(session, person.person_id))


@router.get("/booking_people", responses=raises(Unauthenticated))
async def find_people(
    person: CurrentPerson,
    session: SessionDep,
    q: Annotated[str, Query(min_length=1, max_length=80, pattern=r"^[^\x00]*$")],
) -> schemas.FoundPeople:
    """Whom one may invite, name as delegate or book for: colleagues by a part of their name, others by the whole of it."""
    # The office names drivers and books for people of all the houses that it serves.
    reach = person.cover_of(*catalogue.OFFICE_ROLES) if person.holds(*catalogue.OFFICE_ROLES) else Cover()
    found = await find_people_to_name(session, q.strip(), person.unit_id, today(), reach=reach)
    return schemas.FoundPeople(
        data=[
            schemas.FoundPersonView(
                id=public_id("per", row.id),
                name=row.name,
                organisation_name_zh=row.organisation_zh,
                organisation_name_en=row.organisation_en,
            )
            for row in found
        ]
    )


def _people(rows: Sequence[PersonSummary]) -> schemas.PeopleView:
    return schemas.PeopleView(
        data=[schemas.BookingPersonView(id=public_id("per", row.id), name=row.name) for row in rows]
    )
