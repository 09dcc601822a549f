"""Webhooks out: signed, in order, tried again, given up on, never sent where they must not go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import stripe
from sqlalchemy import select

from kernel import clock
from kernel.errors import StateConflict
from kernel.ids import parse_public_id
from kernel.settings import Settings
from payments.states import next_state, states_of
from payments.stripe_door import endpoints, queries
from payments.stripe_door.courier import GIVE_UP_AFTER, TAKEN_FOR, Courier, wait_after
from payments.stripe_door.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from payments.stripe_door.states import DELIVERY, ENDPOINT, SECRET_KEY
from payments.stripe_door.views import unix
from payments.stripe_door.webhooks import AddressGuard, Sender, signature_header
from tests.payments.stripe_door.conftest import Shop, serving


@dataclass
class Receiver:
    """A merchant's own server: it keeps what came, and answers as it is told to."""

    url: str = ""
    status: int = 200
    stall_s: float = 0.0
    location: str | None = None
    got: list[tuple[bytes, str]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        signature = next(value.decode() for name, value in scope["headers"] if name == b"stripe-signature")
        self.got.append((body, signature))
        await asyncio.sleep(self.stall_s)
        headers = [(b"content-length", b"2")]
        if self.location is not None:
            headers.append((b"location", self.location.encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    def types(self, secret: str) -> list[str]:
        """What came, each checked by the official client."""
        return [stripe.Webhook.construct_event(body, mark, secret).type for body, mark in self.got]


@contextlib.asynccontextmanager
async def receiving(**behaviour: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver(**behaviour)
    async with serving(receiver) as url:
        receiver.url = f"{url}/hook"
        yield receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def courier(shop: Shop) -> AsyncIterator[Courier]:
    sender = Sender(AddressGuard(None), timeout_s=0.5)
    yield Courier(shop.db, sender)
    await sender.close()


async def run(courier: Courier) -> None:
    """Send until nothing more is due."""
    while await courier.step():
        await courier.settle()


async def listen(shop: Shop, url: str, *events: str) -> Any:
    return await shop.ask(
        lambda c: c.v1.webhook_endpoints.create({"url": url, "enabled_events": list(events or ("*",))})
    )


async def deliveries(shop: Shop) -> list[WebhookDelivery]:
    async with shop.db.session() as session:
        return list(await session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.ordinal)))


async def attempts(shop: Shop) -> list[WebhookAttempt]:
    async with shop.db.session() as session:
        return list(
            await session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.ordinal, WebhookAttempt.attempt))
        )


