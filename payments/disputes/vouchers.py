"""Where the books of a disputed payment's month are locked: an adjustment voucher, which two people of finance approve.

Six reasons come back as the refund that settlement itself books. A missing subsidy is two bookings, of a lot and of a
refund, which only disputes know: they register here how such a voucher is booked.
"""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, site_summary
from kernel.errors import NotFound
from kernel.ids import public_id
from payments import queries
from payments.disputes import money
from payments.disputes import queries as dispute_queries
from payments.disputes.models import Dispute
from payments.models import AccountingPeriod
from payments.queries import reversals_of
from payments.settlement.api import AdjustmentVoucher, ask_for_refund, ask_for_subsidy, register_booker


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
    """Ask the first of the two; with the second approval the money is back, in the month that is open then."""
    assert dispute.granted_fen is not None, "a voucher says how much"
    is_subsidy = dispute.reason == "missing_subsidy"
    if is_subsidy:
        await money.refuse_uncovered(session, dispute, dispute.granted_fen)
    voucher = await (ask_for_subsidy if is_subsidy else ask_for_refund)(
        session,
        actor,
        locked.id,
        dispute.payment_id,
        reason=f"dispute {public_id('dis', dispute.id)}: {dispute.reason}",
        amount_fen=dispute.granted_fen,
    )
    return voucher.id


async def _book_subsidy(session: AsyncSession, voucher: AdjustmentVoucher) -> tuple[UUID, str]:
    """The lot that should have paid pays now, and the cash comes back; the refund, and the month both are booked in."""
    dispute_id = await dispute_queries.find_by_voucher(session, voucher.id)
    if dispute_id is None:
        raise NotFound(what="dis", id=public_id("adj", voucher.id))
    dispute = await dispute_queries.lock_dispute(session, dispute_id)
    site = (await site_summary(session, [dispute.site_id])).get(dispute.site_id)
    returned = await money.give_back(
        session,
        dispute,
        voucher.amount_fen,
        actor=voucher.asked_by,
        site_label=lambda _site: site.name_zh if site else "",
        by_voucher=True,
    )
    dispute.charge_id = returned.charge_id
    booked = next(each for each in await reversals_of(session, dispute.payment_id) if each.id == returned.refund_id)
    return returned.refund_id, booked.accounting_period


register_booker("subsidy", _book_subsidy)
