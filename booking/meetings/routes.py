"""HTTP of meetings: the whole request, its lines and its cost; guests, codes and arrivals; the guide."""

import asyncio
import base64
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from booking.catalogue import OFFICE_ROLES
from booking.meetings import codes, costs, guests, guide, letters, queries, scans, schemas, service, views
from booking.meetings.badge_sheet import Badge, badge_sheet
from booking.meetings.errors import GuestHasArrived, GuestsHaveBadCells, MeetingClash
from booking.meetings.models import Meeting
from booking.meetings.queries import GUEST, LINE, PREFIX
from identity.api import CurrentPerson, NoWay, Principal
from kernel import clock
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.file_store import local_store
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id
from kernel.qr import qr_svg
from kernel.uploads import TABLE_BODY, XLSX, read_file
from payments.charges.errors import NothingServes
from realtime.api import channel_position

router = APIRouter(prefix="/v1", tags=["meetings"])

MeetingId = Annotated[str, Path(max_length=80)]
LineId = Annotated[str, Path(max_length=80)]
GuestId = Annotated[str, Path(max_length=80)]
VersionQuery = Annotated[int | None, Query(ge=1, description="The version that was looked at.")]
_PDF: Final = {"content": {"application/pdf": {}}, "description": "The badges, ten on a page."}
_PICTURE: Final = {"content": {"image/jpeg": {}}, "description": "The picture."}
_XLSX: Final = {"content": {XLSX: {}}, "description": "An empty list to fill in."}


async def _view(session: AsyncSession, meeting: Meeting, person: Principal) -> schemas.MeetingView:
    return (await views.meeting_views(session, [meeting], person))[0]


async def _seen(session: AsyncSession, text: str, person: Principal, *, also_helpers: bool = True) -> Meeting:
    """One that this person may see; to anybody else there is none."""
    meeting = await queries.get_meeting(session, parse_public_id(PREFIX, text))
    sides = service.sides_of(meeting, person)
    if not sides or (sides == {"helper"} and not also_helpers):
        raise NotFound(what="meeting")
    return meeting


# ---- the guests' side, and what has no meeting in its address


@router.get("/guides/{code}", responses=raises(NotFound))
async def show_guide(code: Annotated[str, Path(max_length=400)], session: SessionDep) -> schemas.Guide:
    """Agenda, places, menus and contacts, by the meeting's code or a guest's own; nobody need be signed in."""
    return await guide.read_guide(session, code)


@router.get("/guides/{code}/ways", responses=raises(NotFound, NoWay))
async def show_way(
    code: Annotated[str, Path(max_length=400)],
    session: SessionDep,
    to: Annotated[str, Query(max_length=80, description="A place of this meeting.")],
    start: Annotated[str | None, Query(alias="from", max_length=80, description="Else from the gate.")] = None,
    *,
    step_free: Annotated[bool, Query(description="As a wheelchair goes.")] = False,
) -> schemas.GuideWay:
    """The way there, drawn on the plans of the house; nobody need be signed in."""
    from_id = parse_public_id("pla", start) if start else None
    return await guide.way_to(session, code, parse_public_id("pla", to), from_id, step_free=step_free)


@router.get(
    "/guides/{code}/plans/{plan}", response_class=StreamingResponse, responses={200: _PICTURE, **raises(NotFound)}
)
async def show_plan(
    code: Annotated[str, Path(max_length=400)], plan: Annotated[str, Path(max_length=80)], session: SessionDep
) -> StreamingResponse:
    """A plan's picture, for whoever holds a guide."""
    picture = await guide.plan_picture(session, code, parse_public_id(guide.PLAN, plan))
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
    return StreamingResponse(local_store().read(picture.sha256), headers=headers, media_type=picture.media_type)


@router.get("/meeting_policies/{region_id}", responses=raises(Unauthenticated, NotFound))
async def show_policy(
    region_id: Annotated[str, Path(max_length=80)], _: CurrentPerson, session: SessionDep
) -> schemas.MeetingPolicyView:
    """A region's rules for meetings."""
    rules = await queries.policy_of(session, parse_public_id("reg", region_id))
    return schemas.MeetingPolicyView.model_validate(rules, from_attributes=True)


@router.put("/meeting_policies/{region_id}", responses=raises(Unauthenticated, Forbidden, NotFound))
async def put_policy(
    region_id: Annotated[str, Path(max_length=80)],
    body: schemas.NewMeetingPolicy,
    person: CurrentPerson,
    session: SessionDep,
) -> schemas.MeetingPolicyView:
    """What a badge costs, when cancelling costs something, and what the office decides on."""
    identifier = parse_public_id("reg", region_id)
    person.require(*OFFICE_ROLES, region_id=identifier)
    rules = await costs.set_policy(session, person, identifier, body)
    return schemas.MeetingPolicyView.model_validate(rules, from_attributes=True)


