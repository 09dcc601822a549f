"""The state machines of settlement, each one table: {(state, trigger): state}.

`net` and `pay` leave a period where it is: instructions are written and paid one by one, and `settle` is allowed once none
is left. `lapse` is the timer's: both sides have confirmed, or five work days of silence have.
"""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable, states_of

# One region's month.
SETTLEMENT: Final[StateTable] = {
    ("open", "cut_off"): "cutoff",
    ("cutoff", "reconcile"): "reconciled",
    ("reconciled", "send_statement"): "statement_sent",
    ("statement_sent", "dispute"): "statement_sent",
    ("statement_sent", "confirm"): "confirmed",
    ("statement_sent", "lapse"): "confirmed",
    ("confirmed", "net"): "confirmed",
    ("confirmed", "pay"): "confirmed",
    ("confirmed", "settle"): "settled",
    ("settled", "lock"): "locked",
}

# What one party gets of a period's close.
STATEMENT: Final[StateTable] = {
    ("drafted", "send"): "sent",
    ("sent", "confirm"): "confirmed",
    ("sent", "lapse"): "silent",
}

# A line of a statement that its receiver, or the region itself, does not agree with.
LINE_DISPUTE: Final[StateTable] = {
    ("open", "uphold"): "upheld",
    ("open", "dismiss"): "dismissed",
}

# What a bank is told to move.
BANK_INSTRUCTION: Final[StateTable] = {
    ("issued", "pay"): "paid",
    ("issued", "fail"): "failed",
    ("failed", "reissue"): "issued",
}

# What may still follow after the lock: asked for, approved by two others, booked in an open period.
ADJUSTMENT: Final[StateTable] = {
    ("asked", "approve"): "approved_once",
    ("asked", "reject"): "rejected",
    ("approved_once", "approve"): "booked",
    ("approved_once", "reject"): "rejected",
}

# A sale that came more than seven days after its day: booked, and looked at by a person.
LATE_CASE: Final[StateTable] = {("open", "resolve"): "resolved"}

# The triggers that nobody presses.
SYSTEM_TRIGGERS: Final = frozenset({"lapse"})
# Past these nothing more is booked in a period: everything but open.
PAST_CUTOFF: Final = tuple(state for state in states_of(SETTLEMENT) if state != "open")

TABLES: Final[Mapping[str, StateTable]] = {
    "settlement": SETTLEMENT,
    "statement": STATEMENT,
    "line_dispute": LINE_DISPUTE,
    "bank_instruction": BANK_INSTRUCTION,
    "adjustment": ADJUSTMENT,
    "late_case": LATE_CASE,
}


def pressable(state: str) -> list[str]:
    """The triggers of a period that a person may press: the buttons of a screen."""
    return [trigger for (start, trigger) in SETTLEMENT if start == state and trigger not in SYSTEM_TRIGGERS]
