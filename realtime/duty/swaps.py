"""Swaps: one asks, the other decides, both are told. An accepted one is one override, or two where something is given back."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, Malformed, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint
from realtime.duty import queries
from realtime.duty.errors import NotInTeam, ShiftNotYours
from realtime.duty.events import DutySwapChanged
from realtime.duty.models import DutyMember, DutySwap, DutyTeam
from realtime.duty.overriding import require_free, write_override
from realtime.duty.rights import require_member
from realtime.duty.rota import rota_between
from realtime.duty.rotations import Shift
from realtime.duty.schemas import SwapRequest
from realtime.duty.states import next_state
from realtime.duty.telling import SHIFT, SWAP, TEAM, note, tell
from realtime.reaching.api import Target, reach
from realtime.reaching.api import Words as Said

_AROUND: Final = timedelta(seconds=1)


async def ask_swap(session: AsyncSession, actor: Principal, wanted: SwapRequest) -> DutySwap:
    """Will you take my shift? It is asked of one colleague at a time."""
    team = await queries.lock_team(session, parse_public_id(TEAM, wanted.team))
    await require_member(session, actor, team.id)
    taker_id = parse_public_id("per", wanted.taker)
    if taker_id == actor.person_id:
        raise Malformed(reason="one does not swap with oneself", field="taker")
    if await session.get(DutyMember, (team.id, taker_id)) is None:
        raise NotInTeam(person=wanted.taker)
    if (wanted.return_shift is None) != (wanted.return_starts_at is None):
        raise Malformed(reason="a shift in return is named by its id and its beginning", field="return_shift")
    shift = await _own_shift(session, team, actor.person_id, parse_public_id(SHIFT, wanted.shift), wanted.starts_at)
    back = (
        await _own_shift(session, team, taker_id, parse_public_id(SHIFT, wanted.return_shift), wanted.return_starts_at)
        if wanted.return_shift is not None and wanted.return_starts_at is not None
        else None
    )
    swap = _row_of(team, actor.person_id, taker_id, shift, back, wanted.words)
    try:
        async with savepoint(session):
            session.add(swap)
            await session.flush()
    except IntegrityError:
        raise StateConflict(state="asked", trigger="ask", allowed=["withdraw"]) from None
    await _tell(session, actor.actor, team, swap, "ask")
    return swap


def _row_of(team: DutyTeam, asker: UUID, taker: UUID, shift: Shift, back: Shift | None, words: str) -> DutySwap:
    return DutySwap(
        id=uuid7(),
        team_id=team.id,
        asker_id=asker,
        taker_id=taker,
        shift_id=shift.base_id,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        return_shift_id=back.base_id if back else None,
        return_starts_at=back.starts_at if back else None,
        return_ends_at=back.ends_at if back else None,
        words=words,
        state="asked",
        asked_at=clock.now(),
        decided_at=None,
    )


async def _own_shift(
    session: AsyncSession, team: DutyTeam, person_id: UUID, shift_id: UUID, starts_at: datetime
) -> Shift:
    """A shift that is still that person's and has not begun, or ShiftNotYours."""
    around = await rota_between(session, [team], starts_at, starts_at + _AROUND)
    for shift in around:
        is_it = (shift.base_id, shift.person_id, shift.starts_at) == (shift_id, person_id, starts_at)
        if is_it and shift.starts_at > clock.now():
            return shift
    raise ShiftNotYours


async def pull(session: AsyncSession, actor: Principal, swap_id: UUID, trigger: str) -> DutySwap:
    """Accept and decline are the taker's, withdraw is the asker's. Accepted, the rota is changed in this very transaction."""
    found = await session.get(DutySwap, swap_id)
    team = await queries.lock_team(session, found.team_id) if found is not None else None
    swap = await queries.lock_swap(session, swap_id)
    assert team is not None, "a swap has a team"
    if actor.person_id != (swap.asker_id if trigger == "withdraw" else swap.taker_id):
        raise Forbidden
    state = next_state(swap.state, trigger)
    if trigger == "accept":
        await _exchange(session, actor, team, swap)
    swap.state, swap.decided_at = state, clock.now()
    await session.flush()
    await _tell(session, actor.actor, team, swap, trigger)
    return swap


