"""Test rings: at the start of every shift each way to whoever takes it, and to the team's group, is rung once.

Who begins within half a day and has a way that was not proved for a day is rung ahead of it, by day and never by voice: there
is then still time to do something about a way that is dead.
"""

from datetime import datetime, time, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.ids import public_id, uuid7
from realtime.duty import queries
from realtime.duty.models import DutyRing, DutyTeam
from realtime.duty.rota import rota_between, shifts_at
from realtime.duty.rotations import Shift
from realtime.duty.telling import SHIFT, TEAM
from realtime.reaching.api import Kind, Target, Words, know, paths_to, reach

log = structlog.get_logger(__name__)

# A worker that was down for an hour still rings what began meanwhile.
_LATE: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(hours=13)
_DAY_FROM: Final = time(7)
_DAY_UNTIL: Final = time(22)
_KEPT: Final = timedelta(days=30)
_QUIET: Final = frozenset(kind for kind in Kind if kind is not Kind.VOICE)


async def ring_due(db: Database) -> int:
    """Ring what begins, and what will begin; returns how many people and groups were rung. Run by the worker."""
    now, rung = clock.now(), 0
    async with db.session() as session:
        teams = await queries.list_teams(session)
        due = [
            (team, shift)
            for team in teams
            for shift in await rota_between(session, [team], now - _LATE, now + _AHEAD)
            if now - _LATE < shift.starts_at <= now + _AHEAD and shift.ends_at > now
        ]
    for team, shift in due:
        async with db.session() as session:
            rung += await (
                _ring_start(session, team, shift) if shift.starts_at <= now else _ring_ahead(session, team, shift)
            )
    return rung


async def _ring_start(session: AsyncSession, team: DutyTeam, shift: Shift) -> bool:
    if not await _claim(session, shift, "start"):
        return False
    ref = f"ring:{public_id(SHIFT, shift.base_id)}:{shift.person_id.hex[-6:]}:start"
    words = ring_words(team, shift)
    ways = await reach(session, target=Target(person_id=shift.person_id), text=words, ref=ref, urgent=False)
    group_ref = f"ring:{public_id(TEAM, team.id)}:{int(shift.starts_at.timestamp())}"
    ways += await reach(session, target=Target(team_id=team.id), text=words, ref=group_ref, urgent=False)
    await _note_ways(session, shift, "start", len(ways))
    return True


async def _ring_ahead(session: AsyncSession, team: DutyTeam, shift: Shift) -> bool:
    local = clock.now().astimezone(shift.zone).time()
    if not _DAY_FROM <= local < _DAY_UNTIL:
        return False
    target = Target(person_id=shift.person_id, kinds=_QUIET)
    known = await know(session, await paths_to(session, target))
    if known and all(one.is_proved(clock.now()) for one in known):
        return False
    if not await _claim(session, shift, "ahead"):
        return False
    ref = f"ring:{public_id(SHIFT, shift.base_id)}:{shift.person_id.hex[-6:]}:ahead"
    ways = await reach(session, target=target, text=ring_words(team, shift), ref=ref, urgent=False)
    await _note_ways(session, shift, "ahead", len(ways))
    return True


async def _claim(session: AsyncSession, shift: Shift, kind: str) -> bool:
    """Once for each shift and person, also with two workers."""
    claimed: UUID | None = await session.scalar(
        insert(DutyRing)
        .values(
            shift_id=shift.base_id,
            person_id=shift.person_id,
            kind=kind,
            team_id=shift.team_id,
            rung_at=clock.now(),
            ways=0,
        )
        .on_conflict_do_nothing(index_elements=["shift_id", "person_id", "kind"])
        .returning(DutyRing.shift_id)
    )
    return claimed is not None


async def _note_ways(session: AsyncSession, shift: Shift, kind: str, ways: int) -> None:
    row = await session.get_one(DutyRing, (shift.base_id, shift.person_id, kind))
    row.ways = ways
    await session.flush()
    if not ways:
        log.warning("duty.no_way_to_ring", team=str(shift.team_id), person=str(shift.person_id))


def ring_words(team: DutyTeam, shift: Shift | None) -> Words:
    """What a test ring says."""
    when_zh, when_en = "", ""
    if shift is not None:
        local: datetime = shift.starts_at.astimezone(shift.zone)
        when_zh, when_en = f"，{local:%m月%d日 %H:%M} 的班", f", the shift of {local:%d %b, %H:%M}"
    return Words(
        "值班试响",
        "Test ring",
        f"{team.name_zh}{when_zh}。收到这条消息，说明这条线路是通的，不必回复。",
        f"{team.name_en}{when_en}. Reading this means that the line works; no answer is needed.",
        "/desk",
    )


async def ring_now(session: AsyncSession, team: DutyTeam) -> int:
    """Because somebody wants to know: everybody of the running shifts, and the group. Returns how many ways were rung."""
    ref, ways = f"ring:{uuid7().hex}", 0
    for shift in await shifts_at(session, [team], clock.now()):
        target = Target(person_id=shift.person_id)
        ways += len(await reach(session, target=target, text=ring_words(team, shift), ref=ref, urgent=False))
    ways += len(
        await reach(session, target=Target(team_id=team.id), text=ring_words(team, None), ref=ref, urgent=False)
    )
    return ways


async def forget_old_rings(db: Database) -> None:
    """After a month."""
    async with db.session() as session:
        await session.execute(delete(DutyRing).where(DutyRing.rung_at < clock.now() - _KEPT))
