"""The table of an order: every state with every trigger, for everybody who may stand beside it; and the database's own lists."""

import re
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, StateConflict
from kernel.ids import parse_public_id, public_id
from repairs.orders import queries, service
from repairs.orders.models import WorkOrder
from repairs.orders.parties import actor_of
from repairs.orders.schemas import OrderTriggerBody
from repairs.orders.states import (
    CONFIRMED,
    OPEN,
    TAKEN,
    TRIGGERS,
    UNREPAIRED,
    WORK_ORDER,
    allowed_to,
    next_state,
    states_of,
)
from tests.repairs.orders.workshop import Workshop

# Who may pull what where, written out once more by hand; everything that is not here must be refused.
EXPECTED: dict[str, dict[str, set[str]]] = {
    "submitted": {"lead": {"accept", "reject", "merge", "cancel"}, "raiser": {"withdraw", "cancel"}},
    "accepted": {"lead": {"assign", "merge", "cancel"}, "technician": {"claim"}, "raiser": {"cancel"}},
    "assigned": {"assignee": {"set_out", "start", "decline"}, "lead": {"assign", "cancel"}, "raiser": {"cancel"}},
    "en_route": {"assignee": {"start", "decline"}, "lead": {"assign", "cancel"}, "raiser": {"cancel"}},
    "in_progress": {"assignee": {"hold", "finish"}, "lead": {"assign", "cancel"}},
    "on_hold": {"assignee": {"resume"}, "lead": {"resume", "assign", "cancel"}},
    "done": {"served": {"confirm", "dispute"}},
    "disputed": {"assignee": {"start"}, "lead": {"assign", "cancel"}},
    "confirmed": {"rater": {"rate"}},
    "rated": {"rater": {"rate"}},
    "follow_up": {"rater": {"rate"}, "lead": {"answer"}},
    "answered": {"rater": {"rate"}},
    "rejected": {},
    "merged": {},
    "withdrawn": {},
    "cancelled": {},
}
SIDES = {
    "raiser": {"raiser"},
    "served": {"served", "rater"},
    "technician": {"technician"},
    "assignee": {"technician", "assignee"},
    "lead": {"lead"},
}


def test_the_table_says_what_was_meant() -> None:
    assert set(EXPECTED) == set(states_of(WORK_ORDER))
    for state, by_side in EXPECTED.items():
        for side in ("raiser", "served", "rater", "technician", "assignee", "lead"):
            assert set(allowed_to(state, frozenset({side}))) == by_side.get(side, set()), (state, side)


@given(st.lists(st.sampled_from(sorted({trigger for _, trigger in WORK_ORDER})), max_size=40))
@settings(max_examples=200, deadline=None)
def test_however_triggers_come_the_order_stays_in_the_table(triggers: list[str]) -> None:
    """A work done is only confirmed by way of done, and what is over stays over."""
    state, walked = "submitted", ["submitted"]
    for trigger in triggers:
        if (state, trigger) in WORK_ORDER:
            state = next_state(WORK_ORDER, state, trigger)
            walked.append(state)
            continue
        with pytest.raises(StateConflict) as refusal:
            next_state(WORK_ORDER, state, trigger)
        assert refusal.value.data["allowed"] == [known for before, known in WORK_ORDER if before == state]
    for before, after in pairwise(walked):
        assert after != "confirmed" or before == "done"
        assert before not in ("rejected", "merged", "withdrawn", "cancelled")
    if state in CONFIRMED:
        assert {"assigned", "in_progress", "done"} <= set(walked)


async def test_the_database_takes_exactly_these_states(db: Database) -> None:
    async with db.session() as session:
        for name, states in (
            ("work_orders_state_check", set(states_of(WORK_ORDER))),
            ("work_orders_assignee_check", {*TAKEN, "done"}),
            ("work_orders_confirmed_check", set(CONFIRMED)),
        ):
            found = await session.scalar(
                text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"), {"name": name}
            )
            assert set(re.findall(r"'([^']+)'", found or "")) == states, name
        for name, states in (("work_orders_open_idx", set(OPEN)), ("work_orders_place_id_idx", set(UNREPAIRED))):
            index = await session.scalar(text("SELECT pg_get_indexdef(CAST(:name AS regclass))"), {"name": name})
            assert set(re.findall(r"'([^']+)'", index or "")) == states, name


async def test_everybody_pulls_their_own_triggers_and_no_others(shop: Workshop) -> None:
    order = await shop.raised(served=shop.zhou.id)
    into = await shop.raised()
    order_id = parse_public_id("wo", order["id"])
    people = {
        "raiser": shop.wang,
        "served": shop.zhou,
        "technician": shop.pipe,
        "assignee": shop.lamp,
        "lead": shop.lead,
        "stranger": shop.stranger,
    }
    who = {name: actor_of(await shop.house.principal(person.person_id)) for name, person in people.items()}
    for state in EXPECTED:
        await _put(shop, order_id, state, into["id"])
        for name, actor in who.items():
            for trigger in TRIGGERS:
                expected = _expected(state, trigger, name)
                found = await _try(shop, actor, order_id, trigger, into["id"])
                assert found == expected, (state, name, trigger)


def _expected(state: str, trigger: str, name: str) -> str:
    if name == "stranger":
        return "forbidden"
    if trigger == "claim" and name == "assignee" and state in TAKEN:
        return "done"  # The same word twice.
    if (state, trigger) not in WORK_ORDER:
        return "conflict"
    return "done" if any(trigger in EXPECTED[state].get(side, set()) for side in SIDES[name]) else "forbidden"


async def _put(shop: Workshop, order_id: UUID, state: str, into: str) -> None:
    """Into a state, as if it had come there; the technician without the lamp's skill may not claim it, so it needs none."""
    now = clock.now()
    values: dict[str, Any] = {
        "state": state,
        "category_id": parse_public_id("rcat", shop.categories["door"]),
        "assignee_id": shop.lamp.person_id if state in (*TAKEN, "done", "disputed", *CONFIRMED) else None,
        "hold_cause": "parts" if state == "on_hold" else None,
        "held_at": now if state == "on_hold" else None,
        "merged_into": parse_public_id("wo", into) if state == "merged" else None,
        "confirmed_by": "person" if state in CONFIRMED else None,
        "confirmed_at": now if state in CONFIRMED else None,
    }
    async with shop.db.session() as session:
        await session.execute(update(WorkOrder).where(WorkOrder.id == order_id).values(values))


async def _try(shop: Workshop, actor: Any, order_id: UUID, trigger: str, into: str) -> str:
    """One trigger, and whatever it did is undone."""
    body = OrderTriggerBody(
        words="因为",
        score=5 if trigger == "rate" else None,
        cause="parts",
        into=into if trigger == "merge" else None,
        assignee=public_id("per", shop.pipe.person_id) if trigger == "assign" else None,
    )
    async with shop.db.session() as session:
        before = (await queries.get_order(session, order_id)).state
        savepoint = await session.begin_nested()
        try:
            after = (await service.pull(session, actor, order_id, trigger, body)).state
        except (Forbidden, StateConflict) as error:
            return "forbidden" if isinstance(error, Forbidden) else "conflict"
        finally:
            await savepoint.rollback()
            session.info.clear()
    # What the door's kind needs nobody for is dispatched by nobody.
    assert after == WORK_ORDER.get((before, trigger), before)
    return "done"
