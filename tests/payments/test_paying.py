"""A lunch is paid: what moves, what is answered, and who is refused."""

from datetime import timedelta

from kernel import clock
from payments.errors import ConfirmRepeat, SeqReused
from payments.service import business_today
from tests.payments.world import World, body_of


class TestPay:
    """`Posting.submit`: the way of one payment."""

    async def test_cash_pays_and_the_answer_tells_what_is_left(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        answer = await world.pay((await world.code(person)).code, amount_fen=1250)
        body = body_of(answer)
        assert answer.status == 201
        assert body["amount_fen"] == 1250
        assert body["legs"] == [{"purse": "cash", "lot": None, "amount_fen": 1250}]
        assert body["purses"] == {"cash_fen": 3750, "subsidy_fen": 0, "official_fen": 0}
        assert (await world.purses(person))["cash_fen"] == 3750

    async def test_the_units_share_comes_from_the_lot_and_the_rest_from_cash(self, world: World) -> None:
        today = business_today()
        person = await world.person(cash_fen=5000, lots={35200: today + timedelta(days=20)})
        body = body_of(await world.pay((await world.code(person)).code))
        assert [(leg["purse"], leg["amount_fen"]) for leg in body["legs"]] == [("subsidy", 1600), ("cash", 200)]
        assert body["purses"] == {"cash_fen": 4800, "subsidy_fen": 33600, "official_fen": 0}

    async def test_the_second_serving_is_paid_in_cash(self, world: World) -> None:
        today = business_today()
        person = await world.person(cash_fen=5000, lots={35200: today + timedelta(days=20)})
        await world.pay((await world.code(person)).code)
        body = body_of(await world.pay((await world.code(person)).code, confirm_repeat=True))
        assert [(leg["purse"], leg["amount_fen"]) for leg in body["legs"]] == [("cash", 1800)]

    async def test_a_code_pays_once(self, world: World) -> None:
        code = await world.code(await world.person(cash_fen=5000))
        await world.pay(code.code, amount_fen=100)
        again = await world.pay(code.code, amount_fen=200)
        assert (again.status, body_of(again)["code"]) == (402, "DENY_CODE_USED")

    async def test_a_code_is_good_for_a_minute(self, world: World) -> None:
        code = await world.code(await world.person(cash_fen=5000))
        clock.advance(timedelta(seconds=61))
        late = await world.pay(code.code, amount_fen=100)
        assert (late.status, body_of(late)["code"]) == (402, "DENY_CODE_EXPIRED")

    async def test_more_than_is_there_is_refused_and_nothing_moves(self, world: World) -> None:
        person = await world.person(cash_fen=100)
        answer = await world.pay((await world.code(person)).code, amount_fen=101)
        assert (answer.status, body_of(answer)["code"]) == (402, "DENY_NO_FUNDS")
        assert (await world.purses(person))["cash_fen"] == 100

    async def test_the_same_key_gets_the_same_bytes(self, world: World) -> None:
        code = await world.code(await world.person(cash_fen=5000))
        first = await world.pay(code.code, amount_fen=100, key="k1", seq=7)
        second = await world.pay(code.code, amount_fen=100, key="k1", seq=7)
        assert (second.status, second.body, second.replayed) == (201, first.body, True)

    async def test_a_number_is_taken_once(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        first = await world.pay((await world.code(person)).code, amount_fen=100, seq=7)
        error = await world.refused((await world.code(person)).code, amount_fen=200, seq=7)
        assert isinstance(error, SeqReused)
        assert error.data["payment"] == body_of(first)["id"]

    async def test_a_double_tap_is_asked_about_and_consumes_nothing(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        await world.pay((await world.code(person)).code, amount_fen=100)
        code = await world.code(person)
        error = await world.refused(code.code, amount_fen=100, key="k2", seq=9)
        assert isinstance(error, ConfirmRepeat)
        answer = await world.pay(code.code, amount_fen=100, key="k2", seq=9, confirm_repeat=True)
        assert answer.status == 201
