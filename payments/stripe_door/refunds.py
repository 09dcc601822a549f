"""Refunds of intents, through the very reversals of the house: cash first, subsidy back to its lot, the books the other way."""

from collections.abc import Callable
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal
from kernel import clock
from kernel.errors import NotFound
from payments.queries import get_payment
from payments.reversals import refund_payment
from payments.stripe_door import queries
from payments.stripe_door.errors import Json, Refused, ResourceMissing, already_refunded
from payments.stripe_door.intents import Intent
from payments.stripe_door.models import DoorRefund
from payments.stripe_door.schemas import ListParams, RefundParams
from payments.stripe_door.service import actor_of
from payments.stripe_door.telling import Told, data_of, tell
from payments.stripe_door.views import charge_of_payment, list_view, refund_view


async def create_refund(
    session: AsyncSession,
    terminal: Terminal,
    params: RefundParams,
    *,
    site_label: Callable[[UUID], str],
    request_id: str,
    key: str | None,
) -> Json:
    """Give back a part, or all that is left."""
    intent, payment_id = await _paid_intent(session, terminal.site_id, params)
    payment = await get_payment(session, payment_id)
    left_fen = payment.amount_fen - payment.refunded_fen
    if payment.status == "voided" or left_fen == 0:
        raise already_refunded()
    reversed_ = await refund_payment(
        session,
        payment_id,
        params.amount_fen or left_fen,
        params.reason or "",
        actor=actor_of(terminal),
        site_label=site_label,
    )
    refund = DoorRefund(
        site_id=terminal.site_id,
        id=reversed_.id,
        intent_id=intent.id,
        payment_id=payment_id,
        amount_fen=reversed_.amount_fen,
        reason=params.reason,
        metadata_json=msgspec.json.encode(params.metadata).decode(),
        created_at=clock.now(),
    )
    session.add(refund)
    await session.flush()
    await tell_refund(session, intent, refund, request_id, key)
    return refund_view(refund)


async def _paid_intent(session: AsyncSession, site_id: UUID, params: RefundParams) -> tuple[Intent, UUID]:
    if params.intent_id is None:
        assert params.payment_id is not None, "one of the two is given"
        return await _intent_of_charge(session, site_id, params.payment_id), params.payment_id
    intent = await queries.get_intent(session, site_id, params.intent_id)
    if intent.payment_id is None:
        raise Refused(
            f"This PaymentIntent ({intent.public}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
        )
    if params.payment_id is not None and params.payment_id != intent.payment_id:
        raise ResourceMissing("charge", f"ch_{params.payment_id.hex}", param="charge")
    return intent, intent.payment_id


async def _intent_of_charge(session: AsyncSession, site_id: UUID, payment_id: UUID) -> Intent:
    missing = ResourceMissing("charge", f"ch_{payment_id.hex}", param="charge")
    try:
        payment = await get_payment(session, payment_id)
    except NotFound:
        raise missing from None
    intent_id = await queries.attempt_of_payment(session, payment) if payment.site_id == site_id else None
    if intent_id is None:
        raise missing
    return await queries.get_intent(session, site_id, intent_id)


async def tell_refund(
    session: AsyncSession, intent: Intent, refund: DoorRefund, request_id: str | None, key: str | None
) -> None:
    """The refund's own event, and its charge's."""
    payment = await get_payment(session, refund.payment_id)
    charge = charge_of_payment(intent, payment)
    before = {"amount_refunded": charge["amount_refunded"] - refund.amount_fen, "refunded": False}
    previous = {name: value for name, value in before.items() if charge[name] != value}
    site, stream = intent.site_id, intent.id
    await tell(
        session,
        [
            Told(site, stream, "refund.created", data_of(refund_view(refund)), request_id, key),
            Told(site, stream, "charge.refunded", data_of(charge, previous), request_id, key),
        ],
    )


async def show_refund(session: AsyncSession, site_id: UUID, refund_id: UUID) -> Json:
    """One refund."""
    refund = await session.scalar(select(DoorRefund).where(DoorRefund.site_id == site_id, DoorRefund.id == refund_id))
    if refund is None:
        raise ResourceMissing("refund", f"re_{refund_id.hex}")
    return refund_view(refund)


async def list_refunds(
    session: AsyncSession, site_id: UUID, page: ListParams, intent_id: UUID | None, payment_id: UUID | None
) -> Json:
    """A merchant's refunds."""
    found = await queries.list_refunds(session, site_id, page, intent_id, payment_id)
    return list_view("/v1/refunds", [refund_view(row) for row in found.rows], has_more=found.has_more)
