"""docs/states.md: each state machine as a matrix and as a diagram, drawn from the tables in the domains' states.py."""

from collections.abc import Mapping
from typing import Final

import booking.meetings.states
import booking.states
import canteen.covers.states
import canteen.states
import identity.states
import payments.disputes.states
import payments.reconciliation.states
import payments.settlement.states
import payments.states
import payments.stripe_door.states
import payments.subsidies.states
import payments.withdrawals.states
import realtime.calls.states
import realtime.duty.states
import realtime.reaching.states
import repairs.orders.states
import repairs.suggestions.states
from app.handbook.markdown import fenced, page, table

Machine = Mapping[tuple[str, str], str]

MACHINES: Final[Mapping[str, Mapping[str, Machine]]] = {
    "identity": {
        "person": identity.states.PERSON,
        "terminal": identity.states.TERMINAL,
        "approval": identity.states.APPROVAL,
    },
    "payments": payments.states.TABLES,
    "settlement": payments.settlement.states.TABLES,
    "reconciliation": payments.reconciliation.states.TABLES,
    "the Stripe-compatible door": payments.stripe_door.states.TABLES,
    "subsidies": payments.subsidies.states.TABLES,
    "disputes": payments.disputes.states.TABLES,
    "withdrawals": payments.withdrawals.states.TABLES,
    "canteen": canteen.states.TABLES,
    "covers": canteen.covers.states.TABLES,
    "duty": realtime.duty.states.TABLES,
    "reaching": realtime.reaching.states.TABLES,
    "booking": booking.states.TABLES,
    "meetings": booking.meetings.states.TABLES,
    "calls": realtime.calls.states.TABLES,
    "repairs": repairs.orders.states.TABLES,
    "suggestions": repairs.suggestions.states.TABLES,
}

_LEAD: Final = (
    "One table each, in the domain's `states.py`. Rows are states, columns are triggers; a cell names the state that a "
    "trigger leads to. What is empty is refused with `STATE_CONFLICT`, and `data.allowed` lists what is not. "
    "The first state is where a life begins."
)


def states_page() -> str:
    """The whole page."""
    parts = [
        f"## {name} ({domain})\n\n{matrix(machine)}\n\n{fenced(diagram(machine), 'mermaid')}"
        for domain, machines in MACHINES.items()
        for name, machine in machines.items()
    ]
    return page("States", _LEAD, *parts)


def matrix(machine: Machine) -> str:
    """States by triggers."""
    triggers = list(dict.fromkeys(trigger for _, trigger in machine))
    rows = [
        [f"**{state}**", *(machine.get((state, trigger), "") for trigger in triggers)] for state in _states_of(machine)
    ]
    return table(["", *triggers], rows)


def diagram(machine: Machine) -> str:
    """The same as a Mermaid state diagram; triggers between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, trigger), after in machine.items():
        arrows.setdefault((before, after), []).append(trigger)
    states = _states_of(machine)
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    lines += [f"    {before} --> {after}: {', '.join(triggers)}" for (before, after), triggers in arrows.items()]
    begins = {before for before, _ in machine}
    lines += [f"    {state} --> [*]" for state in states if state not in begins]
    return "\n".join(lines)


def _states_of(machine: Machine) -> list[str]:
    named = [state for (before, _), after in machine.items() for state in (before, after)]
    return list(dict.fromkeys(named))
