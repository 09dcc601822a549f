"""What `guanjia explain` says of a payment with which something was wrong."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest

from app.explain import explain_payment
from kernel import clock
from payments import api
from payments.disputes import telling
from payments.disputes.schemas import Reason
from payments.disputes.states import DISPUTE, SIDES, TURNS
from payments.states import states_of
from tests.payments.disputes.counter import Counter, Json, open_counter
from tests.payments.world import World

MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with clock.frozen(MONDAY):
        yield


@pytest.fixture
async def counter(world: World) -> AsyncIterator[Counter]:
    async with open_counter(world) as opened:
        yield opened


async def told(counter: Counter, payment: Json, language: api.Language, title: str) -> list[str]:
    """The sentences of the one chapter with this title."""
    async with counter.world.db.session() as session:
        chapters = await explain_payment(session, payment["id"], language)
    (sentences,) = [chapter.sentences for chapter in chapters if chapter.title == title]
    return sentences


class TestExplain:
    async def test_the_claim_the_clock_the_answer_the_decision_and_the_money(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id, amount_fen=2500)
        dispute = await counter.opened(payment, amount_fen=700)
        opened = await told(counter, payment, "en", "Something is wrong: wrong amount")
        assert opened == [
            f"{dispute['id']}: disputed by 王*明 on 2026-11-23 10:00:00, about 7.00 yuan of it. Now: the canteen is to answer.",
            "It is the canteen's turn, 3 work days, until 2026-11-26 10:00:00.",
            '2026-11-23 10:00:00  the payer said that something is wrong, 7.00 yuan: "不对"',
            "7.00 yuan are set aside and not paid to the canteen before this is settled.",
        ]
        await counter.pulled(counter.manager, dispute, "reject", words="称重无误")
        await counter.pulled(counter.payer, dispute, "escalate", words="我没有吃")
        clock.advance(timedelta(days=7))
        late = await told(counter, payment, "zh", "有问题: 金额不对")
        assert late[1] == "轮到地区, 5 个工作日, 到 2026-11-30 10:00:00。"
        clock.advance(timedelta(seconds=1))
        assert (await told(counter, payment, "zh", "有问题: 金额不对"))[1].endswith("已逾期。")
        await counter.wait(seconds=1)
        upheld = await counter.pulled(counter.finance, dispute, "uphold", words="多收了", amount_fen=300)

        sentences = await told(counter, payment, "zh", "有问题: 金额不对")
        assert sentences[0].endswith("涉及 7.00 元。现状态: 钱已退回。")
        assert [line.split("  ", 1)[1] for line in sentences[1:6]] == [
            "付款人提出异议, 7.00 元: “不对”",
            "食堂认为无误: “称重无误”",
            "付款人请地区裁定: “我没有吃”",
            "地区支持, 3.00 元: “多收了”",
            "系统退回了钱, 3.00 元",
        ]
        assert sentences[6:] == [f"3.00 元已由退款 {upheld['refund']} 退回。"]
        assert all(earlier[:19] <= later[:19] for earlier, later in pairwise(sentences[1:6]))

    async def test_a_subsidy_that_paid_instead_shows_its_lines(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        async with counter.world.db.session() as session:
            grant = [api.Allotment(counter.payer.id, 4000)]
            last_day = (MONDAY + timedelta(days=7)).date()
            await api.grant_subsidies(session, counter.world.unit, grant, expires_on=last_day, actor="test")
        dispute = await counter.opened(payment, "missing_subsidy", amount_fen=1600)
        await counter.pulled(counter.manager, dispute, "accept")
        sentences = await told(counter, payment, "en", "Something is wrong: subsidy not used")
        at = sentences.index("A subsidy has paid instead:")
        assert "16.00 yuan, debit subsidy:" in sentences[at + 1]


class TestEveryWord:
    def test_there_is_one_for_each_reason_state_step_and_turn(self) -> None:
        assert set(telling._REASONS) == set(get_args(Reason))
        assert set(telling._STATES) == set(states_of(DISPUTE))
        assert set(telling._STEPS) == {"open", *SIDES}
        assert {*SIDES.values(), *TURNS.values()} <= set(telling._SIDES)
