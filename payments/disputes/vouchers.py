"""Where the books of a disputed payment's month are locked: an adjustment voucher, which two people of finance approve."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.ids import public_id
from payments import queries
from payments.disputes.models import Dispute
from payments.errors import PeriodLocked
from payments.models import AccountingPeriod
from payments.settlement.api import ask_for_refund


async def locked_book_of(session: AsyncSession, dispute: Dispute) -> AccountingPeriod | None:
    """The month of the payment in the host's book or in the payer's, if that is locked."""
    payment = await queries.get_payment(session, dispute.payment_id)
    return await session.scalar(
        select(AccountingPeriod)
        .where(
            AccountingPeriod.region_id.in_((payment.host_region_id, payment.home_region_id)),
            AccountingPeriod.period == payment.accounting_period,
            AccountingPeriod.state == "locked",
        )
        .order_by(AccountingPeriod.region_id != payment.host_region_id)
        .limit(1)
    )


async def ask(session: AsyncSession, actor: Principal, dispute: Dispute, locked: AccountingPeriod) -> UUID:
    """Ask the first of the two; with the second approval the payment is refunded. A lot cannot be charged this way."""
    if dispute.reason == "missing_subsidy":
        raise PeriodLocked(period=locked.period)
    assert dispute.granted_fen is not None, "a voucher says how much"
    because = f"dispute {public_id('dis', dispute.id)}: {dispute.reason}"
    voucher = await ask_for_refund(
        session, actor, locked.id, dispute.payment_id, reason=because, amount_fen=dispute.granted_fen
    )
    return voucher.id
