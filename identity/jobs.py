"""What happens later in identity: the worker runs TIMERS by their kind, and forgets once an hour what is over."""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from identity import password_reset, role_changes
from identity.approvals import EXPIRE_TIMER, expire_approval
from identity.attempts import delete_old_attempts
from identity.models import Activation, CampusSignIn, PendingSignIn, SignInSession
from identity.people import LEAVE_TIMER, leave_if_gone
from kernel import clock
from kernel.db import Database
from kernel.ids import parse_public_id
from kernel.timers import Timer, TimerHandler

FORGET_EVERY_S: Final = 3600
SESSIONS_KEPT: Final = timedelta(days=30)


async def _expire(session: AsyncSession, timer: Timer) -> None:
    await expire_approval(session, parse_public_id("apr", timer.ref))


async def _leave(session: AsyncSession, timer: Timer) -> None:
    await leave_if_gone(session, parse_public_id("per", timer.ref))


TIMERS: Final[dict[str, TimerHandler]] = {
    EXPIRE_TIMER: _expire,
    LEAVE_TIMER: _leave,
    role_changes.TIMER_KIND: role_changes.begin_change,
    password_reset.TIMER_KIND: password_reset.send_link,
}


async def forget_for_ever(db: Database) -> None:
    """The worker's loop."""
    while True:
        await forget_what_is_over(db)
        await asyncio.sleep(FORGET_EVERY_S)


async def forget_what_is_over(db: Database) -> None:
    """Guesses of the day before, what was begun and left, and sign-ins and slips that ended a month ago (the audit log
    keeps that they were)."""
    async with db.session() as session:
        await delete_old_attempts(session)
        await session.execute(delete(PendingSignIn).where(PendingSignIn.expires_at < clock.now()))
        await session.execute(delete(CampusSignIn).where(CampusSignIn.expires_at < clock.now()))
        for kept in (SignInSession, Activation):
            await session.execute(delete(kept).where(kept.expires_at < clock.now() - SESSIONS_KEPT))
