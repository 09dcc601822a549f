"""A work order's state machine as one table, and whose trigger each one is; that of a problem beside it.

submitted: somebody has said that something is broken. accepted: the office has it, nobody does it yet. assigned, en_route,
in_progress, on_hold: somebody has it. done: they say that it is repaired. confirmed: the person served says so too, or has
not said no for some working days. disputed: they say no, and the next round begins. rated, follow_up, answered: what they
thought of it, a low score that waits for the lead's answer, and the one that has it.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

WORK_ORDER: Final[StateTable] = {
    ("submitted", "accept"): "accepted",
    ("submitted", "reject"): "rejected",
    ("submitted", "merge"): "merged",
    ("submitted", "withdraw"): "withdrawn",
    ("submitted", "cancel"): "cancelled",
    ("accepted", "assign"): "assigned",
    ("accepted", "claim"): "assigned",
    ("accepted", "merge"): "merged",
    ("accepted", "cancel"): "cancelled",
    ("assigned", "set_out"): "en_route",
    ("assigned", "start"): "in_progress",
    ("assigned", "decline"): "accepted",
    # To somebody else.
    ("assigned", "assign"): "assigned",
    ("assigned", "cancel"): "cancelled",
    ("en_route", "start"): "in_progress",
    ("en_route", "decline"): "accepted",
    ("en_route", "assign"): "assigned",
    ("en_route", "cancel"): "cancelled",
    ("in_progress", "hold"): "on_hold",
    ("in_progress", "finish"): "done",
    ("in_progress", "assign"): "assigned",
    ("in_progress", "cancel"): "cancelled",
    ("on_hold", "resume"): "in_progress",
    ("on_hold", "assign"): "assigned",
    ("on_hold", "cancel"): "cancelled",
    ("done", "confirm"): "confirmed",
    # Nobody has said no for some working days.
    ("done", "auto_confirm"): "confirmed",
    ("done", "dispute"): "disputed",
    # The next round.
    ("disputed", "start"): "in_progress",
    ("disputed", "assign"): "assigned",
    ("disputed", "cancel"): "cancelled",
    ("confirmed", "rate"): "rated",
    # Changed within hours, or another of those who were served.
    ("rated", "rate"): "rated",
    ("rated", "follow_up"): "follow_up",
    ("follow_up", "rate"): "rated",
    ("follow_up", "answer"): "answered",
    # The second rating, which the answer has earned.
    ("answered", "rate"): "rated",
}

PROBLEM: Final[StateTable] = {
    ("open", "identify"): "identified",
    ("open", "solve"): "solved",
    ("open", "dismiss"): "dismissed",
    ("identified", "solve"): "solved",
    ("identified", "dismiss"): "dismissed",
}

TABLES: Final[Mapping[str, StateTable]] = {"work order": WORK_ORDER, "problem": PROBLEM}

_SIDES: Final[Mapping[str, frozenset[str]]] = {
    "accept": frozenset({"lead"}),
    "reject": frozenset({"lead"}),
    "merge": frozenset({"lead"}),
    "withdraw": frozenset({"raiser"}),
    "assign": frozenset({"lead"}),
    "claim": frozenset({"technician"}),
    "set_out": frozenset({"assignee"}),
    "start": frozenset({"assignee"}),
    "decline": frozenset({"assignee"}),
    "hold": frozenset({"assignee"}),
    # The lead's too: whoever put it on hold may be on leave when the part comes.
    "resume": frozenset({"assignee", "lead"}),
    "finish": frozenset({"assignee"}),
    "confirm": frozenset({"served"}),
    "dispute": frozenset({"served"}),
    "rate": frozenset({"rater"}),
    "answer": frozenset({"lead"}),
    "cancel": frozenset({"lead"}),
    # The service's own.
    "auto_confirm": frozenset(),
    "follow_up": frozenset(),
}
# Nobody has begun to work yet: the raiser may still take it back.
BEFORE_START: Final = ("submitted", "accepted", "assigned", "en_route")

# Work is still to be done, or to be agreed on: the board.
OPEN: Final = (
    "submitted",
    "accepted",
    "assigned",
    "en_route",
    "in_progress",
    "on_hold",
    "done",
    "disputed",
    "follow_up",
)
# Somebody has it: what their load counts.
TAKEN: Final = ("assigned", "en_route", "in_progress", "on_hold")
# Those in which a repeated report is likely to mean the same thing.
UNREPAIRED: Final = ("submitted", "accepted", "assigned", "en_route", "in_progress", "on_hold", "disputed")
CONFIRMED: Final = ("confirmed", "rated", "follow_up", "answered")

TRIGGERS: Final = tuple(dict.fromkeys(trigger for _, trigger in WORK_ORDER if _SIDES[trigger]))
PROBLEM_TRIGGERS: Final = ("identify", "solve", "dismiss")


def states_of(table: StateTable) -> list[str]:
    """Every state that the table names, in the order of its rows."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def sides_of_trigger(state: str, trigger: str) -> frozenset[str]:
    """Whose trigger it is in a state: raiser, served, rater, technician, assignee, lead; empty for the system's own."""
    if trigger == "cancel" and state in BEFORE_START:
        return frozenset({"lead", "raiser"})
    return _SIDES[trigger]


def allowed_to(state: str, sides: frozenset[str]) -> list[str]:
    """The triggers that a state allows to somebody on these sides: the buttons of the screens."""
    return [
        trigger for (before, trigger) in WORK_ORDER if before == state and sides_of_trigger(before, trigger) & sides
    ]


def problem_triggers(state: str) -> list[str]:
    """The triggers that a problem's state allows: all of them are the lead's."""
    return [trigger for (before, trigger) in PROBLEM if before == state]


def next_state(table: StateTable, state: str, trigger: str) -> str:
    """The state after a trigger, or StateConflict with what is allowed."""
    after = table.get((state, trigger))
    if after is None:
        allowed = [known for (before, known) in table if before == state]
        raise StateConflict(state=state, trigger=trigger, allowed=allowed)
    return after
