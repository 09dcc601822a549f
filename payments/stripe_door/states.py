"""The state machines of the door, each one table: {(state, trigger): state}.

A PaymentIntent is `processing` only within the transaction of its payment: nobody ever sees it so. Stripe's
requires_action and requires_capture belong to ways of paying that this door does not take; they are therefore no states
here.
"""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable

INTENT: Final[StateTable] = {
    ("requires_payment_method", "update"): "requires_payment_method",
    ("requires_payment_method", "attach"): "requires_confirmation",
    ("requires_payment_method", "confirm"): "processing",
    ("requires_payment_method", "cancel"): "canceled",
    ("requires_confirmation", "update"): "requires_confirmation",
    ("requires_confirmation", "attach"): "requires_confirmation",
    ("requires_confirmation", "confirm"): "processing",
    ("requires_confirmation", "cancel"): "canceled",
    ("processing", "succeed"): "succeeded",
    ("processing", "decline"): "requires_payment_method",
}

SECRET_KEY: Final[StateTable] = {("active", "revoke"): "revoked"}

ENDPOINT: Final[StateTable] = {
    ("enabled", "disable"): "disabled",
    ("enabled", "give_up"): "disabled",
    ("disabled", "enable"): "enabled",
}

DELIVERY: Final[StateTable] = {
    ("pending", "deliver"): "delivered",
    ("pending", "abandon"): "abandoned",
    ("pending", "redeliver"): "pending",
    ("delivered", "redeliver"): "pending",
    ("abandoned", "redeliver"): "pending",
}

TABLES: Final[Mapping[str, StateTable]] = {
    "payment intent": INTENT,
    "secret key": SECRET_KEY,
    "webhook endpoint": ENDPOINT,
    "webhook delivery": DELIVERY,
}
