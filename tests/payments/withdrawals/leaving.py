"""A world with a gateway that sends money out, people with names, and finance."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from app.simulators.alipay.keys import Keys
from app.simulators.alipay.server import AlipaySimulator
from identity.api import Place, Role, approve, principal_of, reject, today
from identity.sign_in import open_session
from kernel import clock, timers
from kernel.handlers import run_handler
from kernel.ids import parse_public_id
from payments import jobs
from payments.channels.alipay import AlipayChannel
from payments.gateways import looks
from payments.withdrawals import routes
from payments.withdrawals.handlers import follow_approvals
from tests.payments.channels.shop import CALL_TIMEOUT_S, account, served
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.world import World

Json = dict[str, Any]
ACCOUNT = "wang@example.com"
NAME = "王小明"


@dataclass
class Leaving:
    """Who leaves, finance, the gateway, and short words for what is done with them."""

    world: World
    http: httpx.AsyncClient
    simulator: AlipaySimulator
    alipay: httpx.AsyncClient
    channel: AlipayChannel
    leaver: Somebody
    finance: Somebody

    async def ask(
        self, who: Somebody, person: UUID | None = None, *, key: str | None = None, **body: Any
    ) -> httpx.Response:
        where = "/v1/me/withdrawals" if person is None else f"/v1/people/per_{person.hex}/cash/withdrawals"
        asked = {"account": ACCOUNT, "name": NAME, **body}
        return await self.http.post(where, json=asked, headers={**who.headers, "Idempotency-Key": key or uuid4().hex})

    async def asked(self, who: Somebody, person: UUID | None = None, **body: Any) -> Json:
        answer = await self.ask(who, person, **body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def state_of(self, withdrawal: Json) -> str:
        answer = await self.http.get(f"/v1/withdrawals/{withdrawal['id']}", headers=self.finance.headers)
        assert answer.status_code == 200, answer.text
        state: str = answer.json()["state"]
        return state

    async def fail(self, answer: str, method: str, **how: Any) -> None:
        """Let the gateway's next answer fail."""
        set_ = await self.alipay.post("/faults", json={"answer": answer, "method": method, **how})
        assert set_.status_code == 201, set_.text

    async def work(self) -> None:
        """The worker does what is due."""
        while await timers.fire_due(self.world.db, jobs.TIMERS):
            pass
        while await looks.look_at_orders(self.world.db, {"alipay": self.channel}):
            pass
        while await run_handler(self.world.db, "test.withdrawals", follow_approvals):
            pass

    async def wait(self, seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))
        async with self.world.db.session() as session:
            # Whoever was signed in may not be any more, a day later.
            self.finance = Somebody(self.finance.id, (await open_session(session, self.finance.id)).token)
        await self.work()

    async def decide(self, withdrawal: Json, who: Somebody, *, agreed: bool) -> None:
        async with self.world.db.session() as session:
            principal = await principal_of(session, who.id, today())
            assert principal is not None
            deciding = approve if agreed else reject
            await deciding(session, principal, parse_public_id("apr", withdrawal["approval"]))

    async def rows(self, statement: str) -> list[Any]:
        async with self.world.db.session() as session:
            return list((await session.execute(text(statement))).all())

    async def purses(self) -> Json:
        return await self.world.purses(self.leaver.id)

    @property
    def sent_fen(self) -> int:
        """What has left our account at the gateway."""
        return self.simulator.gateway.transfers.sent_fen


@asynccontextmanager
async def open_leaving(world: World, keys: Keys, *, cash_fen: int = 8_000) -> AsyncIterator[Leaving]:
    """Somebody with cash who may sign in still; everything up, ended afterwards."""
    simulators: list[AlipaySimulator] = []

    def make_simulator(url: str) -> Any:
        simulators.append(AlipaySimulator(keys, url))
        return simulators[0].app

    async with (
        served(make_simulator) as gateway_url,
        httpx.AsyncClient(base_url=gateway_url, timeout=30) as alipay,
    ):
        channel = AlipayChannel(account(keys, gateway_url, "http://127.0.0.1:1"), timeout_s=CALL_TIMEOUT_S)
        async with doors(world, routes, channels={"alipay": channel}) as http:
            yield Leaving(
                world,
                http,
                simulators[0],
                alipay,
                channel,
                await employee(world, cash_fen=cash_fen),
                await officer(world, Role.FINANCE, Place(region_id=world.home)),
            )
        channel.close_client()
