"""Guesses are counted where a restart does not forget them, and before they are checked, so that a hundred at once
count as a hundred."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.models import Attempts
from kernel import clock


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """After `allowed` failures within `window` it is locked for `first_lock`, then twice as long, up to `longest_lock`."""

    allowed: int
    window: timedelta
    first_lock: timedelta
    longest_lock: timedelta

    def lock_after(self, failures: int) -> timedelta | None:
        if failures < self.allowed:
            return None
        doubled = self.first_lock * (1 << min(failures - self.allowed, 20))
        return min(doubled, self.longest_lock)


SIGN_IN: Final = AttemptPolicy(5, timedelta(minutes=15), timedelta(minutes=1), timedelta(minutes=15))
# Codes have 79 bits: this bounds the noise, not the odds.
ACTIVATION: Final = AttemptPolicy(20, timedelta(minutes=5), timedelta(minutes=1), timedelta(minutes=15))
PAIRING: Final = AttemptPolicy(10, timedelta(minutes=1), timedelta(minutes=1), timedelta(minutes=1))


async def count_attempt(session: AsyncSession, key: str, policy: AttemptPolicy) -> int:
    """Count one more try. Returns 0 when it may go on, else the seconds to wait. Success calls `forget_attempts`."""
    now = clock.now()
    row = await _lock_attempts(session, key, now)
    if row.locked_until is not None and row.locked_until > now:
        return max(1, math.ceil((row.locked_until - now).total_seconds()))
    row.failures = row.failures + 1 if now - row.last_at <= policy.window else 1
    row.last_at = now
    lock = policy.lock_after(row.failures)
    row.locked_until = None if lock is None else now + lock
    return 0


async def forget_attempts(session: AsyncSession, key: str) -> None:
    """It was the right one after all."""
    await session.execute(delete(Attempts).where(Attempts.key == key))


async def delete_old_attempts(session: AsyncSession) -> None:
    """What is a day old locks nothing any more."""
    await session.execute(delete(Attempts).where(Attempts.last_at < clock.now() - timedelta(days=1)))


async def _lock_attempts(session: AsyncSession, key: str, now: datetime) -> Attempts:
    # An update of nothing takes the lock in the same step: a success elsewhere cannot delete the row in between.
    row = insert(Attempts).values(key=key, failures=0, last_at=now)
    await session.execute(row.on_conflict_do_update(index_elements=[Attempts.key], set_={"key": row.excluded.key}))
    return (await session.scalars(select(Attempts).where(Attempts.key == key))).one()
