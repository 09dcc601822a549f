"""Guests: somebody without an account holds the code of their own payment app to the till, and the canteen is paid.

The till's number and key are taken and the intent is committed before the gateway is asked, once. Where it waits for
the guest, or does not answer, the till is told `pending` and asks for the state; the worker goes on asking
(`looks.py`) and takes the payment back after a minute, so that nobody pays after they have left.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, GuanjiaError, IdempotencyKeyReused, Malformed, NotFound, StateConflict, TryAgain
from kernel.idempotency import Answer, begin, check_key, finish, hash_of
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.settings import get_settings
from payments.channel_refunds.queries import refunds_of
from payments.channel_refunds.service import refund_view
from payments.channels.channel import Channel, Heard, Word
from payments.errors import ChannelRefused, SeqReused
from payments.gateways import channel_orders
from payments.gateways.hearing import hear
from payments.gateways.top_ups import ASKING_FOR, channel_of, take_over
from payments.models import ChannelOrder, GuestPayment, TerminalRequest
from payments.reversals import VOID_WINDOW

_WAIT_S: Final = 12.0
_LOOK_AGAIN_S: Final = 0.2
_SUBJECT: Final = "食堂就餐"
_PREFIXES: Final = {"alipay": range(25, 31)}


@dataclass(frozen=True, slots=True)
class GuestRequest:
    """What a till sends. The code is never stored: it is good once, and a retry needs no code."""

    auth_code: str
    amount_fen: int
    seq: int


def channel_of_code(channels: Mapping[str, Channel], auth_code: str) -> Channel:
    """Whose code it is, by its first two digits."""
    for name, prefixes in _PREFIXES.items():
        if int(auth_code[:2]) in prefixes:
            return channel_of(channels, name)
    raise Malformed(reason="no payment app that we know gives such a code", field="auth_code")


async def take_guest_payment(
    db: Database,
    channels: Mapping[str, Channel],
    terminal: Terminal,
    wanted: GuestRequest,
    key: str | None,
    *,
    tell_refusal: Callable[[GuanjiaError], dict[str, Any]],
) -> Answer:
    """Charge a guest's code, once for each key; the answer may be that it is still pending."""
    key, channel = check_key(key), channel_of_code(channels, wanted.auth_code)
    begun = await _begin(db, channel, terminal, wanted, key)
    if isinstance(begun, Answer):
        return begun
    order, fresh = begun
    name = channel_orders.order_name(order)
    heard = Heard(Word.MISS)
    if fresh:
        heard = await channel.charge(name, order.amount_fen, _SUBJECT, wanted.auth_code)
    if heard.word is Word.MISS and order.state not in channel_orders.SETTLED:
        heard = await channel.ask(name)
    async with db.session() as session:
        order = await hear(session, order.id, heard, "answer")
        order.asking_until = None
        return await _answer(session, order, terminal, key, tell_refusal)


async def _begin(
    db: Database, channel: Channel, terminal: Terminal, wanted: GuestRequest, key: str
) -> tuple[ChannelOrder, bool] | Answer:
    """(the order, whether its code is to be charged now), or the answer that is already there."""
    parsed = ["guest_payment", wanted.auth_code, wanted.amount_fen, wanted.seq]
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while True:
        async with db.session() as session:
            begun = await begin(session, terminal.actor, key, parsed)
            if isinstance(begun, Answer):
                return begun
            if begun.fresh:
                return await _write(session, channel, terminal, wanted, key, hash_of(parsed)[:16]), True
            order = await take_over(session, HOUSE_BUCKET, terminal.actor, key)
        if order is not None:
            return order, False
        if asyncio.get_running_loop().time() > deadline:
            raise TryAgain
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _write(
    session: AsyncSession, channel: Channel, terminal: Terminal, wanted: GuestRequest, key: str, body_hash: bytes
) -> ChannelOrder:
    at, order_id = clock.now(), uuid7(HOUSE_BUCKET)
    await _claim_number(session, terminal, wanted.seq, key, body_hash, order_id)
    session.add(
        GuestPayment(
            bucket=HOUSE_BUCKET,
            id=order_id,
            region_id=terminal.region_id,
            site_id=terminal.site_id,
            terminal_id=terminal.id,
            epoch=terminal.epoch,
            seq=wanted.seq,
            channel=channel.name,
            amount_fen=wanted.amount_fen,
            status="pending",
            business_date=clock.business_date(at, get_settings().zone),
            recorded_at=at,
        )
    )
    return await channel_orders.write_order(
        session,
        order_id=order_id,
        channel=channel.name,
        purpose="guest_payment",
        holder_id=None,
        region_id=terminal.region_id,
        caller=terminal.actor,
        key=key,
        amount_fen=wanted.amount_fen,
        asking_for=ASKING_FOR,
    )


