"""From rows and shifts to wire forms."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary, place_names
from kernel import clock
from kernel.ids import public_id
from realtime.duty import queries, schemas
from realtime.duty.coverage import Outlook, gaps_of, look_ahead, open_warnings, same_warning
from realtime.duty.models import DutyFeed, DutyMember, DutyNote, DutyOverride, DutyRotation, DutySwap, DutyTeam
from realtime.duty.rights import KEEPERS, is_keeper
from realtime.duty.rota import on_duty_of, rota_between
from realtime.duty.rotations import Shift, Span
from realtime.duty.sign_ins import end_of_turn
from realtime.duty.states import allowed_to
from realtime.duty.telling import NOTE, OVERRIDE, ROTATION, SHIFT, SWAP, TEAM
from realtime.reaching.api import KnownPath, path_state

_MINE_AHEAD = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Names:
    """Who is called how."""

    people: dict[UUID, Any]

    def __call__(self, person_id: UUID) -> schemas.DutyPerson:
        found = self.people.get(person_id)
        return schemas.DutyPerson(id=public_id("per", person_id), name=found.name if found is not None else "?")

    def maybe(self, person_id: UUID | None) -> schemas.DutyPerson | None:
        return self(person_id) if person_id is not None else None

    def is_active(self, person_id: UUID) -> bool:
        found = self.people.get(person_id)
        return found is not None and found.status == "active"


async def names_of(session: AsyncSession, people: Iterable[UUID | None]) -> Names:
    """Names for ids; unknown ones are question marks."""
    return Names(await person_summary(session, list({person for person in people if person is not None})))


# ---- teams


async def team_views(session: AsyncSession, teams: Sequence[DutyTeam], reader: Principal) -> list[schemas.DutyTeamView]:
    """Teams with their people and the rotations that are not over."""
    now = clock.now()
    ids = [team.id for team in teams]
    members = await queries.members_of(session, ids)
    rotations = [
        row
        for row in await queries.rotations_between(session, ids, now, now + timedelta(days=3650))
        if row.ends_at is None or row.ends_at > now
    ]
    names = await names_of(session, [*(m.person_id for m in members), *(p for row in rotations for p in row.people)])
    regions = await place_names(session, {team.region_id for team in teams})
    there = {(one.team_id, one.person_id) for one in await on_duty_of(session, teams, now)}
    return [
        schemas.DutyTeamView(
            id=public_id(TEAM, team.id),
            name_zh=team.name_zh,
            name_en=team.name_en,
            region=public_id("reg", team.region_id),
            region_name=regions[team.region_id].name_zh if team.region_id in regions else "",
            role=team.role,
            places=[public_id("pla", place) for place in team.place_ids],
            zone=team.zone,
            needed_weekdays=team.needed_weekdays,
            needed_from=f"{team.needed_from:%H:%M}",
            needed_until=f"{team.needed_until:%H:%M}",
            members=[_member_view(m, names, there) for m in members if m.team_id == team.id],
            rotations=[rotation_view(row, names) for row in rotations if row.team_id == team.id],
            may_edit=is_keeper(reader, team.region_id)
            or any(m.is_lead for m in members if (m.team_id, m.person_id) == (team.id, reader.person_id)),
        )
        for team in teams
    ]


def _member_view(member: DutyMember, names: Names, there: Collection[tuple[UUID, UUID]]) -> schemas.DutyMemberView:
    person = names(member.person_id)
    return schemas.DutyMemberView(
        id=person.id,
        name=person.name,
        is_lead=member.is_lead,
        is_active=names.is_active(member.person_id),
        is_on_duty=(member.team_id, member.person_id) in there,
    )


def rotation_view(row: DutyRotation, names: Names) -> schemas.RotationView:
    """A rotation."""
    return schemas.RotationView(
        id=public_id(ROTATION, row.id),
        name=row.name,
        zone=row.zone,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        slots=[schemas.DutySlotView.model_validate(slot) for slot in row.slots],
        people=[names(person) for person in row.people],
        turn_days=row.turn_days,
        advance=row.advance,
        seats=row.seats,
    )


async def teams_for(session: AsyncSession, reader: Principal) -> list[DutyTeam]:
    """Those of the regions whose duty is the reader's business, and their own."""
    cover = reader.cover_of(*KEEPERS, "duty_staff")
    if cover is None:
        return await queries.list_teams(session)
    own = [team.id for team in await queries.teams_of_person(session, reader.person_id)]
    return await queries.list_teams(session, or_(DutyTeam.region_id.in_(cover.regions), DutyTeam.id.in_(own)))


# ---- the rota


