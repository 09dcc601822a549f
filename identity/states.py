"""The state machines of identity, each one table: `{(state, trigger): state}`.

The database's CHECKs, the page in the docs and the buttons on a screen come from these tables.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

Machine = Mapping[tuple[str, str], str]

PERSON: Final[Machine] = {
    ("active", "suspend"): "suspended",
    ("suspended", "resume"): "active",
    ("active", "leave"): "left",
    ("suspended", "leave"): "left",
    ("left", "return"): "active",
}

TERMINAL: Final[Machine] = {
    # A new pairing code never stops a till that works: the old token counts until the code is used.
    ("pairing", "issue_code"): "pairing",
    ("active", "issue_code"): "active",
    ("pairing", "enrol"): "active",
    ("active", "enrol"): "active",
    ("active", "rotate_token"): "active",
    # Begun before it was disabled: the till has let go of its old token, so the new one must be taken up.
    ("disabled", "rotate_token"): "disabled",
    ("active", "disable"): "disabled",
    ("disabled", "enable"): "active",
    ("pairing", "revoke"): "revoked",
    ("active", "revoke"): "revoked",
    ("disabled", "revoke"): "revoked",
}

APPROVAL: Final[Machine] = {
    ("pending", "approve"): "approved",
    ("pending", "reject"): "rejected",
    ("pending", "withdraw"): "withdrawn",
    ("pending", "expire"): "expired",
}


def states_of(machine: Machine) -> list[str]:
    """Every state that the table names, in the order in which a reader meets them."""
    named = [state for (before, _), after in machine.items() for state in (before, after)]
    return list(dict.fromkeys(named))


def triggers_of(machine: Machine) -> list[str]:
    """Every trigger that the table names."""
    return list(dict.fromkeys(trigger for _, trigger in machine))


def allowed_triggers(machine: Machine, state: str) -> list[str]:
    """What may be done from here: the buttons that a screen shows."""
    return [trigger for (before, trigger) in machine if before == state]


def next_state(machine: Machine, state: str, trigger: str) -> str:
    """The state after a trigger, or StateConflict with what is allowed."""
    after = machine.get((state, trigger))
    if after is None:
        raise StateConflict(state=state, trigger=trigger, allowed=allowed_triggers(machine, state))
    return after