async def _claim_number(
    session: AsyncSession, terminal: Terminal, seq: int, key: str, body_hash: bytes, order_id: UUID
) -> None:
    """A till counts all that it takes with one counter, guests too."""
    claimed = await session.scalar(
        insert(TerminalRequest)
        .values(
            terminal_id=terminal.id,
            epoch=terminal.epoch,
            seq=seq,
            key=key,
            body_hash=body_hash,
            payment_id=order_id,
            recorded_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(TerminalRequest.payment_id)
    )
    if claimed is not None:
        return
    taken = await session.scalar(
        select(TerminalRequest.key).where(
            TerminalRequest.terminal_id == terminal.id, or_(TerminalRequest.key == key, TerminalRequest.seq == seq)
        )
    )
    raise IdempotencyKeyReused() if taken == key else SeqReused(payment=None)


async def _answer(
    session: AsyncSession,
    order: ChannelOrder,
    terminal: Terminal,
    key: str,
    tell_refusal: Callable[[GuanjiaError], dict[str, Any]],
) -> Answer:
    guest = await session.get(GuestPayment, (order.bucket, order.id))
    assert guest is not None, "it was written together with its order"
    if guest.status == "failed":
        identifier = public_id("gst", guest.id)
        refusal = ChannelRefused(channel=order.channel, reason=order.refusal or "", guest_payment=identifier)
        return await finish(session, terminal.actor, key, 402, tell_refusal(refusal))
    return await finish(session, terminal.actor, key, 201, guest_view(guest, order))


def guest_view(guest: GuestPayment, order: ChannelOrder | None) -> dict[str, Any]:
    """The wire form. `can_cancel` is false once the end is near or here."""
    return {
        "id": public_id("gst", guest.id),
        "status": _status_of(guest, order),
        "channel": guest.channel,
        "amount_fen": guest.amount_fen,
        "refunded_fen": order.refunded_fen if order is not None else 0,
        "canteen": public_id("can", guest.site_id),
        "terminal": public_id("ter", guest.terminal_id),
        "seq": guest.seq,
        "business_date": guest.business_date.isoformat(),
        "happened_at": clock.rfc3339(guest.recorded_at),
        "can_cancel": order is not None and order.state in ("written", "unknown", "waiting"),
        "can_void": order is not None and _can_void(order),
    }


def _status_of(guest: GuestPayment, order: ChannelOrder | None) -> str:
    refunded_fen = order.refunded_fen if order is not None else 0
    if not refunded_fen:
        return guest.status
    return "refunded" if refunded_fen == guest.amount_fen else "partially_refunded"


def _can_void(order: ChannelOrder) -> bool:
    return order.state == "succeeded" and not order.refunded_fen and clock.now() - order.changed_at <= VOID_WINDOW


async def find_guest_payment(session: AsyncSession, guest_id: UUID) -> GuestPayment:
    """By its id; NotFound where there is none. The caller decides who may have it."""
    guest = await session.get(GuestPayment, (HOUSE_BUCKET, guest_id), populate_existing=True)
    if guest is None:
        raise NotFound(what="gst")
    return guest


async def get_guest_payment(session: AsyncSession, terminal: Terminal, guest_id: UUID) -> GuestPayment:
    """One of the till's own canteen; NotFound where there is none, Forbidden where it is another canteen's."""
    guest = await find_guest_payment(session, guest_id)
    if guest.site_id != terminal.site_id:
        raise Forbidden
    return guest


async def show_guest_payment(session: AsyncSession, terminal: Terminal, guest_id: UUID) -> dict[str, Any]:
    """Where it stands."""
    guest = await get_guest_payment(session, terminal, guest_id)
    view = guest_view(guest, await session.get(ChannelOrder, (guest.bucket, guest.id)))
    refunds = await refunds_of(session, guest.id)
    return {**view, "refunds": [refund_view(refund, public_id("gst", guest.id)) for refund in refunds]}


async def list_guest_payments(
    session: AsyncSession, terminal: Terminal, limit: int, before: UUID | None
) -> list[dict[str, Any]]:
    """The till's own, newest first, one more than the limit."""
    query = (
        select(GuestPayment, ChannelOrder)
        .join(ChannelOrder, ChannelOrder.id == GuestPayment.id)
        .where(GuestPayment.terminal_id == terminal.id, ChannelOrder.bucket == HOUSE_BUCKET)
        .order_by(GuestPayment.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(GuestPayment.id < before)
    return [guest_view(guest, order) for guest, order in await session.execute(query)]


async def cancel_guest_payment(
    db: Database, channels: Mapping[str, Channel], terminal: Terminal, guest_id: UUID
) -> dict[str, Any]:
    """Take it back before it is paid. What the guest pays in this very moment is given back by the gateway."""
    async with db.session() as session:
        await get_guest_payment(session, terminal, guest_id)
        order = await channel_orders.lock_order(session, guest_id)
        if order.state in ("succeeded", "disputed"):
            raise StateConflict(state=order.state, trigger="cancel", allowed=[])
        await channel_orders.move(session, order, "take_back", "us")
    if order.state == "cancelling":
        heard = await channel_of(channels, order.channel).cancel(channel_orders.order_name(order))
        async with db.session() as session:
            await hear(session, guest_id, heard, "answer")
    async with db.session() as session:
        return await show_guest_payment(session, terminal, guest_id)
