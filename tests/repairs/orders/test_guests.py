"""Somebody without a sign-in scans the label in a lobby, reports what is broken, and follows it by a ticket to the rating."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from kernel import clock
from kernel.settings import get_settings
from repairs.orders import jobs
from repairs.orders.guests import BY_ADDRESS
from tests.repairs.orders.workshop import Json, Workshop, photo

KEY = {"Guest-Key": "a-random-key-of-this-page"}


async def report(shop: Workshop, place: str = "lobby", **more: Any) -> httpx.Response:
    body = {"words": "大厅漏水", "category": shop.categories["lamp"], "client_id": str(uuid4()), **more}
    return await shop.guest.post(f"/v1/repair_forms/{shop.label(place)}/orders", json=body, headers=KEY)


async def pull(shop: Workshop, ticket: str, trigger: str, **body: Any) -> httpx.Response:
    return await shop.guest.post(f"/v1/repair_tickets/{ticket}/{trigger}", json=body)


async def test_a_scan_opens_the_form_where_strangers_may_report(shop: Workshop) -> None:
    form = (await shop.guest.get(f"/v1/repair_forms/{shop.label('lobby')}")).json()

    assert (form["place"]["name_zh"], form["asset"], form["signed_in"]) == ("大厅", None, False)
    assert {kind["code"] for kind in form["categories"]} == set(shop.categories)
    assert (await shop.guest.get(f"/v1/repair_forms/{shop.label('office')}")).status_code == 401
    assert (await shop.wang.http.get(f"/v1/repair_forms/{shop.label('office')}")).json()["signed_in"]
    assert (await shop.guest.get(f"/v1/repair_forms/{'A' * 45}")).status_code == 404


async def test_a_guest_reports_follows_confirms_and_rates(shop: Workshop) -> None:
    path = f"/v1/repair_forms/{shop.label('lobby')}/files"
    picture = (await shop.guest.post(path, content=photo(), headers=KEY)).json()["id"]
    answer = await report(shop, files=[picture], name="访客甲")
    assert answer.status_code == 201, answer.text
    ticket = answer.json()["ticket"]
    assert answer.json()["order"]["allowed"] == ["withdraw", "cancel"]

    (order,) = (await shop.lead.http.get("/v1/work_orders")).json()["data"]
    assert (order["raisers"], order["files"][0]["id"]) == (
        [{"id": order["raisers"][0]["id"], "name": "访客甲", "is_guest": True}],
        picture,
    )
    await shop.lead.pulls(order, "accept")
    await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
    await shop.lamp.pulls(order, "start")
    await shop.lamp.post(f"work_orders/{order['id']}/notes", words="内部：阀门老化", is_public=False)
    await shop.lamp.pulls(order, "finish")
    seen: Json = (await shop.guest.get(f"/v1/repair_tickets/{ticket.lower()}")).json()
    assert (seen["state"], seen["assignee_name"], seen["notes"]) == ("done", "灯师傅", [])
    assert (await shop.guest.get(f"/v1/repair_tickets/{ticket}/files/{picture}")).status_code == 200
    assert (await pull(shop, ticket, "confirm")).json()["state"] == "confirmed"
    rated = (await pull(shop, ticket, "rate", score=5)).json()
    assert (rated["state"], rated["ratings"][0]["is_mine"]) == ("rated", True)


async def test_sent_twice_it_is_one_order_with_one_ticket(shop: Workshop) -> None:
    client_id = str(uuid4())
    first, again = await report(shop, client_id=client_id), await report(shop, client_id=client_id)
    assert first.json()["ticket"] == again.json()["ticket"]
    assert len((await shop.lead.http.get("/v1/work_orders")).json()["data"]) == 1


async def test_after_a_merge_the_ticket_leads_to_the_other_order(shop: Workshop) -> None:
    kept = await shop.raised()
    ticket = (await report(shop)).json()["ticket"]
    (order, _) = (await shop.lead.http.get("/v1/work_orders")).json()["data"]
    await shop.lead.pulls(order, "merge", into=kept["id"])

    seen = (await shop.guest.get(f"/v1/repair_tickets/{ticket}")).json()

    assert (seen["is_merged"], seen["state"], seen["words"]) == (True, "submitted", kept["words"])


async def test_a_flood_from_one_address_is_stopped(shop: Workshop) -> None:
    codes = [(await report(shop)).status_code for _ in range(BY_ADDRESS.allowed + 1)]
    assert (codes[:-1], codes[-1]) == ([201] * BY_ADDRESS.allowed, 429)


@pytest.mark.parametrize("ticket", ["0000-0000-0000-0000", "ZZZZZZZZZZZZZZZZ"])
async def test_a_ticket_of_nobody_leads_nowhere(shop: Workshop, ticket: str) -> None:
    answer = await shop.guest.get(f"/v1/repair_tickets/{ticket}")
    assert (answer.status_code, answer.json()["code"]) == (404, "TICKET_UNKNOWN")


@pytest.mark.parametrize(
    ("content", "status", "name"),
    [(b"<svg><script>1</script></svg>", 415, "x.svg"), (photo(), 422, "../../etc/passwd")],
)
async def test_a_guest_s_wrong_file_is_refused_and_leaves_nothing(
    shop: Workshop, tmp_path: Any, content: bytes, status: int, name: str
) -> None:
    path = f"/v1/repair_forms/{shop.label('lobby')}/files"
    answer = await shop.guest.post(path, files={"file": (name, content, "image/png")}, headers=KEY)
    assert answer.status_code == status
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


async def phones(shop: Workshop) -> list[tuple[str, str]]:
    """(of the guest, of the order) as they stand in the tables."""
    async with shop.db.session() as session:
        rows = await session.execute(
            text("SELECT g.phone AS of_guest, o.phone FROM repair_guests g JOIN work_orders o ON o.guest_id = g.id")
        )
        return [(row.of_guest, row.phone) for row in rows]


class TestPhones:
    DAYS = timedelta(days=30)

    async def test_the_number_is_forgotten_so_many_days_after_the_end_and_the_order_stays(self, shop: Workshop) -> None:
        ticket = (await report(shop, phone="13800000000", name="访客甲")).json()["ticket"]
        await pull(shop, ticket, "withdraw")
        clock.advance(self.DAYS - timedelta(minutes=1))
        assert await jobs.forget_phones(shop.db) == 0
        assert await phones(shop) == [("13800000000", "13800000000")]

        clock.advance(timedelta(minutes=2))
        assert await jobs.forget_phones(shop.db) == 1
        assert await jobs.forget_phones(shop.db) == 0

        assert await phones(shop) == [("", "")]
        assert (await shop.guest.get(f"/v1/repair_tickets/{ticket}")).json()["state"] == "withdrawn"

    async def test_while_it_is_under_way_the_number_stays(self, shop: Workshop) -> None:
        await report(shop, phone="13800000000")
        clock.advance(self.DAYS * 12)
        assert await jobs.forget_phones(shop.db) == 0

    async def test_what_became_part_of_another_order_waits_for_that_one(self, shop: Workshop) -> None:
        kept = await shop.raised()
        await report(shop, phone="13800000000")
        (order, _) = (await shop.lead.http.get("/v1/work_orders")).json()["data"]
        await shop.lead.pulls(order, "merge", into=kept["id"])
        clock.advance(self.DAYS * 2)
        assert await jobs.forget_phones(shop.db) == 0
        await shop.signs_in_again(shop.wang)
        await shop.wang.pulls(kept, "withdraw")
        clock.advance(self.DAYS + timedelta(minutes=1))
        assert await jobs.forget_phones(shop.db) == 1
        assert await phones(shop) == [("", "")]

    async def test_somebody_who_is_signed_in_keeps_their_own(self, shop: Workshop) -> None:
        order = await shop.raised(phone="13900000000")
        await shop.wang.pulls(order, "withdraw")
        clock.advance(self.DAYS * 2)
        assert await jobs.forget_phones(shop.db) == 0
        await shop.signs_in_again(shop.wang)
        assert (await shop.wang.sees(order))["phone"] == "13900000000"

    async def test_the_days_are_a_setting(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(get_settings(), "repair_guest_phone_days", 3)
        ticket = (await report(shop, phone="13800000000")).json()["ticket"]
        await pull(shop, ticket, "withdraw")
        clock.advance(timedelta(days=3, minutes=1))
        assert await jobs.forget_phones(shop.db) == 1
