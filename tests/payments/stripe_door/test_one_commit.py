"""A confirmation is its payment's own commit: whatever happens on the way, there is all of it or nothing."""

import asyncio
import importlib.util
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import func, select, text

from kernel.ids import parse_public_id, public_id, uuid7
from payments import api
from payments.batch import Item
from payments.models import Payment
from payments.stripe_door import queries
from payments.stripe_door.confirming import Confirmations, Order
from payments.stripe_door.models import DoorEvent, DoorRequest, PaymentIntent
from payments.stripe_door.schemas import IntentParams
from payments.stripe_door.service import new_intent
from tests.payments.stripe_door.conftest import Shop, method
from tests.product import ROOT

PARAMS: Any = {"amount": 800, "currency": "cny"}


async def look(shop: Shop, name: str) -> Any:
    return await shop.ask(lambda c: c.v1.payment_intents.retrieve(name, {"expand": ["latest_charge"]}))


async def count(shop: Shop, model: type[Any]) -> int:
    async with shop.db.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def transaction_of(shop: Shop, model: type[Any]) -> set[int]:
    """The transactions that wrote the rows of a table as they stand."""
    async with shop.db.session() as session:
        rows = await session.scalars(text(f"SELECT xmin::text::bigint FROM {model.__tablename__}"))
        return set(rows)


def breaking(error: Exception, times: int) -> Any:
    """A door whose rows cannot be written so many times: as if the process had died before the commit."""

    class Breaking(Confirmations):
        left = times

        async def leave(self, connection: "asyncpg.Connection[asyncpg.Record]", items: Sequence[Item]) -> None:
            await super().leave(connection, items)
            if self.left:
                self.left -= 1
                raise error

    return Breaking


