"""HTTP of booking over time: free and busy of many, calendars, what people subscribe to, and the display at a door."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response

from booking import addresses, calendar_feed, catalogue, delegates, over_time, queries, rules, schemas, views
from booking.calendar_feed import Feed
from booking.routes import ChosenDep, window_of
from booking.spans import Span
from identity.api import CurrentPerson, Principal
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, Unauthenticated
from kernel.http import raises
from kernel.ids import parse_public_id
from kernel.settings import get_settings

router = APIRouter(prefix="/v1", tags=["booking"])
Id = Annotated[str, Path(max_length=80)]
Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{43}$")]
Starts = Annotated[schemas.Instant, Query()]
Bookables = Annotated[list[str] | None, Query(max_length=1000, description="Only these.")]
IfNoneMatch = Annotated[str | None, Header()]
_ICS: Final = "text/calendar; charset=utf-8"


@router.get("/free_busy", response_model=schemas.ManyBusy, responses=raises(Unauthenticated, NotFound))
async def show_free_busy(
    _: CurrentPerson,
    session: SessionDep,
    chosen: ChosenDep,
    starts_at: Starts,
    ends_at: Starts,
    bookable: Bookables = None,
) -> Response:
    """When many are taken, at most a thousand, in a window of at most 62 days; not by whom."""
    window = window_of(starts_at, ends_at)
    ids = [parse_public_id("bkb", each) for each in bookable] if bookable else await over_time.choose(session, chosen)
    return Response(await over_time.busy_of_many(session, ids, window), media_type="application/json")


@router.get("/booking_calendar", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_calendar(
    person: CurrentPerson,
    session: SessionDep,
    chosen: ChosenDep,
    starts_at: Starts,
    ends_at: Starts,
    of: Annotated[Literal["me", "all"], Query(description="Mine and what I act for, or all that is chosen.")] = "me",
    bookable: Bookables = None,
) -> schemas.CalendarView:
    """A day, a week or a month, of me, of a hall, of all. Of what is neither mine nor my office's: only that it is taken."""
    window: Span = window_of(starts_at, ends_at)
    if of == "me":
        people = {person.person_id, *await delegates.acts_for(session, person.person_id)}
        rows = await over_time.entries(session, window, bookables=None, where=queries.of_people(people))
        rows = [row for row in rows if row.state != "closed"]
    else:
        ids = [parse_public_id("bkb", each) for each in bookable or ()] or await over_time.choose(session, chosen)
        rows = list(await over_time.entries(session, window, bookables=ids, where=None))
    return await views.calendar_view(session, rows, person)


# ---- what people subscribe to


def _address(request: Request) -> str:
    return (get_settings().public_url or str(request.base_url)).rstrip("/")


@router.post("/me/booking_feed", status_code=201, responses=raises(Unauthenticated))
async def make_my_feed(request: Request, person: CurrentPerson, session: SessionDep) -> schemas.SecretAddressView:
    """A secret address of my bookings as a calendar, told this once; the one before it ends."""
    token = await addresses.make_address(session, "person", person.person_id, actor=person.actor)
    return schemas.SecretAddressView(url=f"{_address(request)}/v1/booking_feeds/{token}.ics")


@router.delete("/me/booking_feed", status_code=204, responses=raises(Unauthenticated))
async def end_my_feed(person: CurrentPerson, session: SessionDep) -> Response:
    await addresses.end_address(session, "person", person.person_id, actor=person.actor)
    return Response(status_code=204)


@router.post("/bookables/{bookable_id}/feed", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def make_feed(
    bookable_id: Id, request: Request, person: CurrentPerson, session: SessionDep
) -> schemas.SecretAddressView:
    """A secret address of its bookings as a calendar, told this once; the one before it ends."""
    owner_id = parse_public_id("bkb", bookable_id)
    rules.require_office(person, await queries.get_bookable(session, owner_id))
    token = await addresses.make_address(session, "bookable", owner_id, actor=person.actor)
    return schemas.SecretAddressView(url=f"{_address(request)}/v1/booking_feeds/{token}.ics")


@router.delete("/bookables/{bookable_id}/feed", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound))
async def end_feed(bookable_id: Id, person: CurrentPerson, session: SessionDep) -> Response:
    return await _end(session, person, "bookable", bookable_id)


async def _end(session: SessionDep, person: Principal, kind: Literal["bookable", "door"], bookable_id: str) -> Response:
    owner_id = parse_public_id("bkb", bookable_id)
    rules.require_office(person, await queries.get_bookable(session, owner_id))
    await addresses.end_address(session, kind, owner_id, actor=person.actor)
    return Response(status_code=204)


@router.get(
    "/booking_feeds/{token}.ics",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, 304: {"description": "as it was"}, **raises(NotFound)},
)
async def read_feed(token: Token, session: SessionDep, if_none_match: IfNoneMatch = None) -> Response:
    """A calendar, for whoever has its address."""
    return _calendar(await calendar_feed.read_feed(session, token), if_none_match)


@router.get(
    "/booking_feeds/{token}.ifb",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, 304: {"description": "as it was"}, **raises(NotFound)},
)
async def read_free_busy(token: Token, session: SessionDep, if_none_match: IfNoneMatch = None) -> Response:
    """The same as free and busy, without titles."""
    return _calendar(await calendar_feed.read_free_busy(session, token), if_none_match)


def _calendar(feed: Feed, if_none_match: str | None) -> Response:
    headers = {"ETag": feed.etag, "Cache-Control": "private, no-cache"}
    known = [mark.strip().removeprefix("W/") for mark in (if_none_match or "").split(",")]
    if feed.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(feed.body, headers=headers, media_type=_ICS)


# ---- the display at a door


@router.post("/bookables/{bookable_id}/door", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def make_door(
    bookable_id: Id, request: Request, person: CurrentPerson, session: SessionDep
) -> schemas.SecretAddressView:
    """The address that a tablet at the door opens, told this once; the one before it ends."""
    owner_id = parse_public_id("bkb", bookable_id)
    rules.require_office(person, await queries.get_bookable(session, owner_id))
    token = await addresses.make_address(session, "door", owner_id, actor=person.actor)
    return schemas.SecretAddressView(url=f"{_address(request)}/booking/door/{token}")


@router.delete("/bookables/{bookable_id}/door", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound))
async def end_door(bookable_id: Id, person: CurrentPerson, session: SessionDep) -> Response:
    return await _end(session, person, "door", bookable_id)


@router.get("/bookables/{bookable_id}/door", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_door_to_office(
    bookable_id: Id, request: Request, person: CurrentPerson, session: SessionDep
) -> schemas.DoorView:
    """What its door shows, for the office; it hears of changes on `bookable:<id>`."""
    bookable = await queries.get_bookable(session, parse_public_id("bkb", bookable_id))
    person.require(*catalogue.OFFICE_ROLES, region_id=bookable.region_id)
    return await views.door_view(session, bookable, _address(request))


@router.get("/doors/{token}", responses=raises(NotFound))
async def show_door(token: Token, request: Request, session: SessionDep) -> schemas.DoorView:
    """For whoever has its address: today's list, who is in, who is next, until when it is free, and the code of this minute."""
    _, owner_id = await addresses.owner_of(session, token, "door")
    return await views.door_view(session, await queries.get_bookable(session, owner_id), _address(request))
