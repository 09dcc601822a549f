"""A booking's table: every state, every trigger, every side."""

import itertools

import pytest

from booking.states import BOOKING, OCCUPYING, OPEN, TRIGGERS, allowed_to, may_pull, next_state, occupies
from kernel.errors import StateConflict

STATES = list(dict.fromkeys(state for (before, _), after in BOOKING.items() for state in (before, after)))
ALL_TRIGGERS = sorted({trigger for _, trigger in BOOKING})
BOTH = frozenset({"organiser", "office"})


class TestTable:
    @pytest.mark.parametrize(("state", "trigger"), list(itertools.product(STATES, ALL_TRIGGERS)))
    def test_a_trigger_leads_somewhere_or_says_what_is_allowed(self, state: str, trigger: str) -> None:
        if (state, trigger) in BOOKING:
            assert next_state(state, trigger) == BOOKING[state, trigger]
        else:
            with pytest.raises(StateConflict) as refused:
                next_state(state, trigger, BOTH)
            assert set(refused.value.data["allowed"]) <= set(TRIGGERS)
            assert trigger not in refused.value.data["allowed"]

    @pytest.mark.parametrize(("state", "side"), list(itertools.product(STATES, ["organiser", "office"])))
    def test_what_is_allowed_can_be_pulled(self, state: str, side: str) -> None:
        for trigger in allowed_to(state, frozenset({side})):
            assert may_pull(trigger, frozenset({side}))
            assert (state, trigger) in BOOKING

    def test_nobody_but_the_office_decides_and_reopens(self) -> None:
        for trigger in ("approve", "reject", "reopen"):
            assert not may_pull(trigger, frozenset({"organiser"}))
            assert may_pull(trigger, frozenset({"office"}))

    def test_the_clock_s_own_triggers_are_nobody_s_buttons(self) -> None:
        for trigger in set(ALL_TRIGGERS) - set(TRIGGERS):
            assert not may_pull(trigger, BOTH)

    def test_what_is_over_is_over(self) -> None:
        ends = [state for state in STATES if not any(start == state for start, _ in BOOKING)]
        assert set(ends) == {
            "completed",
            "cancelled",
            "expired",
            "rejected",
            "no_show",
            "superseded",
            "reopened",
        }
        assert not set(ends) & set(OPEN)

    def test_who_has_given_it_up_keeps_nobody_out(self) -> None:
        assert not OCCUPYING & {"cancelled", "expired", "rejected", "no_show", "superseded", "reopened", "waitlisted"}
        assert occupies("pending_approval", pending_blocks=True)
        assert not occupies("pending_approval", pending_blocks=False)
