"""Teams and their rotations: opened, changed, ended."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, contacts_of, place_names, places_up, today
from kernel import clock
from kernel.errors import Forbidden, Malformed, NotFound
from kernel.ids import parse_public_id, public_id, uuid7
from realtime.duty import queries
from realtime.duty.coverage import look_again
from realtime.duty.errors import BadRotation, InRotation, NotInTeam
from realtime.duty.models import DutyMember, DutyRotation, DutyTeam
from realtime.duty.rights import KEEPERS, is_keeper, require_editor
from realtime.duty.rota import rotation_of
from realtime.duty.rotations import instant_of_wall
from realtime.duty.schemas import DutyMemberRequest, DutyTeamChange, DutyTeamRequest, RotationRequest
from realtime.duty.telling import ROTATION, TEAM, note, tell

_FOR_EVER: Final = timedelta(days=36_500)


async def open_team(session: AsyncSession, actor: Principal, wanted: DutyTeamRequest) -> DutyTeam:
    """A team of a region, with its people."""
    region_id = parse_public_id("reg", wanted.region)
    _require_keeper(actor, region_id)
    region = (await place_names(session, [region_id])).get(region_id)
    if region is None:
        raise NotFound
    team = DutyTeam(
        id=uuid7(),
        region_id=region_id,
        name_zh=wanted.name_zh,
        name_en=wanted.name_en,
        role=wanted.role,
        place_ids=await _places(session, wanted.places),
        zone=_zone(wanted.zone or region.timezone),
        needed_weekdays=sorted(set(wanted.needed_weekdays)),
        needed_from=time.fromisoformat(wanted.needed_from),
        needed_until=time.fromisoformat(wanted.needed_until),
        created_at=clock.now(),
        closed_at=None,
    )
    session.add(team)
    await session.flush()
    await _set_members(session, team, wanted.members)
    await _note_team(session, actor, team, "open_team")
    return team


async def change_team(session: AsyncSession, actor: Principal, team_id: UUID, change: DutyTeamChange) -> DutyTeam:
    """What is given is changed; leads change names of nothing, keepers everything."""
    team = await queries.lock_team(session, team_id)
    _require_keeper(actor, team.region_id)
    for name in ("name_zh", "name_en", "role"):
        if getattr(change, name) is not None:
            setattr(team, name, getattr(change, name))
    if change.places is not None:
        team.place_ids = await _places(session, change.places)
    if change.needed_weekdays is not None:
        team.needed_weekdays = sorted(set(change.needed_weekdays))
    if change.needed_from is not None:
        team.needed_from = time.fromisoformat(change.needed_from)
    if change.needed_until is not None:
        team.needed_until = time.fromisoformat(change.needed_until)
    if change.members is not None:
        await _set_members(session, team, change.members)
    await session.flush()
    await look_again(session, team, is_change=True)
    await _note_team(session, actor, team, "change_team")
    return team


async def close_team(session: AsyncSession, actor: Principal, team_id: UUID) -> None:
    """Nobody is asked of it any more; what was stays readable in the audit log."""
    team = await queries.lock_team(session, team_id)
    _require_keeper(actor, team.region_id)
    team.closed_at = team.closed_at or max(clock.now(), team.created_at)
    await session.flush()
    await _note_team(session, actor, team, "close_team")


async def _places(session: AsyncSession, wanted: Sequence[str]) -> list[UUID]:
    found = [parse_public_id("pla", place) for place in wanted]
    for place in found:
        if not await places_up(session, place):
            raise NotFound(what="pla", id=public_id("pla", place))
    return found


def _require_keeper(actor: Principal, region_id: UUID) -> None:
    if not is_keeper(actor, region_id):
        raise Forbidden(roles=[str(role) for role in KEEPERS])


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Malformed(reason="no such time zone", field="zone") from None
    return name


async def _set_members(session: AsyncSession, team: DutyTeam, wanted: Sequence[DutyMemberRequest]) -> None:
    leads = {parse_public_id("per", member.person): member.is_lead for member in wanted}
    known = {member.person_id: member for member in await queries.members_of(session, [team.id])}
    active = await contacts_of(session, leads.keys() - known.keys(), today())
    strangers = [person for person in leads if person not in known and person not in active]
    if strangers:
        raise NotFound(what="per", id=public_id("per", strangers[0]))
    await _refuse_to_leave_a_hole(session, team, known.keys() - leads.keys())
    await session.execute(
        delete(DutyMember).where(DutyMember.team_id == team.id, DutyMember.person_id.not_in(list(leads)))
    )
    for person, is_lead in leads.items():
        if person in known:
            known[person].is_lead = is_lead
        else:
            session.add(DutyMember(team_id=team.id, person_id=person, is_lead=is_lead, joined_at=clock.now()))
    await session.flush()


async def _refuse_to_leave_a_hole(session: AsyncSession, team: DutyTeam, leaving: set[UUID]) -> None:
    now = clock.now()
    for rotation in await queries.rotations_between(session, [team.id], now, now + _FOR_EVER):
        for person in leaving.intersection(rotation.people):
            raise InRotation(person=public_id("per", person))


async def _note_team(session: AsyncSession, actor: Principal, team: DutyTeam, action: str) -> None:
    people = [member.person_id for member in await queries.members_of(session, [team.id])]
    tell(session, team, "team", people)
    data = {"name": team.name_zh, "role": team.role, "people": [public_id("per", person) for person in people]}
    await note(session, actor.actor, action, public_id(TEAM, team.id), data)


# ---- rotations


async def start_rotation(
    session: AsyncSession, actor: Principal, team_id: UUID, wanted: RotationRequest
) -> DutyRotation:
    """A new rotation of a team. The one that it replaces ends at the very instant at which it begins."""
    team = await queries.lock_team(session, team_id)
    await require_editor(session, actor, team)
    row = _row_of(team, wanted, actor.person_id)
    try:
        rotation = rotation_of(row)
    except ValueError as error:
        raise BadRotation(reason=str(error)) from None
    members = {member.person_id for member in await queries.members_of(session, [team.id])}
    for person in rotation.people:
        if person not in members:
            raise NotInTeam(person=public_id("per", person))
    if wanted.replaces is not None:
        old = await _lock_rotation(session, team, parse_public_id(ROTATION, wanted.replaces))
        begins = instant_of_wall(rotation.starts_on, rotation.slots[0].starts, rotation.zone)
        _end(old, rotation.starts_on, begins)
    session.add(row)
    await session.flush()
    await look_again(session, team, is_change=True)
    await _note_rotation(session, actor, team, row, "start_rotation")
    return row


def _row_of(team: DutyTeam, wanted: RotationRequest, author: UUID) -> DutyRotation:
    if wanted.ends_on is not None and wanted.ends_on <= wanted.starts_on:
        raise BadRotation(reason="it ends before it begins")
    staffed = sum(1 for slot in wanted.slots if slot.is_staffed)
    if wanted.seats > len(wanted.people):
        raise BadRotation(reason="there are more seats than people")
    return DutyRotation(
        id=uuid7(),
        team_id=team.id,
        name=wanted.name,
        zone=team.zone,
        starts_on=wanted.starts_on,
        ends_on=wanted.ends_on,
        ends_at=None,
        slots=[slot.model_dump() for slot in wanted.slots],
        people=[parse_public_id("per", person) for person in wanted.people],
        turn_days=wanted.turn_days,
        advance=min(100, max(1, staffed) * wanted.seats) if wanted.advance is None else wanted.advance,
        seats=wanted.seats,
        created_by=author,
        created_at=clock.now(),
    )


async def _lock_rotation(session: AsyncSession, team: DutyTeam, rotation_id: UUID) -> DutyRotation:
    """Under the team's lock."""
    row = await session.get(DutyRotation, rotation_id, populate_existing=True)
    if row is None or row.team_id != team.id:
        raise NotFound
    return row


