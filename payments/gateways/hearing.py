"""One way in for everything that a gateway says of an order, whoever brings it: its answer, its notice, or our look."""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from payments import metrics, queries
from payments.channels.channel import Heard, Word
from payments.gateways import channel_orders, settling
from payments.models import ChannelOrder, Holder

log = structlog.get_logger(__name__)


async def hear(session: AsyncSession, order_id: UUID, heard: Heard, source: str) -> ChannelOrder:
    """Let an order follow a word, under its holder's lock and its own; money moves at most once, whatever comes.

    `source` is answer, notice or look.
    """
    order, holder = await lock_with_holder(session, order_id)
    word = channel_orders.weigh(order, heard)
    case = "amount_differs"
    if word is Word.PAY and order.purpose in ("withdrawal", "refund"):
        if order.state in ("failed", "closed", "disputed"):
            # What was set aside for it was let go, or nobody knows: what has left all the same is a person's business.
            word, case = Word.DIFFER, "paid_after_failure"
    elif word is Word.PAY and holder is not None and holder.state == "closed":
        # No way leads out of a closed account: a person finds out whose money this is.
        word, case = Word.DIFFER, "account_closed"
    order.trade_no = heard.trade_no or order.trade_no
    order.qr_text = heard.qr_text or order.qr_text
    if word in (Word.PAY, Word.DIFFER) and order.state not in ("succeeded", "decided", "cancelling", "cancelled"):
        order.confirmed_fen = heard.amount_fen
    if word is Word.REFUSE:
        order.refusal = heard.detail
    before = order.state
    moved = await channel_orders.move(session, order, word, source)
    if word is Word.DIFFER:
        await _note_difference(session, order, heard, case)
    if moved:
        log.info("channel.order", order=channel_orders.order_name(order), before=before, now=order.state, source=source)
        metrics.CHANNEL_STEPS.labels(order.channel, order.state, source).inc()
        if order.state in channel_orders.SETTLED:
            await channel_orders.resolve_cases(session, order.id)
        await settling.settle(session, order, holder)
    return order


async def lock_with_holder(session: AsyncSession, order_id: UUID) -> tuple[ChannelOrder, Holder | None]:
    """The order, locked, and before it the holder whose purse it may change."""
    seen = await channel_orders.get_order(session, order_id)
    holder = None
    if seen.holder_id is not None:
        holder = await queries.lock_holder(session, seen.bucket, seen.holder_id)
    return await channel_orders.lock_order(session, order_id), holder


async def _note_difference(session: AsyncSession, order: ChannelOrder, heard: Heard, kind: str) -> None:
    name = channel_orders.order_name(order)
    log.error("channel.differs", order=name, kind=kind, expected_fen=order.amount_fen, confirmed_fen=heard.amount_fen)
    # Also after it was credited: a gateway that signs two amounts for one order is a person's business.
    told_before = order.state == "decided" and heard.amount_fen == order.confirmed_fen
    if order.state in ("disputed", "succeeded", "decided") and not told_before:
        await channel_orders.open_case(
            session,
            kind,
            channel=order.channel,
            name=name,
            order_id=order.id,
            expected_fen=order.amount_fen,
            confirmed_fen=heard.amount_fen,
        )
