"""`guanjia explain wo_...`: the life of a work order in plain words, in both languages."""

from datetime import timedelta
from typing import get_args
from uuid import uuid4

import pytest

from app.explain import explain_order
from kernel import clock
from kernel.errors import NotFound
from payments.api import Language
from repairs.orders import telling
from repairs.orders.models import HOLD_CAUSES, URGENCIES
from repairs.orders.states import WORK_ORDER, states_of
from repairs.sla.kinds import MILESTONES, PAUSE_CAUSES
from repairs.sla.schemas import MilestoneState
from tests.repairs.orders.workshop import Json, Workshop, change


async def told(shop: Workshop, order: Json, language: Language) -> dict[str, list[str]]:
    """Its sentences by chapter."""
    async with shop.db.session() as session:
        return {chapter.title: chapter.sentences for chapter in await explain_order(session, order["id"], language)}


async def lived(shop: Workshop) -> Json:
    """Raised for a colleague, declined, held for a part, done without a network, disputed, done again, rated low and answered."""
    order = await shop.raised(served=shop.zhou.id, words="走廊的灯不亮")
    await shop.lead.pulls(order, "accept")
    await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
    await shop.lamp.pulls(order, "decline", words="在外地")
    order = await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
    order = await shop.lamp.pulls(order, "start")
    await shop.lamp.pulls(order, "hold", cause="parts")
    clock.advance(timedelta(hours=1))
    order = await shop.lamp.pulls(order, "resume")
    await shop.lamp.post(
        f"work_orders/{order['id']}/labour", client_id=str(uuid4()), started_at="2026-11-23T02:10:00Z", minutes=25
    )
    finished = change("trigger", order["version"], trigger="finish", happened_at=clock.rfc3339(clock.now()))
    clock.advance(timedelta(minutes=30))
    await shop.lamp.syncs(order, finished)
    await shop.zhou.pulls(order, "dispute", words="又灭了")
    await shop.lamp.pulls(order, "start")
    await shop.lamp.pulls(order, "finish")
    await shop.zhou.pulls(order, "confirm")
    await shop.zhou.pulls(order, "rate", score=2, words="来了两次")
    return await shop.lead.pulls(order, "answer", words="已更换灯座")


async def test_a_life_is_told_in_both_languages(shop: Workshop) -> None:
    order = await lived(shop)
    english, chinese = await told(shop, order, "en"), await told(shop, order, "zh")

    assert list(english) == [
        "Work order",
        "What happened",
        "What was promised",
        "The work",
        "What was thought of it",
        "What it cost",
        "Who heard of it",
    ]
    assert english["Work order"][0] == (
        f"{order['id']}: raised by 王芳 on 2026-11-23 10:00:00: lamp, urgency normal. Now: the low score is answered."
    )
    assert 'In their words: "走廊的灯不亮"' in english["Work order"]
    assert "On behalf of 周明, who confirms it." in english["Work order"]
    steps = english["What happened"]
    assert steps[:4] == [
        "2026-11-23 10:00:00  王芳 raised it",
        "2026-11-23 10:00:00  李组长 accepted it",
        "2026-11-23 10:00:00  李组长 assigned it to 灯师傅",
        '2026-11-23 10:00:00  灯师傅 gave it back: "在外地"',
    ]
    assert "2026-11-23 10:00:00  灯师傅 put it on hold (waiting for a part)" in steps
    assert "2026-11-23 11:00:00  灯师傅 finished (without a network; we heard of it on 2026-11-23 11:30:00)" in steps
    assert [line.split("  ", 1)[1] for line in steps[-3:]] == [
        '周明 rated it 2 of 5: "来了两次"',
        "the system asked for an answer to the low score",
        '李组长 answered the rating: "已更换灯座"',
    ]
    assert (
        "From 2026-11-23 10:00:00 until 2026-11-23 11:00:00 the clock stood still: waiting for a part."
        in (english["What was promised"])
    )
    assert english["What was promised"][0].startswith("an answer: promised within 2 working hours, due ")
    assert "25 minutes of work, by 1 of the staff." in english["The work"]
    assert "This is round 2." in english["The work"]
    assert any("work_order.changed" in line for line in english["Who heard of it"])

    assert list(chinese) == ["报修", "经过", "时限", "处理", "评价", "费用", "通知了谁"]
    assert chinese["经过"][2] == "2026-11-23 10:00:00  李组长派单给 灯师傅"
    assert chinese["评价"] == ["2026-11-23 11:30:00  周明 打了 2 分: “来了两次” 回复: “已更换灯座”"]
    assert "工时 25 分钟, 0.00 元 (灯师傅)" in chinese["费用"]


async def test_a_guest_is_named_as_they_named_themselves_and_their_number_is_not_told(shop: Workshop) -> None:
    body = {"words": "漏水", "name": "访客甲", "phone": "13800000000"}
    path = f"/v1/repair_forms/{shop.label('lobby')}/orders"
    await shop.guest.post(path, json=body, headers={"Guest-Key": "a-random-key-of-this-page"})
    (order,) = (await shop.lead.http.get("/v1/work_orders")).json()["data"]

    chapters = await told(shop, order, "zh")

    assert "访客甲" in chapters["报修"][0]
    assert "13800000000" not in str(chapters)


async def test_an_order_that_does_not_exist_is_said_so(shop: Workshop) -> None:
    async with shop.db.session() as session:
        for name in ("wo_" + "0" * 32, "wo_1", "pay_" + "0" * 32):
            with pytest.raises(NotFound):
                await explain_order(session, name, "zh")


def test_there_are_words_for_everything_that_can_be_told() -> None:
    assert set(telling._STATES) == set(states_of(WORK_ORDER))
    assert set(telling._STEPS) == {"raise", *(trigger for _, trigger in WORK_ORDER)}
    assert set(telling._URGENCIES) == set(URGENCIES)
    assert set(telling._CAUSES) == {*HOLD_CAUSES, *PAUSE_CAUSES, "done"}
    assert set(telling._MILESTONES) == set(MILESTONES)
    assert set(telling._KEPT) == set(get_args(MilestoneState))
