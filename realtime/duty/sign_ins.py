""" "I am on duty", and "I am not any more". It counts for the turn that runs or begins soon, and for what follows it without a
break; then it ends by itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.db import Database
from kernel.errors import StateConflict
from kernel.ids import public_id, uuid7
from realtime.duty import queries
from realtime.duty.errors import NotYourTurn
from realtime.duty.models import DutySignIn
from realtime.duty.rota import rota_between
from realtime.duty.rotations import Shift
from realtime.duty.telling import note, tell

# So long before a shift somebody may sign in to it.
EARLY: Final = timedelta(hours=2)
_LOOK_AHEAD: Final = timedelta(days=15)


async def check_in(session: AsyncSession, actor: Principal) -> DutySignIn:
    """Now, for the turn that runs or begins within two hours; once more changes nothing but how long it lasts."""
    now = clock.now()
    shifts = await own_shifts(session, actor.person_id, now, now + _LOOK_AHEAD)
    until = end_of_turn(shifts, now)
    if until is None:
        soonest = next((shift.starts_at for shift in shifts), None)
        raise NotYourTurn(next_at=clock.rfc3339(soonest) if soonest else None)
    known = await queries.open_sign_in(session, actor.person_id)
    if known is not None and known.until > now:
        known.until = until
        return known
    if known is not None:
        await _end(session, known, known.until, "system")
    # Of two presses at once one is the sign-in, and the other finds it.
    await session.execute(
        insert(DutySignIn)
        .values(id=uuid7(), person_id=actor.person_id, started_at=now, until=until)
        .on_conflict_do_nothing(index_elements=["person_id"], index_where=DutySignIn.ended_at.is_(None))
    )
    sign_in = await queries.open_sign_in(session, actor.person_id)
    assert sign_in is not None, "it was written, or somebody else's stands there"
    await _tell_teams(session, actor.person_id)
    await note(session, actor.actor, "check_in", actor.actor, {"until": clock.rfc3339(until)})
    return sign_in


async def check_out(session: AsyncSession, actor: Principal) -> DutySignIn:
    """Not any more. The rota says what that leaves."""
    known = await queries.open_sign_in(session, actor.person_id)
    if known is None:
        raise StateConflict(state="off_duty", trigger="check_out", allowed=["check_in"])
    await _end(session, known, clock.now(), "person")
    await _tell_teams(session, actor.person_id)
    await note(session, actor.actor, "check_out", actor.actor, {})
    return known


async def _end(session: AsyncSession, sign_in: DutySignIn, at: datetime, by: str) -> None:
    # A clock that was set back in between makes no sign-in end before it began.
    sign_in.ended_at, sign_in.ended_by = max(at, sign_in.started_at), by
    await session.flush()


async def own_shifts(session: AsyncSession, person_id: UUID, starts_at: datetime, ends_at: datetime) -> list[Shift]:
    """Somebody's own, of all their teams, in order of time."""
    rota = await rota_between(session, await queries.teams_of_person(session, person_id), starts_at, ends_at)
    return [shift for shift in rota if shift.person_id == person_id]


def end_of_turn(shifts: Sequence[Shift], now: datetime) -> datetime | None:
    """When the turn ends that runs or begins soon, with all that follows it without a break; None where there is none."""
    until: datetime | None = None
    for shift in sorted(shifts, key=lambda s: s.starts_at):
        if until is None:
            if shift.starts_at - EARLY <= now < shift.ends_at:
                until = shift.ends_at
        elif shift.starts_at <= until < shift.ends_at:
            until = shift.ends_at
    return until


async def stretch_sign_in(session: AsyncSession, person_id: UUID) -> None:
    """Somebody who is on duty and was given what follows stays on duty through it."""
    known = await queries.open_sign_in(session, person_id)
    now = clock.now()
    if known is None or known.until <= now:
        return
    until = end_of_turn(await own_shifts(session, person_id, now, now + _LOOK_AHEAD), now)
    if until is not None and until > known.until:
        known.until = until
        await session.flush()


async def _tell_teams(session: AsyncSession, person_id: UUID) -> None:
    for team in await queries.teams_of_person(session, person_id):
        tell(session, team, "sign_in", [person_id])


async def end_overdue(db: Database) -> int:
    """Sign-ins whose turn is over end by themselves; returns how many. Run by the worker."""
    async with db.session() as session:
        overdue = (
            await session.scalars(
                select(DutySignIn)
                .where(DutySignIn.ended_at.is_(None), DutySignIn.until <= clock.now())
                .limit(100)
                .with_for_update(skip_locked=True)
            )
        ).all()
        for sign_in in overdue:
            await _end(session, sign_in, sign_in.until, "system")
            await _tell_teams(session, sign_in.person_id)
            person = public_id("per", sign_in.person_id)
            await note(session, "system", "end_sign_in", person, {"until": clock.rfc3339(sign_in.until)})
    return len(overdue)
