"""The guide: agenda, places, menus and contacts of a meeting, for whoever has its code; nobody need be signed in.

A guest's own code leads to it too, and then shows itself. Names of other guests stand nowhere in it.
"""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import costs, queries, schemas, views
from booking.meetings.codes import GUEST_BLOCK, guest_code, read_code
from booking.meetings.models import Meeting, MeetingGuest, MeetingLineRow
from booking.meetings.queries import LINE, PREFIX
from identity.api import Leg, PlaceSummary, contacts_of, find_way, place_summary, today
from kernel import clock
from kernel.errors import NotFound
from kernel.files import StoredFile, files_of
from kernel.ids import public_id
from kernel.qr import qr_svg

PLAN: Final = "plan"
_METRES_A_MINUTE: Final = 70
# What is not settled yet is nobody's to read but the organiser's.
_SHOWN: Final = frozenset({"held", "pending_approval", "confirmed", "in_progress", "completed", "settled", "cancelled"})


async def read_guide(session: AsyncSession, code: str) -> schemas.Guide:
    """The guide that a code leads to; NotFound for any other text, and for a code that was replaced."""
    meeting, guest = await _who(session, code)
    if meeting.state not in _SHOWN:
        raise NotFound(what="guide")
    rows = [row for row in (await queries.lines_of(session, [meeting.id]))[meeting.id] if row.kind != "badges"]
    return schemas.Guide(
        meeting=public_id(PREFIX, meeting.id),
        title=meeting.title,
        state=meeting.state,
        words=meeting.words,
        zone=meeting.zone,
        starts_at=clock.rfc3339(meeting.starts_at),
        ends_at=clock.rfc3339(meeting.ends_at),
        agenda=views.agenda_views(meeting),
        contacts=[schemas.Contact.model_validate(contact) for contact in meeting.contacts],
        lines=await _lines(session, [row for row in rows if row.state != "released"]),
        guest=_guest(guest),
    )


async def way_to(
    session: AsyncSession, code: str, to: UUID, start: UUID | None, *, step_free: bool
) -> schemas.GuideWay:
    """The way to a place of the meeting, drawn on the plans; from the outermost place that it is in, the gate, where nothing
    else is said."""
    meeting, _ = await _who(session, code)
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    places = await costs.places_of_lines(session, [row for row in rows if row.state != "released"])
    if to not in {place.place_id for each in places.values() for place in each}:
        raise NotFound(what="place")
    root = (await place_summary(session, [to]))[to].path[0]
    way = await find_way(session, start or root, to, step_free=step_free)
    plans = {leg.plan.id: leg.plan for leg in way.legs}
    named = await place_summary(session, [plan.place_id for plan in plans.values()])
    pictures = {identifier: await plan_picture(session, code, identifier) for identifier in plans}
    metres = round(way.metres)
    return schemas.GuideWay(
        metres=metres,
        minutes=max(-(-metres // _METRES_A_MINUTE), 1),
        legs=[_leg(code, leg, named[leg.plan.place_id], pictures[leg.plan.id]) for leg in way.legs],
    )


def _leg(code: str, leg: Leg, place: PlaceSummary, picture: StoredFile) -> schemas.GuideLeg:
    plan = public_id(PLAN, leg.plan.id)
    return schemas.GuideLeg(
        plan=plan,
        picture=f"/v1/guides/{code}/plans/{plan}",
        width=picture.width or 1,
        height=picture.height or 1,
        place_name_zh=place.full_name_zh,
        place_name_en=place.full_name_en,
        points=[schemas.GuidePoint(x=each.x, y=each.y, kind=each.kind, label=each.label) for each in leg.points],
    )


async def plan_picture(session: AsyncSession, code: str, plan_id: UUID) -> StoredFile:
    """The picture of a plan, for whoever holds a guide: what hangs on the wall is no secret to those who are invited."""
    await _who(session, code)
    name = public_id(PLAN, plan_id)
    found = (await files_of(session, [name])).get(name, [])
    if not found:
        raise NotFound(what=PLAN)
    return found[-1]


async def _who(session: AsyncSession, code: str) -> tuple[Meeting, MeetingGuest | None]:
    block = read_code(code)
    if block is None:
        raise NotFound(what="guide")
    if block.kind != GUEST_BLOCK:
        return await queries.get_meeting(session, block.id), None
    guest = await session.get(MeetingGuest, block.id)
    if guest is None or guest.removed_at is not None or guest.code_issue != block.issue:
        raise NotFound(what="guide")
    return await queries.get_meeting(session, guest.meeting_id), guest


def _guest(guest: MeetingGuest | None) -> schemas.GuideGuest | None:
    if guest is None:
        return None
    code = guest_code(guest.id, guest.code_issue)
    return schemas.GuideGuest(name=guest.name, code=code, code_svg=qr_svg(code))


async def _lines(session: AsyncSession, rows: list[MeetingLineRow]) -> list[schemas.GuideLine]:
    places = await costs.places_of_lines(session, rows)
    every = [place for each in places.values() for place in each]
    named = await place_summary(session, {place.place_id for place in every if place.place_id is not None})
    people: set[UUID] = {place.driver_id for place in every if place.driver_id is not None}
    drivers = await contacts_of(session, people, today()) if people else {}
    return [
        schemas.GuideLine(
            id=public_id(LINE, row.id),
            kind=row.kind,
            title=row.title,
            starts_at=clock.rfc3339(row.starts_at) if row.starts_at else None,
            ends_at=clock.rfc3339(row.ends_at) if row.ends_at else None,
            places=[views.place_view(place, named, drivers) for place in places[row.id] if not place.is_lost],
            menu=[schemas.GuideDishView(name_zh=zh, name_en=en) for place in places[row.id] for zh, en in place.menu],
            meal=row.wanted.get("meal"),
            from_text=row.wanted.get("from_text", ""),
            to_text=row.wanted.get("to_text", ""),
        )
        for row in rows
    ]
