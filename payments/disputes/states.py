"""A dispute's state machine as one table, and who may pull which trigger.

open: the canteen's turn. rejected: the person's. escalated: the region's. accepted and upheld: money is on its way, which
is this very transaction unless the books of the payment's month are locked; then two people approve a voucher first.
"""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable

DISPUTE: Final[StateTable] = {
    ("open", "accept"): "accepted",
    ("open", "reject"): "rejected",
    ("open", "withdraw"): "withdrawn",
    ("open", "pass_on"): "escalated",
    ("rejected", "escalate"): "escalated",
    ("rejected", "withdraw"): "withdrawn",
    ("rejected", "lapse"): "closed",
    ("escalated", "uphold"): "upheld",
    ("escalated", "dismiss"): "dismissed",
    ("escalated", "withdraw"): "withdrawn",
    ("accepted", "give_back"): "returned",
    ("accepted", "refuse_voucher"): "escalated",
    ("upheld", "give_back"): "returned",
    ("upheld", "refuse_voucher"): "dismissed",
}

TABLES: Final[Mapping[str, StateTable]] = {"dispute": DISPUTE}

# Whose trigger it is. The system's are pulled by the clock, or by money that has moved.
SIDES: Final[Mapping[str, str]] = {
    "accept": "canteen",
    "reject": "canteen",
    "withdraw": "payer",
    "escalate": "payer",
    "uphold": "region",
    "dismiss": "region",
    "pass_on": "system",
    "lapse": "system",
    "give_back": "system",
    "refuse_voucher": "system",
}

# Something is still to be said or done. Named by the unique index too.
UNDER_WAY: Final = ("open", "rejected", "escalated", "accepted", "upheld")

# Whose turn it is in a state, and so whose clock runs.
TURNS: Final[Mapping[str, str]] = {"open": "canteen", "rejected": "payer", "escalated": "region"}


def allowed_to(state: str, sides: frozenset[str]) -> list[str]:
    """The triggers that a state allows to somebody on these sides: the buttons of the screens."""
    return [trigger for (start, trigger) in DISPUTE if start == state and SIDES[trigger] in sides]
