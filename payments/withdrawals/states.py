"""A withdrawal's state machine. `asked` waits for a second person; `unknown` is a state, and the worker's to end."""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable

WITHDRAWAL: Final[StateTable] = {
    ("asked", "approve"): "sending",
    ("asked", "decline"): "declined",
    ("asked", "cancel"): "cancelled",
    ("sending", "lose"): "unknown",
    **{(state, "pay"): "paid" for state in ("sending", "unknown")},
    **{(state, "fail"): "failed" for state in ("sending", "unknown")},
}

TABLES: Final[Mapping[str, StateTable]] = {"withdrawal": WITHDRAWAL}

# Money is held for it.
UNDER_WAY: Final = ("asked", "sending", "unknown")
