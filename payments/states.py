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

TABLES: Final[Mapping[str, StateTable]] = {
    "holder": HOLDER,
    "payment": PAYMENT,
    "hold": HOLD,
    "card": CARD,
    "place_code": PLACE_CODE,
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
