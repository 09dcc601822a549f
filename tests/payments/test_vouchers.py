"""A phone without a network pays with what it fetched before: one meal's code, at a till that has one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from payments.credentials import vouchers
from payments.credentials.pay_code_format import LIFE_UNTIL_MEAL_ENDS, MEAL_NUMBERS, decode_d17, unpack_claims
from payments.credentials.vouchers import MealSpan
from payments.errors import NoVoucher, PaymentRefused
from payments.holders import change_state
from tests.payments.world import World

# 11:30 in the canteen; lunch is on until 13:00.
NOON = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
LUNCH = MealSpan("lunch", NOON - timedelta(minutes=30), NOON + timedelta(minutes=90))


class Kitchen:
    """Tells which meal is on; the tests say it."""

    def __init__(self) -> None:
        self.span: MealSpan | None = LUNCH

    async def __call__(self, session: AsyncSession, unit_id: UUID, at: datetime, /) -> MealSpan | None:
        return self.span


@pytest.fixture(autouse=True)
def kitchen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    kitchen = Kitchen()
    monkeypatch.setattr(vouchers, "_calendars", [kitchen])
    with clock.frozen(NOON):
        yield kitchen


async def fetch(world: World, person: UUID) -> dict[str, str]:
    async with world.db.session() as session:
        return await vouchers.issue_voucher(session, person)


async def given(world: World, person: UUID) -> list[dict[str, object]]:
    async with world.db.session() as session:
        return await vouchers.list_vouchers(session, person)


class TestIssuing:
    async def test_it_is_for_this_meal_and_signed_as_such(self, world: World) -> None:
        voucher = await fetch(world, await world.person(cash_fen=5_000))

        assert (voucher["meal"], voucher["expires_at"]) == ("lunch", clock.rfc3339(LUNCH.until_at))
        claims = unpack_claims(decode_d17(voucher["text"][20:])[:18])
        assert (claims.life, claims.meal) == (LIFE_UNTIL_MEAL_ENDS, MEAL_NUMBERS["lunch"])
        assert claims.not_before == int(NOON.timestamp())
        # No till may take it without a network yet.
        assert claims.tier == 0

    async def test_before_the_meal_it_counts_from_the_meal_on(self, world: World, kitchen: Kitchen) -> None:
        kitchen.span = MealSpan("dinner", NOON + timedelta(hours=5), NOON + timedelta(hours=7))
        voucher = await fetch(world, await world.person(cash_fen=5_000))

        claims = unpack_claims(decode_d17(voucher["text"][20:])[:18])
        assert claims.not_before == int(kitchen.span.from_at.timestamp())

    async def test_there_are_two_a_business_day_and_two_more_the_next(self, world: World, kitchen: Kitchen) -> None:
        person = await world.person(cash_fen=5_000)
        await fetch(world, person)
        await fetch(world, person)
        with pytest.raises(NoVoucher) as refused:
            await fetch(world, person)
        assert refused.value.data == {"reason": "given_out"}

        # One in the morning is still the day before.
        clock.advance(timedelta(hours=13, minutes=30))
        kitchen.span = MealSpan("night", clock.now(), clock.now() + timedelta(hours=1))
        with pytest.raises(NoVoucher):
            await fetch(world, person)
        clock.advance(timedelta(hours=2))
        kitchen.span = MealSpan("breakfast", clock.now(), clock.now() + timedelta(hours=8))
        assert (await fetch(world, person))["meal"] == "breakfast"
        assert len(await given(world, person)) == 1

    @pytest.mark.parametrize("hours", [None, 30])
    async def test_there_is_none_where_no_meal_is_near(self, world: World, kitchen: Kitchen, hours: int | None) -> None:
        from_at = NOON + timedelta(hours=hours or 0)
        kitchen.span = MealSpan("lunch", from_at, from_at + timedelta(hours=1)) if hours else None
        with pytest.raises(NoVoucher) as refused:
            await fetch(world, await world.person(cash_fen=5_000))
        assert refused.value.data == {"reason": "no_meal"}

    async def test_a_lost_card_gets_none(self, world: World) -> None:
        person = await world.person(cash_fen=5_000)
        async with world.db.session() as session:
            await change_state(session, person, "report_lost", actor="test", reason="")
        with pytest.raises(PaymentRefused) as refused:
            await fetch(world, person)
        assert refused.value.code == "DENY_LOST"


class TestPaying:
    async def test_an_hour_later_all_220_digits_pay_once_and_the_first_20_do_not(self, world: World) -> None:
        person = await world.person(cash_fen=5_000)
        text = (await fetch(world, person))["text"]
        clock.advance(timedelta(hours=1))

        assert (await world.pay(text[:20])).status == 402
        assert (await world.pay(text)).status == 201
        assert (await world.pay(text)).status == 402
        assert [each["used"] for each in await given(world, person)] == [True]

    async def test_after_the_meal_it_is_over(self, world: World) -> None:
        text = (await fetch(world, await world.person(cash_fen=5_000)))["text"]
        clock.advance(timedelta(minutes=91))

        answer = await world.pay(text)
        assert answer.status == 402
        assert b"DENY_CODE_EXPIRED" in answer.body

    async def test_once_reported_lost_it_pays_nobody(self, world: World) -> None:
        person = await world.person(cash_fen=5_000)
        text = (await fetch(world, person))["text"]
        async with world.db.session() as session:
            await change_state(session, person, "report_lost", actor="test", reason="")

        answer = await world.pay(text)
        assert b"DENY_LOST" in answer.body
