"""A swap's state machine as a table, and whose trigger each one is."""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

SWAP: Final[StateTable] = {
    ("asked", "accept"): "accepted",
    ("asked", "decline"): "declined",
    ("asked", "withdraw"): "withdrawn",
    # Its shift has begun, or is the asker's no more.
    ("asked", "lapse"): "lapsed",
}

TABLES: Final[Mapping[str, StateTable]] = {"duty swap": SWAP}
SIDES: Final[Mapping[str, str]] = {"accept": "taker", "decline": "taker", "withdraw": "asker", "lapse": "system"}


def states_of(table: StateTable) -> list[str]:
    """Every state that the table names, in the order of its rows."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def allowed_to(state: str, side: str) -> list[str]:
    """The triggers that a state allows to one side: the buttons of the screens."""
    return [trigger for (before, trigger) in SWAP if before == state and SIDES[trigger] == side]


def next_state(state: str, trigger: str) -> str:
    """The state after a trigger, or StateConflict with what is allowed."""
    after = SWAP.get((state, trigger))
    if after is None:
        allowed = [known for (before, known) in SWAP if before == state]
        raise StateConflict(state=state, trigger=trigger, allowed=allowed)
    return after
