"""A meeting's state machine as one table, and who may pull which trigger.

held: for ten minutes, until its organiser confirms. Where the office decides, confirming asks it. A line may be changed as
long as the meeting is not over; the others stay as they are. settled: the unit was charged what was had. A fee for a late
cancellation is charged with the trigger `cancel`; `refund` gives back what was charged.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

MEETING: Final[StateTable] = {
    ("held", "confirm"): "confirmed",
    ("held", "submit"): "pending_approval",
    ("held", "change"): "held",
    ("held", "cancel"): "cancelled",
    ("held", "expire"): "expired",
    ("pending_approval", "approve"): "confirmed",
    ("pending_approval", "reject"): "rejected",
    ("pending_approval", "change"): "pending_approval",
    ("pending_approval", "cancel"): "cancelled",
    ("pending_approval", "expire"): "expired",
    ("confirmed", "change"): "confirmed",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "begin"): "in_progress",
    ("in_progress", "change"): "in_progress",
    ("in_progress", "finish"): "completed",
    ("in_progress", "end"): "completed",
    ("completed", "settle"): "settled",
    ("settled", "refund"): "refunded",
    ("cancelled", "refund"): "refunded",
}

TABLES: Final[Mapping[str, StateTable]] = {"meeting": MEETING}

_SIDES: Final[Mapping[str, frozenset[str]]] = {
    "confirm": frozenset({"organiser"}),
    "change": frozenset({"organiser", "office"}),
    "cancel": frozenset({"organiser", "office"}),
    "finish": frozenset({"organiser", "office"}),
    "approve": frozenset({"office"}),
    "reject": frozenset({"office"}),
    "settle": frozenset({"office"}),
    "refund": frozenset({"office"}),
}

TRIGGERS: Final = tuple(_SIDES)
# Something is held for it, or will be used.
OPEN: Final = ("held", "pending_approval", "confirmed", "in_progress")
# Guests may come, and are told of changes.
FIRM: Final = ("confirmed", "in_progress")

LINE_STATES: Final = ("held", "confirmed", "released")


def states_of(table: StateTable) -> list[str]:
    """Every state that a table names, in order of appearance."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def next_state(state: str, trigger: str, sides: frozenset[str] = frozenset()) -> str:
    """Where a trigger leads; StateConflict, with what the state allows to these sides, where it leads nowhere."""
    if (state, trigger) not in MEETING:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed_to(state, sides))
    return MEETING[state, trigger]


def allowed_to(state: str, sides: frozenset[str]) -> list[str]:
    """The triggers that a state allows to somebody on these sides: the buttons of the screens."""
    return [trigger for (start, trigger) in MEETING if start == state and _SIDES.get(trigger, frozenset()) & sides]


def may_pull(trigger: str, sides: frozenset[str]) -> bool:
    """Whether a trigger is one of these sides' at all."""
    return bool(_SIDES.get(trigger, frozenset()) & sides)
