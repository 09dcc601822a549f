"""The world of payments with a gateway in it: the product answers on a real port, and so does the simulated Alipay."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI, Request
from sqlalchemy import text

from app.simulators.alipay.keys import APP_ID, SELLER_ID, Keys
from app.simulators.alipay.server import AlipaySimulator
from identity import access
from identity.api import Principal
from kernel import clock, timers
from kernel.http import RequestIds, install_error_handlers
from payments import jobs
from payments.channels.alipay import AlipayAccount, AlipayChannel
from payments.channels.channel import Channel
from payments.gateways import channel_routes, looks
from tests.payments.world import World

Json = dict[str, Any]
# So that a silent gateway costs a test no more than this.
CALL_TIMEOUT_S = 1.5
RETRIES_S = (0.1, 0.2, 0.2)


@asynccontextmanager
async def served(make: Callable[[str], Any]) -> AsyncIterator[str]:
    """An application on a free port of this machine, in this very loop; `make` is told its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(make(url), log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1)  # fmt: skip  # one server
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        while not server.started:  # noqa: ASYNC110  the server has no event to wait for
            await asyncio.sleep(0.01)
        try:
            yield url
        finally:
            server.should_exit = True
            await serving


def product_app(world: World, channels: dict[str, Channel]) -> FastAPI:
    """The channel's addresses as the product serves them. Who calls is said by the token itself: signing in is another story."""
    app = FastAPI()
    app.state.database = world.db
    app.state.channels = channels
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(channel_routes.router)

    async def person_of(request: Request) -> Principal:
        person = UUID(access.token_of(request))
        return Principal(person, "王", None, (), "staff", None, world.unit, world.home)

    app.dependency_overrides[access.current_person] = person_of
    app.dependency_overrides[access.current_person_apart] = person_of
    return app


@dataclass
class Shop:
    """World, product, gateway, and short words for what is done with them."""

    world: World
    simulator: AlipaySimulator
    channel: AlipayChannel
    alipay: httpx.AsyncClient
    product: httpx.AsyncClient

    # ---- the person

    async def open(self, person: UUID, amount_fen: int = 10_000, key: str | None = None) -> httpx.Response:
        return await self.product.post(
            "/v1/me/top_ups",
            json={"amount_fen": amount_fen, "channel": "alipay"},
            headers={"Authorization": f"Bearer {person.hex}", "Idempotency-Key": key or uuid4().hex},
        )

    async def opened(self, person: UUID, amount_fen: int = 10_000) -> Json:
        answer = await self.open(person, amount_fen)
        assert answer.status_code == 201, answer.text
        return body_of(answer)

    async def status_of(self, person: UUID, top_up: Json) -> str:
        answer = await self.product.get(
            f"/v1/me/top_ups/{top_up['id']}", headers={"Authorization": f"Bearer {person.hex}"}
        )
        status: str = answer.json()["status"]
        return status

    async def cash_of(self, person: UUID) -> int:
        cash: int = (await self.world.purses(person))["cash_fen"]
        return cash

    # ---- the payer's phone

    async def pay(self, qr_text: str, **how: Any) -> None:
        """With the notice delivered before this returns, unless the story says otherwise."""
        answer = await self.alipay.post("/pay", json={"qr_text": qr_text, "order": "notify_first", **how})
        assert answer.status_code == 200, answer.text

    async def code(self, behaviour: str = "pay") -> str:
        made: str = (await self.alipay.post("/auth_codes", json={"behaviour": behaviour})).json()["auth_code"]
        return made

    async def fail(self, answer: str, method: str | None = None, **how: Any) -> None:
        """Let the next call fail."""
        set_ = await self.alipay.post("/faults", json={"answer": answer, "method": method, **how})
        assert set_.status_code == 201, set_.text

    # ---- the till

    async def charge(
        self, auth_code: str, amount_fen: int = 1800, *, seq: int | None = None, key: str | None = None
    ) -> httpx.Response:
        till = self.world.till
        return await self.product.post(
            "/v1/guest_payments",
            json={"auth_code": auth_code, "amount_fen": amount_fen, "seq": seq or self.world.next_seq(till)},
            headers=self.as_till(key or uuid4().hex),
        )

    def as_till(self, key: str | None = None, number: int = 0) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.world.tokens[self.world.tills[number]]}"}
        return headers | ({"Idempotency-Key": key} if key else {})

    async def guest(self, guest: Json) -> Json:
        return body_of(await self.product.get(f"/v1/guest_payments/{guest['id']}", headers=self.as_till()))

    # ---- the gateway's own notice, and time

    async def notify(self, form: dict[str, str]) -> httpx.Response:
        return await self.product.post("/v1/notify/alipay", data=form)

    def notice_of(self, name: str, **also: str) -> dict[str, str]:
        """A notice as Alipay would sign it now."""
        trade = self.simulator.trades.find(name)
        assert trade is not None
        return self.simulator.notices.form(trade, **also)

    async def wait(self, seconds: float) -> None:
        """Time passes, and the worker does what has become due."""
        clock.advance(timedelta(seconds=seconds))
        await self.work()

    async def work(self) -> None:
        while await timers.fire_due(self.world.db, jobs.TIMERS):
            pass
        while await looks.look_at_orders(self.world.db, {"alipay": self.channel}):
            pass

    # ---- what stands in the books

    async def rows(self, statement: str) -> list[Any]:
        async with self.world.db.session() as session:
            return list((await session.execute(text(statement))).all())

    async def steps_of(self, top_up: Json) -> list[str]:
        found = await self.rows(
            f"SELECT state FROM channel_steps WHERE order_id = '{UUID(top_up['id'][4:])}' ORDER BY ordinal"
        )
        return [row.state for row in found]

    async def cases(self) -> list[tuple[str, bool]]:
        """(kind, whether it is open)."""
        return [
            (row.kind, row.open)
            for row in await self.rows(
                "SELECT kind, resolved_at IS NULL AS open FROM difference_cases ORDER BY opened_at"
            )
        ]


def body_of(answer: httpx.Response) -> Json:
    found: Json = answer.json()
    return found


def account(keys: Keys, gateway_url: str, product_url: str) -> AlipayAccount:
    return AlipayAccount(
        APP_ID,
        keys.app_private_pem,
        keys.alipay_public_pem,
        f"{gateway_url}/gateway.do",
        f"{product_url}/v1/notify/alipay",
        SELLER_ID,
    )


@asynccontextmanager
async def open_shop(world: World, keys: Keys) -> AsyncIterator[Shop]:
    """Everything up; ended afterwards."""
    simulators: list[AlipaySimulator] = []

    def make_simulator(url: str) -> Any:
        simulators.append(AlipaySimulator(keys, url, retries_s=RETRIES_S))
        return simulators[0].app

    channels: dict[str, Channel] = {}
    async with (
        served(make_simulator) as gateway_url,
        served(lambda _url: product_app(world, channels)) as product_url,
        httpx.AsyncClient(base_url=gateway_url, timeout=30) as alipay,
        httpx.AsyncClient(base_url=product_url, timeout=30, limits=httpx.Limits(max_connections=200)) as product,
    ):
        channel = AlipayChannel(account(keys, gateway_url, product_url), timeout_s=CALL_TIMEOUT_S)
        channels["alipay"] = channel
        yield Shop(world, simulators[0], channel, alipay, product)
        await simulators[0].notices.stop()
        channel.close_client()
