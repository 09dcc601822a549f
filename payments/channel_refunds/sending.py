"""Asking the channel for a refund: the first time to make it, afterwards what became of it; by the worker's looks.

Made twice under one number it is made once, so whatever was lost on the way is simply asked for again.
"""

import structlog

from kernel.db import Database
from kernel.ids import public_id
from payments.channel_refunds.queries import get_refund
from payments.channels.channel import Channel, Heard, Word
from payments.gateways import channel_orders
from payments.models import ChannelOrder

log = structlog.get_logger(__name__)


async def ask(db: Database, channel: Channel, order: ChannelOrder) -> Heard:
    """One look at a refund's order."""
    async with db.session() as session:
        refund = await get_refund(session, order.id)
        name = channel_orders.order_name(await channel_orders.get_order(session, refund.order_id))
    number = public_id("rfd", refund.id)
    heard = Heard(Word.NOT_THERE)
    if order.state != "written":
        heard = await channel.ask_refund(name, number)
    if heard.word is Word.NOT_THERE:
        heard = await channel.refund(name, number, refund.amount_fen, refund.reason)
    if heard.word is Word.PAY and heard.amount_fen != refund.amount_fen:
        # Nothing is booked on the word of a gateway that answers another question.
        log.error("channel.refund_differs", refund=number, expected_fen=refund.amount_fen, heard_fen=heard.amount_fen)
        return Heard(Word.MISS, detail=heard.detail)
    return heard
