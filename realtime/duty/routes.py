"""HTTP of the rota: teams and their rotas, what is ahead, my own duty, and the calendar to subscribe to."""

from datetime import date, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Path, Query, Request, Response

from identity.api import CurrentPerson
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from realtime.duty import calendar_feed, notes, overriding, queries, rings, schemas, sign_ins, swaps, teams, views
from realtime.duty.errors import BadRotation, InRotation, NotInTeam, NotYourTurn, ShiftNotYours, TakenAlready
from realtime.duty.models import DutySwap
from realtime.duty.rights import require_editor, require_reader
from realtime.duty.rotations import instant_of_wall
from realtime.duty.telling import NOTE, OVERRIDE, ROTATION, SWAP, TEAM

router = APIRouter(prefix="/v1", tags=["duty"])
Id = Annotated[str, Path(max_length=80)]
DAYS_MAX = 42


@router.get("/duty/teams", responses=raises(Unauthenticated))
async def list_teams(person: CurrentPerson, session: SessionDep) -> Page[schemas.DutyTeamView]:
    """Those of the regions whose duty is my business, and my own."""
    found = await views.teams_for(session, person)
    return Page(data=await views.team_views(session, found, person), has_more=False)


@router.post("/duty/teams", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def open_team(body: schemas.DutyTeamRequest, person: CurrentPerson, session: SessionDep) -> schemas.DutyTeamView:
    """People who take turns at one job in a region."""
    return (await views.team_views(session, [await teams.open_team(session, person, body)], person))[0]


@router.patch("/duty/teams/{team_id}", responses=raises(Unauthenticated, Forbidden, NotFound, InRotation))
async def change_team(
    team_id: Id, body: schemas.DutyTeamChange, person: CurrentPerson, session: SessionDep
) -> schemas.DutyTeamView:
    """What is given is changed."""
    team = await teams.change_team(session, person, parse_public_id(TEAM, team_id), body)
    return (await views.team_views(session, [team], person))[0]


@router.post("/duty/teams/{team_id}/close", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound))
async def close_team(team_id: Id, person: CurrentPerson, session: SessionDep) -> Response:
    """Nobody is asked of it any more."""
    await teams.close_team(session, person, parse_public_id(TEAM, team_id))
    return Response(status_code=204)


@router.get("/duty/teams/{team_id}/rota", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_rota(
    team_id: Id,
    person: CurrentPerson,
    session: SessionDep,
    first: Annotated[
        date | None, Query(description="First day, in the team's zone; today where none is named.")
    ] = None,
    days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = 7,
) -> schemas.RotaView:
    """Its shifts of some days, with what was changed and what nobody has."""
    team = await queries.get_team(session, parse_public_id(TEAM, team_id))
    await require_reader(session, person, team)
    zone = ZoneInfo(team.zone)
    day = first or clock.now().astimezone(zone).date()
    starts_at = instant_of_wall(_near(day), time(0), zone)
    ends_at = instant_of_wall(day + timedelta(days=days), time(0), zone)
    return await views.rota_view(session, team, person, starts_at, ends_at)


def _near(day: date) -> date:
    if not 2000 <= day.year <= 2200:
        raise Malformed(reason="a day of this or the next century", field="first")
    return day


@router.post(
    "/duty/teams/{team_id}/rotations",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, BadRotation, NotInTeam),
)
async def start_rotation(
    team_id: Id, body: schemas.RotationRequest, person: CurrentPerson, session: SessionDep
) -> schemas.RotationView:
    """Who takes which slot, from a day on."""
    row = await teams.start_rotation(session, person, parse_public_id(TEAM, team_id), body)
    return views.rotation_view(row, await views.names_of(session, row.people))


@router.post("/duty/rotations/{rotation_id}/end", responses=raises(Unauthenticated, Forbidden, NotFound, BadRotation))
async def end_rotation(
    rotation_id: Id, body: schemas.RotationEnd, person: CurrentPerson, session: SessionDep
) -> schemas.RotationView:
    """No shifts of it from a day on."""
    row = await teams.end_rotation(session, person, parse_public_id(ROTATION, rotation_id), body.ends_on)
    return views.rotation_view(row, await views.names_of(session, row.people))


@router.post(
    "/duty/teams/{team_id}/overrides",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, NotInTeam, TakenAlready),
)
async def add_override(
    team_id: Id, body: schemas.OverrideRequest, person: CurrentPerson, session: SessionDep
) -> schemas.OverrideView:
    """Somebody else takes a time, nobody does, or there is an extra hand."""
    row = await overriding.add_override(session, person, parse_public_id(TEAM, team_id), body)
    return views.override_view(row, await views.names_of(session, [row.person_out, row.person_in]))