@router.get("/meetings/guest_template.xlsx", responses={200: _XLSX, **raises(Unauthenticated)})
async def show_template(_: CurrentPerson) -> Response:
    """An empty list of guests to fill in."""
    return Response(await asyncio.to_thread(guests.template), media_type=XLSX)


@router.post("/meetings/quote", responses=raises(Unauthenticated, NotFound))
async def post_quote(body: schemas.NewMeeting, person: CurrentPerson, session: SessionDep) -> schemas.MeetingQuoteView:
    """What it would cost, and which lines would clash; nothing is held."""
    held, clashes, asks = await service.quote(session, person, body)
    return views.quote_view(body.lines, held, clashes, needs_approval=asks)


# ---- the meeting


@router.post("/meetings", status_code=201, responses=raises(Unauthenticated, NotFound, MeetingClash))
async def post_meeting(
    body: schemas.NewMeeting, person: CurrentPerson, session: SessionDep, response: Response
) -> schemas.MeetingView:
    """Hold everything for ten minutes, or nothing. The same `request_id` again: 200 with the same meeting."""
    meeting, is_new = await service.hold_meeting(session, person, body)
    if not is_new:
        response.status_code = 200
    return await _view(session, meeting, person)


@router.get("/meetings", responses=raises(Unauthenticated, Forbidden, NotFound))
async def list_meetings(
    person: CurrentPerson,
    session: SessionDep,
    of: Annotated[Literal["me", "office"], Query(description="Mine, or those of my regions.")] = "me",
    state: Annotated[str | None, Query(max_length=40, description="For the office: only those in this state.")] = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[schemas.MeetingView]:
    """Newest first."""
    before = parse_public_id(PREFIX, starting_after) if starting_after else None
    if of == "me":
        rows = await queries.list_own(session, person.person_id, limit, before)
    else:
        if not person.holds(*OFFICE_ROLES):
            raise Forbidden(roles=[role.value for role in OFFICE_ROLES])
        rows = await queries.list_for_office(session, person.cover_of(*OFFICE_ROLES), limit, before, state=state)
    return page_of(await views.meeting_views(session, rows, person), limit)


@router.get("/meetings/{meeting_id}", responses=raises(Unauthenticated, NotFound))
async def show_meeting(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.MeetingView:
    """One, for its organiser, its helpers and the office; to anybody else there is none."""
    return await _view(session, await _seen(session, meeting_id, person), person)


@router.patch("/meetings/{meeting_id}", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def patch_meeting(
    meeting_id: MeetingId, body: schemas.MeetingChange, person: CurrentPerson, session: SessionDep
) -> schemas.MeetingView:
    """Title, words, agenda, contacts, helpers; what the lines hold stays."""
    meeting = await service.change_meeting(session, person, parse_public_id(PREFIX, meeting_id), body)
    return await _view(session, meeting, person)


@router.get("/meetings/{meeting_id}/costs", responses=raises(Unauthenticated, NotFound))
async def show_costs(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.CostSheet:
    """What it was estimated at, what was had, what was charged and to whose account."""
    return await views.cost_sheet(session, await _seen(session, meeting_id, person, also_helpers=False))


@router.get(
    "/meetings/{meeting_id}/badges.pdf",
    response_class=Response,
    responses={200: _PDF, **raises(Unauthenticated, NotFound)},
)
async def show_badges(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> Response:
    """Badges to print and cut, each with the guest's code."""
    meeting = await _seen(session, meeting_id, person, also_helpers=False)
    badges = [
        Badge(guest.name, guest.unit_name, meeting.title, codes.guest_code(guest.id, guest.code_issue))
        for guest in await queries.guests_of(session, meeting.id)
    ]
    return Response(await asyncio.to_thread(badge_sheet, badges), media_type="application/pdf")


@router.post(
    "/meetings/{meeting_id}/copies",
    status_code=201,
    responses=raises(Unauthenticated, NotFound, MeetingClash),
)
async def post_copy(
    meeting_id: MeetingId, body: schemas.MeetingCopy, person: CurrentPerson, session: SessionDep, response: Response
) -> schemas.MeetingView:
    """The same on another day, guests and agenda too, held anew. The same `request_id` again: 200 with the same meeting."""
    meeting, is_new = await service.copy_meeting(session, person, parse_public_id(PREFIX, meeting_id), body)
    if not is_new:
        response.status_code = 200
    return await _view(session, meeting, person)


@router.post("/meetings/{meeting_id}/notify", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict))
async def post_notify(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.Letters:
    """Invitations and changes that wait go out now, one letter to each guest."""
    meeting = await _seen(session, meeting_id, person, also_helpers=False)
    return schemas.Letters(letters=await letters.write_now(session, meeting.id))


# ---- its lines


@router.post(
    "/meetings/{meeting_id}/lines",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, MeetingClash),
)
async def post_line(
    meeting_id: MeetingId, body: schemas.LineChange, person: CurrentPerson, session: SessionDep
) -> schemas.MeetingView:
    """One line more; the others stay as they are."""
    identifier = parse_public_id(PREFIX, meeting_id)
    return await _view(
        session, await service.change_line(session, person, identifier, None, body.line, body.version), person
    )


@router.put(
    "/meetings/{meeting_id}/lines/{line_id}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, MeetingClash),
)
async def put_line(
    meeting_id: MeetingId, line_id: LineId, body: schemas.LineChange, person: CurrentPerson, session: SessionDep
) -> schemas.MeetingView:
    """This line another way; where that cannot be had, everything is as before."""
    meeting = await service.change_line(
        session, person, parse_public_id(PREFIX, meeting_id), parse_public_id(LINE, line_id), body.line, body.version
    )
    return await _view(session, meeting, person)


@router.delete(
    "/meetings/{meeting_id}/lines/{line_id}", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def delete_line(
    meeting_id: MeetingId, line_id: LineId, person: CurrentPerson, session: SessionDep, version: VersionQuery = None
) -> schemas.MeetingView:
    """This line is let go; the others stay."""
    meeting = await service.remove_line(
        session, person, parse_public_id(PREFIX, meeting_id), parse_public_id(LINE, line_id), version
    )
    return await _view(session, meeting, person)


# ---- guests


@router.get("/meetings/{meeting_id}/guests", responses=raises(Unauthenticated, NotFound))
async def list_guests(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.GuestList:
    """All of them, in order, with their codes."""
    meeting = await _seen(session, meeting_id, person, also_helpers=False)
    rows = await queries.guests_of(session, meeting.id)
    return schemas.GuestList(data=await views.guest_views(session, meeting.id, rows))


@router.post(
    "/meetings/{meeting_id}/guests",
    status_code=201,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def post_guest(
    meeting_id: MeetingId, body: schemas.NewGuest, person: CurrentPerson, session: SessionDep
) -> schemas.GuestView:
    """One more guest; somebody of that name who is on the list already is changed."""
    guest = await guests.add_guest(session, person, parse_public_id(PREFIX, meeting_id), body)
    return (await views.guest_views(session, guest.meeting_id, [guest]))[0]


@router.post(
    "/meetings/{meeting_id}/guests/import",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, GuestsHaveBadCells),
    openapi_extra=TABLE_BODY,
)
async def import_guests(
    meeting_id: MeetingId,
    request: Request,
    person: CurrentPerson,
    session: SessionDep,
    dry_run: Annotated[bool, Query(description="Read it and say what it would do; change nothing.")] = False,  # noqa: FBT002  a query parameter
) -> schemas.GuestImport:
    """A list as CSV, XLSX, or pasted out of a sheet (text/csv with tabs). Bad cells are all named; nothing is taken then."""
    rows, bad_cells = await guests.import_guests(
        session, person, parse_public_id(PREFIX, meeting_id), await read_file(request), dry_run=dry_run
    )
    return schemas.GuestImport(
        rows=[schemas.GuestRow(row=row.row, change=row.change, guest=row.guest) for row in rows],
        bad_cells=bad_cells,
        imported=not dry_run,
    )


@router.patch(
    "/meetings/{meeting_id}/guests/{guest_id}", responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict)
)
async def patch_guest(
    meeting_id: MeetingId, guest_id: GuestId, body: schemas.GuestChange, person: CurrentPerson, session: SessionDep
) -> schemas.GuestView:
    """Only what is named changes; the code stays good."""
    guest = await guests.change_guest(
        session, person, parse_public_id(PREFIX, meeting_id), parse_public_id(GUEST, guest_id), body
    )
    return (await views.guest_views(session, guest.meeting_id, [guest]))[0]


@router.delete(
    "/meetings/{meeting_id}/guests/{guest_id}",
    status_code=204,
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, GuestHasArrived),
)
async def delete_guest(meeting_id: MeetingId, guest_id: GuestId, person: CurrentPerson, session: SessionDep) -> None:
    """Off the list; the code says nothing any more."""
    await guests.remove_guest(session, person, parse_public_id(PREFIX, meeting_id), parse_public_id(GUEST, guest_id))


@router.post(
    "/meetings/{meeting_id}/guests/{guest_id}/reissue",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict),
)
async def reissue_code(
    meeting_id: MeetingId, guest_id: GuestId, person: CurrentPerson, session: SessionDep
) -> schemas.GuestView:
    """A new code; the one before is refused from now on."""
    guest = await guests.reissue_code(
        session, person, parse_public_id(PREFIX, meeting_id), parse_public_id(GUEST, guest_id)
    )
    return (await views.guest_views(session, guest.meeting_id, [guest]))[0]


@router.get("/meetings/{meeting_id}/guests/{guest_id}/code", responses=raises(Unauthenticated, NotFound))
async def show_code(
    meeting_id: MeetingId, guest_id: GuestId, person: CurrentPerson, session: SessionDep
) -> schemas.AttendeeCodeView:
    """A guest's code as text and as a picture."""
    meeting = await _seen(session, meeting_id, person, also_helpers=False)
    guest = await queries.get_guest(session, meeting.id, parse_public_id(GUEST, guest_id))
    code = codes.guest_code(guest.id, guest.code_issue)
    return schemas.AttendeeCodeView(code=code, svg=qr_svg(code))


# ---- arrivals


@router.get("/meetings/{meeting_id}/scan_pack", responses=raises(Unauthenticated, NotFound))
async def show_scan_pack(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.ScanPack:
    """What a scanner needs to work without a network."""
    meeting = await _seen(session, meeting_id, person)
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    return schemas.ScanPack(
        meeting=public_id(PREFIX, meeting.id),
        public_key=base64.b64encode(codes.public_key()).decode(),
        prefix=codes.SIGNED_PREFIX.decode(),
        lines=[
            schemas.ScanLine(
                line=public_id(LINE, row.id),
                kind=row.kind,
                title=row.title,
                scan_rule=row.scan_rule,
                starts_at=clock.rfc3339(row.starts_at) if row.starts_at else None,
                ends_at=clock.rfc3339(row.ends_at) if row.ends_at else None,
            )
            for row in rows
            if row.state != "released" and row.kind != "badges"
        ],
        guests=[
            schemas.ScanGuest(id=public_id(GUEST, guest.id), issue=guest.code_issue, name=guest.name)
            for guest in await queries.guests_of(session, meeting.id)
        ],
        server_time=clock.rfc3339(clock.now()),
    )


@router.post("/meetings/{meeting_id}/scans", responses=raises(Unauthenticated, NotFound, StateConflict))
async def post_scans(
    meeting_id: MeetingId, body: schemas.ScanBatch, person: CurrentPerson, session: SessionDep
) -> schemas.ScanResults:
    """Scans, online or kept from an hour without a network. Each guest counts at each step as its rule says; the same
    nonce again is the same scan."""
    results = await scans.take_scans(session, person, parse_public_id(PREFIX, meeting_id), body.scans)
    return schemas.ScanResults(results=results)


@router.get("/meetings/{meeting_id}/arrivals", responses=raises(Unauthenticated, NotFound))
async def show_arrivals(meeting_id: MeetingId, person: CurrentPerson, session: SessionDep) -> schemas.Arrivals:
    """Who has come so far; carried on by the channel `meeting:<id>` after `position`."""
    meeting = await _seen(session, meeting_id, person)
    position = await channel_position(session, f"meeting:{public_id(PREFIX, meeting.id)}")
    return await views.arrivals_view(session, meeting, position)


# ---- triggers, last: their address takes in any word


@router.post(
    "/meetings/{meeting_id}/{trigger}",
    responses=raises(Unauthenticated, Forbidden, NotFound, StateConflict, NothingServes),
)
async def pull_trigger(
    meeting_id: MeetingId,
    trigger: Literal["confirm", "approve", "reject", "cancel", "finish", "settle", "refund"],
    person: CurrentPerson,
    session: SessionDep,
    body: schemas.MeetingAnswer | None = None,
) -> schemas.MeetingView:
    """approve, reject, settle, refund: the office. confirm: the organiser. All others: both."""
    answer = body or schemas.MeetingAnswer()
    meeting = await service.pull(session, person, parse_public_id(PREFIX, meeting_id), trigger, answer)
    return await _view(session, meeting, person)
