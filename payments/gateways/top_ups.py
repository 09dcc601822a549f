"""Top-ups through a gateway: the person scans a QR code, the gateway tells that it was paid, the purse is credited.

Three steps, because nothing is asked of anybody outside while a transaction is open: the intent is written and
committed, the gateway is asked for a QR code, its answer is heard and stored under the request's key. Whoever comes
again with that key gets the one answer; after a crash in between they take the order over where it stands.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, NotFound, StateConflict, TryAgain
from kernel.idempotency import Answer, begin, check_key, finish
from kernel.ids import bucket_of, public_id, uuid7
from payments import queries
from payments.caller_keys import claim_key
from payments.channels.channel import Channel, Heard, Word
from payments.errors import ChannelRefused, ChannelSilent, ChannelUnavailable
from payments.gateways import channel_orders
from payments.gateways.hearing import hear
from payments.models import ChannelOrder, TopUp

# Longer than two attempts of a channel can take: after it, whoever was asking has died.
ASKING_FOR: Final = timedelta(seconds=15)
_WAIT_S: Final = 12.0
_LOOK_AGAIN_S: Final = 0.2
_ATTEMPTS: Final = 2
_SUBJECT: Final = "一卡通充值"

RefusalTeller = Callable[[GuanjiaError], dict[str, Any]]


def channel_of(channels: Mapping[str, Channel], name: str) -> Channel:
    """A gateway by its name; ChannelUnavailable where it is not set up."""
    if name not in channels:
        raise ChannelUnavailable(channel=name)
    return channels[name]


async def open_top_up(
    db: Database,
    channel: Channel,
    person_id: UUID,
    amount_fen: int,
    key: str | None,
    *,
    actor: str,
    tell_refusal: RefusalTeller,
) -> Answer:
    """A QR code to pay by, once for each key."""
    key = check_key(key)
    order = await _begin(db, channel, person_id, amount_fen, key, actor)
    if isinstance(order, Answer):
        return order
    heard = await _prepare(channel, order)
    async with db.session() as session:
        order = await hear(session, order.id, heard, "answer")
        order.asking_until = None
        answer = await _answer(session, order, actor, key, tell_refusal)
    if answer is None:
        raise ChannelSilent(channel=channel.name)
    return answer


async def _begin(
    db: Database, channel: Channel, person_id: UUID, amount_fen: int, key: str, actor: str
) -> ChannelOrder | Answer:
    """The order to ask for, written or taken over; or the answer that is already there."""
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while True:
        async with db.session() as session:
            begun = await begin(session, actor, key, ["top_up", channel.name, amount_fen])
            if isinstance(begun, Answer):
                return begun
            if begun.fresh:
                return await _write(session, channel, person_id, amount_fen, key, actor)
            bucket, _ = await queries.find_holder_key(session, person_id)
            order = await take_over(session, bucket, actor, key)
        if order is not None:
            return order
        if asyncio.get_running_loop().time() > deadline:
            raise TryAgain
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _write(
    session: AsyncSession, channel: Channel, person_id: UUID, amount_fen: int, key: str, actor: str
) -> ChannelOrder:
    holder = await queries.lock_person(session, person_id)
    await claim_key(session, person_id, key)
    if holder.state == "closed":
        raise StateConflict(state="closed", trigger="top_up", allowed=[])
    order_id = uuid7(holder.bucket)
    session.add(
        TopUp(
            bucket=holder.bucket,
            id=order_id,
            holder_id=holder.id,
            channel=channel.name,
            amount_fen=amount_fen,
            state="pending",
            actor=actor,
            recorded_at=clock.now(),
        )
    )
    return await channel_orders.write_order(
        session,
        order_id=order_id,
        channel=channel.name,
        purpose="top_up",
        holder_id=holder.id,
        region_id=holder.region_id,
        caller=actor,
        key=key,
        amount_fen=amount_fen,
        asking_for=ASKING_FOR,
    )


async def take_over(session: AsyncSession, bucket: int, caller: str, key: str) -> ChannelOrder | None:
    """The order of an earlier request with this key, if nobody is asking for it any more; None while somebody is."""
    order = await session.scalar(
        select(ChannelOrder)
        .where(ChannelOrder.bucket == bucket, ChannelOrder.caller == caller, ChannelOrder.key == key)
        .with_for_update()
    )
    if order is None:
        raise TryAgain
    if order.asking_until is not None and order.asking_until > clock.now():
        return None
    order.asking_until = clock.now() + ASKING_FOR
    return order


async def _prepare(channel: Channel, order: ChannelOrder) -> Heard:
    """Ask for the code; asking twice makes no second order, so a silence is answered by asking again."""
    heard = Heard(Word.MISS)
    if order.state in channel_orders.SETTLED:
        return heard
    for _ in range(_ATTEMPTS):
        name = channel_orders.order_name(order)
        heard = await channel.prepare(name, order.amount_fen, _SUBJECT, order.expires_at)
        if heard.word is not Word.MISS:
            break
    return heard


async def _answer(
    session: AsyncSession, order: ChannelOrder, actor: str, key: str, tell_refusal: RefusalTeller
) -> Answer | None:
    """The one answer, stored; None while there is nothing to say but that nobody answers."""
    if order.state == "failed":
        refusal = ChannelRefused(channel=order.channel, reason=order.refusal or "")
        return await finish(session, actor, key, 402, tell_refusal(refusal))
    if order.state in ("written", "unknown"):
        return None
    top_up = await session.get(TopUp, (order.bucket, order.id))
    assert top_up is not None, "it was written together with its order"
    return await finish(session, actor, key, 201, top_up_view(top_up, order))


def top_up_view(top_up: TopUp, order: ChannelOrder | None) -> dict[str, Any]:
    """The wire form. A code that cannot be paid any more is not shown any more."""
    return {
        "id": public_id("top", top_up.id),
        "status": top_up.state,
        "channel": top_up.channel,
        "amount_fen": top_up.amount_fen,
        "refunded_fen": order.refunded_fen if order is not None else 0,
        "qr_text": order.qr_text if order is not None and top_up.state == "pending" else None,
        "opened_at": clock.rfc3339(top_up.recorded_at),
        "expires_at": clock.rfc3339(order.expires_at) if order is not None else None,
    }


async def show_top_up(session: AsyncSession, person_id: UUID, top_up_id: UUID) -> dict[str, Any]:
    """One of a person's own; NotFound for anybody else's."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    top_up = await session.get(TopUp, (bucket_of(top_up_id), top_up_id))
    if top_up is None or (top_up.bucket, top_up.holder_id) != (bucket, holder_id):
        raise NotFound(what="top")
    return top_up_view(top_up, await session.get(ChannelOrder, (top_up.bucket, top_up.id)))


async def list_top_ups(session: AsyncSession, person_id: UUID, limit: int, before: UUID | None) -> list[dict[str, Any]]:
    """A person's, newest first, one more than the limit; those at the counter too."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    query = (
        select(TopUp, ChannelOrder)
        .outerjoin(ChannelOrder, and_(ChannelOrder.bucket == TopUp.bucket, ChannelOrder.id == TopUp.id))
        .where(TopUp.bucket == bucket, TopUp.holder_id == holder_id)
        .order_by(TopUp.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(TopUp.id < before)
    return [top_up_view(top_up, order) for top_up, order in await session.execute(query)]
