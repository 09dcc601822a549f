"""The bytes that go back for a payment: built once, stored, and sent as they are. Pure."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from kernel.clock import rfc3339
from kernel.ids import public_id
from payments.decide import Accepted, Request
from payments.errors import sentences_of
from payments.events import PaymentSucceeded
from payments.lines import Leg
from payments.posting_rule import Refusal


def wire_legs(legs: tuple[Leg, ...] | list[Leg]) -> list[dict[str, Any]]:
    """Legs as callers see them."""
    return [
        {
            "purse": leg.purse,
            "lot": public_id("lot", leg.lot_id) if leg.lot_id is not None else None,
            "amount_fen": leg.amount_fen,
        }
        for leg in legs
    ]


encode_trace: Final[Callable[[tuple[dict[str, Any], ...]], bytes]] = msgspec.json.Encoder().encode
"""The reasons of a price as JSON: once for the answer and for the payment's row."""


def payment_body(paid: PaymentSucceeded, trace: bytes, identifier: str) -> bytes:
    """The 201 of `POST /v1/payments`: what the payer is told of, and why it is so much."""
    return msgspec.json.encode(
        {
            "id": paid.payment,
            "status": "succeeded",
            "amount_fen": paid.amount_fen,
            "legs": paid.legs,
            "trace": msgspec.Raw(trace),
            "canteen": paid.canteen,
            "terminal": paid.terminal,
            "meal": paid.meal,
            "business_date": paid.business_date,
            "happened_at": paid.happened_at,
            "purses": paid.purses,
            "request_id": identifier,
        }
    )


def refusal_body(refusal: Refusal, language: str, identifier: str) -> bytes:
    """The 402 of a refusal."""
    zh, en = sentences_of(refusal)
    return msgspec.json.encode(
        {
            "code": refusal.code.value,
            "message": en if language == "en" else zh,
            "data": refusal.data,
            "request_id": identifier,
        },
        enc_hook=str,
    )


def succeeded_event(
    request: Request,
    accepted: Accepted,
    person: str,
    label: str,
    site_label: str,
    site_label_en: str,
) -> PaymentSucceeded:
    """What the payer and the canteen's board are told."""
    quote, terminal_id = accepted.quote, request.sale.terminal_id
    return PaymentSucceeded(
        happened_at=rfc3339(request.happened_at),
        payment=public_id("pay", request.payment_id),
        person=person,
        payer_label=label,
        canteen=public_id("can", quote.site_id),
        canteen_name=site_label,
        canteen_name_en=site_label_en,
        terminal=public_id("ter", terminal_id) if terminal_id else None,
        amount_fen=quote.amount_fen,
        legs=wire_legs(accepted.legs),
        business_date=quote.business_date.isoformat(),
        meal=quote.context.get("meal"),
        purses=accepted.purses,
        credential=quote.context.get("credential", "pay_code"),
        far_m=quote.context.get("far_m"),
    )
