"""What the end of a refund means in money: it has left by the gateway, or it goes back to where it was taken from.

Called by payments/gateways/settling.py under the refund order's lock, and the holder's where there is one; each comes to
its end once.
"""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import HOUSE_BUCKET, public_id
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.channel_refunds.queries import get_refund
from payments.crossing import BookAccount, crossing_lines
from payments.events import GuestRefundFailed, TopUpRefundFailed
from payments.gateways import accounts, channel_orders
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking
from payments.models import ChannelOrder, ChannelRefund, GuestPayment, Holder


async def follow(session: AsyncSession, order: ChannelOrder, holder: Holder | None) -> None:
    """Let a refund follow its order, which has just moved."""
    refund = await get_refund(session, order.id)
    if order.state == "succeeded" and refund.status == "pending":
        refund.status = "succeeded"
        await _post(session, refund, order, BookAccount(refund.region_id, accounts.clearing(order.channel)))
    elif order.state == "failed" and refund.status == "pending":
        refund.status = "failed"
        await _undo(session, refund, order, holder)


async def _undo(session: AsyncSession, refund: ChannelRefund, order: ChannelOrder, holder: Holder | None) -> None:
    """The gateway has refused: whoever asked for it has to hear of it, and the money is where it was."""
    refunded = await channel_orders.lock_order(session, refund.order_id)
    refunded.refunded_fen -= refund.amount_fen
    back = BookAccount(refund.region_id, Account(refund.debit_kind, refund.debit_owner))
    if refund.debit_kind == "cash" and holder is not None and holder.state == "closed":
        # No way leads out of a closed account: a person finds out whose money this is.
        back = back._replace(account=accounts.unclaimed(order.channel))
    elif refund.debit_kind == "cash":
        assert holder is not None, "a top-up belongs to a holder, whose lock is held"
        # Perhaps in another book by now.
        back = back._replace(region_id=holder.region_id)
        cash = (await queries.purses_of(session, holder.bucket, holder.id))["cash"]
        cash.balance_fen += refund.amount_fen
        cash.version += 1
    await session.flush()
    await channel_orders.open_case(
        session,
        "refund_refused",
        channel=order.channel,
        name=public_id("rfd", refund.id),
        order_id=refund.order_id,
        expected_fen=refund.amount_fen,
    )
    await _tell_failed(session, refund, holder)
    await _post(session, refund, order, back)


async def _post(session: AsyncSession, refund: ChannelRefund, order: ChannelOrder, credit: BookAccount) -> None:
    """Out of what was under way."""
    on = _today()
    period = await open_period(session, refund.region_id, on, credit.region_id)
    booking = Booking(refund.bucket, refund.id, "channel_refund", on, period)
    debit = BookAccount(refund.region_id, accounts.refunds(order.channel))
    before = len(await queries.lines_of(session, refund.id))
    await session.flush()
    await post_lines(session, crossing_lines(booking, debit, credit, refund.amount_fen, first_ordinal=before))


async def _tell_failed(session: AsyncSession, refund: ChannelRefund, holder: Holder | None) -> None:
    at, identifier = clock.rfc3339(clock.now()), public_id("rfd", refund.id)
    if refund.debit_kind == "cash" and holder is not None:
        publish(
            session,
            TopUpRefundFailed(
                happened_at=at,
                refund=identifier,
                top_up=public_id("top", refund.order_id),
                person=public_id("per", holder.person_id),
                amount_fen=refund.amount_fen,
                purses=await queries.sums_of(session, holder.bucket, holder.id, _today()),
            ),
        )
    elif refund.debit_kind == "payable":
        guest = await session.get_one(GuestPayment, (HOUSE_BUCKET, refund.order_id))
        publish(
            session,
            GuestRefundFailed(
                happened_at=at,
                refund=identifier,
                guest_payment=public_id("gst", guest.id),
                canteen=public_id("can", guest.site_id),
                terminal=public_id("ter", guest.terminal_id),
                amount_fen=refund.amount_fen,
                business_date=guest.business_date.isoformat(),
                kind=refund.kind,
            ),
        )


def _today() -> date:
    return clock.business_date(clock.now(), get_settings().zone)
