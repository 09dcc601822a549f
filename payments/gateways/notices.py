"""Notices: a gateway comes by itself and tells that an order was paid. It may come late, often, twice at once, or lie.

The signature is asked first; what is not Alipay's is logged and leaves no trace but that. What is authentic is written
down and heard in one transaction, and only after its commit is the gateway told that it need not come again.
"""

from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.errors import NotFound
from payments import metrics
from payments.channels.channel import Channel, Notice, NoticeRefused, Word
from payments.gateways import channel_orders
from payments.gateways.hearing import hear
from payments.models import ChannelNotice

log = structlog.get_logger(__name__)


async def take_notice(db: Database, channel: Channel, body: bytes) -> bool:
    """Whether it was believed; when this returns True, what it says is committed."""
    try:
        notice = channel.read_notice(body)
    except NoticeRefused as refused:
        log.warning("channel.notice_refused", channel=channel.name, reason=str(refused), size=len(body))
        metrics.NOTICES.labels(channel.name, "refused").inc()
        return False
    async with db.session() as session:
        outcome = await _take(session, channel, notice)
    metrics.NOTICES.labels(channel.name, outcome).inc()
    return True


async def _take(session: AsyncSession, channel: Channel, notice: Notice) -> str:
    order_id = channel_orders.parse_order_name(notice.order_name)
    fresh = await session.scalar(
        insert(ChannelNotice)
        .values(
            channel=channel.name,
            notice_id=notice.notice_id,
            order_name=notice.order_name,
            word=str(notice.heard.word),
            amount_fen=notice.heard.amount_fen,
            order_id=order_id,
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(ChannelNotice.notice_id)
    )
    if fresh is None:
        return "repeated"
    if order_id is None or not await _is_of(session, channel, order_id):
        await _note_unknown(session, channel, notice)
        return "unknown_order"
    await hear(session, order_id, notice.heard, "notice")
    return "heard"


async def _is_of(session: AsyncSession, channel: Channel, order_id: UUID) -> bool:
    try:
        order = await channel_orders.get_order(session, order_id)
    except NotFound:
        return False
    return order.channel == channel.name


async def _note_unknown(session: AsyncSession, channel: Channel, notice: Notice) -> None:
    """Money for an order that we do not have: a person finds out whose it is."""
    log.error("channel.unknown_order", channel=channel.name, order=notice.order_name, word=str(notice.heard.word))
    if notice.heard.word is Word.PAY:
        await channel_orders.open_case(
            session,
            "unknown_order",
            channel=channel.name,
            name=notice.order_name,
            confirmed_fen=notice.heard.amount_fen,
        )