async def _exchange(session: AsyncSession, actor: Principal, team: DutyTeam, swap: DutySwap) -> None:
    shift = await _own_shift(session, team, swap.asker_id, swap.shift_id, swap.starts_at)
    back: Shift | None = None
    if swap.return_shift_id is not None and swap.return_starts_at is not None:
        back = await _own_shift(session, team, swap.taker_id, swap.return_shift_id, swap.return_starts_at)
        # Looked at before anything is written: what each gives away is no obstacle, all else is.
        await require_free(session, team, swap.asker_id, back.starts_at, back.ends_at)
    await _give(session, actor, team, swap, shift, swap.asker_id, swap.taker_id)
    if back is not None:
        await _give(session, actor, team, swap, back, swap.taker_id, swap.asker_id)


async def _give(
    session: AsyncSession, actor: Principal, team: DutyTeam, swap: DutySwap, shift: Shift, giver: UUID, taker: UUID
) -> None:
    await write_override(
        session,
        team,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        person_out=giver,
        person_in=taker,
        reason=swap.words,
        swap_id=swap.id,
        actor=actor,
    )


async def let_lapse(db: Database) -> int:
    """Swaps of shifts that have begun without an answer; returns how many. Run by the worker."""
    async with db.session() as session:
        overdue = (
            await session.scalars(
                select(DutySwap)
                .where(DutySwap.state == "asked", DutySwap.starts_at <= clock.now())
                .limit(100)
                .with_for_update(skip_locked=True)
            )
        ).all()
        for swap in overdue:
            swap.state, swap.decided_at = next_state(swap.state, "lapse"), clock.now()
            await _tell(session, "system", await queries.get_team(session, swap.team_id), swap, "lapse")
    return len(overdue)


# ---- telling both


_SAID: Final = {
    "ask": ("请求换班", "asks you to take a shift"),
    "accept": ("同意换班", "has taken the shift"),
    "decline": ("不同意换班", "does not take the shift"),
    "withdraw": ("撤回换班", "has taken the question back"),
}


async def _tell(session: AsyncSession, actor: str, team: DutyTeam, swap: DutySwap, trigger: str) -> None:
    publish(
        session,
        DutySwapChanged(
            happened_at=clock.rfc3339(clock.now()),
            swap=public_id(SWAP, swap.id),
            team=public_id(TEAM, team.id),
            region=public_id("reg", team.region_id),
            asker=public_id("per", swap.asker_id),
            taker=public_id("per", swap.taker_id),
            state=swap.state,
            starts_at=clock.rfc3339(swap.starts_at),
            ends_at=clock.rfc3339(swap.ends_at),
        ),
    )
    tell(session, team, "swap", [swap.asker_id, swap.taker_id])
    if trigger in _SAID:
        await _reach_the_other(session, team, swap, trigger)
    await note(session, actor, f"swap_{trigger}", public_id(SWAP, swap.id), {"team": public_id(TEAM, team.id)})


async def _reach_the_other(session: AsyncSession, team: DutyTeam, swap: DutySwap, trigger: str) -> None:
    """Also with no page open: who waits for an answer should not have to look."""
    by_asker = trigger in ("ask", "withdraw")
    speaker, hearer = (swap.asker_id, swap.taker_id) if by_asker else (swap.taker_id, swap.asker_id)
    name = (await person_summary(session, [speaker]))[speaker].name
    zh, en = _SAID[trigger]
    when = swap.starts_at.astimezone(ZoneInfo(team.zone))
    await reach(
        session,
        target=Target(person_id=hearer),
        text=Said(
            f"{name}{zh}",
            f"{name} {en}",
            f"{team.name_zh}，{when:%m月%d日 %H:%M} 开始的班。{swap.words}",
            f"{team.name_en}, the shift that begins on {when:%d %b at %H:%M}. {swap.words}",
            "/desk",
        ),
        ref=f"{public_id(SWAP, swap.id)}:{trigger}",
        urgent=False,
    )