class TestOneCommit:
    async def test_intent_payment_events_and_answer_are_of_one_transaction(self, shop: Shop) -> None:
        person = await shop.person()
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        async with shop.db.session() as session:
            await session.execute(text("DELETE FROM door_events"))
            await session.execute(text("DELETE FROM door_requests"))
        code = await shop.code(person)

        await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, method(code)))

        wrote = [await transaction_of(shop, model) for model in (Payment, PaymentIntent, DoorEvent, DoorRequest)]
        assert wrote[0] == wrote[1] == wrote[2] == wrote[3]
        assert len(wrote[0]) == 1

    async def test_what_breaks_before_the_commit_leaves_nothing_and_is_done_again(self, shop: Shop) -> None:
        person = await shop.person()
        shop.confirmations.__class__ = breaking(OSError("the line is gone"), 2)
        paid = await shop.paid(person, 800)

        assert paid.status == "succeeded"
        assert await count(shop, Payment) == await count(shop, PaymentIntent) == 1
        assert await shop.cash(person) == 100_00 - 800
        told = await shop.ask(lambda c: c.v1.events.list())
        assert [event.type for event in told.data] == [
            "payment_intent.succeeded",
            "charge.succeeded",
            "payment_intent.created",
        ]

    async def test_what_can_never_be_written_is_never_paid(self, shop: Shop) -> None:
        person = await shop.person()
        code = await shop.code(person)
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        shop.confirmations.__class__ = breaking(ValueError("no"), 1000)

        error = await shop.fails(
            lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}),
            max_network_retries=0,
        )
        shop.confirmations.__class__ = Confirmations

        assert error.http_status == 500
        assert await count(shop, Payment) == 0
        assert (await look(shop, made.id)).status == "requires_payment_method"
        # The key has kept nothing: the same request may come again.
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}))
        assert paid.status == "succeeded"

    @pytest.mark.parametrize("key", ["k1", None])
    async def test_a_commit_of_which_nobody_heard_is_found_and_not_done_twice(
        self, shop: Shop, key: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person = await shop.person()
        code = await shop.code(person)
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        lane: Any = shop.world.posting._lanes[0]
        real, lost = lane._post, [True]

        async def post_and_lose(*arguments: Any) -> None:
            await real(*arguments)
            if lost.pop() if lost else False:
                for item in arguments[0]:
                    item.outcome = None
                raise OSError("the answer to the COMMIT is lost")

        monkeypatch.setattr(lane, "_post", post_and_lose)
        form = {"payment_method_data[type]": "one_card", "payment_method_data[one_card][code]": code}
        async with shop.http(**({"Idempotency-Key": key} if key else {})) as http:
            answer = await http.post(f"/v1/payment_intents/{made.id}/confirm", data=form)

        assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
        assert await count(shop, Payment) == 1
        assert (await look(shop, made.id)).latest_charge.paid

    async def test_many_payments_stand_beside_one_that_cannot_be_written(self, shop: Shop) -> None:
        """A batch that fails is tried one by one: only the guilty one is refused."""
        people = [await shop.person() for _ in range(4)]
        shop.confirmations.__class__ = breaking(OSError("once for all"), 1)
        paid = await asyncio.gather(*[shop.paid(person, 500) for person in people])

        assert [intent.status for intent in paid] == ["succeeded"] * 4
        assert await count(shop, Payment) == 4


class TestOneIntent:
    async def test_confirmed_by_twenty_at_once_it_is_paid_once(self, shop: Shop) -> None:
        people = [await shop.person() for _ in range(20)]
        codes = [await shop.code(person) for person in people]
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))

        async def confirm(number: int) -> int:
            form = {"payment_method_data[type]": "one_card", "payment_method_data[one_card][code]": codes[number]}
            async with shop.http(**{"Idempotency-Key": f"k{number}"}) as http:
                return (await http.post(f"/v1/payment_intents/{made.id}/confirm", data=form)).status_code

        answers = await asyncio.gather(*[confirm(number) for number in range(20)])

        assert sorted(answers) == [200] + [400] * 19
        assert await count(shop, Payment) == 1

    async def test_a_thousand_and_one_have_numbers_of_their_own(self, shop: Shop) -> None:
        """Numbers of attempts are taken by the block; whoever finds none left looks, and takes another block."""

        async def pay_one() -> str:
            person = await shop.person()
            way = method(await shop.code(person))
            made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
            paid: str = (await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, way))).status
            return paid

        for left in (0, 1, 3):
            del shop.confirmations._numbers[left:]
            assert set(await asyncio.gather(*[pay_one() for _ in range(4)])) == {"succeeded"}
        async with shop.db.session() as session:
            assert len(set(await session.scalars(select(PaymentIntent.attempt_seq)))) == 12

    async def test_who_has_locked_it_holds_up_no_payment(self, shop: Shop) -> None:
        person, other = await shop.person(), await shop.person()
        code = await shop.code(person)
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        async with shop.db.session() as session:
            await queries.lock_intent(session, shop.site_id, parse_public_id("pi", made.id))
            waiting = asyncio.create_task(shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, method(code))))
            assert (await shop.paid(other, 300)).status == "succeeded"
            assert await count(shop, Payment) == 1

        assert (await waiting).status == "succeeded"

    @pytest.mark.parametrize("attached", [True, False])
    async def test_what_was_changed_just_before_the_payment_is_paid_as_it_is_then(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, attached: bool
    ) -> None:
        """Also where it was looked at already, since its pay code had come with it."""
        person = await shop.person()
        way: Any = method(await shop.code(person))
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS | (way if attached else {})))
        submit = shop.world.posting.submit
        changed: list[Item] = []

        async def change_first(item: Item) -> Any:
            if not changed:
                changed.append(item)
                await shop.ask(lambda c: c.v1.payment_intents.update(made.id, {"amount": 900}))
            return await submit(item)

        monkeypatch.setattr(shop.confirmations._posting, "submit", change_first)
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, None if attached else way))

        assert (paid.status, paid.amount_received) == ("succeeded", 900)
        assert await shop.cash(person) == 100_00 - 900

    async def test_the_key_of_another_process_was_faster(self, shop: Shop) -> None:
        """Two processes make an intent each under one key: one of them is kept, the other never was."""
        person = await shop.person()
        code = await shop.code(person)
        elsewhere = Confirmations(shop.db, shop.world.posting)
        elsewhere.start()

        def order() -> Order:
            params = IntentParams(800, None, None, code, confirm=True, expand_charge=False)
            fresh = new_intent(shop.site_id, params, keep_code=False)
            key = shop.world.terminal(shop.made.id)
            return Order(key, fresh.id, "k1", b"f" * 16, code, False, "req_1", fresh=fresh)

        answers = await asyncio.gather(shop.confirmations.confirm(order()), elsewhere.confirm(order()))
        await elsewhere.stop()

        assert answers[0].body == answers[1].body
        assert await count(shop, Payment) == await count(shop, PaymentIntent) == 1

    async def test_a_full_queue_changes_nothing(self, shop: Shop) -> None:
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
        assert (await look(shop, made.id)).status == "requires_payment_method"
        paid = await shop.ask(lambda c: c.v1.payment_intents.confirm(made.id, method(code), {"idempotency_key": "k1"}))
        assert paid.status == "succeeded"

    async def test_a_stale_copy_is_never_written(self, shop: Shop) -> None:
        made = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        async with shop.db.session() as session:
            stale = await queries.get_intent(session, shop.site_id, parse_public_id("pi", made.id))
        await shop.ask(lambda c: c.v1.payment_intents.cancel(made.id))
        async with shop.db.session() as session:
            stale.attach(uuid7(), "7" * 20)
            assert await queries.write_intents(session, [stale]) == set()
        assert (await look(shop, public_id("pi", UUID(int=stale.id.int)))).status == "canceled"


class TestAnOlderHouse:
    async def test_what_it_was_killed_over_is_ended_by_what_the_books_say(self, shop: Shop) -> None:
        """Before, a payment and its intent were of two commits: a process could die between them."""
        person = await shop.person()
        paid = await shop.paid(person, 800)
        left = await shop.ask(lambda c: c.v1.payment_intents.create(PARAMS))
        under_way = "UPDATE payment_intents SET state = 'processing', payment_id = NULL, pay_code = '7'"
        async with shop.db.session() as session:
            await session.execute(text(under_way))
            await session.execute(text("UPDATE payment_intents SET attempts = 1 WHERE attempts = 0"))
            await session.execute(text(end_what_was_under_way()))

        seen, other = await look(shop, paid.id), await look(shop, left.id)
        assert (seen.status, seen.latest_charge.id) == ("succeeded", paid.latest_charge)
        assert (other.status, other.latest_charge) == ("requires_payment_method", None)
        # The code that was tried then is forgotten; with a fresh one it is paid.
        code = await shop.code(person)
        assert (await shop.ask(lambda c: c.v1.payment_intents.confirm(left.id, method(code)))).status == "succeeded"


def end_what_was_under_way() -> str:
    """The statement of the migration."""
    spec = importlib.util.spec_from_file_location("one_commit", ROOT / "migrations/versions/0031_one_commit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    statement: str = module._END_WHAT_WAS_UNDER_WAY
    return statement
