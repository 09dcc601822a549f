"""Refunds through the door, and what the door hears of refunds made elsewhere."""

import asyncio
from typing import Any

import pytest
import stripe

from kernel.ids import parse_public_id, public_id
from payments.stripe_door.jobs import hear_of_reversals
from tests.payments.stripe_door.conftest import Shop


class TestRefunding:
    async def test_a_part_then_the_rest(self, shop: Shop) -> None:
        person = await shop.person()
        paid = await shop.paid(person, 1000)

        part = await shop.ask(
            lambda c: c.v1.refunds.create(
                {"payment_intent": paid.id, "amount": 400, "reason": "duplicate", "metadata": {"a": "1"}}
            )
        )
        assert (part.amount, part.status, part.charge, part.reason) == (
            400,
            "succeeded",
            paid.latest_charge,
            "duplicate",
        )
        assert await shop.cash(person) == 100_00 - 600
        rest = await shop.ask(lambda c: c.v1.refunds.create({"charge": paid.latest_charge}))

        assert rest.amount == 600
        assert await shop.cash(person) == 100_00
        seen = await shop.ask(lambda c: c.v1.payment_intents.retrieve(paid.id, {"expand": ["latest_charge"]}))
        assert (seen.status, seen.latest_charge.amount_refunded, seen.latest_charge.refunded) == (
            "succeeded",
            1000,
            True,
        )
        listed = await shop.ask(lambda c: c.v1.refunds.list({"payment_intent": paid.id}))
        assert [row.id for row in listed.data] == [rest.id, part.id]
        assert (await shop.ask(lambda c: c.v1.refunds.retrieve(part.id))).metadata.to_dict() == {"a": "1"}

    async def test_more_than_what_is_left_is_refused(self, shop: Shop) -> None:
        person = await shop.person()
        paid = await shop.paid(person, 1000)
        await shop.ask(lambda c: c.v1.refunds.create({"payment_intent": paid.id, "amount": 700}))

        error = await shop.fails(lambda c: c.v1.refunds.create({"payment_intent": paid.id, "amount": 301}))
        assert isinstance(error, stripe.InvalidRequestError)
        assert error.param == "amount"
        assert "greater than unrefunded amount" in str(error)

        await shop.ask(lambda c: c.v1.refunds.create({"payment_intent": paid.id}))
        again = await shop.fails(lambda c: c.v1.refunds.create({"payment_intent": paid.id}))
        assert again.code == "charge_already_refunded"
        assert await shop.cash(person) == 100_00

    async def test_two_of_sixty_out_of_a_hundred_race(self, shop: Shop) -> None:
        person = await shop.person()
        paid = await shop.paid(person, 100)

        def refund() -> Any:
            try:
                return shop.client().v1.refunds.create({"payment_intent": paid.id, "amount": 60})
            except stripe.InvalidRequestError as error:
                return error

        found = await asyncio.gather(*[asyncio.to_thread(refund) for _ in range(6)])

        assert sum(isinstance(one, stripe.Refund) for one in found) == 1
        assert await shop.cash(person) == 100_00 - 40

    async def test_what_was_not_paid_cannot_be_given_back(self, shop: Shop) -> None:
        intent = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, "currency": "cny"}))

        error = await shop.fails(lambda c: c.v1.refunds.create({"payment_intent": intent.id}))
        assert "does not have a successful charge" in str(error)
        for params in ({}, {"payment_intent": "pi_" + "0" * 32}, {"charge": "ch_" + "0" * 32}):
            refused = await shop.fails(lambda c, params=params: c.v1.refunds.create(params))  # type: ignore[misc]
            assert isinstance(refused, stripe.InvalidRequestError)

    async def test_a_payment_at_the_till_is_no_charge_of_the_program(self, shop: Shop) -> None:
        lunch = await shop.world.lunch(await shop.person(), amount_fen=500)
        charge = public_id("ch", parse_public_id("pay", lunch["id"]))

        error = await shop.fails(lambda c: c.v1.refunds.create({"charge": charge}))

        assert (error.code, error.param) == ("resource_missing", "charge")


class TestElsewhere:
    @pytest.mark.parametrize("kind", ["refund", "void"])
    async def test_the_program_hears_of_what_the_office_and_the_till_give_back(self, shop: Shop, kind: str) -> None:
        person = await shop.person()
        paid = await shop.paid(person, 1000)
        payment = public_id("pay", parse_public_id("ch", paid.latest_charge))
        await (shop.world.refund(payment, 400) if kind == "refund" else shop.world.void(payment))
        own = await shop.paid(person, 200)
        await shop.ask(lambda c: c.v1.refunds.create({"payment_intent": own.id}))

        await hear_of_reversals(shop.db)
        await hear_of_reversals(shop.db)

        listed = await shop.ask(lambda c: c.v1.refunds.list())
        assert [row.amount for row in listed.data if row.payment_intent == paid.id] == [
            400 if kind == "refund" else 1000
        ]
        assert len(listed.data) == 2
        told = await shop.ask(lambda c: c.v1.events.list({"type": "charge.refunded"}))
        assert len(told.data) == 2
        error = await shop.fails(lambda c: c.v1.refunds.create({"payment_intent": paid.id, "amount": 601}))
        assert isinstance(error, stripe.InvalidRequestError)
