"""Reports that come in at the same moment: one transaction for all of them, and each is answered as if it had come alone."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from kernel.errors import NotFound, Unauthenticated
from kernel.files import FilesInUse
from kernel.idempotency import Answer
from repairs.orders.schemas import WorkOrderRequest
from repairs.orders.together import raising_desk_of
from tests.repairs.orders.workshop import Json, Somebody, Workshop

TOGETHER = 20


def _token(who: Somebody) -> str:
    return who.http.headers["Authorization"].removeprefix("Bearer ")


async def _at_once(shop: Workshop, *sent: tuple[str, Json]) -> list[Any]:
    """(token, body) of several, in the same moment; the answers or refusals in that order."""
    desk = raising_desk_of(shop.db)
    asked = [desk.raise_order(token, WorkOrderRequest.model_validate(body)) for token, body in sent]
    return await asyncio.gather(*asked, return_exceptions=True)


def _order(answer: Any) -> Json:
    assert isinstance(answer, Answer), answer
    found: Json = json.loads(answer.body)
    return found


def _body(shop: Workshop, kind: str = "lamp", **more: Any) -> Json:
    return {"words": "灯不亮", "category": shop.categories[kind], "client_id": str(uuid4()), **more}


async def _rows(shop: Workshop, statement: str) -> list[Any]:
    async with shop.db.session() as session:
        return list(await session.scalars(text(statement)))


async def test_twenty_reports_cost_hardly_more_statements_than_one(shop: Workshop) -> None:
    statements: Counter[str] = Counter()

    def count(*executed: Any) -> None:
        statements[executed[2]] += 1

    sent = [(_token(who), _body(shop)) for who in (shop.wang, shop.zhou) * (TOGETHER // 2)]
    engine = shop.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    answers = await _at_once(shop, *sent)
    event.remove(engine, "before_cursor_execute", count)

    orders = [_order(answer) for answer in answers]
    assert [answer.status for answer in answers] == [201] * TOGETHER
    assert [order["client_id"] for order in orders] == [body["client_id"] for _, body in sent]
    assert [order["raisers"][0]["name"] for order in orders] == ["王芳", "周明"] * (TOGETHER // 2)
    # Not one statement is asked order by order.
    assert max(statements.values()) <= 3, statements.most_common(3)
    assert sum(statements.values()) < 2 * TOGETHER


async def test_each_order_has_all_that_an_order_begins_with(shop: Workshop) -> None:
    answers = await _at_once(shop, *[(_token(shop.wang), _body(shop, "lift")) for _ in range(3)])
    ids = sorted(_order(answer)["id"] for answer in answers)
    assert sorted(row["order"] for row in await shop.told("work_order.changed")) == ids
    logged = "SELECT subject FROM audit_log WHERE action = 'work_order.raise' ORDER BY subject"
    assert await _rows(shop, logged) == ids
    assert sorted(await _rows(shop, "SELECT ref FROM timers WHERE kind = 'repairs.sla'")) == ids
    counted = {
        table: (await _rows(shop, f"SELECT count(*) FROM {table}"))[0]
        for table in ("work_order_parties", "work_order_steps", "work_order_checks", "sla_clocks", "sla_milestones")
    }
    assert counted == {
        "work_order_parties": 3,
        "work_order_steps": 3,
        "work_order_checks": 6,
        "sla_clocks": 3,
        "sla_milestones": 9,
    }


async def test_who_is_refused_harms_nobody_else(shop: Workshop) -> None:
    good = _token(shop.wang), _body(shop)
    stranger = "gjs_" + "x" * 43, _body(shop)
    of_no_kind = _token(shop.zhou), _body(shop) | {"category": f"rcat_{uuid4().hex}"}
    first, signed_out, unknown, last = await _at_once(shop, good, stranger, of_no_kind, (good[0], _body(shop)))
    assert (first.status, last.status) == (201, 201)
    assert isinstance(signed_out, Unauthenticated)
    assert isinstance(unknown, NotFound)


async def test_a_picture_that_belongs_to_another_order_is_refused_to_its_order_alone(shop: Workshop) -> None:
    used = await shop.wang.sends_photo()
    await shop.raised(files=[used])
    fresh = await shop.wang.sends_photo("#112233")
    before, guilty, after = await _at_once(
        shop,
        (_token(shop.zhou), _body(shop)),
        (_token(shop.wang), _body(shop, files=[used])),
        (_token(shop.wang), _body(shop, files=[fresh])),
    )
    assert isinstance(guilty, FilesInUse)
    assert before.status == 201
    assert [file["id"] for file in _order(after)["files"]] == [fresh]
    # What was begun for all of them and undone is told once, and written once.
    assert len(await shop.told("work_order.changed")) == 3
    assert (await _rows(shop, "SELECT count(*) FROM work_orders"))[0] == 3


async def test_a_report_that_is_sent_twice_in_one_moment_is_one_order(shop: Workshop) -> None:
    body = _body(shop)
    answers = await _at_once(shop, (_token(shop.wang), body), (_token(shop.wang), body))
    assert sorted(answer.status for answer in answers) == [200, 201]
    assert len({_order(answer)["id"] for answer in answers}) == 1
    assert len(await shop.told("work_order.changed")) == 1


async def test_the_same_name_of_two_people_is_two_orders(shop: Workshop) -> None:
    body = _body(shop)
    answers = await _at_once(shop, (_token(shop.wang), body), (_token(shop.zhou), body))
    assert [answer.status for answer in answers] == [201, 201]
    assert len({_order(answer)["id"] for answer in answers}) == 2


async def test_the_rule_sends_each_of_them_to_somebody(shop: Workshop) -> None:
    answers = await _at_once(shop, *[(_token(shop.wang), _body(shop, "pipe")) for _ in range(3)])
    orders = [_order(answer) for answer in answers]
    assert [order["state"] for order in orders] == ["assigned"] * 3
    assert {order["assignee"]["name"] for order in orders} == {"水师傅"}
    # The rule's word is the answer that was promised.
    assert all(order["sla"]["milestones"][0]["reached_at"] for order in orders)


async def test_whoever_says_me_too_joins_the_other_report_of_the_same_moment_or_stays_alone(shop: Workshop) -> None:
    order = await shop.raised()
    joined, alone = await _at_once(
        shop, (_token(shop.zhou), _body(shop, same_as=order["id"])), (_token(shop.zhou), _body(shop))
    )
    assert _order(joined)["merged_into"] == order["id"]
    assert _order(alone)["merged_into"] is None
    assert {party["name"] for party in (await shop.wang.sees(order))["raisers"]} == {"周明", "王芳"}


async def test_who_has_gone_away_meanwhile_has_an_order_all_the_same(shop: Workshop) -> None:
    desk, body = raising_desk_of(shop.db), _body(shop)
    gone = asyncio.ensure_future(desk.raise_order(_token(shop.wang), WorkOrderRequest.model_validate(body)))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    answers = await _at_once(shop, (_token(shop.wang), body))
    assert answers[0].status == 200
