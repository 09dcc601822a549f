"""Use cases: give back a top-up, a guest's meal, or what a gateway took and nobody could be credited with.

Each writes the refund down and books it in the caller's transaction; the worker's next look, a moment later, asks the
gateway. Locks in the order of the house: holder, the order whose money it is, the office.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound, StateConflict
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.crossing import BookAccount, crossing_lines
from payments.errors import PeriodLocked, RefundExceeds
from payments.events import GuestPaymentRefunded, TopUpRefunded
from payments.gateways import accounts, channel_orders
from payments.gateways.hearing import lock_with_holder
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking
from payments.models import AccountingPeriod, ChannelOrder, ChannelRefund, GuestPayment, Holder, Purse
from payments.reversals import VOID_WINDOW


async def refund_top_up(
    session: AsyncSession, top_up_id: UUID, amount_fen: int, reason: str, *, actor: str
) -> ChannelRefund:
    """What stands in a person's purse and should not: out of the purse now, to the payer's own account there."""
    order, holder = await lock_with_holder(session, top_up_id)
    if holder is None:
        raise NotFound(what="top")
    cash = await refuse_top_up_refund(session, order, holder, amount_fen)
    cash.balance_fen -= amount_fen
    cash.version += 1
    taken_from = BookAccount(holder.region_id, Account("cash", holder.id))
    booked = await queries.lines_of(session, order.id)
    return await _write(session, order, amount_fen, reason, actor, taken_from, booked[0].region_id)


async def refuse_top_up_refund(session: AsyncSession, order: ChannelOrder, holder: Holder, amount_fen: int) -> Purse:
    """The purse that so much of a top-up can be taken back from; both are locked."""
    if order.purpose != "top_up" or order.state != "succeeded":
        raise StateConflict(state=order.state, trigger="refund", allowed=[])
    cash = (await queries.purses_of(session, holder.bucket, holder.id))["cash"]
    # What was spent meanwhile is not there to be given back.
    _refuse_beyond(amount_fen, min(_left_fen(order), cash.balance_fen - cash.held_fen))
    return cash


async def void_guest_payment(session: AsyncSession, guest: GuestPayment, *, actor: str) -> ChannelRefund:
    """A guest's meal, whole, within five minutes of its payment."""
    order, _ = await lock_with_holder(session, guest.id)
    if order.state != "succeeded" or order.refunded_fen:
        raise StateConflict(state=order.state, trigger="void", allowed=["refund"] if _left_fen(order) else [])
    if clock.now() - order.changed_at > VOID_WINDOW:
        raise StateConflict(state=order.state, trigger="void", allowed=["refund"])
    return await _refund_guest(session, guest, order, order.amount_fen, "void", actor, kind="void")


async def refund_guest_payment(
    session: AsyncSession, guest: GuestPayment, amount_fen: int, reason: str, *, actor: str
) -> ChannelRefund:
    """A part of a guest's meal, or the rest."""
    order, _ = await lock_with_holder(session, guest.id)
    if order.state != "succeeded":
        raise StateConflict(state=order.state, trigger="refund", allowed=[])
    return await _refund_guest(session, guest, order, amount_fen, reason, actor)


async def _refund_guest(
    session: AsyncSession,
    guest: GuestPayment,
    order: ChannelOrder,
    amount_fen: int,
    reason: str,
    actor: str,
    *,
    kind: str = "refund",
) -> ChannelRefund:
    _refuse_beyond(amount_fen, _left_fen(order))
    (line, *_) = await queries.lines_of(session, guest.id)
    period = await session.get(AccountingPeriod, (guest.region_id, line.accounting_period))
    if period is not None and period.state == "locked":
        raise PeriodLocked(period=line.accounting_period)
    taken_from = BookAccount(guest.region_id, Account("payable", guest.site_id))
    return await _write(session, order, amount_fen, reason, actor, taken_from, guest.region_id, kind=kind)


async def refund_unclaimed(
    session: AsyncSession, order: ChannelOrder, reason: str, *, actor: str, case_id: UUID
) -> ChannelRefund:
    """All that is left of what a gateway has confirmed and nobody was credited with; the order is locked."""
    amount_fen = _left_fen(order)
    if order.state != "decided" or not amount_fen:
        raise StateConflict(state=order.state, trigger="refund", allowed=[])
    taken_from = BookAccount(order.region_id, accounts.unclaimed(order.channel))
    return await _write(session, order, amount_fen, reason, actor, taken_from, order.region_id, case_id=case_id)


