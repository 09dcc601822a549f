"""The state machines of payments, each one table: {(state, trigger): state}.

The database's CHECKs, the matrix page, the diagrams in docs and the buttons on the screens come from these tables.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

HOLDER: Final[StateTable] = {
    ("active", "freeze"): "frozen",
    ("frozen", "unfreeze"): "active",
    ("active", "report_lost"): "lost",
    ("lost", "unlist"): "active",
    ("lost", "reissue"): "active",
    ("active", "reissue"): "active",
    ("active", "close"): "closed",
    ("lost", "close"): "closed",
}

PAYMENT: Final[StateTable] = {
    ("succeeded", "void"): "voided",
    ("succeeded", "refund_part"): "partially_refunded",
    ("succeeded", "refund_rest"): "refunded",
    ("partially_refunded", "refund_part"): "partially_refunded",
    ("partially_refunded", "refund_rest"): "refunded",
}

HOLD: Final[StateTable] = {
    ("open", "capture"): "captured",
    ("open", "release"): "released",
    ("open", "expire"): "expired",
}

CARD: Final[StateTable] = {
    ("active", "report_lost"): "lost",
    ("lost", "unlist"): "active",
    ("active", "replace"): "replaced",
    ("lost", "replace"): "replaced",
    ("active", "close"): "closed",
    ("lost", "close"): "closed",
}

PLACE_CODE: Final[StateTable] = {
    ("active", "replace"): "replaced",
    ("active", "revoke"): "revoked",
}

# An order that we gave to somebody else's gateway. The triggers are words of that gateway, whoever brought them: its
# answer, its notice, a look of ours. A word that leads nowhere changes nothing: it is late, or said twice.
CHANNEL_ORDER: Final[StateTable] = {
    ("written", "miss"): "unknown",
    ("written", "await"): "waiting",
    ("unknown", "await"): "waiting",
    **{(state, "refuse"): "failed" for state in ("written", "unknown", "waiting")},
    **{(state, "close"): "closed" for state in ("written", "unknown", "waiting")},
    # Money that moved counts, also where we had given the order up.
    **{(state, "differ"): "disputed" for state in ("written", "unknown", "waiting", "failed", "closed")},
    **{(state, "pay"): "succeeded" for state in ("written", "unknown", "waiting", "failed", "closed", "disputed")},
    # What came in and cannot be credited: two people have decided where it goes.
    ("disputed", "decide"): "decided",
    # Taking back is our own word, written down before it is sent; what is paid from then on is given back by it.
    **{(state, "take_back"): "cancelling" for state in ("written", "unknown", "waiting")},
    ("cancelling", "cancel"): "cancelled",
}

# How much is known of an order. No word ever leads downwards (I11).
CHANNEL_RANKS: Final[Mapping[str, int]] = {
    "written": 0,
    "unknown": 1,
    "waiting": 2,
    "failed": 3,
    "closed": 3,
    "disputed": 4,
    "succeeded": 5,
    "decided": 5,
    "cancelling": 6,
    "cancelled": 7,
}

TABLES: Final[Mapping[str, StateTable]] = {
    "holder": HOLDER,
    "payment": PAYMENT,
    "hold": HOLD,
    "card": CARD,
    "place_code": PLACE_CODE,
    "channel_order": CHANNEL_ORDER,
}


def states_of(table: StateTable) -> list[str]:
    """Every state that a table names, in order of appearance."""
    return list(dict.fromkeys([state for (start, _), end in table.items() for state in (start, end)]))


def allowed(table: StateTable, state: str) -> list[str]:
    """The triggers that a state allows."""
    return [trigger for (start, trigger) in table if start == state]


def next_state(table: StateTable, state: str, trigger: str) -> str:
    """Where a trigger leads; StateConflict, with the allowed triggers, where it leads nowhere."""
    if (state, trigger) not in table:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed(table, state))
    return table[state, trigger]


def hear(state: str, word: str) -> str:
    """The state of a channel's order after one more word: the one function for answer, notice and look."""
    return CHANNEL_ORDER.get((state, word), state)
