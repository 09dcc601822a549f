"""What the end of a transfer means in money: the hold is captured or let go, and the account closed behind it.

Called by payments/gateways/settling.py under the order's lock and the holder's; each order comes to its end once.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.ids import public_id
from kernel.outbox import publish
from payments import holders, holds, queries
from payments.lines import Account
from payments.models import ChannelOrder, Holder
from payments.states import HOLDER, next_state
from payments.withdrawals.events import WithdrawalChanged
from payments.withdrawals.models import Withdrawal
from payments.withdrawals.queries import lock_withdrawal
from payments.withdrawals.states import WITHDRAWAL

# What an order's state says to a withdrawal. Where it is disputed nobody knows, and a person looks into it.
_TRIGGERS: Final = {
    "unknown": "lose",
    "disputed": "lose",
    "succeeded": "pay",
    "failed": "fail",
    "closed": "fail",
}


async def follow(session: AsyncSession, order: ChannelOrder, holder: Holder, credit: Account) -> None:
    """Let a withdrawal follow its order, which has just moved. `credit` is where the money has gone out by."""
    withdrawal = await lock_withdrawal(session, order.id)
    trigger = _TRIGGERS.get(order.state)
    if trigger is None or (withdrawal.state, trigger) not in WITHDRAWAL:
        return
    if trigger == "pay":
        await holds.capture_hold(
            session, withdrawal.hold_id, withdrawal.amount_fen, credit, transfer_id=order.id, kind="withdrawal"
        )
        await move(session, withdrawal, "pay")
        await _close_account(session, withdrawal, holder)
    elif trigger == "fail":
        withdrawal.refusal = order.refusal
        await holds.release_hold(session, withdrawal.hold_id)
        await move(session, withdrawal, "fail")
    else:
        await move(session, withdrawal, trigger)


async def move(session: AsyncSession, withdrawal: Withdrawal, trigger: str, *, actor: str = "system") -> None:
    """One step, told and noted."""
    withdrawal.state = next_state(WITHDRAWAL, withdrawal.state, trigger)
    withdrawal.changed_at = clock.now()
    await session.flush()
    await tell(session, withdrawal, trigger, actor)


async def tell(session: AsyncSession, withdrawal: Withdrawal, trigger: str, actor: str) -> None:
    """To whose money it is, and to the audit log."""
    publish(
        session,
        WithdrawalChanged(
            happened_at=clock.rfc3339(clock.now()),
            withdrawal=public_id("wdr", withdrawal.id),
            person=public_id("per", withdrawal.person_id),
            channel=withdrawal.channel,
            amount_fen=withdrawal.amount_fen,
            state=withdrawal.state,
        ),
    )
    await record(
        session,
        actor=actor,
        action=f"withdrawal.{trigger}",
        subject=public_id("wdr", withdrawal.id),
        data={"amount_fen": withdrawal.amount_fen, "state": withdrawal.state, "to": withdrawal.payee_hint},
    )


async def _close_account(session: AsyncSession, withdrawal: Withdrawal, holder: Holder) -> None:
    """Nothing is left to keep it open for. Money that came in meanwhile is: then it stays open, and can be sent as well."""
    purses = await queries.purses_of(session, holder.bucket, holder.id)
    if any(purse.balance_fen for purse in purses.values()) or (holder.state, "close") not in HOLDER:
        return
    if await queries.open_holds(session, holder.bucket, holder.id):
        return
    lots = await queries.lots_of(session, holder.bucket, holder.id)
    withdrawal.returned_fen = sum(lot.balance_fen for lot in lots)
    await holders.change_state(session, holder.person_id, "close", actor="system", reason="withdrawn")
