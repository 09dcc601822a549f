"""The lives of a menu and of a shift, each as one table: `{(state, trigger): state}`.

A draft is the kitchen's own; a published menu sells; a withdrawn one does not any more. A shift is open from a cashier's
PIN until it is handed over, and never opens again. The database's CHECKs, the page in the docs and the buttons on the
screens come from these tables.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

MENU: Final[StateTable] = {
    ("draft", "publish"): "published",
    ("published", "withdraw"): "withdrawn",
    ("withdrawn", "publish"): "published",
}

SHIFT: Final[StateTable] = {
    ("open", "hand_over"): "handed_over",
}

TABLES: Final[Mapping[str, StateTable]] = {"menu": MENU, "shift": SHIFT}


def states_of(table: StateTable) -> list[str]:
    """Every state that a table names, in order of appearance."""
    return list(dict.fromkeys([state for (start, _), end in table.items() for state in (start, end)]))


def allowed(table: StateTable, state: str) -> list[str]:
    """The triggers that a state allows: the buttons of a screen."""
    return [trigger for (start, trigger) in table if start == state]


def next_state(table: StateTable, state: str, trigger: str) -> str:
    """Where a trigger leads; StateConflict, with the allowed triggers, where it leads nowhere."""
    if (state, trigger) not in table:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed(table, state))
    return table[state, trigger]