class TestTelling:
    async def test_the_official_client_verifies_what_comes(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        endpoint = await listen(shop, receiver.url)
        assert endpoint.secret.startswith("whsec_")
        paid = await shop.paid(await shop.person(), 1000)
        await shop.ask(lambda c: c.v1.refunds.create({"payment_intent": paid.id}))

        await run(courier)

        assert receiver.types(endpoint.secret) == [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "refund.created",
            "charge.refunded",
        ]
        events = [stripe.Webhook.construct_event(*got, endpoint.secret) for got in receiver.got]
        assert events[2].data.object["id"] == paid.id
        assert events[2].data.object["amount_received"] == 1000
        assert events[4].data.previous_attributes.to_dict() == {"amount_refunded": 0, "refunded": False}
        listed = await shop.ask(lambda c: c.v1.events.list())
        assert [event.id for event in listed.data] == [event.id for event in events][::-1]
        assert {event.pending_webhooks for event in listed.data} == {0}
        one = await shop.ask(lambda c: c.v1.events.retrieve(events[0].id))
        assert one.type == "payment_intent.created"
        assert one.request.id.startswith("req_")

    async def test_a_changed_byte_an_old_time_or_another_secret_is_no_signature_of_ours(self) -> None:
        now = unix(clock.now())
        payload, secret = b'{"object": "event"}', "whsec_x"
        good = signature_header(payload, [secret], now)
        assert stripe.WebhookSignature.verify_header(payload.decode(), good, secret, 300)
        for body, mark, key in (
            (payload.replace(b"e", b"E"), good, secret),
            (payload, signature_header(payload, [secret], now - 301), secret),
            (payload, good, "whsec_y"),
        ):
            with pytest.raises(stripe.SignatureVerificationError):
                stripe.WebhookSignature.verify_header(body.decode(), mark, key, 300)

    async def test_only_what_was_asked_for(self, shop: Shop, receiver: Receiver, courier: Courier) -> None:
        endpoint = await listen(shop, receiver.url, "payment_intent.payment_failed")
        await shop.paid(await shop.person())
        with pytest.raises(stripe.CardError):
            await shop.paid(await shop.person(1))

        await run(courier)

        assert receiver.types(endpoint.secret) == ["payment_intent.payment_failed"]

    async def test_both_secrets_sign_during_a_rotation(self, shop: Shop, receiver: Receiver, courier: Courier) -> None:
        endpoint = await listen(shop, receiver.url, "payment_intent.succeeded")
        async with shop.db.session() as session:
            row = await queries.lock_endpoint(session, parse_public_id("we", endpoint.id))
            fresh = await endpoints.rotate_secret(session, row, actor="test")
        await shop.paid(await shop.person())
        await run(courier)

        assert receiver.types(endpoint.secret) == receiver.types(fresh) == ["payment_intent.succeeded"]
        clock.advance(timedelta(hours=25))
        async with shop.db.session() as session:
            row = await queries.lock_endpoint(session, parse_public_id("we", endpoint.id))
            assert endpoints.secrets_of(row) == [fresh]


class TestTryingAgain:
    async def test_a_failing_receiver_is_tried_ever_more_slowly_and_in_order(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        endpoint = await listen(shop, receiver.url, "charge.succeeded", "payment_intent.succeeded", "charge.refunded")
        receiver.status = 500
        paid = await shop.paid(await shop.person())
        await run(courier)
        assert len(receiver.got) == 1  # The second event of the same intent waits for the first.

        await shop.ask(lambda c: c.v1.refunds.create({"payment_intent": paid.id}))
        clock.advance(timedelta(seconds=4))
        await run(courier)
        assert len(receiver.got) == 1
        clock.advance(timedelta(seconds=2))
        await run(courier)
        assert len(receiver.got) == 2

        receiver.status = 201
        clock.advance(timedelta(seconds=31))
        await run(courier)

        assert receiver.types(endpoint.secret)[2:] == [
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.refunded",
        ]
        assert [(try_.status, try_.attempt) for try_ in await attempts(shop)][:3] == [(500, 1), (500, 2), (201, 3)]
        assert {delivery.state for delivery in await deliveries(shop)} == {"delivered"}

    async def test_one_intents_trouble_does_not_hold_up_another(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        await listen(shop, receiver.url, "payment_intent.succeeded")
        receiver.status = 500
        await shop.paid(await shop.person())
        await run(courier)
        receiver.status = 200
        await shop.paid(await shop.person())
        await run(courier)

        assert [delivery.state for delivery in await deliveries(shop)] == ["pending", "delivered"]

    async def test_after_three_days_the_receiver_is_disabled(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        endpoint = await listen(shop, receiver.url, "payment_intent.succeeded")
        receiver.status = 503
        await shop.paid(await shop.person())
        for _ in range(40):
            await run(courier)
            waiting = [delivery for delivery in await deliveries(shop) if delivery.state == "pending"]
            if not waiting:
                break
            clock.advance(max(timedelta(0), waiting[0].next_at - clock.now()))

        seen = await shop.ask(lambda c: c.v1.webhook_endpoints.retrieve(endpoint.id))
        tries = await attempts(shop)
        assert seen.status == "disabled"
        assert [delivery.state for delivery in await deliveries(shop)] == ["abandoned"]
        assert 12 <= len(tries) <= 30
        assert tries[-1].started_at - tries[0].started_at >= GIVE_UP_AFTER

        # Enabled again by its owner, and the lost one sent again by hand.
        receiver.status = 200
        await shop.ask(lambda c: c.v1.webhook_endpoints.update(endpoint.id, {"disabled": False}))
        async with shop.db.session() as session:
            row = await queries.lock_endpoint(session, parse_public_id("we", endpoint.id))
            assert await endpoints.redeliver(session, row, tries[0].ordinal, actor="test")
        await run(courier)
        assert [delivery.state for delivery in await deliveries(shop)] == ["delivered"]

    async def test_a_stalled_receiver_is_cut_and_holds_up_nobody_else(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        async with receiving(stall_s=30) as stalled:
            await listen(shop, stalled.url, "payment_intent.succeeded")
            good = await listen(shop, receiver.url, "payment_intent.succeeded")
            for _ in range(6):
                await shop.paid(await shop.person())
            taken = await courier.step()
            assert taken == 8  # Four for each of the two.
            await asyncio.wait_for(courier.settle(), 5)
            await run(courier)

        assert receiver.types(good.secret) == ["payment_intent.succeeded"] * 6
        stopped = [try_ for try_ in await attempts(shop) if try_.status is None]
        assert len(stopped) == 6
        assert all(try_.error == "no answer within 0.5 s" and try_.took_ms < 3000 for try_ in stopped)

    async def test_redirects_are_not_followed(self, shop: Shop, receiver: Receiver, courier: Courier) -> None:
        async with receiving(status=307, location=receiver.url) as moved:
            await listen(shop, moved.url, "payment_intent.succeeded")
            await shop.paid(await shop.person())
            await run(courier)

        assert receiver.got == []
        (tried,) = await attempts(shop)
        assert (tried.status, tried.error) == (307, "redirects are not followed")

    async def test_what_a_killed_worker_had_taken_is_due_again(
        self, shop: Shop, receiver: Receiver, courier: Courier
    ) -> None:
        endpoint = await listen(shop, receiver.url, "payment_intent.succeeded")
        await shop.paid(await shop.person())
        await courier._take(10)  # Taken, and never sent.
        await run(courier)
        assert receiver.got == []

        clock.advance(TAKEN_FOR + timedelta(seconds=1))
        await run(courier)

        assert receiver.types(endpoint.secret) == ["payment_intent.succeeded"]

    async def test_the_waits_grow(self) -> None:
        waits = [wait_after(n) for n in range(1, 15)]
        assert waits == sorted(waits)
        assert waits[0] == timedelta(seconds=5)


class TestGuard:
    @pytest.mark.parametrize(
        "address",
        [
            *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
            *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1"),
            *("::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        ],
    )
    def test_what_is_not_public_is_not_called(self, address: str) -> None:
        assert not AddressGuard(()).allows(ip_address(address))
        assert AddressGuard(None).allows(ip_address(address))

    def test_the_operators_networks_are(self) -> None:
        guard = AddressGuard([ip_network("10.20.0.0/16")])
        assert guard.allows(ip_address("10.20.1.1"))
        assert guard.allows(ip_address("9.9.9.9"))
        assert not guard.allows(ip_address("10.21.1.1"))
        assert not guard.allows(ip_address("127.0.0.1"))

    def test_the_setting_says_so(self) -> None:
        production = Settings(production=True)
        assert not AddressGuard.of_settings(production).allows(ip_address("127.0.0.1"))
        assert AddressGuard.of_settings(Settings()).allows(ip_address("127.0.0.1"))
        named = Settings(webhook_networks="10.0.0.0/8, 192.168.0.0/16")
        assert AddressGuard.of_settings(named).allows(ip_address("192.168.7.7"))
        assert not AddressGuard.of_settings(named).allows(ip_address("127.0.0.1"))

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    async def test_a_receiver_on_this_machine_is_never_connected_to(
        self, shop: Shop, receiver: Receiver, host: str
    ) -> None:
        port = receiver.url.rsplit(":", 1)[1]
        await listen(shop, f"http://{host}:{port}", "payment_intent.succeeded")
        await shop.paid(await shop.person())
        sender = Sender(AddressGuard(()))
        await run(Courier(shop.db, sender))
        await sender.close()

        assert receiver.got == []
        (tried,) = await attempts(shop)
        assert tried.status is None
        assert "not a public address" in str(tried.error)

    async def test_where_it_is_plain_to_see_it_is_refused_at_once(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endpoints, "get_settings", lambda: Settings(webhook_networks=""))
        for url in (
            "http://127.0.0.1:9/",
            "https://localhost/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/",
        ):
            error = await shop.fails(
                lambda c, url=url: c.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})  # type: ignore[misc]
            )
            assert (error.code, error.param) == ("url_invalid", "url")


class TestEndpoints:
    async def test_made_listed_changed_deleted(self, shop: Shop, receiver: Receiver, courier: Courier) -> None:
        made = await listen(shop, receiver.url, "charge.refunded")
        changed = await shop.ask(
            lambda c: c.v1.webhook_endpoints.update(made.id, {"enabled_events": ["*"], "description": "kiosk"})
        )
        assert (changed.enabled_events, changed.description) == (["*"], "kiosk")
        listed = await shop.ask(lambda c: c.v1.webhook_endpoints.list())
        assert [(row.id, "secret" in row) for row in listed.data] == [(made.id, False)]
        await shop.paid(await shop.person())

        gone = await shop.ask(lambda c: c.v1.webhook_endpoints.delete(made.id))
        await run(courier)

        assert gone.deleted
        assert receiver.got == []
        async with shop.db.session() as session:
            assert (await session.scalars(select(WebhookEndpoint))).all() == []

    @pytest.mark.parametrize(
        "params",
        [
            {"url": "ftp://example.org", "enabled_events": ["*"]},
            {"url": "https://user:word@example.org", "enabled_events": ["*"]},
            {"url": "https://", "enabled_events": ["*"]},
            {"url": "not a url", "enabled_events": ["*"]},
            {"url": "https://example.org", "enabled_events": ["no.such"]},
            {"url": "https://example.org"},
            {"enabled_events": ["*"]},
        ],
    )
    async def test_what_cannot_be_is_refused(self, shop: Shop, params: Any) -> None:
        error = await shop.fails(lambda c: c.v1.webhook_endpoints.create(params))
        assert isinstance(error, stripe.InvalidRequestError)


class TestTables:
    """The other tables of the door: every trigger in every state."""

    @pytest.mark.parametrize("machine", [ENDPOINT, DELIVERY, SECRET_KEY])
    def test_each_cell(self, machine: Any) -> None:
        for state in states_of(machine):
            for trigger in {trigger for _, trigger in machine}:
                if (state, trigger) in machine:
                    assert next_state(machine, state, trigger) == machine[state, trigger]
                else:
                    with pytest.raises(StateConflict):
                        next_state(machine, state, trigger)
