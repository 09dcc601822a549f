"""A suggestion's state machine as one table, and whose trigger each is: the loop of repairs without the work.

raised: in the box, seen by its raiser and the office. accepted: the office looks into it, everybody may read it. declined and
answered: the office has said why, in public. rated: its raiser has said what they think of the answer.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]
State = Literal["raised", "accepted", "declined", "answered", "rated", "withdrawn"]
Trigger = Literal["accept", "decline", "answer", "rate", "withdraw"]
TRIGGERS: Final[tuple[Trigger, ...]] = get_args(Trigger)

SUGGESTION: Final[StateTable] = {
    ("raised", "accept"): "accepted",
    ("raised", "decline"): "declined",
    ("raised", "answer"): "answered",
    ("raised", "withdraw"): "withdrawn",
    ("accepted", "decline"): "declined",
    ("accepted", "answer"): "answered",
    ("accepted", "withdraw"): "withdrawn",
    ("declined", "rate"): "rated",
    ("answered", "rate"): "rated",
}
TABLES: Final[Mapping[str, StateTable]] = {"suggestion": SUGGESTION}

# Everybody may read these.
PUBLIC: Final = ("accepted", "declined", "answered", "rated")
_SIDES: Final[Mapping[str, str]] = {
    "accept": "office",
    "decline": "office",
    "answer": "office",
    "rate": "raiser",
    "withdraw": "raiser",
}


def states_of(table: StateTable) -> list[str]:
    """Every state that the table names, in the order of its rows."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def allowed_to(state: str, side: str) -> list[str]:
    """The triggers that a state allows on one side: raiser, office, or anybody else."""
    return [trigger for (before, trigger) in SUGGESTION if before == state and _SIDES[trigger] == side]


def next_state(state: str, trigger: str, side: str) -> str:
    """The state after a trigger of a side, or StateConflict with what is allowed to it."""
    after = SUGGESTION.get((state, trigger))
    if after is None or _SIDES[trigger] != side:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed_to(state, side))
    return after
