"""Money goes back by the gateway that it came by: once, to the fen, whatever the gateway says or does not say.

And what a gateway and our books say differently is settled by two people, with a reason.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from canteen import takings
from identity.api import Place, Principal, Role, approve, principal_of, today
from identity.errors import SamePerson
from kernel import clock
from kernel.errors import Forbidden, StateConflict
from kernel.ids import parse_public_id
from kernel.outbox import read_after
from payments import differences
from payments.channel_refunds import service as channel_refunds
from payments.errors import RefundExceeds
from payments.till_sales import returned_by_id
from tests.payments.channels.shop import Shop
from tests.payments.channels.test_guests import charged
from tests.payments.channels.test_top_ups import open_and_pay
from tests.payments.doors import employee, officer
from tests.payments.test_review_books import move

VOID_KEY = "void"
TROUBLES = ["timeout", "error_500", "bad_signature", "truncated", "unbalanced", "unknown"]


@dataclass(frozen=True)
class Office:
    """Two people of finance."""

    shop: Shop
    asks: Principal
    decides: Principal

    async def refund_top_up(self, top_up: dict[str, Any], amount_fen: int) -> None:
        """Asked for by one, approved by the other."""
        async with self.shop.world.db.session() as session:
            asked = await differences.ask_to_refund_top_up(
                session, self.asks, parse_public_id("top", top_up["id"]), amount_fen, "paid in twice"
            )
        await self.approve(asked["approval"])

    async def settle(self, case: dict[str, Any], action: str) -> None:
        async with self.shop.world.db.session() as session:
            asked = await differences.ask_to_settle(
                session, self.asks, parse_public_id("dif", case["id"]), action, "looked into it"
            )
        await self.approve(asked["approval"])

    async def approve(self, approval: str) -> None:
        async with self.shop.world.db.session() as session:
            await approve(session, self.decides, parse_public_id("apr", approval))

    async def cases(self, *, only_open: bool = True) -> list[dict[str, Any]]:
        async with self.shop.world.db.session() as session:
            cover = self.asks.cover_of(Role.FINANCE)
            return await differences.list_cases(session, cover, 20, None, only_open=only_open)


async def principal(shop: Shop, role: Role = Role.FINANCE) -> Principal:
    somebody = await officer(shop.world, role, Place(region_id=shop.world.home))
    async with shop.world.db.session() as session:
        return await principal_of(session, somebody.id, today())


@pytest.fixture
async def office(shop: Shop) -> Office:
    return Office(shop, await principal(shop), await principal(shop))


async def topped_up(shop: Shop, person: UUID | None = None) -> tuple[UUID, dict[str, Any]]:
    person = person or (await employee(shop.world)).id
    return person, await open_and_pay(shop, person)


async def void(shop: Shop, guest: dict[str, Any], key: str = VOID_KEY, number: int = 0) -> httpx.Response:
    return await shop.product.post(f"/v1/guest_payments/{guest['id']}/void", headers=shop.as_till(key, number))


async def given_back(shop: Shop, name: str) -> int:
    """What the gateway has given back of an order."""
    trade = shop.simulator.trades.find(name)
    assert trade is not None
    return trade.refunded_fen


async def balance(shop: Shop, kind: str) -> int:
    rows = await shop.rows(f"SELECT coalesce(sum(amount_fen), 0) AS fen FROM entries WHERE account_kind = '{kind}'")
    return int(rows[0].fen)


class TestVoidOfAGuest:
    async def test_takes_it_back_whole_and_the_canteen_is_owed_nothing(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        assert guest["can_void"]
        answer = await void(shop, guest)
        assert (answer.status_code, answer.json()["status"], answer.json()["amount_fen"]) == (201, "pending", 1800)
        assert await balance(shop, "psp_refunds") == -1800
        await shop.work()
        shown = await shop.guest(guest)
        assert (shown["status"], shown["can_void"], shown["refunds"][0]["status"]) == ("refunded", False, "succeeded")
        assert await given_back(shop, guest["id"]) == 1800
        assert [await balance(shop, kind) for kind in ("payable", "psp_clearing", "psp_refunds")] == [0, 0, 0]

    async def test_said_again_with_its_key_has_the_same_bytes_and_with_another_it_is_refused(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        first = await void(shop, guest)
        await shop.work()
        again = await void(shop, guest)
        assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
        other = await void(shop, guest, "another")
        assert (other.status_code, other.json()["code"]) == (409, "STATE_CONFLICT")
        assert await given_back(shop, guest["id"]) == 1800

    async def test_after_five_minutes_there_is_only_a_refund(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        clock.advance(timedelta(minutes=5, seconds=1))
        late = await void(shop, guest)
        assert (late.status_code, late.json()["data"]["allowed"]) == (409, ["refund"])
        assert not (await shop.guest(guest))["can_void"]

    async def test_what_is_pending_is_cancelled_and_not_voided(self, shop: Shop) -> None:
        assert (await void(shop, await charged(shop, "wait"))).status_code == 409

    async def test_a_till_of_another_canteen_may_not(self, shop: Shop) -> None:
        assert (await void(shop, await charged(shop, "pay"), number=-1)).status_code == 403

    async def test_counts_in_the_takings_and_in_the_returns_of_the_shift(self, shop: Shop) -> None:
        made = (await void(shop, await charged(shop, "pay"))).json()
        async with shop.world.db.session() as session:
            told = takings.payment_events((await read_after(session, {})).events)
            (returned,) = await returned_by_id(session, [parse_public_id("rfd", made["id"])])
        (delta,) = takings.fold(told).values()
        assert (delta.amount_fen, delta.returned_fen, delta.voided_count) == (1800, 1800, 1)
        assert takings.last_after([], told)[0]["status"] == "voided"
        assert (returned.kind, returned.legs) == ("void", (("alipay", 1800),))


class TestRefundOfAGuest:
    async def test_in_parts_and_no_more_than_was_paid(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        path = f"/v1/guest_payments/{guest['id']}/refunds"
        answers = [
            await shop.product.post(path, json={"amount_fen": 1000, "reason": "cold"}, headers=shop.as_till(key))
            for key in ("one", "two")
        ]
        assert [answer.status_code for answer in answers] == [201, 409]
        assert (answers[1].json()["code"], answers[1].json()["data"]) == ("REFUND_EXCEEDS", {"left_fen": 800})
        await shop.work()
        shown = await shop.guest(guest)
        assert (shown["status"], shown["refunded_fen"]) == ("partially_refunded", 1000)
        assert await balance(shop, "payable") == -800


class TestSilence:
    @pytest.mark.parametrize("trouble", TROUBLES)
    async def test_an_answer_that_never_came_gives_back_once(self, shop: Shop, trouble: str) -> None:
        guest = await charged(shop, "pay")
        await shop.fail(trouble, "trade.refund", delay_s=2 if trouble == "timeout" else 0)
        made = (await void(shop, guest)).json()
        await shop.work()
        assert (await shop.guest(guest))["refunds"][0]["status"] == "pending"
        assert await shop.steps_of(made) == ["written", "unknown"]
        await shop.wait(5)
        assert (await shop.guest(guest))["refunds"][0]["status"] == "succeeded"
        assert await shop.steps_of(made) == ["written", "unknown", "succeeded"]
        assert await given_back(shop, guest["id"]) == 1800

    async def test_what_never_arrived_is_asked_for_again_under_the_same_number(self, shop: Shop) -> None:
        guest = await charged(shop, "pay")
        await shop.fail("error_500", "trade.refund", acts=False)
        await void(shop, guest)
        await shop.work()
        assert await given_back(shop, guest["id"]) == 0
        await shop.wait(5)
        trade = shop.simulator.trades.find(guest["id"])
        assert trade is not None
        assert list(trade.refunds.values()) == [1800]
        assert await balance(shop, "psp_refunds") == 0

    async def test_that_never_ends_is_a_persons_business_who_may_have_it_asked_again(
        self, shop: Shop, office: Office
    ) -> None:
        guest = await charged(shop, "pay")
        await shop.fail("error_500", count=1000)
        await void(shop, guest)
        for seconds in (5, 10, 45, 240, 3300, 24 * 3600):
            await shop.wait(seconds)
        (case,) = await office.cases()
        assert (case["kind"], case["order"][:4], case["allowed"]) == ("no_answer", "rfd_", ["close", "ask_again"])

        await shop.alipay.delete("/faults")
        async with shop.world.db.session() as session:
            await differences.ask_again(session, office.asks, parse_public_id("dif", case["id"]))
        await shop.work()
        assert (await shop.guest(guest))["refunds"][0]["status"] == "succeeded"
        assert [each["resolution"] for each in await office.cases(only_open=False)] == ["heard"]


class TestRefusal:
    async def test_leaves_the_money_where_it_was_and_opens_a_case(self, shop: Shop, office: Office) -> None:
        guest = await charged(shop, "pay")
        trade = shop.simulator.trades.find(guest["id"])
        assert trade is not None
        # Given back by hand at the gateway: there is nothing left of it.
        trade.refund("by hand", 1800)
        await void(shop, guest)
        await shop.work()
        shown = await shop.guest(guest)
        assert (shown["status"], shown["refunded_fen"], shown["refunds"][0]["status"]) == ("succeeded", 0, "failed")
        assert await balance(shop, "payable") == -1800
        (case,) = await office.cases()
        assert (case["kind"], case["expected_fen"], case["allowed"]) == ("refund_refused", 1800, ["close"])
        async with shop.world.db.session() as session:
            told = takings.payment_events((await read_after(session, {})).events)
        (delta,) = takings.fold(told).values()
        assert (delta.returned_fen, delta.voided_count) == (0, 0)

    async def test_puts_a_top_up_back_into_the_purse(self, shop: Shop, office: Office) -> None:
        person, top_up = await topped_up(shop)
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        trade.refund("by hand", 10_000)
        await office.refund_top_up(top_up, 10_000)
        assert await shop.cash_of(person) == 0
        await shop.work()
        assert await shop.cash_of(person) == 10_000

    async def test_of_an_account_that_was_closed_meanwhile_leaves_it_as_nobodys(
        self, shop: Shop, office: Office
    ) -> None:
        person, top_up = await topped_up(shop)
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        trade.refund("by hand", 10_000)
        await office.refund_top_up(top_up, 10_000)
        await shop.world.change(person, "close")
        await shop.work()
        assert await shop.cash_of(person) == 0
        assert await balance(shop, "psp_unclaimed") == -10_000
        assert [case["kind"] for case in await office.cases()] == ["refund_refused"]


class TestTopUp:
    async def test_that_should_not_stand_goes_back_by_two_people(self, shop: Shop, office: Office) -> None:
        person, top_up = await topped_up(shop)
        await office.refund_top_up(top_up, 4000)
        # Out of the purse at once: what is on its way can be spent by nobody.
        assert await shop.cash_of(person) == 6000
        await shop.work()
        assert await given_back(shop, top_up["id"]) == 4000
        assert (await balance(shop, "psp_clearing"), await balance(shop, "cash")) == (6000, -6000)
        with pytest.raises(RefundExceeds) as beyond:
            await office.refund_top_up(top_up, 6001)
        assert beyond.value.data == {"left_fen": 6000}

    async def test_one_person_alone_gives_nothing_back(self, shop: Shop, office: Office) -> None:
        person, top_up = await topped_up(shop)
        with pytest.raises(SamePerson):
            await Office(shop, office.asks, office.asks).refund_top_up(top_up, 100)
        assert await shop.cash_of(person) == 10_000

    async def test_neither_does_somebody_without_the_role(self, shop: Shop, office: Office) -> None:
        _, top_up = await topped_up(shop)
        cashier = await principal(shop, Role.CASHIER)
        with pytest.raises(Forbidden):
            await Office(shop, cashier, office.decides).refund_top_up(top_up, 100)

    async def test_what_was_spent_meanwhile_is_not_given_back(self, shop: Shop, office: Office) -> None:
        person, top_up = await topped_up(shop)
        async with shop.world.db.session() as session:
            asked = await differences.ask_to_refund_top_up(
                session, office.asks, parse_public_id("top", top_up["id"]), 10_000, "twice"
            )
        await shop.world.lunch(person, amount_fen=100)
        with pytest.raises(RefundExceeds) as beyond:
            await office.approve(asked["approval"])
        assert beyond.value.data == {"left_fen": 9900}
        assert await shop.cash_of(person) == 9900


class TestCases:
    async def disputed(self, shop: Shop, office: Office) -> tuple[UUID, dict[str, Any], dict[str, Any]]:
        """Asked for 100.00, paid 60.00."""
        person = (await employee(shop.world)).id
        top_up = await open_and_pay(shop, person, amount_fen=6000)
        (case,) = await office.cases()
        assert (case["kind"], case["allowed"]) == ("amount_differs", ["close", "refund"])
        return person, top_up, case

    async def test_money_for_nobody_goes_back_to_who_paid_it(self, shop: Shop, office: Office) -> None:
        person, top_up, case = await self.disputed(shop, office)
        await office.settle(case, "refund")
        await shop.work()
        assert await given_back(shop, top_up["id"]) == 6000
        assert await shop.cash_of(person) == 0
        assert await shop.status_of(person, top_up) == "closed"
        assert await office.cases() == []
        (told,) = await office.cases(only_open=False)
        assert (told["resolution"], told["reason"]) == ("refunded", "looked into it")
        assert [await balance(shop, kind) for kind in ("psp_clearing", "psp_unclaimed", "psp_refunds")] == [0, 0, 0]

    async def test_closed_by_hand_it_stands_in_the_books_as_nobodys(self, shop: Shop, office: Office) -> None:
        person, top_up, case = await self.disputed(shop, office)
        await office.settle(case, "close")
        assert await office.cases() == []
        assert (await balance(shop, "psp_clearing"), await balance(shop, "psp_unclaimed")) == (6000, -6000)
        # The same notice once more opens nothing; what is decided is decided.
        await shop.notify(shop.notice_of(top_up["id"]))
        assert await office.cases() == []
        assert await shop.cash_of(person) == 0

    async def test_while_a_second_person_is_asked_nothing_else_is(self, shop: Shop, office: Office) -> None:
        _, _, case = await self.disputed(shop, office)
        async with shop.world.db.session() as session:
            await differences.ask_to_settle(session, office.asks, parse_public_id("dif", case["id"]), "close", "why")
        (shown,) = await office.cases()
        assert (shown["approval"] is not None, shown["allowed"]) == (True, [])
        with pytest.raises(StateConflict):
            await office.settle(case, "refund")

    async def test_the_gateways_own_word_in_between_ends_it_and_the_decision_is_void(
        self, shop: Shop, office: Office
    ) -> None:
        person, top_up, case = await self.disputed(shop, office)
        async with shop.world.db.session() as session:
            asked = await differences.ask_to_settle(
                session, office.asks, parse_public_id("dif", case["id"]), "refund", "why"
            )
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        trade.told_fen = None
        await shop.notify(shop.notice_of(top_up["id"]))
        assert await shop.cash_of(person) == 10_000
        with pytest.raises(StateConflict):
            await office.approve(asked["approval"])
        assert await given_back(shop, top_up["id"]) == 0

    async def test_what_nobody_ever_answered_is_closed_and_a_late_word_still_counts(
        self, shop: Shop, office: Office
    ) -> None:
        person = (await employee(shop.world)).id
        top_up = await shop.opened(person)
        await shop.fail("error_500", count=1000)
        for seconds in (5, 10, 45, 240, 3300):
            await shop.wait(seconds)
        (case,) = await office.cases()
        assert case["kind"] == "no_answer"
        await office.settle(case, "close")
        assert await shop.status_of(person, top_up) == "closed"
        await shop.alipay.delete("/faults")
        await shop.pay(top_up["qr_text"], late=True)
        assert await shop.cash_of(person) == 10_000

    async def test_a_refund_that_is_refused_may_be_tried_again(self, shop: Shop, office: Office) -> None:
        _, top_up, case = await self.disputed(shop, office)
        trade = shop.simulator.trades.find(top_up["id"])
        assert trade is not None
        trade.refund("by hand", trade.total_fen)
        await office.settle(case, "refund")
        await shop.work()
        (refused,) = await office.cases()
        assert (refused["kind"], refused["allowed"]) == ("refund_refused", ["close", "refund"])
        assert await balance(shop, "psp_unclaimed") == -6000
        trade.refunds.clear()
        await office.settle(refused, "refund")
        await shop.work()
        assert await office.cases() == []
        assert await balance(shop, "psp_unclaimed") == 0


async def test_a_refund_follows_its_owner_into_another_book(shop: Shop, office: Office) -> None:
    """Put in at home, moved away, given back: home's clearing account pays, and away owes it."""
    person, top_up = await topped_up(shop)
    await move(shop.world, person, shop.world.away)
    async with shop.world.db.session() as session:
        await channel_refunds.refund_top_up(
            session, parse_public_id("top", top_up["id"]), 10_000, "twice", actor="test"
        )
    await shop.work()
    assert await given_back(shop, top_up["id"]) == 10_000
    assert (await balance(shop, "psp_clearing"), await balance(shop, "cash")) == (0, 0)
