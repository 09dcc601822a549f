"""Use cases of a merchant's program beside confirming: intents, events, balance."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal
from kernel import clock
from kernel.ids import public_id, uuid7
from payments.ledger import house_balance
from payments.stripe_door import queries
from payments.stripe_door.intents import Intent
from payments.stripe_door.schemas import IntentParams, ListParams, merge_metadata
from payments.stripe_door.telling import Told, data_of, tell
from payments.stripe_door.views import (
    Json,
    balance_view,
    charge_of_payment,
    event_view,
    intent_view,
    list_view,
)


def new_intent(site_id: UUID, params: IntentParams, *, keep_code: bool) -> Intent:
    """An intent that is not written yet; with a pay code it only waits for its confirmation."""
    assert params.amount_fen is not None, "creating needs an amount"
    at = clock.now()
    intent = Intent(
        site_id=site_id,
        id=uuid7(at=at),
        state="requires_payment_method",
        amount_fen=params.amount_fen,
        description=params.description or None,
        metadata_json=merge_metadata("{}", params.metadata),
        method_id=None,
        pay_code=None,
        attempts=0,
        attempt_seq=None,
        attempt_by=None,
        attempted_at=None,
        payment_id=None,
        last_error_json=None,
        canceled_at=None,
        cancellation_reason=None,
        created_at=at,
        version=0,
    )
    if keep_code and params.pay_code is not None:
        intent.attach(uuid7(at=at), params.pay_code)
    return intent


async def create_intent(session: AsyncSession, intent: Intent, request_id: str, key: str | None) -> Json:
    """Write a new intent and tell of it."""
    await queries.write_intents(session, [intent])
    view = intent_view(intent)
    await tell(session, [Told(intent.site_id, intent.id, "payment_intent.created", data_of(view), request_id, key)])
    return view


async def update_intent(session: AsyncSession, site_id: UUID, intent_id: UUID, params: IntentParams) -> Json:
    """Change what is given, before it is paid or canceled."""
    intent = await queries.lock_intent(session, site_id, intent_id)
    intent.move("update")
    if params.amount_fen is not None:
        intent.amount_fen = params.amount_fen
    if params.description is not None:
        intent.description = params.description or None
    intent.metadata_json = merge_metadata(intent.metadata_json, params.metadata)
    if params.pay_code is not None:
        intent.attach(uuid7(), params.pay_code)
    await queries.write_intents(session, [intent])
    return await shown_intent(session, intent, expand_charge=params.expand_charge)


async def cancel_intent(
    session: AsyncSession, site_id: UUID, intent_id: UUID, reason: str | None, request_id: str, key: str | None
) -> Json:
    """It will not be paid."""
    intent = await queries.lock_intent(session, site_id, intent_id)
    intent.cancel(reason, clock.now())
    await queries.write_intents(session, [intent])
    view = intent_view(intent)
    await tell(session, [Told(site_id, intent_id, "payment_intent.canceled", data_of(view), request_id, key)])
    return view


async def shown_intent(session: AsyncSession, intent: Intent, *, expand_charge: bool) -> Json:
    """An intent, with its charge in it where that is asked for."""
    return (await _shown(session, [intent], expand_charge=expand_charge))[0]


async def _shown(session: AsyncSession, intents: list[Intent], *, expand_charge: bool) -> list[Json]:
    paid = [intent.payment_id for intent in intents if intent.payment_id is not None]
    payments = await queries.payments_by_id(session, paid) if expand_charge else {}
    return [
        intent_view(intent, charge_of_payment(intent, payments[intent.payment_id]))
        if intent.payment_id in payments
        else intent_view(intent)
        for intent in intents
    ]


async def list_intents(session: AsyncSession, site_id: UUID, page: ListParams) -> Json:
    """A merchant's intents."""
    found = await queries.list_intents(session, site_id, page)
    intents = [queries.intent_of(row) for row in found.rows]
    views = await _shown(session, intents, expand_charge=page.expand_charge)
    return list_view("/v1/payment_intents", views, has_more=found.has_more)


async def list_events(session: AsyncSession, site_id: UUID, page: ListParams, types: list[str] | None) -> Json:
    """A merchant's events."""
    found = await queries.list_events(session, site_id, page, types)
    pending = await queries.pending_of(session, [event.ordinal for event in found.rows])
    views = [event_view(event, pending.get(event.ordinal, 0)) for event in found.rows]
    return list_view("/v1/events", views, has_more=found.has_more)


async def show_event(session: AsyncSession, site_id: UUID, event_id: UUID) -> Json:
    """One event."""
    event = await queries.get_event(session, site_id, event_id)
    pending = await queries.pending_of(session, [event.ordinal])
    return event_view(event, pending.get(event.ordinal, 0))


async def show_balance(session: AsyncSession, merchant: Terminal) -> Json:
    """What the merchant has been paid and not yet been settled with."""
    return balance_view(-await house_balance(session, merchant.region_id, "payable", merchant.site_id))


def actor_of(terminal: Terminal) -> str:
    """How the audit log names a program."""
    return public_id("key", terminal.id)
