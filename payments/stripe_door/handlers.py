"""What the door does when payments tells of a void or refund that was made elsewhere, at the till or by the office.

The merchant's program hears of it as it hears of its own: a refund object and its events.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from payments.events import PaymentRefunded, PaymentVoided
from payments.queries import get_payment
from payments.stripe_door import queries
from payments.stripe_door.models import DoorRefund
from payments.stripe_door.refunds import tell_refund

HANDLER: Final = "payments.stripe_door"
FOLLOWED: Final = (PaymentRefunded, PaymentVoided)


async def follow_reversals(session: AsyncSession, events: Sequence[StoredEvent]) -> None:
    """Write down reversals of intents' payments that the door has not made itself."""
    found = [
        stored.event
        for stored in events
        if isinstance(stored.event, PaymentRefunded | PaymentVoided) and stored.event.terminal is not None
    ]
    keys = await queries.keys_among(session, {_terminal_of(event) for event in found}) if found else {}
    for event in found:
        if _terminal_of(event) in keys:
            await _note(session, event)


def _terminal_of(event: PaymentRefunded | PaymentVoided) -> UUID:
    assert event.terminal is not None, "it was looked at"
    return parse_public_id("ter", event.terminal)


async def _note(session: AsyncSession, event: PaymentRefunded | PaymentVoided) -> None:
    payment = await get_payment(session, parse_public_id("pay", event.payment))
    reversal_id = (
        parse_public_id("void", event.void)
        if isinstance(event, PaymentVoided)
        else parse_public_id("ref", event.refund)
    )
    intent_id = await queries.attempt_of_payment(session, payment)
    known = await session.get(DoorRefund, (payment.site_id, reversal_id))
    if intent_id is None or known is not None:
        return
    intent = await queries.get_intent(session, payment.site_id, intent_id)
    refund = DoorRefund(
        site_id=payment.site_id,
        id=reversal_id,
        intent_id=intent_id,
        payment_id=payment.id,
        amount_fen=event.amount_fen,
        reason=None,
        metadata_json="{}",
        created_at=clock.now(),
    )
    session.add(refund)
    await session.flush()
    await tell_refund(session, intent, refund, None, None)
