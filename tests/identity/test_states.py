"""Every state meets every trigger: what the table does not name is a conflict that says what is allowed."""

import pytest

from identity.states import APPROVAL, PERSON, TERMINAL, Machine, allowed_triggers, next_state, states_of, triggers_of
from kernel.errors import StateConflict

MACHINES = {"person": PERSON, "terminal": TERMINAL, "approval": APPROVAL}
EVERY_STEP = [
    pytest.param(machine, state, trigger, id=f"{name}: {trigger} while {state}")
    for name, machine in MACHINES.items()
    for state in states_of(machine)
    for trigger in triggers_of(machine)
]


@pytest.mark.parametrize(("machine", "state", "trigger"), EVERY_STEP)
def test_each_trigger_in_each_state_moves_or_is_refused(machine: Machine, state: str, trigger: str) -> None:
    if (state, trigger) in machine:
        assert next_state(machine, state, trigger) == machine[state, trigger]
        return
    with pytest.raises(StateConflict) as refusal:
        next_state(machine, state, trigger)
    assert refusal.value.data == {
        "state": state,
        "trigger": trigger,
        "allowed": allowed_triggers(machine, state),
    }


def test_nothing_leads_out_of_the_last_states() -> None:
    assert allowed_triggers(TERMINAL, "revoked") == []
    for state in ("approved", "rejected", "withdrawn", "expired"):
        assert allowed_triggers(APPROVAL, state) == []


def test_only_a_pairing_code_makes_a_till_active_for_the_first_time() -> None:
    assert allowed_triggers(TERMINAL, "pairing") == ["issue_code", "enrol", "revoke"]
