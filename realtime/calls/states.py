"""A call's state machine as one table, and who may pull which trigger.

placed lasts for its own transaction only. ringing: a step of the policy rings. queued: nobody is on duty, the fallback step
rings. acknowledged: somebody said "I come" and must act within a minute. connected: they speak, write or are on their way.
handed_over: another team's turn, or another trade's. missed: past the last step; a lead writes down why. A call that is
`rated` had been resolved.
"""

from collections.abc import Mapping
from typing import Final

from kernel.errors import StateConflict

StateTable = Mapping[tuple[str, str], str]

CALL: Final[StateTable] = {
    ("placed", "ring"): "ringing",
    ("placed", "queue"): "queued",
    ("ringing", "escalate"): "ringing",
    # One of several who are needed has said that they come.
    ("ringing", "join"): "ringing",
    ("ringing", "acknowledge"): "acknowledged",
    ("ringing", "miss"): "missed",
    ("ringing", "cancel"): "cancelled",
    # Somebody has come on duty.
    ("queued", "ring"): "ringing",
    ("queued", "escalate"): "queued",
    ("queued", "join"): "queued",
    ("queued", "acknowledge"): "acknowledged",
    ("queued", "miss"): "missed",
    ("queued", "cancel"): "cancelled",
    ("acknowledged", "connect"): "connected",
    ("acknowledged", "release"): "ringing",
    ("acknowledged", "time_out"): "ringing",
    ("connected", "arrive"): "on_site",
    ("connected", "hand_over"): "handed_over",
    ("connected", "resolve"): "resolved",
    # "Still on it?" - "Yes."
    ("connected", "stay"): "connected",
    ("connected", "time_out"): "ringing",
    ("on_site", "hand_over"): "handed_over",
    ("on_site", "resolve"): "resolved",
    ("on_site", "stay"): "on_site",
    # Of the other team.
    ("handed_over", "acknowledge"): "acknowledged",
    ("handed_over", "time_out"): "ringing",
    ("handed_over", "resolve"): "resolved",
    ("missed", "resolve"): "resolved",
    ("resolved", "rate"): "rated",
}

TABLES: Final[Mapping[str, StateTable]] = {"call": CALL}

_SIDES: Final[Mapping[str, frozenset[str]]] = {
    "acknowledge": frozenset({"staff"}),
    "connect": frozenset({"acker"}),
    "release": frozenset({"acker"}),
    "arrive": frozenset({"acker"}),
    "stay": frozenset({"acker"}),
    # The lead's too: whoever took it may have lost their telephone on the stairs.
    "hand_over": frozenset({"acker", "lead"}),
    "resolve": frozenset({"acker", "lead"}),
    "cancel": frozenset({"caller"}),
    "rate": frozenset({"caller"}),
    # The clock's, and the service's own.
    "ring": frozenset(),
    "queue": frozenset(),
    "escalate": frozenset(),
    "join": frozenset(),
    "miss": frozenset(),
    "time_out": frozenset(),
}
# Nobody has it in these two, so only the lead can end it.
_LEADS: Final = ("handed_over", "missed")

# Somebody may still come: the caller's next press raises its urgency. Named by the unique index too.
OPEN: Final = ("placed", "ringing", "queued", "acknowledged", "connected", "on_site", "handed_over")
# Nobody has it yet: the desk's waiting queue.
WAITING: Final = ("ringing", "queued", "handed_over")
# Somebody has it.
TAKEN: Final = ("acknowledged", "connected", "on_site")
# A timer stands for each of these, always: what the watchdog asks.
TIMED: Final = (*OPEN[1:], "missed")

TRIGGERS: Final = ("acknowledge", "connect", "arrive", "release", "stay", "hand_over", "resolve", "cancel", "rate")


def states_of(table: StateTable) -> list[str]:
    """Every state that the table names, in the order of its rows."""
    return list(dict.fromkeys(state for (before, _), after in table.items() for state in (before, after)))


def sides_of_trigger(state: str, trigger: str) -> frozenset[str]:
    """Whose trigger it is in a state: caller, staff, acker, lead; empty for the system's own."""
    if trigger == "resolve" and state in _LEADS:
        return frozenset({"lead"})
    return _SIDES[trigger]


def allowed_to(state: str, sides: frozenset[str]) -> list[str]:
    """The triggers that a state allows to somebody on these sides: the buttons of the screens."""
    return [trigger for (before, trigger) in CALL if before == state and sides_of_trigger(before, trigger) & sides]


def next_state(state: str, trigger: str) -> str:
    """The state after a trigger, or StateConflict with what is allowed."""
    after = CALL.get((state, trigger))
    if after is None:
        allowed = [known for (before, known) in CALL if before == state]
        raise StateConflict(state=state, trigger=trigger, allowed=allowed)
    return after
