"""Something is wrong with a payment: said by who paid it, answered by the canteen, decided by the region, by the clock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from identity.api import Place, Role
from kernel import clock
from payments import api
from payments.disputes.states import DISPUTE, SIDES
from payments.states import states_of
from tests.payments.disputes.counter import Counter, open_counter
from tests.payments.doors import employee, officer
from tests.payments.world import World

# A Monday, 10:00 in China, no holiday near.
MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _monday() -> Iterator[None]:
    with clock.frozen(MONDAY):
        yield


@pytest.fixture
async def counter(world: World) -> AsyncIterator[Counter]:
    async with open_counter(world) as opened:
        yield opened


class TestAWrongAmount:
    async def test_the_canteen_accepts_and_the_money_is_back_with_its_answer(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id, amount_fen=2500)
        dispute = await counter.opened(payment, amount_fen=700)
        assert (dispute["state"], dispute["allowed"], dispute["clock"]["turn"]) == ("open", ["withdraw"], "canteen")

        (listed,) = (await counter.http.get("/v1/disputes", headers=counter.manager.headers)).json()["data"]
        assert (listed["id"], listed["allowed"], listed["suggested_fen"]) == (dispute["id"], ["accept", "reject"], 700)
        answered = await counter.pulled(counter.manager, dispute, "accept", words="多收了一份菜")

        assert (answered["state"], answered["granted_fen"], answered["clock"]) == ("returned", 700, None)
        assert await counter.cash_fen() == 20_000 - 2500 + 700
        (refunded,) = await counter.told("payment.refunded")
        assert (refunded["refund"], refunded["amount_fen"]) == (answered["refund"], 700)
        assert [event["trigger"] for event in await counter.told("dispute.changed")] == ["open", "accept", "give_back"]
        mine = (await counter.http.get("/v1/me/disputes", headers=counter.payer.headers)).json()["data"]
        assert [step["words"] for step in mine[0]["steps"]] == ["不对", "多收了一份菜", ""]

    async def test_a_yes_without_a_sum_gives_back_all_that_is_left(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        await counter.world.refund(payment["id"], 300)
        dispute = await counter.opened(payment, "duplicate")
        assert (await counter.pulled(counter.manager, dispute, "accept"))["granted_fen"] == 1500
        assert await counter.world.status_of(payment["id"]) == "refunded"

    async def test_more_than_what_is_left_is_refused_and_nothing_has_happened(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        dispute = await counter.opened(payment)
        refused = await counter.pull(counter.manager, dispute, "accept", amount_fen=1801)
        assert (refused.status_code, refused.json()["code"]) == (409, "REFUND_EXCEEDS")
        assert (await counter.seen(counter.payer, dispute))["state"] == "open"

    async def test_a_meal_in_another_region_comes_back_in_both_books(self, counter: Counter) -> None:
        world = counter.world
        payment = await world.lunch(counter.payer.id, terminal=world.terminal(world.tills[-1]))
        dispute = await counter.opened(payment, "not_me")
        stranger = await counter.pull(counter.manager, dispute, "accept")
        assert stranger.status_code == 403
        away = await officer(world, Role.CANTEEN_MANAGER, Place(region_id=world.away))
        assert (await counter.pulled(away, dispute, "accept"))["state"] == "returned"
        assert await counter.cash_fen() == 20_000


class TestTheClock:
    async def test_three_work_days_then_it_goes_to_the_region_by_itself(self, counter: Counter) -> None:
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        assert dispute["clock"]["due_at"] == "2026-11-26T02:00:00.000Z"

        await counter.wait(days=2, minutes=-1)
        assert [event["trigger"] for event in await counter.told("dispute.changed")] == ["open"]
        await counter.wait(minutes=1)
        assert [event["trigger"] for event in await counter.told("dispute.changed")] == ["open", "remind"]
        await counter.wait(days=1)

        passed_on = await counter.seen(counter.finance, dispute)
        assert (passed_on["state"], passed_on["allowed"]) == ("escalated", ["uphold", "dismiss"])
        late = await counter.pull(counter.manager, dispute, "accept")
        assert (late.status_code, late.json()["data"]["allowed"]) == (409, [])
        upheld = await counter.pulled(counter.finance, dispute, "uphold", amount_fen=200)
        assert (upheld["state"], await counter.cash_fen()) == ("returned", 20_000 - 1800 + 200)

    async def test_a_weekend_is_no_working_time(self, counter: Counter) -> None:
        clock.advance(timedelta(days=4))
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        assert dispute["clock"]["due_at"] == "2026-12-02T02:00:00.000Z"

    async def test_a_rejection_that_is_left_lying_stands(self, counter: Counter) -> None:
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        rejected = await counter.pulled(counter.manager, dispute, "reject", words="称重无误")
        assert (rejected["state"], rejected["clock"]["turn"]) == ("rejected", "payer")
        await counter.wait(days=7)
        closed = await counter.seen(counter.payer, dispute)
        assert (closed["state"], closed["allowed"], await counter.cash_fen()) == ("closed", [], 20_000 - 1800)


class TestARejection:
    async def test_the_person_takes_it_to_the_region_which_decides(self, counter: Counter) -> None:
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        await counter.pulled(counter.manager, dispute, "reject", words="称重无误")
        await counter.pulled(counter.payer, dispute, "escalate", words="我没有吃")
        dismissed = await counter.pulled(counter.finance, dispute, "dismiss", words="有记录")
        assert (dismissed["state"], await counter.cash_fen()) == ("dismissed", 20_000 - 1800)
        assert [step["side"] for step in dismissed["steps"]] == ["payer", "canteen", "payer", "region"]

    async def test_who_answered_for_the_canteen_does_not_decide_for_the_region(self, counter: Counter) -> None:
        both = await officer(counter.world, Role.CANTEEN_MANAGER, Place(site_id=counter.world.canteen))
        async with counter.world.db.session() as session:
            from identity.roles import write_grant

            await write_grant(session, both.id, Role.FINANCE, Place(region_id=counter.world.home), granted_by=None)
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        await counter.pulled(both, dispute, "reject")
        await counter.pulled(counter.payer, dispute, "escalate")
        refused = await counter.pull(both, dispute, "uphold")
        assert (refused.status_code, refused.json()["code"]) == (403, "SAME_PERSON")

    async def test_words_are_needed_to_say_no(self, counter: Counter) -> None:
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        assert (await counter.pull(counter.manager, dispute, "reject", words=None)).status_code == 422


class TestTwoAtOnce:
    async def test_of_two_who_answer_at_once_one_is_told(self, counter: Counter) -> None:
        other = await officer(counter.world, Role.CANTEEN_MANAGER, Place(region_id=counter.world.home))
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id), amount_fen=500)
        answers = await asyncio.gather(
            *(counter.pull(who, dispute, "accept") for who in (counter.manager, other, counter.manager, other))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert await counter.cash_fen() == 20_000 - 1800 + 500

    async def test_an_answer_to_what_is_no_longer_so_is_told_what_is(self, counter: Counter) -> None:
        dispute = await counter.opened(await counter.world.lunch(counter.payer.id))
        await counter.pulled(counter.manager, dispute, "reject")
        stale = await counter.pull(counter.payer, dispute, "escalate", version=dispute["version"])
        assert (stale.status_code, stale.json()["data"]["allowed"]) == (409, ["escalate", "withdraw"])

    async def test_ten_that_open_one_at_once_have_opened_one(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        answers = await asyncio.gather(*(counter.dispute(payment) for _ in range(10)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
        again = await counter.dispute(payment)
        (opened,) = [answer.json()["id"] for answer in answers if answer.status_code == 201]
        assert (again.json()["code"], again.json()["data"]["dispute"]) == ("DISPUTE_EXISTS", opened)


class TestWhoMay:
    async def test_every_trigger_in_every_state_is_allowed_or_named(self, counter: Counter) -> None:
        """The table, walked through the routes: what it does not hold is 409, and names what is allowed."""
        people = {"canteen": counter.manager, "payer": counter.payer, "region": counter.finance}
        ways = {
            "open": [],
            "rejected": ["reject"],
            "withdrawn": ["withdraw"],
            "escalated": ["reject", "escalate"],
            "dismissed": ["reject", "escalate", "dismiss"],
            "returned": ["accept"],
        }
        for state, way in ways.items():
            clock.advance(timedelta(minutes=30))
            dispute = await counter.opened(await counter.world.lunch(counter.payer.id, amount_fen=100))
            for step in way:
                dispute = await counter.pulled(people[SIDES[step]], dispute, step)
            assert dispute["state"] == state
            for trigger in (trigger for trigger, side in SIDES.items() if side in people):
                if (state, trigger) in DISPUTE:
                    continue
                refused = await counter.pull(people[SIDES[trigger]], dispute, trigger)
                allowed = [each for (start, each) in DISPUTE if start == state and SIDES[each] == SIDES[trigger]]
                assert (refused.status_code, refused.json()["code"]) == (409, "STATE_CONFLICT"), (state, trigger)
                assert refused.json()["data"]["allowed"] == allowed

    def test_every_state_is_reached_and_every_trigger_has_a_side(self) -> None:
        assert {trigger for _, trigger in DISPUTE} == set(SIDES)
        assert set(states_of(DISPUTE)) == {"open"} | set(DISPUTE.values())
        assert not [
            pair for pair in product(("returned", "closed", "dismissed", "withdrawn"), SIDES) if pair in DISPUTE
        ]

    async def test_nobody_else_disputes_or_sees_it(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        dispute = await counter.opened(payment)
        stranger = await employee(counter.world, cash_fen=100)
        body = {"reason": "not_me", "words": "x"}
        refused = await counter.http.post(f"/v1/payments/{payment['id']}/disputes", json=body, headers=stranger.headers)
        assert refused.status_code == 403
        assert (await counter.http.get(f"/v1/disputes/{dispute['id']}", headers=stranger.headers)).status_code == 403
        assert (await counter.pull(stranger, dispute, "withdraw")).status_code == 403
        assert (await counter.pull(counter.payer, dispute, "accept")).status_code == 403
        assert (await counter.http.get("/v1/disputes", headers=stranger.headers)).status_code == 403


class TestWhatIsNotTaken:
    async def test_after_thirty_days_it_is_too_late(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        await counter.wait(days=30, seconds=1)
        late = await counter.dispute(payment)
        assert (late.status_code, late.json()["code"]) == (409, "DISPUTE_TOO_LATE")

    async def test_nothing_is_left_of_a_voided_payment(self, counter: Counter) -> None:
        payment = await counter.world.lunch(counter.payer.id)
        await counter.world.void(payment["id"])
        assert (await counter.dispute(payment)).json()["code"] == "NOTHING_TO_DISPUTE"

    async def test_who_disputes_everything_is_slowed_down(self, counter: Counter) -> None:
        for _ in range(10):
            clock.advance(timedelta(seconds=10))
            await counter.opened(await counter.world.lunch(counter.payer.id, amount_fen=10))
        refused = await counter.dispute(await counter.world.lunch(counter.payer.id, amount_fen=10))
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 60


class TestAMissingSubsidy:
    """The lot that should have paid pays now: the canteen ends where it was, and no subsidy becomes cash."""

    async def lunch_in_cash(self, counter: Counter, lots: dict[int, object]) -> dict[str, object]:
        """A lunch of 18.00 before the grant has come, and the grant."""
        payment = await counter.world.lunch(counter.payer.id)
        assert [leg["purse"] for leg in payment["legs"]] == ["cash"]
        for amount_fen, expires_on in lots.items():
            async with counter.world.db.session() as session:
                await api.grant_subsidies(
                    session,
                    counter.world.unit,
                    [api.Allotment(counter.payer.id, amount_fen)],
                    expires_on=expires_on,  # type: ignore[arg-type]  # a date
                    actor="test",
                )
        return payment

    async def test_the_lot_pays_and_the_cash_is_back(self, counter: Counter) -> None:
        last_day = (MONDAY + timedelta(days=7)).date()
        payment = await self.lunch_in_cash(counter, {1000: last_day, 3000: last_day})
        before = await counter.world.purses(counter.payer.id)
        dispute = await counter.opened(payment, "missing_subsidy", amount_fen=1600)
        answered = await counter.pulled(counter.manager, dispute, "accept")

        assert (answered["state"], answered["paid_by_subsidy"]) == ("returned", True)
        after = await counter.world.purses(counter.payer.id)
        assert after["cash_fen"] - before["cash_fen"] == 1600
        assert after["subsidy_fen"] - before["subsidy_fen"] == -1600
        async with counter.world.db.session() as session:
            from payments.ledger import house_balance

            owed = await house_balance(session, counter.world.home, "payable", counter.world.canteen)
        assert owed == -1800, "the canteen has sold one lunch"

    async def test_without_a_lot_it_says_how_much_there_is(self, counter: Counter) -> None:
        payment = await self.lunch_in_cash(counter, {700: (MONDAY + timedelta(days=7)).date()})
        dispute = await counter.opened(payment, "missing_subsidy", amount_fen=1600)
        refused = await counter.pull(counter.manager, dispute, "accept")
        assert (refused.status_code, refused.json()["data"]) == (409, {"available_fen": 700})
        assert (await counter.world.purses(counter.payer.id))["subsidy_fen"] == 700

    async def test_the_unit_bears_one_meal_of_a_kind_a_day(self, counter: Counter) -> None:
        last_day = (MONDAY + timedelta(days=7)).date()
        first = await self.lunch_in_cash(counter, {4000: last_day})
        clock.advance(timedelta(minutes=5))
        second = await counter.world.lunch(counter.payer.id)
        for payment, code in ((first, None), (second, "SUBSIDY_USED")):
            dispute = await counter.opened(payment, "missing_subsidy", amount_fen=1600)
            answer = await counter.pull(counter.manager, dispute, "accept")
            assert answer.json().get("code") == code

    async def test_a_lunch_that_the_unit_bears_whole_still_counts(self, counter: Counter) -> None:
        """Its cash comes back whole; the meal was eaten all the same, and its counter stays."""
        payment = await self.lunch_in_cash(counter, {4000: (MONDAY + timedelta(days=7)).date()})
        dispute = await counter.opened(payment, "missing_subsidy")
        await counter.pulled(counter.manager, dispute, "accept", amount_fen=1800)
        clock.advance(timedelta(minutes=5))
        again = await counter.world.lunch(counter.payer.id)
        assert [leg["purse"] for leg in again["legs"]] == ["cash"]
        second = await counter.opened(again, "missing_subsidy", amount_fen=100)
        assert (await counter.pull(counter.manager, second, "accept")).json()["code"] == "SUBSIDY_USED"
