"""What it means in money when an order at a gateway comes to its end: a purse is credited, a guest's meal is booked.

The gateway owes us what it has taken until it pays out: `psp_clearing:<channel>` in the book of the region (E3 of
docs/books.md). Called under the order's lock, and the holder's where there is one; each order is settled once,
because its state leads there once.
"""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.channel_refunds import outcome as refund_outcome
from payments.events import GuestPaymentEnded, GuestPaymentSucceeded, TopUpClosed, TopUpSucceeded
from payments.gateways.accounts import clearing
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, single_line
from payments.models import ChannelOrder, GuestPayment, Holder, Purse, TopUp
from payments.withdrawals import outcome

# How an order's state is told to whoever waits for it.
TOP_UP_STATUS: Final = {
    "written": "pending",
    "unknown": "pending",
    "waiting": "pending",
    "disputed": "pending",
    "cancelling": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "closed": "closed",
    "decided": "closed",
    "cancelled": "closed",
}
GUEST_STATUS: Final = {**TOP_UP_STATUS, "closed": "cancelled", "decided": "cancelled", "cancelled": "cancelled"}


async def settle(session: AsyncSession, order: ChannelOrder, holder: Holder | None) -> None:
    """Let top-up or guest payment follow its order, which has just moved."""
    if order.purpose == "top_up":
        assert holder is not None, "a top-up belongs to a holder, whose lock is held"
        await _settle_top_up(session, order, holder)
    elif order.purpose == "withdrawal":
        assert holder is not None, "a withdrawal belongs to a holder, whose lock is held"
        await outcome.follow(session, order, holder, clearing(order.channel))
    elif order.purpose == "refund":
        await refund_outcome.follow(session, order, holder)
    else:
        await _settle_guest(session, order)


async def _settle_top_up(session: AsyncSession, order: ChannelOrder, holder: Holder) -> None:
    top_up = await session.get(TopUp, (order.bucket, order.id), populate_existing=True)
    assert top_up is not None, "it was written together with its order"
    status = TOP_UP_STATUS[order.state]
    if status == top_up.state:
        return
    assert top_up.state != "succeeded", "money that was credited stays"
    top_up.state = status
    if status == "succeeded":
        await _credit(session, order, holder)
    elif status == "closed":
        publish(
            session,
            TopUpClosed(
                happened_at=clock.rfc3339(clock.now()),
                top_up=public_id("top", order.id),
                person=public_id("per", holder.person_id),
                channel=order.channel,
                amount_fen=order.amount_fen,
            ),
        )


async def _credit(session: AsyncSession, order: ChannelOrder, holder: Holder) -> None:
    """E3: the gateway's clearing account to cash."""
    on = clock.business_date(clock.now(), get_settings().zone)
    cash = await session.get(Purse, (holder.bucket, holder.id, "cash"), populate_existing=True)
    assert cash is not None, "every holder has a cash purse"
    cash.balance_fen += order.amount_fen
    cash.version += 1
    await session.flush()
    publish(
        session,
        TopUpSucceeded(
            happened_at=clock.rfc3339(clock.now()),
            top_up=public_id("top", order.id),
            person=public_id("per", holder.person_id),
            channel=order.channel,
            amount_fen=order.amount_fen,
            purses=await queries.sums_of(session, holder.bucket, holder.id, on),
        ),
    )
    period = await open_period(session, holder.region_id, on)
    booking = Booking(order.bucket, order.id, "top_up", on, period)
    purse = Account("cash", holder.id)
    line = single_line(booking, holder.region_id, clearing(order.channel), purse, order.amount_fen)
    await post_lines(session, [line])


async def _settle_guest(session: AsyncSession, order: ChannelOrder) -> None:
    guest = await session.get(GuestPayment, (order.bucket, order.id), populate_existing=True)
    assert guest is not None, "it was written together with its order"
    status = GUEST_STATUS[order.state]
    if status == guest.status:
        return
    assert guest.status != "succeeded", "a meal that was booked stays booked"
    guest.status = status
    told = {
        "happened_at": clock.rfc3339(clock.now()),
        "guest_payment": public_id("gst", guest.id),
        "canteen": public_id("can", guest.site_id),
        "terminal": public_id("ter", guest.terminal_id),
        "channel": guest.channel,
        "amount_fen": guest.amount_fen,
    }
    if status != "succeeded":
        publish(session, GuestPaymentEnded(**told, status=status))  # type: ignore[arg-type]  # a dict of mixed values
        return
    publish(session, GuestPaymentSucceeded(**told, business_date=guest.business_date.isoformat()))  # type: ignore[arg-type]  # as above
    period = await open_period(session, guest.region_id, guest.business_date)
    booking = Booking(guest.bucket, guest.id, "guest_payment", guest.business_date, period)
    payable = Account("payable", guest.site_id)
    line = single_line(booking, guest.region_id, clearing(order.channel), payable, guest.amount_fen)
    await session.flush()
    await post_lines(session, [line])
