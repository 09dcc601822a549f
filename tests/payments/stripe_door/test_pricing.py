"""A merchant that is no canteen: its amounts come out of cash alone, also where there are subsidies."""

from datetime import timedelta

import pytest
import stripe
from sqlalchemy import insert

from identity.models import Organisation, Site
from kernel import clock
from kernel.ids import uuid7
from payments import api
from payments.stripe_door.api import Confirmations, KeyCache, MerchantPricing, StripeDoor, make_key
from tests.payments.stripe_door.conftest import Shop, method, serving


class TestAnotherSite:
    @pytest.mark.parametrize("away", [False, True])
    async def test_takes_cash_and_is_owed_it(self, shop: Shop, away: bool) -> None:
        world = shop.world
        site, region = uuid7(), world.away if away else world.home
        names = {"name_zh": "文印店", "name_en": "Print shop", "pinyin": "wenyindian", "created_at": clock.now()}
        async with shop.db.session() as session:
            operator = uuid7()
            await session.execute(
                insert(Organisation).values(id=operator, home_region_id=region, kind="operator", code="PRINT", **names)
            )
            await session.execute(
                insert(Site).values(
                    id=site, region_id=region, operator_id=operator, kind="office", code="PRINT", **names
                )
            )
            made = await make_key(session, site, "kiosk", actor="test")
        rule, keys = MerchantPricing(world.rule), KeyCache()
        posting = api.Posting(shop.db, rule, keys)
        await posting.start()
        confirmations = Confirmations(shop.db, posting)
        confirmations.start()
        person = await world.person(cash_fen=50_00, lots={30_00: (clock.now() + timedelta(days=5)).date()})
        code, poor = await shop.code(person), await shop.code(person)

        async with serving(StripeDoor(shop.db, confirmations, keys, rule)) as url:
            shop.url = url
            client = shop.client(made.secret)
            params = {"currency": "cny", "confirm": True, "expand": ["latest_charge"]}
            paid = await shop.ask_of(
                client, lambda c: c.v1.payment_intents.create({**params, "amount": 12_00, **method(code)})
            )
            with pytest.raises(stripe.CardError) as raised:
                await shop.ask_of(
                    client, lambda c: c.v1.payment_intents.create({**params, "amount": 60_00, **method(poor)})
                )
            balance = await shop.ask_of(client, lambda c: c.v1.balance.retrieve())
            await shop.ask_of(client, lambda c: c.v1.refunds.create({"payment_intent": paid.id, "amount": 2_00}))
        await confirmations.stop()
        await posting.stop()

        assert raised.value.code == "card_declined"
        assert [part.amount for part in balance.pending] == [12_00]
        purses = await world.purses(person)
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (40_00, 30_00)
        trace = paid.latest_charge.payment_method_details.one_card.trace
        assert [step.code for step in trace] == ["amount.merchant", "leg.cash"]

    async def test_a_canteen_is_priced_by_its_own_rule(self, shop: Shop) -> None:
        rule = MerchantPricing(shop.world.rule)
        connection = await shop.db.raw_connection()
        await rule.refresh(connection, 0)
        await connection.close()
        payer = api.Payer(uuid7(), "staff", shop.world.unit, shop.world.home)
        sale = api.Sale(shop.site_id, None, clock.now())

        assert rule.quote(sale, payer, {}) == shop.world.rule.quote(sale, payer, {})
        assert rule.counter_keys(sale) == shop.world.rule.counter_keys(sale)
        assert rule.site_label(shop.site_id) == "一食堂"
