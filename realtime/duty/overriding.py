"""Overrides: somebody else takes a time, nobody does, or there is an extra hand."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.errors import Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from realtime.duty import queries
from realtime.duty.coverage import look_again
from realtime.duty.errors import NotInTeam, TakenAlready
from realtime.duty.models import DutyMember, DutyOverride, DutyTeam
from realtime.duty.rights import require_editor
from realtime.duty.rota import rota_between
from realtime.duty.schemas import OverrideRequest
from realtime.duty.sign_ins import stretch_sign_in
from realtime.duty.telling import OVERRIDE, TEAM, note, tell

LONGEST: Final = timedelta(days=92)


async def add_override(session: AsyncSession, actor: Principal, team_id: UUID, wanted: OverrideRequest) -> DutyOverride:
    """By whoever keeps the rota. It may begin in a shift that runs: somebody fell ill in the middle of the night."""
    team = await queries.lock_team(session, team_id)
    await require_editor(session, actor, team)
    person_out = parse_public_id("per", wanted.person_out) if wanted.person_out else None
    person_in = parse_public_id("per", wanted.person_in) if wanted.person_in else None
    _check_span(wanted.starts_at, wanted.ends_at)
    if person_out == person_in:
        raise Malformed(reason="somebody comes in, goes out, or both: two different people", field="person_in")
    return await write_override(
        session,
        team,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        person_out=person_out,
        person_in=person_in,
        reason=wanted.reason,
        swap_id=None,
        actor=actor,
    )


def _check_span(starts_at: datetime, ends_at: datetime) -> None:
    if not starts_at < ends_at <= starts_at + LONGEST:
        raise Malformed(reason=f"it ends after it begins, and within {LONGEST.days} days", field="ends_at")
    if ends_at <= clock.now():
        raise Malformed(reason="what has been is not changed", field="ends_at")


async def write_override(
    session: AsyncSession,
    team: DutyTeam,
    *,
    starts_at: datetime,
    ends_at: datetime,
    person_out: UUID | None,
    person_in: UUID | None,
    reason: str,
    swap_id: UUID | None,
    actor: Principal,
) -> DutyOverride:
    """Under the team's lock. Who comes in belongs to the team and stands nowhere else in its rota at that time."""
    if person_in is not None:
        await require_free(session, team, person_in, starts_at, ends_at)
    override = DutyOverride(
        id=uuid7(),
        team_id=team.id,
        starts_at=starts_at,
        ends_at=ends_at,
        person_out=person_out,
        person_in=person_in,
        reason=reason,
        swap_id=swap_id,
        created_by=actor.person_id,
        created_at=clock.now(),
        cancelled_at=None,
    )
    session.add(override)
    await session.flush()
    if person_in is not None:
        await stretch_sign_in(session, person_in)
    await look_again(session, team, is_change=True)
    await _note(session, actor, team, override, "add_override")
    return override


async def require_free(
    session: AsyncSession, team: DutyTeam, person_id: UUID, starts_at: datetime, ends_at: datetime
) -> None:
    """NotInTeam, or TakenAlready where somebody would stand in the rota twice."""
    if await session.get(DutyMember, (team.id, person_id)) is None:
        raise NotInTeam(person=public_id("per", person_id))
    rota = await rota_between(session, [team], starts_at, ends_at)
    if any(shift.person_id == person_id for shift in rota):
        raise TakenAlready


async def cancel_override(session: AsyncSession, actor: Principal, override_id: UUID) -> DutyOverride:
    """As if it had never been made; one that is over stays."""
    found = await session.get(DutyOverride, override_id)
    if found is None:
        raise NotFound
    team = await queries.lock_team(session, found.team_id)
    await require_editor(session, actor, team)
    override = await session.get_one(DutyOverride, override_id, populate_existing=True)
    if override.cancelled_at is not None or override.ends_at <= clock.now():
        raise StateConflict(state="cancelled" if override.cancelled_at else "over", trigger="cancel", allowed=[])
    override.cancelled_at = clock.now()
    await session.flush()
    await look_again(session, team, is_change=True)
    await _note(session, actor, team, override, "cancel_override")
    return override


async def _note(session: AsyncSession, actor: Principal, team: DutyTeam, override: DutyOverride, action: str) -> None:
    tell(session, team, "override", [override.person_out, override.person_in])
    data = {
        "team": public_id(TEAM, team.id),
        "from": clock.rfc3339(override.starts_at),
        "until": clock.rfc3339(override.ends_at),
        "out": public_id("per", override.person_out) if override.person_out else None,
        "in": public_id("per", override.person_in) if override.person_in else None,
        "reason": override.reason,
    }
    await note(session, actor.actor, action, public_id(OVERRIDE, override.id), data)
