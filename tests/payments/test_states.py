"""The state tables of payments: every state with every trigger, and the database's own lists beside them."""

import re

import pytest
from sqlalchemy import text

from kernel.db import Database
from kernel.errors import StateConflict
from payments.states import (
    CARD,
    CHANNEL_ORDER,
    HOLD,
    HOLDER,
    PAYMENT,
    PLACE_CODE,
    TABLES,
    allowed,
    next_state,
    states_of,
)

OPEN_ORDER = {
    "refuse": "failed",
    "close": "closed",
    "differ": "disputed",
    "pay": "succeeded",
    "take_back": "cancelling",
}
# Where each trigger leads, written out once more by hand; everything that is not here must be refused.
EXPECTED = {
    "holder": {
        "active": {"freeze": "frozen", "report_lost": "lost", "reissue": "active", "close": "closed"},
        "frozen": {"unfreeze": "active"},
        "lost": {"unlist": "active", "reissue": "active", "close": "closed"},
        "closed": {},
    },
    "payment": {
        "succeeded": {"void": "voided", "refund_part": "partially_refunded", "refund_rest": "refunded"},
        "partially_refunded": {"refund_part": "partially_refunded", "refund_rest": "refunded"},
        "voided": {},
        "refunded": {},
    },
    "hold": {
        "open": {"capture": "captured", "release": "released", "expire": "expired"},
        "captured": {},
        "released": {},
        "expired": {},
    },
    "card": {
        "active": {"report_lost": "lost", "replace": "replaced", "close": "closed"},
        "lost": {"unlist": "active", "replace": "replaced", "close": "closed"},
        "replaced": {},
        "closed": {},
    },
    "place_code": {"active": {"replace": "replaced", "revoke": "revoked"}, "replaced": {}, "revoked": {}},
    "channel_order": {
        "written": {"miss": "unknown", "await": "waiting"} | OPEN_ORDER,
        "unknown": {"await": "waiting"} | OPEN_ORDER,
        "waiting": OPEN_ORDER,
        "failed": {"differ": "disputed", "pay": "succeeded"},
        "closed": {"differ": "disputed", "pay": "succeeded"},
        "disputed": {"pay": "succeeded", "decide": "decided"},
        "succeeded": {},
        "decided": {},
        "cancelling": {"cancel": "cancelled"},
        "cancelled": {},
    },
}
TRIGGERS = {name: sorted({trigger for _, trigger in table}) for name, table in TABLES.items()}
EVERY = [(name, state, trigger) for name, states in EXPECTED.items() for state in states for trigger in TRIGGERS[name]]


class TestNextState:
    @pytest.mark.parametrize(("name", "state", "trigger"), EVERY)
    def test_every_state_with_every_trigger(self, name: str, state: str, trigger: str) -> None:
        table, onward = TABLES[name], EXPECTED[name][state]
        if trigger in onward:
            assert next_state(table, state, trigger) == onward[trigger]
            return
        with pytest.raises(StateConflict) as refused:
            next_state(table, state, trigger)
        assert refused.value.data == {"state": state, "trigger": trigger, "allowed": allowed(table, state)}
        assert set(refused.value.data["allowed"]) == set(onward)

    def test_the_tables_know_no_other_states(self) -> None:
        assert {name: set(states_of(table)) for name, table in TABLES.items()} == {
            name: set(states) for name, states in EXPECTED.items()
        }
        named = {
            "holder": HOLDER,
            "payment": PAYMENT,
            "hold": HOLD,
            "card": CARD,
            "place_code": PLACE_CODE,
            "channel_order": CHANNEL_ORDER,
        }
        assert {name: TABLES[name] for name in named} == named


class TestDatabase:
    @pytest.mark.parametrize(
        ("name", "table", "column"),
        [("holder", "holders", "state"), ("payment", "payments", "status"), ("hold", "holds", "state"), ("card", "cards", "state"), ("channel_order", "channel_orders", "state"),
         ("place_code", "place_codes", "state")],
    )  # fmt: skip  # one row a table
    async def test_the_check_lists_the_states_of_the_table(
        self, db: Database, name: str, table: str, column: str
    ) -> None:
        async with db.session() as session:
            checks = await session.scalars(
                text("""
                    SELECT pg_get_constraintdef(oid) FROM pg_constraint
                     WHERE conrelid = cast(:table AS regclass) AND contype = 'c'
                """),
                {"table": table},
            )
            listed = [check for check in checks if check.startswith(f"CHECK (({column} = ANY")]
        assert len(listed) == 1
        assert set(re.findall(r"'(\w+)'", listed[0])) == set(states_of(TABLES[name]))
