"""Everything that must hold, of all domains: what `guanjia audit` and the nightly job ask, and docs/invariants.md lists."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

import booking.meetings.invariants
import payments.invariants
import realtime.calls.invariants
from kernel import invariants
from kernel.invariants import Finding, Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *payments.invariants.INVARIANTS,
    *realtime.calls.invariants.INVARIANTS,
    *booking.meetings.invariants.INVARIANTS,
)


async def audit(session: AsyncSession) -> list[Finding]:
    """Ask every question, in order."""
    return await invariants.audit(session, INVARIANTS)
