"""Parts leave a cupboard for an order, and what it cost is charged to the unit served: once, and back when it is disputed."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from kernel.handlers import run_handler
from kernel.ids import public_id
from repairs.stock.handlers import FOLLOWED, follow_orders
from tests.repairs.orders.workshop import Json, Somebody, Workshop

TUBE_FEN = 1_250
HOUR_FEN = 6_000


async def found(answer: httpx.Response, status: int = 200) -> Json:
    assert answer.status_code == status, answer.text
    body: Json = answer.json()
    return body


class Cupboard:
    """The lead's cupboard with a few tubes in it."""

    def __init__(self, shop: Workshop, store: str, part: str) -> None:
        self.shop, self.store, self.part = shop, store, part

    async def take(self, who: Somebody, order: Json, quantity: int = 1, **more: Any) -> httpx.Response:
        body = {"client_id": str(uuid4()), "store": self.store, "part": self.part, "quantity": quantity, **more}
        return await who.post(f"work_orders/{order['id']}/parts", **body)

    async def bring_back(self, who: Somebody, order: Json, quantity: int) -> httpx.Response:
        body = {"client_id": str(uuid4()), "store": self.store, "part": self.part, "quantity": quantity}
        return await who.post(f"work_orders/{order['id']}/parts/return", **body)

    async def left(self) -> int:
        page = await found(await self.shop.lead.http.get(f"/v1/stores/{self.store}/parts"))
        return int(page["data"][0]["quantity"])

    async def costs(self, order: Json) -> Json:
        return await found(await self.shop.lead.http.get(f"/v1/work_orders/{order['id']}/costs"))


@pytest.fixture
async def cupboard(shop: Workshop) -> Cupboard:
    region = public_id("reg", shop.house.city)
    store = await found(await shop.lead.post("stores", region=region, name="一号楼配件柜"), 201)
    body = {
        "client_id": str(uuid4()),
        "code": "T8",
        "name": "灯管",
        "unit_cost_fen": TUBE_FEN,
        "quantity": 3,
        "minimum": 2,
    }
    part = await found(await shop.lead.post(f"stores/{store['id']}/parts", **body), 201)
    rate = await shop.lead.post("labour_rates", region=region, hour_fen=HOUR_FEN, effective_from="2026-11-23")
    await found(rate, 201)
    return Cupboard(shop, store["id"], part["id"])


async def follow(shop: Workshop) -> None:
    while await run_handler(shop.db, "repairs.follow_orders", follow_orders, types=FOLLOWED):
        pass


async def charged_fen(shop: Workshop) -> int:
    """What payments has charged for repairs, less what it gave back."""
    async with shop.db.session() as session:
        total = await session.scalar(text("SELECT coalesce(sum(amount_fen - refunded_fen), 0) FROM service_charges"))
    return int(total or 0)


class TestParts:
    async def test_of_two_who_take_the_last_one_one_gets_it(self, shop: Workshop, cupboard: Cupboard) -> None:
        orders = [await shop.assigned(), await shop.assigned(same_as=None, words="另一盏")]
        assert (await cupboard.take(shop.lamp, orders[0], 2)).status_code == 200
        answers = await asyncio.gather(*(cupboard.take(shop.lamp, order) for order in orders))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        loser = next(answer for answer in answers if answer.status_code == 409).json()
        assert (loser["code"], loser["data"]["left"]) == ("PART_SHORT", 0)
        assert await cupboard.left() == 0

    async def test_sent_twice_it_is_taken_once(self, shop: Workshop, cupboard: Cupboard) -> None:
        order, name = await shop.assigned(), str(uuid4())
        await found(await cupboard.take(shop.lamp, order, client_id=name))
        sheet = await found(await cupboard.take(shop.lamp, order, client_id=name))
        assert (sheet["parts_fen"], await cupboard.left()) == (TUBE_FEN, 2)

    async def test_what_comes_back_lowers_the_cost_and_is_never_more_than_was_taken(
        self, shop: Workshop, cupboard: Cupboard
    ) -> None:
        order = await shop.assigned()
        await cupboard.take(shop.lamp, order, 2)
        refused = await cupboard.bring_back(shop.lamp, order, 3)
        assert (refused.status_code, refused.json()["code"]) == (409, "MORE_THAN_TAKEN")
        sheet = await found(await cupboard.bring_back(shop.lamp, order, 1))
        assert (sheet["total_fen"], await cupboard.left()) == (TUBE_FEN, 2)

    async def test_a_stranger_takes_nothing(self, shop: Workshop, cupboard: Cupboard) -> None:
        order = await shop.assigned()
        assert (await cupboard.take(shop.pipe, order)).status_code == 403
        assert (await shop.wang.http.get("/v1/stores")).status_code == 403


class TestTheCost:
    async def test_is_charged_once_when_the_work_is_confirmed(self, shop: Workshop, cupboard: Cupboard) -> None:
        order = await shop.assigned()
        await shop.lamp.pulls(order, "start")
        await cupboard.take(shop.lamp, order, 2)
        body = {"client_id": str(uuid4()), "started_at": "2026-11-23T02:00:00Z", "minutes": 20, "words": "换灯管"}
        await found(await shop.lamp.post(f"work_orders/{order['id']}/labour", **body), 201)
        await shop.lamp.pulls(order, "finish", words="换好了")
        assert await charged_fen(shop) == 0
        await shop.wang.pulls(order, "confirm")
        await follow(shop)
        await follow(shop)
        sheet = await cupboard.costs(order)
        assert (sheet["parts_fen"], sheet["labour_fen"], sheet["charged_fen"]) == (2 * TUBE_FEN, 2_000, 4_500)
        assert await charged_fen(shop) == 4_500
        refused = await cupboard.take(shop.lead, order)
        assert (refused.status_code, await charged_fen(shop)) == (409, 4_500)

    async def test_comes_back_when_the_work_is_disputed_and_is_charged_anew_after_its_next_round(
        self, shop: Workshop, cupboard: Cupboard
    ) -> None:
        order = await shop.assigned()
        await shop.lamp.pulls(order, "start")
        await cupboard.take(shop.lamp, order)
        await shop.lamp.pulls(order, "finish", words="换好了")
        await found(await shop.lead.post(f"work_orders/{order['id']}/costs/charge"))
        assert await charged_fen(shop) == TUBE_FEN
        await shop.wang.pulls(order, "dispute", words="还是不亮")
        await follow(shop)
        assert await charged_fen(shop) == 0
        await shop.lamp.pulls(order, "start")
        await cupboard.take(shop.lamp, order)
        await shop.lamp.pulls(order, "finish", words="又换了一根")
        await shop.wang.pulls(order, "confirm")
        await follow(shop)
        assert await charged_fen(shop) == 2 * TUBE_FEN
        assert (await cupboard.costs(order))["refunded_fen"] == TUBE_FEN

    async def test_of_nothing_is_no_charge(self, shop: Workshop, cupboard: Cupboard) -> None:
        order = await shop.confirmed()
        await follow(shop)
        sheet = await cupboard.costs(order)
        assert (sheet["total_fen"], sheet["charge"], await charged_fen(shop)) == (0, None, 0)
