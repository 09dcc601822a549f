"""A process that is killed between begin and end leaves an intent that is processing: the worker ends it, once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from kernel import clock
from kernel.ids import parse_public_id, public_id, uuid7
from payments import api
from payments.stripe_door import queries
from payments.stripe_door.answering import fingerprint_of
from payments.stripe_door.confirming import Order
from payments.stripe_door.errors import Unavailable
from payments.stripe_door.intents import Intent
from payments.stripe_door.jobs import LEFT_BEHIND_AFTER, end_left_behind
from tests.payments.stripe_door.conftest import Shop, method

PARAMS: Any = {"amount": 800, "currency": "cny"}


async def begin(shop: Shop, code: str, key: str) -> tuple[Order, Intent]:
    """The first step of a confirmation, and then nothing: as if the process had died."""
    made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
    terminal = shop.world.terminal(shop.made.id)
    order = Order(terminal, parse_public_id("pi", made.id), key, b"f" * 16, code, False, "req_dead")
    await shop.confirmations._begin([order])
    assert order.intent is not None
    return order, order.intent


async def look(shop: Shop, intent_id: UUID) -> Any:
    return await shop.ask(
        lambda c: c.v1.payment_intents.retrieve(public_id("pi", intent_id), {"expand": ["latest_charge"]})
    )


class TestLeftBehind:
    async def test_what_the_books_know_is_told(self, shop: Shop) -> None:
        person = await shop.person()
        order, intent = await begin(shop, await shop.code(person), "k1")
        outcome = await shop.confirmations._post(order, intent)
        assert outcome is not None
        assert outcome.payment_id is not None
        assert (await look(shop, intent.id)).status == "processing"

        assert await end_left_behind(shop.db) == 0
        clock.advance(LEFT_BEHIND_AFTER + timedelta(seconds=1))
        assert await end_left_behind(shop.db) == 1

        seen = await look(shop, intent.id)
        assert (seen.status, seen.latest_charge.id) == ("succeeded", public_id("ch", outcome.payment_id))
        assert await shop.cash(person) == 100_00 - 800
        told = await shop.ask(lambda c: c.v1.events.list({"type": "payment_intent.succeeded"}))
        assert len(told.data) == 1

    async def test_what_they_do_not_know_will_never_be_paid(self, shop: Shop) -> None:
        person = await shop.person()
        order, intent = await begin(shop, await shop.code(person), "k1")
        clock.advance(LEFT_BEHIND_AFTER + timedelta(seconds=1))
        assert await end_left_behind(shop.db) == 1

        # The process was not dead after all, only very slow.
        late = await shop.confirmations._post(order, intent)

        assert late is None
        seen = await look(shop, intent.id)
        assert (seen.status, seen.last_payment_error.code) == ("requires_payment_method", "processing_error")
        assert await shop.cash(person) == 100_00
        code = await shop.code(person)
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(seen.id, method(code)))
        assert paid.status == "succeeded"

    async def test_the_slow_process_does_not_end_it_a_second_time(self, shop: Shop) -> None:
        person = await shop.person()
        order, intent = await begin(shop, await shop.code(person), "k1")
        order.outcome = await shop.confirmations._post(order, intent)
        clock.advance(LEFT_BEHIND_AFTER + timedelta(seconds=1))
        await end_left_behind(shop.db)

        await shop.confirmations._join_end(order)

        assert isinstance(order.error, Unavailable)
        told = await shop.ask(lambda c: c.v1.events.list({"type": "payment_intent.succeeded"}))
        assert len(told.data) == 1

    async def test_the_key_keeps_the_answer_that_the_worker_gave(self, shop: Shop) -> None:
        person = await shop.person()
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        code = await shop.code(person)
        # The very request that the client will repeat, begun by a process that then died.
        intent_id = parse_public_id("pi", made.id)
        form = {"payment_method_data": {"type": "one_card", "one_card": {"code": code}}}
        path = f"/v1/payment_intents/{made.id}/confirm"
        terminal = shop.world.terminal(shop.made.id)
        order = Order(terminal, intent_id, "k1", fingerprint_of("POST", path, form), code, False, "req_dead")
        await shop.confirmations._begin([order])
        assert order.intent is not None
        await shop.confirmations._post(order, order.intent)

        in_use = await shop.fails(
            lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}),
            max_network_retries=0,
        )
        assert in_use.http_status == 409
        clock.advance(LEFT_BEHIND_AFTER + timedelta(seconds=1))
        await end_left_behind(shop.db)
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}))

        assert paid.status == "succeeded"
        assert await shop.cash(person) == 100_00 - 800

    async def test_a_full_queue_gives_the_intent_back(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        full = api.Posting(shop.db, shop.world.rule, shop.door.keys, queue_max=0)
        posting, shop.confirmations._posting = shop.confirmations._posting, full
        error = await shop.fails(
            lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}),
            max_network_retries=0,
        )
        shop.confirmations._posting = posting

        assert error.http_status == 503
        assert (await look(shop, parse_public_id("pi", made.id))).status == "requires_confirmation"
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, None, {"idempotency_key": "k2"}))
        assert paid.status == "succeeded"

    async def test_a_stale_copy_is_never_written(self, shop: Shop) -> None:
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        async with shop.db.session() as session:
            stale = await queries.get_intent(session, shop.site_id, parse_public_id("pi", made.id))
        await shop.ask(lambda c: c.v1.payment_intents.cancel(made.id))
        async with shop.db.session() as session:
            stale.attach(uuid7(), "7" * 20)
            assert await queries.write_intents(session, [stale]) == set()
        assert (await look(shop, stale.id)).status == "canceled"