def _left_fen(order: ChannelOrder) -> int:
    return (order.confirmed_fen or 0) - order.refunded_fen


def _refuse_beyond(amount_fen: int, left_fen: int) -> None:
    if amount_fen > left_fen:
        raise RefundExceeds(left_fen=max(left_fen, 0))


async def _write(
    session: AsyncSession,
    order: ChannelOrder,
    amount_fen: int,
    reason: str,
    actor: str,
    taken_from: BookAccount,
    region_id: UUID,
    *,
    kind: str = "refund",
    case_id: UUID | None = None,
) -> ChannelRefund:
    """`region_id` is the book in which the gateway owes us what it took."""
    on = clock.business_date(clock.now(), get_settings().zone)
    refund = ChannelRefund(
        bucket=order.bucket,
        id=uuid7(order.bucket),
        order_id=order.id,
        region_id=region_id,
        debit_kind=taken_from.account.kind,
        debit_owner=taken_from.account.owner,
        kind=kind,
        amount_fen=amount_fen,
        status="pending",
        reason=reason,
        actor=actor,
        case_id=case_id,
        business_date=on,
        recorded_at=clock.now(),
    )
    session.add(refund)
    order.refunded_fen += amount_fen
    await _write_order(session, refund, order)
    period = await open_period(session, taken_from.region_id, on, region_id)
    booking = Booking(refund.bucket, refund.id, "channel_refund", on, period)
    gateway = BookAccount(region_id, accounts.refunds(order.channel))
    await session.flush()
    await _tell(session, refund, order)
    await post_lines(session, crossing_lines(booking, taken_from, gateway, amount_fen))
    return refund


async def _write_order(session: AsyncSession, refund: ChannelRefund, order: ChannelOrder) -> None:
    written = await channel_orders.write_order(
        session,
        order_id=refund.id,
        channel=order.channel,
        purpose="refund",
        holder_id=order.holder_id,
        region_id=refund.region_id,
        caller=refund.actor,
        key=public_id("rfd", refund.id),
        amount_fen=refund.amount_fen,
        asking_for=timedelta(),
    )
    # The worker asks at once, not only after the first wait.
    written.look_due_at = clock.now()


async def _tell(session: AsyncSession, refund: ChannelRefund, order: ChannelOrder) -> None:
    at, identifier = clock.rfc3339(clock.now()), public_id("rfd", refund.id)
    await record(
        session,
        actor=refund.actor,
        action=f"channel_order.{refund.kind}",
        subject=channel_orders.order_name(order),
        data={"refund": identifier, "amount_fen": refund.amount_fen, "reason": refund.reason},
    )
    if refund.debit_kind == "cash":
        holder = await queries.lock_holder(session, order.bucket, refund.debit_owner)
        publish(
            session,
            TopUpRefunded(
                happened_at=at,
                refund=identifier,
                top_up=public_id("top", order.id),
                person=public_id("per", holder.person_id),
                channel=order.channel,
                amount_fen=refund.amount_fen,
                purses=await queries.sums_of(session, holder.bucket, holder.id, refund.business_date),
            ),
        )
    elif refund.debit_kind == "payable":
        guest = await session.get_one(GuestPayment, (HOUSE_BUCKET, order.id))
        publish(
            session,
            GuestPaymentRefunded(
                happened_at=at,
                refund=identifier,
                guest_payment=public_id("gst", guest.id),
                canteen=public_id("can", guest.site_id),
                terminal=public_id("ter", guest.terminal_id),
                channel=guest.channel,
                amount_fen=refund.amount_fen,
                business_date=guest.business_date.isoformat(),
                kind=refund.kind,
            ),
        )


def refund_view(refund: ChannelRefund, order_name: str) -> dict[str, object]:
    """The wire form."""
    return {
        "id": public_id("rfd", refund.id),
        "payment": order_name,
        "kind": refund.kind,
        "status": refund.status,
        "amount_fen": refund.amount_fen,
        "reason": refund.reason,
        "business_date": refund.business_date.isoformat(),
        "recorded_at": clock.rfc3339(refund.recorded_at),
    }
