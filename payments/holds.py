"""Holds: money set aside in the purses, to be captured, released, or given back when its time is up.

A hold takes nothing: posted balances stay, what is available shrinks (I3: available = posted - holds >= 0). Its end
is a durable timer of the kernel, fired in the worker.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.errors import NotFound
from kernel.ids import bucket_of, uuid7
from kernel.settings import get_settings
from payments import queries
from payments.errors import PaymentRefused
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, single_line
from payments.models import Hold, Holder, Purse
from payments.posting_rule import DenyCode, Refusal
from payments.states import HOLD, next_state

TIMER_KIND: Final = "payments.hold_expires"


async def place_hold(
    session: AsyncSession,
    person_id: UUID,
    amount_fen: int,
    *,
    reason: str,
    expires_at: datetime,
    holder_states: frozenset[str] = frozenset({"active"}),
) -> UUID:
    """Set cash aside until `expires_at`; refused where it is not available. Returns the hold's id."""
    holder = await queries.lock_person(session, person_id)
    if holder.state not in holder_states:
        raise PaymentRefused(Refusal(DenyCode.LOST if holder.state == "lost" else DenyCode.FROZEN))
    cash = (await queries.purses_of(session, holder.bucket, holder.id))["cash"]
    if cash.balance_fen - cash.held_fen < amount_fen:
        raise PaymentRefused(Refusal(DenyCode.NO_FUNDS, {"amount_fen": amount_fen}))
    cash.held_fen += amount_fen
    hold = Hold(
        bucket=holder.bucket,
        id=uuid7(holder.bucket),
        holder_id=holder.id,
        state="open",
        legs=[{"purse": "cash", "lot": None, "amount_fen": amount_fen}],
        amount_fen=amount_fen,
        reason=reason,
        expires_at=expires_at,
        opened_at=clock.now(),
    )
    session.add(hold)
    await session.flush()
    await timers.schedule(session, TIMER_KIND, str(hold.id), expires_at)
    return hold.id


async def capture_hold(
    session: AsyncSession,
    hold_id: UUID,
    amount_fen: int,
    credit: Account,
    *,
    transfer_id: UUID | None = None,
    kind: str = "capture",
) -> UUID:
    """Take up to what is held, to a house account of the holder's region; what is not taken is free again."""
    seen = await _get_hold(session, hold_id)
    # What was held never changes, so this needs no lock; nothing may have happened to the hold when it is refused.
    if not 0 < amount_fen <= seen.amount_fen:
        raise PaymentRefused(Refusal(DenyCode.AMOUNT_LIMIT, {"held_fen": seen.amount_fen}))
    holder, cash = await _end(session, hold_id, "capture")
    cash.balance_fen -= amount_fen
    cash.version += 1
    transfer = transfer_id or uuid7(holder.bucket)
    on = clock.business_date(clock.now(), get_settings().zone)
    period = await open_period(session, holder.region_id, on)
    await session.flush()
    booking = Booking(holder.bucket, transfer, kind, on, period)
    line = single_line(booking, holder.region_id, Account("cash", holder.id), credit, amount_fen)
    await post_lines(session, [line])
    return transfer


async def release_hold(session: AsyncSession, hold_id: UUID) -> None:
    """Free what was set aside."""
    await _end(session, hold_id, "release")


async def expire_hold(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: free a hold whose time is up; one that ended meanwhile stays as it is."""
    hold_id = UUID(timer.ref)
    hold = await session.get(Hold, (bucket_of(hold_id), hold_id))
    if hold is not None and hold.state == "open":
        await _end(session, hold.id, "expire")


async def _get_hold(session: AsyncSession, hold_id: UUID) -> Hold:
    hold = await session.get(Hold, (bucket_of(hold_id), hold_id))
    if hold is None:
        raise NotFound(what="hold")
    return hold


async def _end(session: AsyncSession, hold_id: UUID, trigger: str) -> tuple[Holder, Purse]:
    seen = await _get_hold(session, hold_id)
    holder = await queries.lock_holder(session, seen.bucket, seen.holder_id)
    hold = await session.get(Hold, (seen.bucket, seen.id), populate_existing=True)
    assert hold is not None, "a hold is never deleted"
    hold.state = next_state(HOLD, hold.state, trigger)
    hold.closed_at = clock.now()
    cash = (await queries.purses_of(session, holder.bucket, holder.id))["cash"]
    cash.held_fen -= hold.amount_fen
    if trigger != "expire":
        await timers.cancel(session, TIMER_KIND, str(hold.id))
    await session.flush()
    return holder, cash
