"""Whatever people do to an order in whatever sequence: it stays what its steps say, and a phone's second try changes nothing."""

import random
from typing import Any

import pytest
from sqlalchemy import text

from kernel import clock
from repairs.orders.states import TRIGGERS, WORK_ORDER
from tests.repairs.orders.workshop import Json, Workshop

_TAKES: dict[str, dict[str, Any]] = {"hold": {"cause": "parts"}, "rate": {"score": 2}}
# They would end it before much has happened.
_ENDS = ("reject", "withdraw", "cancel", "merge")


async def _pull_anything(shop: Workshop, order: Json, dice: random.Random, steps: int) -> None:
    """Anybody pulls anything, and as often what their screen offers them."""
    people = [shop.wang, shop.lamp, shop.lead, shop.pipe]
    for _ in range(steps):
        who = dice.choice(people)
        offered = [trigger for trigger in (await who.sees(order))["allowed"] if trigger not in _ENDS]
        trigger = dice.choice(offered) if offered else dice.choice(TRIGGERS[4:])
        more = {"assignee": shop.lamp.id} if trigger == "assign" else _TAKES.get(trigger, {})
        answer = await who.pull(order, trigger, words="因为", **more)
        assert answer.status_code in (200, 403, 409), (trigger, answer.text)
        assert answer.status_code == 200 or trigger not in offered or answer.json()["code"] == "SKILL_MISSING"


@pytest.mark.parametrize("seed", [0, 2])
async def test_the_steps_retell_the_state(shop: Workshop, seed: int) -> None:
    dice = random.Random(seed)
    order = await shop.raised()
    await _pull_anything(shop, order, dice, 50)

    found = await shop.lead.sees(order)
    state = "submitted"
    for step in found["history"][1:]:
        state = WORK_ORDER[state, step["trigger"]]
        assert step["state"] == state
    assert {"accept", "assign", "start"} <= {step["trigger"] for step in found["history"]}
    assert (found["state"], found["version"]) == (state, len(found["history"]))
    async with shop.db.session() as session:
        open_offers = await session.scalar(
            text("SELECT count(*) FROM work_order_offers WHERE ended_at IS NULL AND offered_at <= :now"),
            {"now": clock.now()},
        )
    assert open_offers == (1 if found["state"] in ("assigned", "en_route", "in_progress", "on_hold") else 0)