@router.post(
    "/duty/overrides/{override_id}/cancel", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def cancel_override(override_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.OverrideView:
    """As if it had never been made."""
    row = await overriding.cancel_override(session, person, parse_public_id(OVERRIDE, override_id))
    return views.override_view(row, await views.names_of(session, [row.person_out, row.person_in]))


@router.post("/duty/teams/{team_id}/ring", status_code=202, responses=raises(Unauthenticated, Forbidden, NotFound))
async def ring_team(team_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.Rung:
    """A test ring now: to everybody of the running shifts, and to the group."""
    team = await queries.get_team(session, parse_public_id(TEAM, team_id))
    await require_editor(session, person, team)
    return schemas.Rung(ways=await rings.ring_now(session, team))


@router.get("/duty/coverage", responses=raises(Unauthenticated, Forbidden))
async def list_coverage(person: CurrentPerson, session: SessionDep) -> Page[schemas.CoverageView]:
    """Each team's week ahead: gaps, hours in which nobody would be reached, and the ways with their last proof."""
    found = await views.teams_for(session, person)
    return Page(data=[await views.coverage_view(session, team) for team in found], has_more=False)


# ---- notes and swaps


@router.get("/duty/notes", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_notes(
    person: CurrentPerson,
    session: SessionDep,
    team: Annotated[str | None, Query(max_length=80, description="Of this team only.")] = None,
    stage: Annotated[Literal["open", "done", "all"], Query()] = "all",
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.DutyNoteView]:
    """Hand-over notes of the teams that I may see, newest first."""
    seen = [one.id for one in await views.teams_for(session, person)]
    if team is not None:
        seen = [one for one in seen if one == parse_public_id(TEAM, team)]
    before = parse_public_id(NOTE, starting_after) if starting_after else None
    is_open = None if stage == "all" else stage == "open"
    rows = await queries.list_notes(session, seen, is_open=is_open, limit=limit, before=before)
    return page_of(await views.note_views(session, rows), limit)


@router.post("/duty/notes", status_code=201, responses=raises(Unauthenticated, Forbidden, NotFound))
async def write_note(body: schemas.DutyNoteRequest, person: CurrentPerson, session: SessionDep) -> schemas.DutyNoteView:
    """What the next one has to know."""
    return (await views.note_views(session, [await notes.write_note(session, person, body)]))[0]


@router.post("/duty/notes/{note_id}/finish", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def finish_note(note_id: Id, person: CurrentPerson, session: SessionDep) -> schemas.DutyNoteView:
    """It is done."""
    row = await notes.finish_note(session, person, parse_public_id(NOTE, note_id))
    return (await views.note_views(session, [row]))[0]


@router.post(
    "/duty/swaps",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, ShiftNotYours, NotInTeam, StateConflict),
)
async def ask_swap(body: schemas.SwapRequest, person: CurrentPerson, session: SessionDep) -> schemas.SwapView:
    """Will a colleague take a shift of mine, perhaps for one of theirs?"""
    return (await views.swap_views(session, [await swaps.ask_swap(session, person, body)], person))[0]


@router.post(
    "/duty/swaps/{swap_id}/{trigger}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, ShiftNotYours, TakenAlready, NotInTeam),
)
async def pull_swap(
    swap_id: Id, trigger: Literal["accept", "decline", "withdraw"], person: CurrentPerson, session: SessionDep
) -> schemas.SwapView:
    """accept, decline: the colleague. withdraw: who asked."""
    swap = await swaps.pull(session, person, parse_public_id(SWAP, swap_id), trigger)
    return (await views.swap_views(session, [swap], person))[0]


@router.get("/me/duty/swaps", responses=raises(Unauthenticated, NotFound))
async def list_my_swaps(
    person: CurrentPerson, session: SessionDep, limit: LimitQuery = 20, starting_after: StartingAfterQuery = None
) -> Page[schemas.SwapView]:
    """Those that I asked for, and those that I was asked, newest first."""
    mine = (DutySwap.asker_id == person.person_id) | (DutySwap.taker_id == person.person_id)
    before = parse_public_id(SWAP, starting_after) if starting_after else None
    rows = await queries.list_swaps(session, mine, limit=limit, before=before)
    return page_of(await views.swap_views(session, rows, person), limit)


# ---- mine


@router.get("/me/duty", responses=raises(Unauthenticated))
async def show_my_duty(person: CurrentPerson, session: SessionDep) -> schemas.MyDuty:
    """My turns of five weeks, whether I am on duty, who else is, and what waits for me."""
    return await views.my_duty_view(session, person)


@router.post("/me/duty/check_in", responses=raises(Unauthenticated, NotYourTurn))
async def check_in(person: CurrentPerson, session: SessionDep) -> schemas.MyDuty:
    """I am on duty: from two hours before my turn on. It ends with the turn."""
    await sign_ins.check_in(session, person)
    return await views.my_duty_view(session, person)


@router.post("/me/duty/check_out", responses=raises(Unauthenticated, StateConflict))
async def check_out(person: CurrentPerson, session: SessionDep) -> schemas.MyDuty:
    """I am not on duty any more."""
    await sign_ins.check_out(session, person)
    return await views.my_duty_view(session, person)


@router.post("/me/duty/feed", status_code=201, responses=raises(Unauthenticated))
async def make_feed(request: Request, person: CurrentPerson, session: SessionDep) -> schemas.FeedView:
    """A new secret address of my calendar, told this once; the one before it ends."""
    token = await calendar_feed.make_feed(session, person.person_id, actor=person.actor)
    base = get_settings().public_url or str(request.base_url)
    return schemas.FeedView(url=f"{base.rstrip('/')}/v1/duty/feeds/{token}.ics")


@router.delete("/me/duty/feed", status_code=204, responses=raises(Unauthenticated))
async def end_feed(person: CurrentPerson, session: SessionDep) -> Response:
    """The address of my calendar leads nowhere any more."""
    await calendar_feed.end_feed(session, person.person_id, actor=person.actor)
    return Response(status_code=204)


@router.get(
    "/duty/feeds/{token}.ics",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {}}}, 304: {"description": "not changed"}, **raises(NotFound)},
)
async def read_feed(
    token: Annotated[str, Path(max_length=100)],
    session: SessionDep,
    if_none_match: Annotated[str | None, Header(max_length=500)] = None,
) -> Response:
    """Somebody's shifts as a calendar, for whoever has its secret address."""
    feed = await calendar_feed.read_feed(session, token)
    headers = {"ETag": feed.etag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and feed.etag in [
        mark.strip().removeprefix("W/") for mark in if_none_match.split(",")
    ]:
        return Response(status_code=304, headers=headers)
    return Response(feed.body, headers=headers, media_type="text/calendar; charset=utf-8")
