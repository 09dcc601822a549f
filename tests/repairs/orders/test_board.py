"""The board of a desk: it says of each order what the order says, and asks no more of the database for many than for few."""

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy import event

from tests.repairs.orders.workshop import Json, Workshop


async def _board(shop: Workshop) -> Json:
    (desk,) = (await shop.lead.http.get("/v1/repair_desks")).json()
    answer = await shop.lead.http.get(f"/v1/repair_desks/{desk['id']}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_each_card_says_what_its_order_says(shop: Workshop) -> None:
    orders = [await shop.raised(), await shop.assigned(urgency="urgent"), await shop.done()]
    await shop.wait(timedelta(minutes=14))
    cards = {card["id"]: card for card in (await _board(shop))["orders"]}
    assert list(cards) == [order["id"] for order in reversed(orders)]
    for order in orders:
        whole, card = await shop.wang.sees(order), cards[order["id"]]
        same = ("state", "version", "urgency", "place_text", "words", "round", "declines", "raised_at", "changed_at")
        assert {name: card[name] for name in same} == {name: whole[name] for name in same}
        assert card["category"] == whole["category"]["id"]
        assert card["assignee"] == (whole["assignee"] or {}).get("id")
        assert card["assignee_name"] == (whole["assignee"] or {}).get("name")
        assert (card["sla"], card["due_at"]) == (whole["sla"]["state"], whole["sla"]["due_at"])


async def test_many_orders_cost_the_same_statements_as_one(shop: Workshop) -> None:
    async def statements() -> int:
        counted: Counter[str] = Counter()

        def count(*executed: Any) -> None:
            counted[executed[2]] += 1

        engine = shop.db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", count)
        await _board(shop)
        event.remove(engine, "before_cursor_execute", count)
        return sum(counted.values())

    await shop.assigned()
    few = await statements()
    for _ in range(4):
        await shop.assigned()
    assert await statements() == few
