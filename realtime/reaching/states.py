"""A delivery's and a channel's state machine as tables."""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

DELIVERY: Final[StateTable] = {
    ("pending", "send"): "sent",
    ("pending", "refuse"): "failed",
    ("pending", "give_up"): "failed",
    # The gateway's own word, later: the telephone has it, or never got it.
    ("sent", "confirm"): "delivered",
    ("sent", "deny"): "failed",
}

CHANNEL: Final[StateTable] = {
    ("enabled", "disable"): "disabled",
    ("disabled", "enable"): "enabled",
}

TABLES: Final[Mapping[str, StateTable]] = {"delivery": DELIVERY, "channel": CHANNEL}


def states_of(table: StateTable) -> list[str]:
    """Every state that the table names, in the order of its rows."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def next_state(table: StateTable, state: str, trigger: str) -> str:
    """The state after a trigger, or StateConflict with what is allowed."""
    after = table.get((state, trigger))
    if after is None:
        allowed = [known for (before, known) in table if before == state]
        raise StateConflict(state=state, trigger=trigger, allowed=allowed)
    return after