async def shift_views(
    session: AsyncSession, shifts: Sequence[Shift], teams: Sequence[DutyTeam], names: Names | None = None
) -> list[schemas.DutyShiftView]:
    """In the given order."""
    now, by_id = clock.now(), {team.id: team for team in teams}
    named = names or await names_of(session, [shift.person_id for shift in shifts])
    signed_in = await queries.sign_ins_at(session, {shift.person_id for shift in shifts}, now)
    return [
        schemas.DutyShiftView(
            id=public_id(SHIFT, shift.base_id),
            team=public_id(TEAM, shift.team_id),
            team_name_zh=by_id[shift.team_id].name_zh,
            team_name_en=by_id[shift.team_id].name_en,
            name=shift.name,
            person=named(shift.person_id),
            starts_at=clock.rfc3339(shift.starts_at),
            ends_at=clock.rfc3339(shift.ends_at),
            is_changed=shift.touched > 0,
            is_now=shift.covers(now),
            is_signed_in=shift.covers(now) and shift.person_id in signed_in,
        )
        for shift in shifts
    ]


async def rota_view(
    session: AsyncSession, team: DutyTeam, reader: Principal, starts_at: datetime, ends_at: datetime
) -> schemas.RotaView:
    """A team's rota of some days."""
    shifts = await rota_between(session, [team], starts_at, ends_at)
    overrides = [
        row
        for row in await queries.overrides_between(session, [team.id], starts_at, ends_at)
        if row.cancelled_at is None
    ]
    asked = [*(s.person_id for s in shifts), *(p for row in overrides for p in (row.person_out, row.person_in))]
    names = await names_of(session, asked)
    staffed = [shift for shift in shifts if names.is_active(shift.person_id)]
    return schemas.RotaView(
        team=(await team_views(session, [team], reader))[0],
        starts_at=clock.rfc3339(starts_at),
        ends_at=clock.rfc3339(ends_at),
        shifts=await shift_views(session, shifts, [team], names),
        gaps=[_span_view(span) for span in gaps_of(team, staffed, starts_at, ends_at)],
        overrides=[override_view(row, names) for row in overrides],
    )


def _span_view(span: Span) -> schemas.DutySpan:
    return schemas.DutySpan(starts_at=clock.rfc3339(span.starts_at), ends_at=clock.rfc3339(span.ends_at))


def override_view(row: DutyOverride, names: Names) -> schemas.OverrideView:
    """A change to the rota."""
    return schemas.OverrideView(
        id=public_id(OVERRIDE, row.id),
        team=public_id(TEAM, row.team_id),
        starts_at=clock.rfc3339(row.starts_at),
        ends_at=clock.rfc3339(row.ends_at),
        person_out=names.maybe(row.person_out),
        person_in=names.maybe(row.person_in),
        reason=row.reason,
        is_swap=row.swap_id is not None,
        created_at=clock.rfc3339(row.created_at),
    )


# ---- coverage


async def coverage_view(session: AsyncSession, team: DutyTeam) -> schemas.CoverageView:
    """A team's week ahead, looked at now."""
    now = clock.now()
    outlook = await look_ahead(session, team)
    on_duty = await on_duty_of(session, [team], now)
    names = await names_of(session, [*(s.person_id for s in outlook.shifts), *(one.person_id for one in on_duty)])
    region = (await place_names(session, [team.region_id])).get(team.region_id)
    return schemas.CoverageView(
        team=public_id(TEAM, team.id),
        team_name_zh=team.name_zh,
        team_name_en=team.name_en,
        region=public_id("reg", team.region_id),
        region_name=region.name_zh if region is not None else "",
        zone=team.zone,
        looked_at=clock.rfc3339(now),
        until=clock.rfc3339(now + timedelta(days=7)),
        warnings=await _warning_views(session, outlook, names, now),
        people=_reached_people(outlook, names, now),
        group_paths=[_path_view(known) for known in outlook.group_ways],
        on_duty=[names(person) for person in dict.fromkeys(one.person_id for one in on_duty)],
    )


async def _warning_views(
    session: AsyncSession, outlook: Outlook, names: Names, now: datetime
) -> list[schemas.DutyWarningView]:
    known = await open_warnings(session, outlook.team.id)
    found = []
    for kind, spans in (("gap", outlook.gaps), ("unreachable", outlook.unreachable)):
        for span in spans:
            same = same_warning([one for one in known if one.kind == kind], span)
            about = [
                s.person_id for s in outlook.near(now) if s.starts_at < span.ends_at and s.ends_at > span.starts_at
            ]
            found.append(
                schemas.DutyWarningView.model_validate(
                    {
                        "kind": kind,
                        "starts_at": clock.rfc3339(span.starts_at),
                        "ends_at": clock.rfc3339(span.ends_at),
                        "found_at": clock.rfc3339(same.found_at if same is not None else now),
                        "people": [names(p) for p in dict.fromkeys(about)] if kind == "unreachable" else [],
                    }
                )
            )
    return sorted(found, key=lambda view: view.starts_at)


