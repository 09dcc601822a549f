"""PaymentIntents, told by the official client: made, changed, paid, declined, canceled, listed."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import requests
import stripe

from kernel import clock
from kernel.ids import parse_public_id
from payments.queries import get_payment
from payments.states import states_of
from payments.stripe_door import queries
from payments.stripe_door.intents import Intent
from payments.stripe_door.keys import make_key
from payments.stripe_door.states import INTENT
from tests.payments.stripe_door.conftest import Shop, method

# The official client's own business with its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

CNY: Any = {"currency": "cny"}


class TestPaying:
    async def test_a_code_pays_an_intent(self, shop: Shop) -> None:
        person = await shop.person(50_00)
        intent = await shop.ask(
            lambda c: c.v1.payment_intents.create({"amount": 1234, **CNY, "metadata": {"printer": "p1"}})
        )
        assert (intent.status, intent.amount, intent.amount_received) == ("requires_payment_method", 1234, 0)
        assert intent.client_secret.startswith(f"{intent.id}_secret_")

        code = await shop.code(person)
        paid = await shop.ask(
            lambda c: c.v1.payment_intents.confirm(intent.id, {**method(code), "expand": ["latest_charge"]})
        )

        assert (paid.status, paid.amount_received, paid.metadata["printer"]) == ("succeeded", 1234, "p1")
        assert (paid.latest_charge.paid, paid.latest_charge.amount) == (True, 1234)
        assert await shop.cash(person) == 50_00 - 1234
        async with shop.db.session() as session:
            payment = await get_payment(session, parse_public_id("ch", paid.latest_charge.id))
        assert (payment.amount_fen, payment.site_id, payment.terminal_id) == (1234, shop.site_id, shop.made.id)
        assert [step["code"] for step in payment.trace] == ["price.flat", "leg.cash"]

    async def test_all_in_one_call_with_the_whole_code(self, shop: Shop) -> None:
        person = await shop.person()
        issued = await shop.world.code(person)

        paid = await shop.ask(
            lambda c: c.v1.payment_intents.create({"amount": 500, **CNY, "confirm": True, **method(issued.text)})
        )

        assert paid.status == "succeeded"
        assert await shop.cash(person) == 95_00

    async def test_the_asynchronous_client_does_the_same(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        client = shop.asynchronous()

        made = await client.v1.payment_intents.create_async({"amount": 700, **CNY, **method(code)})
        assert made.status == "requires_confirmation"
        paid = await client.v1.payment_intents.confirm_async(made.id)
        back = await client.v1.refunds.create_async({"payment_intent": paid.id})

        assert (paid.status, back.status, back.amount) == ("succeeded", "succeeded", 700)
        assert await shop.cash(person) == 100_00

    async def test_the_house_of_api_base_and_module_level_calls_works_too(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = await shop.person()
        code = await shop.code(person)
        monkeypatch.setattr(stripe, "api_base", shop.url)
        monkeypatch.setattr(stripe, "api_key", shop.key)
        with requests.Session() as session:
            monkeypatch.setattr(stripe, "default_http_client", stripe.RequestsClient(session=session))
            paid = await asyncio.to_thread(
                lambda: stripe.PaymentIntent.create(amount=300, currency="cny", confirm=True, **method(code))
            )

        assert paid.status == "succeeded"

    async def test_many_at_once_are_each_paid_once(self, shop: Shop) -> None:
        people = [await shop.person(10_00) for _ in range(8)]
        codes = [await shop.code(people[number % 8]) for number in range(40)]
        client = shop.asynchronous()

        paid = await asyncio.gather(
            *[
                client.v1.payment_intents.create_async({"amount": 100 + number, **CNY, "confirm": True, **method(code)})
                for number, code in enumerate(codes)
            ]
        )

        assert {intent.status for intent in paid} == {"succeeded"}
        assert len({intent.latest_charge for intent in paid}) == 40
        left = [await shop.cash(person) for person in people]
        assert sum(left) == 8 * 10_00 - sum(range(100, 140))


class TestDeclines:
    async def decline(self, shop: Shop, code: str, amount_fen: int = 1000) -> tuple[Any, Any]:
        intent = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": amount_fen, **CNY}))
        error = await shop.fails(lambda c: c.v1.payment_intents.confirm(intent.id, method(code)))
        assert isinstance(error, stripe.CardError)
        assert error.http_status == 402
        assert error.error is not None
        return error.error, await shop.ask(lambda c: c.v1.payment_intents.retrieve(intent.id))

    async def test_too_little_money(self, shop: Shop) -> None:
        person = await shop.person(5_00)

        error, intent = await self.decline(shop, await shop.code(person), 6_00)

        assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
        assert error.payment_intent.id == intent.id
        assert intent.status == "requires_payment_method"
        assert intent.last_payment_error.network_decline_code == "DENY_NO_FUNDS"
        assert await shop.cash(person) == 5_00

    async def test_a_declined_intent_can_be_paid_with_a_fresh_code(self, shop: Shop) -> None:
        poor, rich = await shop.person(1_00), await shop.person(100_00)
        _, intent = await self.decline(shop, await shop.code(poor))

        code = await shop.code(rich)
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(intent.id, method(code)))

        assert paid.status == "succeeded"
        assert paid.last_payment_error is None

    async def test_a_code_pays_once(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY, "confirm": True, **method(code)}))

        error, _ = await self.decline(shop, code)

        assert error["network_decline_code"] == "DENY_CODE_USED"
        assert await shop.cash(person) == 99_00

    async def test_an_expired_code(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        clock.advance(timedelta(seconds=61))

        error, _ = await self.decline(shop, code)

        assert error.code == "expired_card"

    async def test_a_lost_card_and_a_code_that_nobody_was_given(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        await shop.world.change(person, "report_lost")

        lost, _ = await self.decline(shop, code)
        unknown, _ = await self.decline(shop, "7" * 20)

        assert lost.decline_code == "lost_card"
        assert unknown.code == "incorrect_number"

    async def test_guessing_is_slowed_down(self, shop: Shop) -> None:
        for _ in range(10):
            await self.decline(shop, "7" * 20)
        intent = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))

        error = await shop.fails(lambda c: c.v1.payment_intents.confirm(intent.id, method("7" * 20)))

        assert isinstance(error, stripe.RateLimitError)
        seen = await shop.ask(lambda c: c.v1.payment_intents.retrieve(intent.id))
        assert seen.status == "requires_payment_method"


class TestChanging:
    async def test_what_is_given_is_changed(self, shop: Shop) -> None:
        made = await shop.ask(
            lambda c: c.v1.payment_intents.create(
                {"amount": 100, **CNY, "description": "ten pages", "metadata": {"a": "1", "b": "2"}}
            )
        )
        changed = await shop.ask(
            lambda c: c.v1.payment_intents.update(made.id, {"amount": 200, "metadata": {"b": "", "c": "3"}})
        )

        assert (changed.amount, changed.description) == (200, "ten pages")
        assert changed.metadata.to_dict() == {"a": "1", "c": "3"}

    async def test_canceled_is_the_end(self, shop: Shop) -> None:
        made = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))
        gone = await shop.ask(lambda c: c.v1.payment_intents.cancel(made.id, {"cancellation_reason": "abandoned"}))
        assert (gone.status, gone.cancellation_reason) == ("canceled", "abandoned")
        assert gone.canceled_at is not None

        person = await shop.person()
        code = await shop.code(person)
        error = await shop.fails(lambda c: c.v1.payment_intents.confirm(made.id, method(code)))

        assert isinstance(error, stripe.InvalidRequestError)
        assert error.code == "payment_intent_unexpected_state"
        assert await shop.cash(person) == 100_00

    async def test_a_confirmation_needs_a_way_to_pay(self, shop: Shop) -> None:
        made = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))

        error = await shop.fails(lambda c: c.v1.payment_intents.confirm(made.id))

        assert error.code == "payment_intent_unexpected_state"
        assert "missing a payment method" in str(error)

    async def test_what_was_never_created_is_not_told(self, shop: Shop) -> None:
        error = await shop.fails(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY, "confirm": True}))

        assert "missing a payment method" in str(error)
        assert (await shop.ask(lambda c: c.v1.events.list())).data == []
        assert (await shop.ask(lambda c: c.v1.payment_intents.list())).data == []

    @pytest.mark.parametrize(
        ("params", "code", "param"),
        [
            ({"currency": "cny"}, "parameter_missing", "amount"),
            ({"amount": 100}, "parameter_missing", "currency"),
            ({"amount": 0, "currency": "cny"}, "parameter_invalid_integer", "amount"),
            ({"amount": "ten", "currency": "cny"}, "parameter_invalid_integer", "amount"),
            ({"amount": 1_000_001, "currency": "cny"}, "amount_too_large", "amount"),
            ({"amount": 100, "currency": "usd"}, None, "currency"),
            ({"amount": 100, "currency": "cny", "amuont": 1}, "parameter_unknown", "amuont"),
            (
                {"amount": 100, "currency": "cny", "payment_method": "pm_card_visa"},
                "resource_missing",
                "payment_method",
            ),
            ({"amount": 100, "currency": "cny", "payment_method_types": ["card"]}, None, "payment_method_types"),
            ({"amount": 100, "currency": "cny", "capture_method": "manual"}, None, "capture_method"),
            (
                {"amount": 100, "currency": "cny", **method("12")},
                "invalid_number",
                "payment_method_data[one_card][code]",
            ),
            ({"amount": 100, "currency": "cny", "expand": ["customer"]}, None, "expand"),
        ],
    )
    async def test_what_cannot_be_read_is_named(self, shop: Shop, params: Any, code: str | None, param: str) -> None:
        error = await shop.fails(lambda c: c.v1.payment_intents.create(params))

        assert isinstance(error, stripe.InvalidRequestError)
        assert error.code == code
        assert error.param == param


class TestLists:
    async def test_newest_first_and_page_by_page(self, shop: Shop) -> None:
        made = [
            (await shop.ask(lambda c, n=n: c.v1.payment_intents.create({"amount": 100 + n, **CNY}))).id  # type: ignore[misc]
            for n in range(5)
        ]
        page = await shop.ask(lambda c: c.v1.payment_intents.list({"limit": 2}))
        assert ([row.id for row in page.data], page.has_more) == (made[:2:-1], True)

        rest = await shop.ask(lambda c: c.v1.payment_intents.list({"starting_after": page.data[-1].id}))
        assert ([row.id for row in rest.data], rest.has_more) == (made[2::-1], False)

        above = await shop.ask(lambda c: c.v1.payment_intents.list({"ending_before": made[1], "limit": 2}))
        assert ([row.id for row in above.data], above.has_more) == ([made[3], made[2]], True)

        everything = await shop.ask(
            lambda c: [row.id for row in c.v1.payment_intents.list({"limit": 2}).auto_paging_iter()]
        )
        assert everything == made[::-1]

    async def test_bounds_are_held(self, shop: Shop) -> None:
        error = await shop.fails(lambda c: c.v1.payment_intents.list({"limit": 101}))
        assert error.param == "limit"
        later = int(clock.now().timestamp()) + 60
        found = await shop.ask(lambda c: c.v1.payment_intents.list({"created": {"gte": later}}))
        assert found.data == []

    async def test_another_merchant_sees_nothing_of_it(self, shop: Shop) -> None:
        made = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))
        async with shop.db.session() as session:
            stranger = await make_key(session, shop.world.canteen_away, "elsewhere", actor="test")

        listed = await asyncio.to_thread(shop.client(stranger.secret).v1.payment_intents.list)
        assert listed.data == []
        with pytest.raises(stripe.InvalidRequestError) as raised:
            await asyncio.to_thread(lambda: shop.client(stranger.secret).v1.payment_intents.retrieve(made.id))
        assert (raised.value.code, raised.value.http_status) == ("resource_missing", 404)


class TestStates:
    """Every state x trigger: what the table allows happens, everything else is refused and changes nothing."""

    TRIGGERS = ("update", "attach", "confirm", "cancel")

    @pytest.mark.parametrize("state", states_of(INTENT))
    @pytest.mark.parametrize("trigger", TRIGGERS)
    async def test_each_cell(self, shop: Shop, state: str, trigger: str) -> None:
        person = await shop.person()
        made = await self.in_state(shop, state)
        code = await shop.code(person)
        calls: dict[str, Any] = {
            "update": lambda c: c.v1.payment_intents.update(made, {"description": "changed"}),
            "attach": lambda c: c.v1.payment_intents.update(made, method(code)),
            "confirm": lambda c: c.v1.payment_intents.confirm(made, method(code)),
            "cancel": lambda c: c.v1.payment_intents.cancel(made),
        }
        allowed = (state, trigger) in INTENT

        if allowed:
            answered = await shop.ask(calls[trigger])
            expected = INTENT[state, trigger]
            assert answered.status == ("succeeded" if expected == "processing" else expected)
        else:
            error = await shop.fails(calls[trigger])
            assert error.code == "payment_intent_unexpected_state"
            assert (await shop.ask(lambda c: c.v1.payment_intents.retrieve(made))).status == state
        assert await shop.cash(person) == (99_00 if allowed and trigger == "confirm" else 100_00)

    async def in_state(self, shop: Shop, state: str) -> str:
        """An intent of 1.00 that stands there."""
        if state == "succeeded":
            return str((await shop.paid(await shop.person(), 100)).id)
        waiting = method("70" + "0" * 18) if state == "requires_confirmation" else {}
        made = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY, **waiting}))
        if state == "canceled":
            await shop.ask(lambda c: c.v1.payment_intents.cancel(made.id))
        if state == "processing":
            async with shop.db.session() as session:
                intent: Intent = await queries.lock_intent(session, shop.site_id, parse_public_id("pi", made.id))
                intent.begin(1, shop.made.id, clock.now())
                await queries.write_intents(session, [intent])
        return str(made.id)


class TestBalance:
    async def test_it_is_what_the_region_owes(self, shop: Shop) -> None:
        await shop.paid(await shop.person(), 1500)

        balance = await shop.ask(lambda c: c.v1.balance.retrieve())

        assert [(part.amount, part.currency) for part in balance.pending] == [(1500, "cny")]
