"""What an attempt came to, and everything that follows from it: the intent's state, the answer, the events. Pure.

All of it is written in the transaction of the payment itself (`confirming.py`).
"""

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from kernel.idempotency import Answer
from kernel.ids import parse_public_id, public_id
from payments.stripe_door.answering import encode, error_answer
from payments.stripe_door.errors import CardDeclined, Json, StripeError, decline_of
from payments.stripe_door.intents import Intent
from payments.stripe_door.telling import Told, data_of
from payments.stripe_door.views import charge_view, intent_view


class Outcome(NamedTuple):
    """Paid (`payment_id`) or refused (`error`)."""

    at: datetime
    payment_id: UUID | None = None
    trace: Any = ()
    error: Json | None = None


class _Paid(msgspec.Struct):
    """What is read of the 201 of a payment."""

    id: str
    trace: msgspec.Raw


class _Refused(msgspec.Struct):
    """What is read of the 402 of a payment."""

    code: str


_decode_paid: Final = msgspec.json.Decoder(_Paid).decode
_decode_refused: Final = msgspec.json.Decoder(_Refused).decode


def outcome_of(answer: Answer, charge_id: UUID, at: datetime) -> Outcome:
    """The posting queue's answer; `charge_id` names the charge of a refusal."""
    if answer.status == 201:
        paid = _decode_paid(answer.body)
        return Outcome(at, parse_public_id("pay", paid.id), paid.trace)
    return Outcome(at, error=decline_of(_decode_refused(answer.body).code, public_id("ch", charge_id)))


def apply(intent: Intent, outcome: Outcome) -> None:
    """Move the intent."""
    if outcome.payment_id is not None:
        intent.succeed(outcome.payment_id)
    else:
        assert outcome.error is not None, "what was not paid was refused"
        intent.decline(outcome.error)


def _charge(intent: Intent, outcome: Outcome) -> Json:
    charge = public_id("ch", outcome.payment_id) if outcome.payment_id else outcome.error and outcome.error["charge"]
    return charge_view(intent, identifier=str(charge), at=outcome.at, trace=outcome.trace, error=outcome.error)


class Ended(NamedTuple):
    """The end of an attempt: what its caller is told, and what everybody is told."""

    answer: Answer
    events: tuple[Told, ...]


def ending_of(
    intent: Intent, outcome: Outcome, *, expand_charge: bool, request_id: str | None, key: str | None
) -> Ended:
    """After `apply`."""
    charge = _charge(intent, outcome)
    shown = encode(intent_view(intent))
    if outcome.error is None:
        kinds = ("charge.succeeded", "payment_intent.succeeded")
        answered = Answer(200, encode(intent_view(intent, charge)) if expand_charge else shown, replayed=False)
    else:
        kinds = ("charge.failed", "payment_intent.payment_failed")
        answered = error_answer(declined(intent, outcome.error))
    site, stream = intent.site_id, intent.id
    return Ended(
        answered,
        (
            Told(site, stream, kinds[0], data_of(charge), request_id, key),
            Told(site, stream, kinds[1], data_of(shown), request_id, key),
        ),
    )


def declined(intent: Intent, error: Json) -> StripeError:
    """The error of a refused attempt, with the intent beside it."""
    more = {name: value for name, value in error.items() if name not in ("type", "message", "code")}
    return CardDeclined(
        error["message"], code=error["code"], payment_intent=msgspec.Raw(encode(intent_view(intent))), **more
    )
