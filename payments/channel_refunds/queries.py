"""Reading refunds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from kernel.ids import bucket_of
from payments.models import ChannelRefund


async def get_refund(session: AsyncSession, refund_id: UUID) -> ChannelRefund:
    """One, as it is now; whoever changes it holds the lock of its order."""
    refund = await session.get(ChannelRefund, (bucket_of(refund_id), refund_id), populate_existing=True)
    if refund is None:
        raise NotFound(what="rfd")
    return refund


async def refunds_of(session: AsyncSession, order_id: UUID) -> Sequence[ChannelRefund]:
    """All of an order's, the oldest first."""
    query = select(ChannelRefund).where(ChannelRefund.bucket == bucket_of(order_id), ChannelRefund.order_id == order_id)
    return (await session.scalars(query.order_by(ChannelRefund.id))).all()
