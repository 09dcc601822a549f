"""Who leaves takes their cash along, once and to the fen, whatever the gateway says or does not; subsidy goes back."""

import asyncio
from datetime import timedelta

import pytest

from identity.api import Place, Role, change_person_status
from kernel import clock
from payments import api
from payments.channels import alipay_words as words
from payments.channels.channel import Word
from payments.gateways.accounts import clearing
from tests.payments.doors import officer
from tests.payments.withdrawals.leaving import Leaving

TRANSFER = "alipay.fund.trans.uni.transfer"
QUERY = "alipay.fund.trans.common.query"


class TestOnesOwn:
    async def test_the_cash_is_sent_the_account_closed_and_the_subsidy_back_at_its_unit(self, leaving: Leaving) -> None:
        world, person = leaving.world, leaving.leaver.id
        async with world.db.session() as session:
            last_day = (clock.now() + timedelta(days=9)).date()
            await api.grant_subsidies(
                session, world.unit, [api.Allotment(person, 3200)], expires_on=last_day, actor="t"
            )
        (before,) = await leaving.rows("SELECT balance_fen FROM unit_prefunds")

        withdrawal = await leaving.asked(leaving.leaver)
        assert (withdrawal["state"], withdrawal["amount_fen"], withdrawal["account_hint"]) == (
            "sending",
            8000,
            "wa***@example.com",
        )
        assert (await leaving.purses())["held_fen"] == 8000, "held from the request on"
        await leaving.work()

        (mine,) = (await leaving.http.get("/v1/me/withdrawals", headers=leaving.leaver.headers)).json()["data"]
        assert (mine["state"], mine["returned_fen"]) == ("paid", 3200)
        purses = await leaving.purses()
        assert (purses["cash_fen"], purses["subsidy_fen"], purses["held_fen"], purses["state"]) == (0, 0, 0, "closed")
        (line,) = await leaving.rows("SELECT * FROM ledger_lines WHERE kind = 'withdrawal'")
        assert (line.debit_kind, line.credit_kind, line.credit_owner) == (
            "cash",
            "psp_clearing",
            clearing("alipay").owner,
        )
        assert (line.amount_fen, leaving.sent_fen) == (8000, 8000)
        (after,) = await leaving.rows("SELECT balance_fen FROM unit_prefunds")
        assert after.balance_fen - before.balance_fen == 3200

    async def test_money_that_is_held_for_it_pays_no_lunch(self, leaving: Leaving) -> None:
        await leaving.asked(leaving.leaver)
        code = await leaving.world.code(leaving.leaver.id)
        answer = await leaving.world.pay(code.code)
        assert answer.status == 402

    async def test_another_name_is_refused_here_before_the_gateway_is_asked(self, leaving: Leaving) -> None:
        refused = await leaving.ask(leaving.leaver, name="李四")
        assert (refused.status_code, refused.json()["code"]) == (409, "NAME_DIFFERS")

    async def test_one_key_is_one_withdrawal_and_a_second_waits(self, leaving: Leaving) -> None:
        answers = await asyncio.gather(*(leaving.ask(leaving.leaver, key="k") for _ in range(5)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        again = await leaving.ask(leaving.leaver)
        assert (again.status_code, again.json()["code"]) == (409, "WITHDRAWAL_UNDER_WAY")
        await leaving.work()
        assert leaving.sent_fen == 8000
        assert (await leaving.ask(leaving.leaver)).json()["code"] == "NOTHING_TO_WITHDRAW"

    async def test_nobody_sees_anybody_elses(self, leaving: Leaving) -> None:
        withdrawal = await leaving.asked(leaving.leaver)
        stranger = await officer(leaving.world, Role.FINANCE, Place(region_id=leaving.world.away))
        answer = await leaving.http.get(f"/v1/withdrawals/{withdrawal['id']}", headers=stranger.headers)
        assert answer.status_code == 404


class TestTheGatewayMisbehaves:
    @pytest.mark.parametrize("answer", ["timeout", "unknown", "bad_signature", "truncated", "unbalanced", "error_500"])
    async def test_an_answer_that_is_lost_is_asked_for_and_pays_once(self, leaving: Leaving, answer: str) -> None:
        await leaving.fail(answer, TRANSFER)
        withdrawal = await leaving.asked(leaving.leaver)
        await leaving.work()
        assert await leaving.state_of(withdrawal) == "unknown"
        assert (await leaving.purses())["held_fen"] == 8000
        await leaving.wait(5)
        assert (await leaving.state_of(withdrawal), leaving.sent_fen) == ("paid", 8000)

    async def test_one_that_never_arrived_is_sent_again_under_its_name(self, leaving: Leaving) -> None:
        await leaving.fail("unknown", TRANSFER, acts=False)
        withdrawal = await leaving.asked(leaving.leaver)
        await leaving.work()
        assert leaving.sent_fen == 0
        await leaving.wait(5)
        assert (await leaving.state_of(withdrawal), leaving.sent_fen) == ("paid", 8000)

    async def test_one_that_is_under_way_is_waited_for(self, leaving: Leaving) -> None:
        withdrawal = await leaving.asked(leaving.leaver, account="slow@example.com")
        await leaving.work()
        await leaving.wait(5)
        assert await leaving.state_of(withdrawal) == "sending"
        await leaving.wait(10)
        assert await leaving.state_of(withdrawal) == "paid"

    @pytest.mark.parametrize("account", ["nobody@example.com", "other@example.com", "poor@example.com"])
    async def test_a_refusal_lets_the_money_go(self, leaving: Leaving, account: str) -> None:
        withdrawal = await leaving.asked(leaving.leaver, account=account)
        await leaving.work()
        purses = await leaving.purses()
        assert (await leaving.state_of(withdrawal), purses["held_fen"], purses["state"]) == ("failed", 0, "active")
        await leaving.asked(leaving.leaver)
        await leaving.work()
        assert leaving.sent_fen == 8000

    async def test_after_a_day_of_silence_a_person_looks_into_it_and_the_money_stays_held(
        self, leaving: Leaving
    ) -> None:
        await leaving.fail("timeout", TRANSFER, delay_s=2)
        await leaving.fail("unknown", QUERY, count=20)
        withdrawal = await leaving.asked(leaving.leaver)
        await leaving.work()
        for seconds in (5, 10, 45, 240, 3300, 23 * 3600):
            await leaving.wait(seconds)
        (case,) = await leaving.rows("SELECT kind, expected_fen FROM difference_cases WHERE resolved_at IS NULL")
        assert (case.kind, case.expected_fen) == ("no_answer", 8000)
        assert (await leaving.state_of(withdrawal), (await leaving.purses())["held_fen"]) == ("unknown", 8000)

        await leaving.alipay.delete("/faults")
        asked = await leaving.http.post(f"/v1/withdrawals/{withdrawal['id']}/ask", headers=leaving.finance.headers)
        assert asked.status_code == 200
        await leaving.work()
        assert (await leaving.state_of(withdrawal), leaving.sent_fen) == ("paid", 8000)
        assert not await leaving.rows("SELECT id FROM difference_cases WHERE resolved_at IS NULL")


class TestByTheOffice:
    async def test_finance_sends_a_leavers_money_and_nobody_elses(self, leaving: Leaving) -> None:
        person = leaving.leaver.id
        early = await leaving.ask(leaving.finance, person)
        assert (early.status_code, early.json()["code"]) == (409, "STILL_HERE")
        async with leaving.world.db.session() as session:
            await change_person_status(session, person, "leave", actor="system")
        assert (await leaving.ask(leaving.leaver)).status_code == 401, "who has left is signed out"

        withdrawal = await leaving.asked(leaving.finance, person)
        await leaving.work()
        assert (await leaving.state_of(withdrawal), (await leaving.purses())["state"]) == ("paid", "closed")

    async def test_who_is_not_finance_there_starts_nothing(self, leaving: Leaving) -> None:
        stranger = await officer(leaving.world, Role.FINANCE, Place(region_id=leaving.world.away))
        assert (await leaving.ask(stranger, leaving.leaver.id)).status_code == 403


class TestALargeOne:
    @pytest.fixture(autouse=True)
    async def _rich(self, leaving: Leaving) -> None:
        async with leaving.world.db.session() as session:
            await api.top_up_at_counter(session, leaving.leaver.id, 92_000, actor="test")

    async def test_it_is_sent_when_a_second_person_agrees(self, leaving: Leaving) -> None:
        withdrawal = await leaving.asked(leaving.leaver)
        assert (withdrawal["state"], withdrawal["may_cancel"]) == ("asked", True)
        await leaving.work()
        assert leaving.sent_fen == 0
        await leaving.decide(withdrawal, leaving.finance, agreed=True)
        await leaving.work()
        assert (await leaving.state_of(withdrawal), leaving.sent_fen) == ("paid", 100_000)

    async def test_it_is_let_go_when_nobody_does(self, leaving: Leaving) -> None:
        withdrawal = await leaving.asked(leaving.leaver)
        await leaving.decide(withdrawal, leaving.finance, agreed=False)
        await leaving.work()
        assert (await leaving.state_of(withdrawal), (await leaving.purses())["held_fen"]) == ("declined", 0)

    async def test_who_asked_may_cancel_it_and_then_nobody_can_agree(self, leaving: Leaving) -> None:
        withdrawal = await leaving.asked(leaving.leaver)
        where = f"/v1/withdrawals/{withdrawal['id']}/cancel"
        assert (await leaving.http.post(where, headers=leaving.finance.headers)).status_code == 403
        assert (await leaving.http.post(where, headers=leaving.leaver.headers)).json()["state"] == "cancelled"
        refused = await leaving.http.post(where, headers=leaving.leaver.headers)
        assert (refused.status_code, refused.json()["data"]["allowed"]) == (409, [])
        with pytest.raises(Exception, match="STATE_CONFLICT"):
            await leaving.decide(withdrawal, leaving.finance, agreed=True)
        await leaving.work()
        assert ((await leaving.purses())["held_fen"], leaving.sent_fen) == (0, 0)


class TestWords:
    """Every code that the gateway may say, without a gateway."""

    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (None, Word.MISS),
            ({"code": "10000", "status": "SUCCESS", "order_id": "1"}, Word.PAY),
            ({"code": "10000", "status": "DEALING"}, Word.AWAIT),
            ({"code": "10000", "status": "FAIL"}, Word.MISS),
            ({"code": "10000"}, Word.MISS),
            ({"code": "20000", "sub_code": "isp.unknow-error"}, Word.MISS),
            ({"code": "40004", "sub_code": "SYSTEM_ERROR"}, Word.MISS),
            ({"code": "40004", "sub_code": "SOMETHING_NEW"}, Word.MISS),
            ({"code": "40004", "sub_code": "PAYEE_NOT_EXIST"}, Word.REFUSE),
        ],
    )
    def test_of_sending(self, answer: dict[str, str] | None, word: Word) -> None:
        assert words.heard_of_transferring(answer, 100).word is word

    @pytest.mark.parametrize(
        ("answer", "word"),
        [
            (None, Word.MISS),
            ({"code": "10000", "status": "SUCCESS", "trans_amount": "1.00"}, Word.PAY),
            ({"code": "10000", "status": "SUCCESS"}, Word.MISS),
            ({"code": "10000", "status": "FAIL", "error_code": "PAYEE_NOT_EXIST"}, Word.REFUSE),
            ({"code": "10000", "status": "CLOSED"}, Word.REFUSE),
            ({"code": "10000", "status": "DEALING"}, Word.AWAIT),
            ({"code": "10000", "status": "REFUND"}, Word.MISS),
            ({"code": "40004", "sub_code": "ORDER_NOT_EXIST"}, Word.NOT_THERE),
            ({"code": "40004", "sub_code": "SYSTEM_ERROR"}, Word.MISS),
        ],
    )
    def test_of_asking(self, answer: dict[str, str] | None, word: Word) -> None:
        assert words.heard_of_asking_transfer(answer).word is word
