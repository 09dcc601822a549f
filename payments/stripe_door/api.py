"""The front door of the door: what the assembly calls."""

from payments.stripe_door.confirming import Confirmations
from payments.stripe_door.door import StripeDoor, is_door_path
from payments.stripe_door.keys import KeyCache, MadeKey, make_key
from payments.stripe_door.pricing import MerchantPricing
from payments.stripe_door.states import TABLES

__all__ = [
    "TABLES",
    "Confirmations",
    "KeyCache",
    "MadeKey",
    "MerchantPricing",
    "StripeDoor",
    "is_door_path",
    "make_key",
]
