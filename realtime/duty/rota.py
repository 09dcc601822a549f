"""The rota of teams in a span of time, read from rotations and overrides; and who of it is on duty."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import contacts_of, places_up, regions_up, today
from realtime.duty import queries
from realtime.duty.models import DutyOverride, DutyRotation, DutyTeam
from realtime.duty.rotations import Override, Rotation, Shift, Slot, apply_overrides, expand


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody who stands in the rota now, and has said so."""

    person_id: UUID
    shift_id: UUID
    team_id: UUID


class Presence(Protocol):
    """Who is there now: a lease that pages renew. What has no such lease counts as away."""

    async def live(self, people: Collection[UUID]) -> Collection[UUID]:
        """Those of these people whose lease is alive."""
        ...


@dataclass(frozen=True, slots=True)
class Near:
    """What stands around a place or a region, the nearest first, and the teams there: read once for all that one ring asks."""

    regions: Sequence[UUID]
    places: Sequence[UUID]
    teams: Sequence[DutyTeam]


async def read_near(session: AsyncSession, *, place_id: UUID | None, region_id: UUID) -> Near:
    """Of a place, or of a region where no place is named."""
    regions = await regions_up(session, region_id)
    places = await places_up(session, place_id) if place_id is not None else []
    return Near(regions, places, await queries.list_teams(session, DutyTeam.region_id.in_(regions)))


def rotation_of(row: DutyRotation) -> Rotation:
    """The pure one of a row."""
    return Rotation(
        id=row.id,
        team_id=row.team_id,
        zone=ZoneInfo(row.zone),
        starts_on=row.starts_on,
        slots=tuple(
            Slot(
                time.fromisoformat(slot["starts"]),
                slot["name"],
                frozenset(slot["weekdays"]),
                slot["is_staffed"],
            )
            for slot in row.slots
        ),
        people=tuple(row.people),
        turn_days=row.turn_days,
        advance=row.advance,
        seats=row.seats,
        ends_on=row.ends_on,
        ends_at=row.ends_at,
    )


def override_of(row: DutyOverride, zone: ZoneInfo) -> Override:
    """The pure one of a row."""
    return Override(row.id, row.team_id, row.starts_at, row.ends_at, row.person_out, row.person_in, zone)


async def rota_between(
    session: AsyncSession, teams: Sequence[DutyTeam], starts_at: datetime, ends_at: datetime
) -> list[Shift]:
    """Every shift of these teams that touches the span, as it is taken, in order of time."""
    ids, zones = [team.id for team in teams], {team.id: ZoneInfo(team.zone) for team in teams}
    rotations = [rotation_of(row) for row in await queries.rotations_between(session, ids, starts_at, ends_at)]
    shifts = [shift for rotation in rotations for shift in expand(rotation, starts_at, ends_at)]
    # Overrides of whole shifts, also of those parts that lie outside of the span.
    first = min([starts_at, *(shift.starts_at for shift in shifts)])
    last = max([ends_at, *(shift.ends_at for shift in shifts)])
    overrides = [
        override_of(row, zones[row.team_id])
        for row in await queries.overrides_between(session, ids, first, last)
        if row.cancelled_at is None
    ]
    return [
        shift for shift in apply_overrides(shifts, overrides) if shift.ends_at > starts_at and shift.starts_at < ends_at
    ]


async def shifts_between(session: AsyncSession, team_id: UUID, starts_at: datetime, ends_at: datetime) -> list[Shift]:
    """One team's shifts of a span."""
    return await rota_between(session, [await queries.get_team(session, team_id)], starts_at, ends_at)


async def shifts_at(session: AsyncSession, teams: Sequence[DutyTeam], at: datetime) -> list[Shift]:
    """Who stands in the rota at an instant."""
    around = await rota_between(session, teams, at, at + timedelta(microseconds=1))
    return [shift for shift in around if shift.covers(at)]


async def who_is_on_duty(
    session: AsyncSession,
    *,
    role: str | None,
    team_id: UUID | None,
    place_id: UUID | None,
    region_id: UUID,
    at: datetime,
    presence: Presence | None = None,
    near: Near | None = None,
) -> list[OnDuty]:
    """Who comes: of the nearest teams (those of the place before those of the region, those of the region before those of
    the one above it) that have anybody on duty. On duty is who stands in the rota, has signed in, and, where a `presence` is
    asked, is there. Empty where nobody is. `near`: who asks several times has read it already."""
    for teams in await _teams_nearest_first(session, role, team_id, place_id, region_id, near):
        found = await on_duty_of(session, teams, at, presence)
        if found:
            return found
    return []


async def who_is_in_the_rota(
    session: AsyncSession,
    *,
    role: str | None,
    team_id: UUID | None,
    place_id: UUID | None,
    region_id: UUID,
    at: datetime,
    near: Near | None = None,
) -> list[OnDuty]:
    """The same without the sign-in: who should be there, and may be reached at home."""
    for teams in await _teams_nearest_first(session, role, team_id, place_id, region_id, near):
        shifts = await shifts_at(session, teams, at)
        if shifts:
            return [OnDuty(shift.person_id, shift.base_id, shift.team_id) for shift in shifts]
    return []


async def is_on_duty(session: AsyncSession, person_id: UUID, at: datetime) -> bool:
    """Whether somebody stands in a rota at that instant and has signed in."""
    found = await on_duty_of(session, await queries.teams_of_person(session, person_id), at)
    return any(one.person_id == person_id for one in found)


async def on_duty_of(
    session: AsyncSession, teams: Sequence[DutyTeam], at: datetime, presence: Presence | None = None
) -> list[OnDuty]:
    """Of these teams, in order of their shifts."""
    shifts = await shifts_at(session, teams, at) if teams else []
    people = {shift.person_id for shift in shifts}
    if not people:
        return []
    there = set(await queries.sign_ins_at(session, people, at))
    there &= set(await contacts_of(session, there, today()))
    if presence is not None:
        there &= set(await presence.live(there))
    return [OnDuty(s.person_id, s.base_id, s.team_id) for s in shifts if s.person_id in there]


async def _teams_nearest_first(
    session: AsyncSession,
    role: str | None,
    team_id: UUID | None,
    place_id: UUID | None,
    region_id: UUID,
    near: Near | None,
) -> list[list[DutyTeam]]:
    if team_id is not None:
        return [[team for team in [await queries.get_team(session, team_id)] if team.closed_at is None]]
    near = near or await read_near(session, place_id=place_id, region_id=region_id)
    by_distance: dict[tuple[int, int], list[DutyTeam]] = {}
    for team in near.teams:
        distance = _distance(team, near.places, near.regions)
        if distance is not None and role in (None, team.role):
            by_distance.setdefault(distance, []).append(team)
    return [teams for _, teams in sorted(by_distance.items(), key=lambda entry: entry[0])]


def _distance(team: DutyTeam, places: Sequence[UUID], regions: Sequence[UUID]) -> tuple[int, int] | None:
    """How far above a team stands; None where the place is none of its business."""
    height = regions.index(team.region_id)
    if not team.place_ids:
        return len(places), height
    nearest = [number for number, place in enumerate(places) if place in team.place_ids]
    return (nearest[0], height) if nearest else None
