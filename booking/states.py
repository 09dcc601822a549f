"""A booking's state machine as one table, who may pull which trigger, and what occupies.

held: for ten minutes, until its organiser confirms. offered: from the waiting list, for fifteen. closed: nobody's booking
but the office's own, for cleaning or repair. superseded: the office closed the room over it and has said so.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

BOOKING: Final[StateTable] = {
    ("held", "confirm"): "confirmed",
    # Where the office decides, confirming asks it.
    ("held", "submit"): "pending_approval",
    ("held", "move"): "held",
    ("held", "cancel"): "cancelled",
    ("held", "expire"): "expired",
    ("held", "supersede"): "superseded",
    ("pending_approval", "approve"): "confirmed",
    ("pending_approval", "reject"): "rejected",
    ("pending_approval", "move"): "pending_approval",
    ("pending_approval", "cancel"): "cancelled",
    ("pending_approval", "expire"): "expired",
    ("pending_approval", "supersede"): "superseded",
    ("confirmed", "check_in"): "checked_in",
    ("confirmed", "move"): "confirmed",
    # To another time, where the office decides.
    ("confirmed", "resubmit"): "pending_approval",
    ("confirmed", "cancel"): "cancelled",
    ("confirmed", "miss"): "no_show",
    ("confirmed", "supersede"): "superseded",
    ("checked_in", "begin"): "in_use",
    ("checked_in", "cancel"): "cancelled",
    ("in_use", "finish"): "completed",
    ("in_use", "end"): "completed",
    ("waitlisted", "offer"): "offered",
    ("waitlisted", "cancel"): "cancelled",
    ("waitlisted", "expire"): "expired",
    ("offered", "accept"): "held",
    ("offered", "decline"): "cancelled",
    ("offered", "expire"): "expired",
    ("offered", "supersede"): "superseded",
    ("closed", "reopen"): "reopened",
}

TABLES: Final[Mapping[str, StateTable]] = {"booking": BOOKING}

_SIDES: Final[Mapping[str, frozenset[str]]] = {
    "confirm": frozenset({"organiser"}),
    "move": frozenset({"organiser", "office"}),
    "cancel": frozenset({"organiser", "office"}),
    "check_in": frozenset({"organiser", "driver", "office"}),
    "finish": frozenset({"organiser", "driver", "office"}),
    "accept": frozenset({"organiser"}),
    "decline": frozenset({"organiser"}),
    "approve": frozenset({"office"}),
    "reject": frozenset({"office"}),
    "reopen": frozenset({"office"}),
}

TRIGGERS: Final = tuple(_SIDES)

# What the exclusion constraint compares. `completed` stands for what was used and its cleaning, no longer for the rest;
# `pending_approval` only where the bookable says so.
OCCUPYING: Final = frozenset({"held", "offered", "confirmed", "checked_in", "in_use", "completed", "closed"})
# Somebody still has it or waits for it.
OPEN: Final = ("held", "pending_approval", "confirmed", "checked_in", "in_use", "waitlisted", "offered")


def occupies(state: str, *, pending_blocks: bool) -> bool:
    """Whether a booking in this state keeps others out."""
    return state in OCCUPYING or (state == "pending_approval" and pending_blocks)


def next_state(state: str, trigger: str, sides: frozenset[str] = frozenset()) -> str:
    """Where a trigger leads; StateConflict, with what the state allows to these sides, where it leads nowhere."""
    if (state, trigger) not in BOOKING:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed_to(state, sides))
    return BOOKING[state, trigger]


def allowed_to(state: str, sides: frozenset[str]) -> list[str]:
    """The triggers that a state allows to somebody on these sides: the buttons of the screens."""
    return [trigger for (start, trigger) in BOOKING if start == state and _SIDES.get(trigger, frozenset()) & sides]


def may_pull(trigger: str, sides: frozenset[str]) -> bool:
    """Whether a trigger is one of these sides' at all."""
    return bool(_SIDES.get(trigger, frozenset()) & sides)
