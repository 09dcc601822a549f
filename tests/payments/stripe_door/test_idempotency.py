"""One key, one answer; and the headers of the door."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from sqlalchemy import func, select

from payments.models import Payment
from payments.queries import find_holder_key, lock_holder
from payments.stripe_door.keys import make_key, revoke_key
from payments.stripe_door.models import PaymentIntent, SecretKey
from tests.payments.stripe_door.conftest import Shop, method

CNY: Any = {"currency": "cny"}


async def count(shop: Shop, model: type[Any]) -> int:
    async with shop.db.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


class TestOneKey:
    @pytest.mark.parametrize("confirm", [False, True])
    async def test_fifty_threads_make_one_intent(self, shop: Shop, confirm: bool) -> None:
        person = await shop.person()
        params = {"amount": 100, **CNY, **(({"confirm": True} | method(await shop.code(person))) if confirm else {})}

        def create(_: int) -> Any:
            client = shop.client(max_network_retries=8)
            return client.v1.payment_intents.create(params, {"idempotency_key": "the-one"})

        with ThreadPoolExecutor(50) as pool:
            made = await asyncio.gather(
                *[asyncio.get_running_loop().run_in_executor(pool, create, n) for n in range(50)]
            )

        assert len({intent.id for intent in made}) == 1
        assert {intent.status for intent in made} == {"succeeded" if confirm else "requires_payment_method"}
        assert await count(shop, PaymentIntent) == 1
        assert await count(shop, Payment) == int(confirm)
        assert await shop.cash(person) == 100_00 - 100 * confirm

    async def test_a_repetition_gets_the_same_bytes(self, shop: Shop) -> None:
        async with shop.http(**{"Idempotency-Key": "k1"}) as http:
            first = await http.post("/v1/payment_intents", data={"amount": "100", "currency": "cny"})
            second = await http.post("/v1/payment_intents", data={"currency": "cny", "amount": "100"})

        assert (first.status_code, second.status_code) == (200, 200)
        assert first.content == second.content
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert first.headers["request-id"] != second.headers["request-id"]

    async def test_other_parameters_under_the_same_key_are_an_error(self, shop: Shop) -> None:
        options: Any = {"idempotency_key": "k1"}
        made = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}, options))

        other = await shop.fails(lambda c: c.v1.payment_intents.create({"amount": 200, **CNY}, options))
        confirmed = await shop.fails(lambda c: c.v1.payment_intents.confirm(made.id, method("7" * 20), options))

        assert isinstance(other, stripe.IdempotencyError)
        assert isinstance(confirmed, stripe.IdempotencyError)

    async def test_while_the_first_is_under_way_the_key_is_in_use(self, shop: Shop) -> None:
        person = await shop.person()
        form = {
            "amount": "100",
            "currency": "cny",
            "confirm": "true",
            "payment_method_data[type]": "one_card",
            "payment_method_data[one_card][code]": await shop.code(person),
        }
        async with shop.http(**{"Idempotency-Key": "k1"}) as http:
            async with shop.db.session() as session:
                # Whoever holds the holder's lock holds up the payment.
                await lock_holder(session, *await find_holder_key(session, person))
                first = asyncio.create_task(http.post("/v1/payment_intents", data=form))
                await asyncio.sleep(0.3)
                meanwhile = await http.post("/v1/payment_intents", data=form)
            answered = await first

        assert meanwhile.status_code == 409
        assert meanwhile.json()["error"]["code"] == "idempotency_key_in_use"
        assert meanwhile.headers["stripe-should-retry"] == "true"
        assert answered.json()["status"] == "succeeded"

    async def test_a_decline_is_kept_and_a_mistake_is_not(self, shop: Shop) -> None:
        poor = await shop.person(1)
        intent = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))
        code = await shop.code(poor)
        async with shop.http(**{"Idempotency-Key": "k1"}) as http:
            path = f"/v1/payment_intents/{intent.id}/confirm"
            mistake = await http.post(path, data={"payment_method_data[type]": "cheque"})
            form = {"payment_method_data[type]": "one_card", "payment_method_data[one_card][code]": code}
            first = await http.post(path, data=form)
            second = await http.post(path, data=form)

        assert mistake.status_code == 400
        assert (first.status_code, second.status_code) == (402, 402)
        assert first.content == second.content
        assert second.headers["idempotent-replayed"] == "true"

    async def test_a_refused_state_is_kept_too(self, shop: Shop) -> None:
        intent = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}))
        async with shop.http(**{"Idempotency-Key": "k1"}) as http:
            first = await http.post(f"/v1/payment_intents/{intent.id}/confirm")
            await shop.ask(lambda c: c.v1.payment_intents.cancel(intent.id))
            second = await http.post(f"/v1/payment_intents/{intent.id}/confirm")

        assert first.status_code == second.status_code == 400
        assert first.content == second.content

    async def test_keys_of_two_merchants_do_not_meet(self, shop: Shop) -> None:
        async with shop.db.session() as session:
            stranger = await make_key(session, shop.world.canteen_away, "elsewhere", actor="test")
        options: Any = {"idempotency_key": "k1"}
        mine = await shop.ask(lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}, options))
        theirs = await asyncio.to_thread(
            lambda: shop.client(stranger.secret).v1.payment_intents.create({"amount": 900, **CNY}, options)
        )

        assert (mine.amount, theirs.amount) == (100, 900)

    async def test_a_key_that_is_too_long_is_refused(self, shop: Shop) -> None:
        error = await shop.fails(
            lambda c: c.v1.payment_intents.create({"amount": 100, **CNY}, {"idempotency_key": "k" * 256})
        )
        assert error.http_status == 400


class TestWhoCalls:
    async def test_basic_auth_names_the_key_as_user(self, shop: Shop) -> None:
        basic = base64.b64encode(f"{shop.key}:".encode()).decode()
        async with shop.http(Authorization=f"Basic {basic}") as http:
            answer = await http.get("/v1/payment_intents")

        assert answer.json() == {"object": "list", "url": "/v1/payment_intents", "has_more": False, "data": []}
        assert answer.headers["request-id"].startswith("req_")

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Bearer sk_test_wrong", "Basic !!", "Basic Og==", "Token x"]
    )
    async def test_nobody_else_is_let_in(self, shop: Shop, authorization: str) -> None:
        async with shop.http(Authorization=authorization) as http:
            answer = await http.post("/v1/payment_intents", data={"amount": "100", "currency": "cny"})

        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"

    async def test_a_tills_token_is_no_key_and_a_key_is_no_tills_token(self, shop: Shop) -> None:
        assert shop.door.keys.by_token(shop.key) is None
        token = next(iter(shop.world.tokens.values()))
        assert isinstance(
            await shop.fails(lambda c: shop.client(token).v1.balance.retrieve()), stripe.AuthenticationError
        )

    async def test_a_revoked_key_opens_nothing(self, shop: Shop) -> None:
        other = await shop.made_key()
        assert await asyncio.to_thread(shop.client(other.secret).v1.balance.retrieve)
        async with shop.db.session() as session:
            await revoke_key(session, other.id, actor="test")
        await asyncio.sleep(1.2)

        with pytest.raises(stripe.AuthenticationError):
            await asyncio.to_thread(shop.client(other.secret).v1.balance.retrieve)

    async def test_keys_are_kept_as_hashes(self, shop: Shop) -> None:
        async with shop.db.session() as session:
            key = await session.get(SecretKey, shop.made.id)
        assert key is not None
        assert shop.key.startswith("sk_test_")
        assert key.hint == shop.key[-4:]
        assert shop.key.encode() not in key.key_hash

    @pytest.mark.parametrize(
        ("method_name", "path"),
        [
            ("GET", "/v1/payment_intents/pi_nothing"),
            ("POST", "/v1/payment_intents/pi_nothing/capture"),
            ("DELETE", "/v1/payment_intents"),
            ("GET", "/v1/refunds/re_1/more"),
            ("GET", "/v1/events/evt_1"),
        ],
    )
    async def test_what_is_not_there_says_so(self, shop: Shop, method_name: str, path: str) -> None:
        async with shop.http() as http:
            answer = await http.request(method_name, path)

        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"

    async def test_other_bodies_than_forms_are_refused(self, shop: Shop) -> None:
        async with shop.http() as http:
            as_json = await http.post("/v1/payment_intents", json={"amount": 100})
            huge = await http.post("/v1/payment_intents", data={"description": "x" * 70_000})

        assert (as_json.status_code, huge.status_code) == (400, 400)
