"""Later words on a message: a gateway's receipt, and the page of a device that has shown a notice."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import NotFound
from realtime.reaching import queries
from realtime.reaching.channels import secret_of
from realtime.reaching.courier import note_proof, tell
from realtime.reaching.errors import BadReceipt
from realtime.reaching.gateways import is_signed
from realtime.reaching.kinds import Kind
from realtime.reaching.models import Delivery, ReachChannel
from realtime.reaching.states import DELIVERY, next_state

_TRIGGERS: Final = {"delivered": "confirm", "failed": "deny"}


async def take_receipt(
    session: AsyncSession,
    delivery_id: UUID,
    status: str,
    reason: str | None,
    *,
    timestamp: str,
    given: str,
    body: bytes,
) -> None:
    """A gateway's word on what became of a message that it took; the same word twice changes nothing."""
    try:
        delivery = await queries.lock_delivery(session, delivery_id)
    except NotFound:
        raise BadReceipt from None
    channel = await session.get(ReachChannel, delivery.channel_id) if delivery.channel_id else None
    now = int(clock.now().timestamp())
    if channel is None or not channel.sealed_secret or not is_signed(secret_of(channel), timestamp, given, body, now):
        raise BadReceipt
    trigger = _TRIGGERS[status]
    if DELIVERY.get(("sent", trigger)) == delivery.state:
        return
    delivery.state = next_state(DELIVERY, delivery.state, trigger)
    delivery.last_error = (reason or "the gateway could not deliver it") if trigger == "deny" else None
    await note_proof(session, delivery.path, error=delivery.last_error)
    tell(session, delivery, delivery.state)


async def note_shown(session: AsyncSession, person_id: UUID, delivery_id: UUID) -> Delivery:
    """The notice stands before somebody's eyes, on their own device; NotFound for anybody else's."""
    delivery = await queries.lock_delivery(session, delivery_id)
    if delivery.person_id != person_id or delivery.kind != Kind.WEB_PUSH.value:
        raise NotFound
    if delivery.shown_at is None:
        delivery.shown_at = clock.now()
        await note_proof(session, delivery.path, error=None)
        tell(session, delivery, "shown")
    return delivery