def _end(row: DutyRotation, day: date, at: datetime | None) -> None:
    """Its last shift may run into `day`: up to the instant, where one is named."""
    if day <= row.starts_on:
        # It never begins: one day of it is kept, of which nothing is left.
        row.ends_on = date.fromordinal(row.starts_on.toordinal() + 1)
        row.ends_at = instant_of_wall(row.starts_on, time(0), ZoneInfo(row.zone))
        return
    # With an instant, the day's own shifts count up to it: two rotations with different hand-offs leave no gap.
    row.ends_on = date.fromordinal(day.toordinal() + 1) if at is not None else day
    row.ends_at = at


async def end_rotation(session: AsyncSession, actor: Principal, rotation_id: UUID, ends_on: date) -> DutyRotation:
    """No shifts of it from that day on. What has been is not changed: the day is not before today."""
    found = await session.get(DutyRotation, rotation_id)
    if found is None:
        raise NotFound
    team = await queries.lock_team(session, found.team_id)
    await require_editor(session, actor, team)
    row = await _lock_rotation(session, team, rotation_id)
    here = clock.now().astimezone(ZoneInfo(row.zone)).date()
    if ends_on < here and row.starts_on < here:
        raise BadRotation(reason="days that have been are not changed")
    _end(row, ends_on, None)
    await session.flush()
    await look_again(session, team, is_change=True)
    await _note_rotation(session, actor, team, row, "end_rotation")
    return row


async def _note_rotation(
    session: AsyncSession, actor: Principal, team: DutyTeam, row: DutyRotation, action: str
) -> None:
    tell(session, team, "rotation", row.people)
    data = {
        "team": public_id(TEAM, team.id),
        "name": row.name,
        "starts_on": row.starts_on.isoformat(),
        "ends_on": row.ends_on.isoformat() if row.ends_on else None,
        "people": [public_id("per", person) for person in row.people],
    }
    await note(session, actor.actor, action, public_id(ROTATION, row.id), data)
