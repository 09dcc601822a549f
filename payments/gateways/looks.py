"""The janitor of unknown orders: a timer says when to look, this asks the gateway, and after the last time a person does.

The timer's handler only notes that a look is due, because it runs in a transaction and nobody outside is asked in one;
the worker's loop does the asking. A look that is lost with its process is followed by the next one.
"""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.db import Database
from payments.channel_refunds import sending as refund_sending
from payments.channels.channel import Channel, Heard, Word
from payments.gateways import channel_orders
from payments.gateways.hearing import hear
from payments.models import ChannelOrder
from payments.withdrawals import sending

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 16
_PAUSE_S: Final = 0.3
_OPEN: Final = ("written", "unknown", "waiting")


async def note_look(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: a look is due, and the next one has its time."""
    order_id = channel_orders.parse_order_name(timer.ref)
    assert order_id is not None, "the timer was set with the order's name"
    order = await channel_orders.lock_order(session, order_id)
    if order.state in ("succeeded", "decided", "failed", "cancelled"):
        return
    order.looks += 1
    order.look_due_at = clock.now()
    await channel_orders.schedule_look(session, order)


async def look_for_ever(db: Database, channels: Mapping[str, Channel]) -> None:
    """The worker's loop."""
    while True:
        await look_at_orders(db, channels)
        await asyncio.sleep(_PAUSE_S)


async def look_at_orders(db: Database, channels: Mapping[str, Channel]) -> int:
    """Ask about every order whose look is due; returns how many there were."""
    async with db.session() as session:
        due = (
            await session.scalars(
                select(ChannelOrder)
                .where(ChannelOrder.look_due_at.is_not(None), ChannelOrder.channel.in_(list(channels)))
                .order_by(ChannelOrder.look_due_at)
                .limit(_AT_ONCE)
            )
        ).all()
    done = await asyncio.gather(*(look_at(db, channels[o.channel], o.id) for o in due), return_exceptions=True)
    for order, outcome in zip(due, done, strict=True):
        if isinstance(outcome, BaseException):
            # It stays due, so it is looked at again; the others have had their turn.
            log.error("channel.look_failed", order=channel_orders.order_name(order), exc_info=outcome)
    return len(due)


async def look_at(db: Database, channel: Channel, order_id: UUID) -> None:
    """One look: ask what became of it, end it where its time is over, hear the answer."""
    order = await _prepared(db, order_id)
    heard = await _ask(db, channel, order)
    async with db.session() as session:
        order = await hear(session, order_id, heard, "look")
        order.look_due_at = None
        if order.looks >= len(channel_orders.LOOKS_S[order.purpose]) and order.state not in channel_orders.SETTLED:
            await _hand_to_a_person(session, order)


async def _prepared(db: Database, order_id: UUID) -> ChannelOrder:
    """The order as it is; a guest who has not paid in time is written down to be cancelled before that is asked."""
    async with db.session() as session:
        order = await channel_orders.lock_order(session, order_id)
        if order.purpose == "guest_payment" and order.state in _OPEN and clock.now() >= order.expires_at:
            await channel_orders.move(session, order, "take_back", "us")
    return order


async def _ask(db: Database, channel: Channel, order: ChannelOrder) -> Heard:
    if order.purpose == "withdrawal":
        return await sending.ask(db, channel, order)
    if order.purpose == "refund":
        return await refund_sending.ask(db, channel, order)
    name = channel_orders.order_name(order)
    if order.state == "cancelling":
        return await channel.cancel(name)
    heard = await channel.ask(name)
    is_over = order.state in _OPEN and clock.now() >= order.expires_at
    if order.purpose == "top_up" and is_over and heard.word in (Word.NOT_THERE, Word.AWAIT):
        heard = await channel.close(name)
        if heard.word is Word.MISS:
            # Perhaps because it was paid between the question and the close.
            heard = await channel.ask(name)
    return heard


async def _hand_to_a_person(session: AsyncSession, order: ChannelOrder) -> None:
    name = channel_orders.order_name(order)
    log.error("channel.unknown_for_good", order=name, state=order.state, amount_fen=order.amount_fen)
    if order.state == "disputed":
        return
    await channel_orders.open_case(
        session,
        "no_answer",
        channel=order.channel,
        name=name,
        order_id=order.id,
        expected_fen=order.amount_fen,
    )
