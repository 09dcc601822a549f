"""Stripe's shapes, made from our rows. Pure."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.ids import public_id
from kernel.sealing import derived_key
from kernel.settings import get_settings
from payments.models import Payment
from payments.stripe_door.intents import Intent
from payments.stripe_door.models import DoorEvent, DoorRefund, WebhookEndpoint
from payments.stripe_door.schemas import CURRENCY, METHOD

Json = dict[str, Any]

# The version of Stripe's interface whose shapes these are.
API_VERSION: Final = "2026-10-28.endive"


def _raw(text: str) -> msgspec.Raw:
    """Stored JSON, told as it stands."""
    return msgspec.Raw(text.encode())


def unix(at: datetime) -> int:
    """Whole seconds, as Stripe tells times."""
    return int(at.timestamp())


def is_live() -> bool:
    """`livemode`: an installation in production mode moves real money, every other one does not."""
    return get_settings().production


def client_secret(intent: Intent) -> str:
    """Derived, so that nothing is stored: the same for the same intent."""
    return f"{intent.public}_secret_{hmac.digest(derived_key('client_secret'), intent.id.bytes, 'sha256').hex()[:24]}"


def intent_view(intent: Intent, charge: Json | None = None) -> Json:
    """A PaymentIntent; `charge` stands in place of its id where the caller has asked for it."""
    paid = intent.payment_id is not None
    return {
        "id": intent.public,
        "object": "payment_intent",
        "amount": intent.amount_fen,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_fen if paid else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": unix(intent.canceled_at) if intent.canceled_at else None,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": "automatic",
        "client_secret": client_secret(intent),
        "confirmation_method": "automatic",
        "created": unix(intent.created_at),
        "currency": CURRENCY,
        "customer": None,
        "description": intent.description,
        "last_payment_error": _raw(intent.last_error_json) if intent.last_error_json else None,
        "latest_charge": charge or charge_id_of(intent),
        "livemode": is_live(),
        "metadata": _raw(intent.metadata_json),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": public_id("pm", intent.method_id) if intent.method_id else None,
        "payment_method_options": {},
        "payment_method_types": [METHOD],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": intent.state,
        "transfer_data": None,
        "transfer_group": None,
    }


def charge_id_of(intent: Intent) -> str | None:
    """The charge of the last attempt: the payment's own id, or that of a refusal."""
    if intent.payment_id is not None:
        return public_id("ch", intent.payment_id)
    if intent.last_error_json is not None:
        charge: str | None = msgspec.json.decode(intent.last_error_json).get("charge")
        return charge
    return None


def charge_view(
    intent: Intent,
    *,
    identifier: str,
    at: datetime,
    refunded_fen: int = 0,
    trace: Any = (),
    error: Json | None = None,
) -> Json:
    """A charge: what one attempt of an intent came to."""
    paid = error is None
    return {
        "id": identifier,
        "object": "charge",
        "amount": intent.amount_fen,
        "amount_captured": intent.amount_fen if paid else 0,
        "amount_refunded": refunded_fen,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": paid,
        "created": unix(at),
        "currency": CURRENCY,
        "customer": None,
        "description": intent.description,
        "disputed": False,
        "failure_code": error["code"] if error else None,
        "failure_message": error["message"] if error else None,
        "livemode": is_live(),
        "metadata": _raw(intent.metadata_json),
        "outcome": {
            "network_status": "approved_by_network" if paid else "declined_by_network",
            "reason": error.get("decline_code") if error else None,
            "seller_message": "Payment complete." if error is None else error["message"],
            "type": "authorized" if paid else "issuer_declined",
        },
        "paid": paid,
        "payment_intent": intent.public,
        "payment_method": public_id("pm", intent.method_id) if intent.method_id else None,
        # Why it cost what it cost, in the house's own words.
        "payment_method_details": {"type": METHOD, METHOD: {"trace": trace}},
        "receipt_url": None,
        "refunded": refunded_fen == intent.amount_fen,
        "status": "succeeded" if paid else "failed",
    }


def charge_of_payment(intent: Intent, payment: Payment) -> Json:
    """The charge of a paid intent, with what was given back since."""
    return charge_view(
        intent,
        identifier=public_id("ch", payment.id),
        at=payment.recorded_at,
        # A void gives everything back without counting as a refund in the books.
        refunded_fen=payment.amount_fen if payment.status == "voided" else payment.refunded_fen,
        trace=payment.trace,
    )


def refund_view(refund: DoorRefund) -> Json:
    """A refund: with the one card it has happened the moment it is made."""
    return {
        "id": public_id("re", refund.id),
        "object": "refund",
        "amount": refund.amount_fen,
        "balance_transaction": None,
        "charge": public_id("ch", refund.payment_id),
        "created": unix(refund.created_at),
        "currency": CURRENCY,
        "destination_details": {"type": METHOD, METHOD: {}},
        "metadata": _raw(refund.metadata_json),
        "payment_intent": public_id("pi", refund.intent_id),
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def event_head(identifier: UUID, kind: str, at: datetime, request: str | None, key: str | None, pending: int) -> Json:
    """An event without its `data`, which is stored as it is told."""
    return {
        "id": public_id("evt", identifier),
        "object": "event",
        "api_version": API_VERSION,
        "created": unix(at),
        "livemode": is_live(),
        "pending_webhooks": pending,
        "request": {"id": request, "idempotency_key": key},
        "type": kind,
    }


def event_view(event: DoorEvent, pending: int = 0) -> Json:
    """An event as its list and its receivers see it."""
    head = event_head(event.id, event.type, event.created_at, event.request_id, event.idempotency_key, pending)
    return head | {"data": _raw(event.data_json)}


def endpoint_view(endpoint: WebhookEndpoint, secret: str | None = None) -> Json:
    """A webhook endpoint; its secret only in the answer that has made it."""
    view: Json = {
        "id": public_id("we", endpoint.id),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": unix(endpoint.created_at),
        "description": endpoint.description,
        "enabled_events": endpoint.enabled_events,
        "livemode": is_live(),
        "metadata": _raw(endpoint.metadata_json),
        "status": endpoint.state,
        "url": endpoint.url,
    }
    return view if secret is None else view | {"secret": secret}


def deleted_view(prefix: str, kind: str, identifier: UUID) -> Json:
    """What a DELETE answers."""
    return {"id": public_id(prefix, identifier), "object": kind, "deleted": True}


def list_view(url: str, rows: Sequence[Json], *, has_more: bool) -> Json:
    """Stripe's list: newest first."""
    return {"object": "list", "url": url, "has_more": has_more, "data": list(rows)}


def balance_view(amount_fen: int) -> Json:
    """What the region owes the merchant. It is settled with the region, so nothing can be paid out from here."""
    return {
        "object": "balance",
        "available": [{"amount": 0, "currency": CURRENCY, "source_types": {METHOD: 0}}],
        "livemode": is_live(),
        "pending": [{"amount": amount_fen, "currency": CURRENCY, "source_types": {METHOD: amount_fen}}],
    }