def _reached_people(outlook: Outlook, names: Names, now: datetime) -> list[schemas.ReachedPerson]:
    soonest: dict[UUID, datetime] = {}
    for shift in outlook.near(now):
        soonest.setdefault(shift.person_id, shift.starts_at)
    return [
        schemas.ReachedPerson(
            id=public_id("per", person),
            name=names(person).name,
            paths=[_path_view(known) for known in outlook.ways.get(person, [])],
            is_reached=any(known.is_proved(now) for known in outlook.ways.get(person, [])),
            starts_at=clock.rfc3339(starts_at),
        )
        for person, starts_at in soonest.items()
    ]


def _path_view(known: KnownPath) -> schemas.PathView:
    return schemas.PathView(kind=known.path.kind.value, label=known.path.label, state=path_state(known))


# ---- swaps, notes, mine


async def swap_views(session: AsyncSession, swaps: Sequence[DutySwap], reader: Principal) -> list[schemas.SwapView]:
    """In the given order."""
    names = await names_of(session, [person for swap in swaps for person in (swap.asker_id, swap.taker_id)])
    teams = {team.id: team for team in await queries.list_teams(session, DutyTeam.id.in_({s.team_id for s in swaps}))}
    return [_swap_view(swap, teams.get(swap.team_id), names, reader) for swap in swaps]


def _swap_view(swap: DutySwap, team: DutyTeam | None, names: Names, reader: Principal) -> schemas.SwapView:
    side = "taker" if swap.taker_id == reader.person_id else "asker"
    return schemas.SwapView.model_validate(
        {
            "id": public_id(SWAP, swap.id),
            "team": public_id(TEAM, swap.team_id),
            "team_name_zh": team.name_zh if team else "",
            "team_name_en": team.name_en if team else "",
            "asker": names(swap.asker_id),
            "taker": names(swap.taker_id),
            "starts_at": clock.rfc3339(swap.starts_at),
            "ends_at": clock.rfc3339(swap.ends_at),
            "return_starts_at": clock.rfc3339(swap.return_starts_at) if swap.return_starts_at else None,
            "return_ends_at": clock.rfc3339(swap.return_ends_at) if swap.return_ends_at else None,
            "words": swap.words,
            "state": swap.state,
            "allowed": allowed_to(swap.state, side),
            "asked_at": clock.rfc3339(swap.asked_at),
        }
    )


async def note_views(session: AsyncSession, notes: Sequence[DutyNote]) -> list[schemas.DutyNoteView]:
    """In the given order."""
    names = await names_of(session, [person for note in notes for person in (note.author_id, note.done_by)])
    teams = {team.id: team for team in await queries.list_teams(session, DutyTeam.id.in_({n.team_id for n in notes}))}
    return [
        schemas.DutyNoteView(
            id=public_id(NOTE, note.id),
            team=public_id(TEAM, note.team_id),
            team_name_zh=teams[note.team_id].name_zh if note.team_id in teams else "",
            team_name_en=teams[note.team_id].name_en if note.team_id in teams else "",
            author=names(note.author_id),
            words=note.words,
            written_at=clock.rfc3339(note.written_at),
            done_by=names.maybe(note.done_by),
            done_at=clock.rfc3339(note.done_at) if note.done_at else None,
        )
        for note in notes
    ]


async def my_duty_view(session: AsyncSession, reader: Principal) -> schemas.MyDuty:
    """My own turns of five weeks, the colleagues of now, and what waits for me."""
    now = clock.now()
    teams = await queries.teams_of_person(session, reader.person_id)
    rota = await rota_between(session, teams, now, now + _MINE_AHEAD)
    mine = [shift for shift in rota if shift.person_id == reader.person_id]
    sign_in = (await queries.sign_ins_at(session, [reader.person_id], now)).get(reader.person_id)
    views = await shift_views(session, mine, teams)
    colleagues = [shift for shift in rota if shift.covers(now) and shift.person_id != reader.person_id]
    may_check_in = sign_in is None and end_of_turn(mine, now) is not None
    running = next((view for view in views if view.is_now), None)
    ids = [team.id for team in teams]
    notes = await queries.list_notes(session, ids, is_open=True, limit=50, before=None)
    asked = (DutySwap.asker_id == reader.person_id) | (DutySwap.taker_id == reader.person_id)
    swaps = await queries.list_swaps(session, asked & (DutySwap.state == "asked"), limit=50, before=None)
    return schemas.MyDuty(
        is_on_duty=sign_in is not None and running is not None,
        signed_in_at=clock.rfc3339(sign_in.started_at) if sign_in is not None else None,
        current=running or (views[0] if views and (may_check_in or sign_in is not None) else None),
        may_check_in=may_check_in,
        next=next((view for view in views if not view.is_now), None),
        shifts=views,
        colleagues=await shift_views(session, colleagues, teams),
        teams=await team_views(session, teams, reader),
        open_notes=await note_views(session, notes),
        open_swaps=await swap_views(session, swaps, reader),
        has_feed=await session.get(DutyFeed, reader.person_id) is not None,
    )
