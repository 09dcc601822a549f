"""Somebody who paid, the canteen's manager and the region's finance, and short words for what they say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import text

from identity.api import Place, Role
from identity.sign_in import open_session
from kernel import clock, timers
from kernel.calendar import seed_calendar
from payments.disputes import jobs, routes
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.world import World

Json = dict[str, Any]


@dataclass
class Counter:
    """The three sides of a dispute, before the HTTP of this process."""

    world: World
    http: httpx.AsyncClient
    payer: Somebody
    manager: Somebody
    finance: Somebody
    tokens: dict[UUID, str] = field(default_factory=dict)

    def headers(self, who: Somebody) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.get(who.id, who.token)}"}

    async def dispute(self, payment: Json, reason: str = "wrong_amount", **more: Any) -> httpx.Response:
        body = {"reason": reason, "words": "不对", **more}
        return await self.http.post(
            f"/v1/payments/{payment['id']}/disputes", json=body, headers=self.headers(self.payer)
        )

    async def opened(self, payment: Json, reason: str = "wrong_amount", **more: Any) -> Json:
        answer = await self.dispute(payment, reason, **more)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def pull(self, who: Somebody, dispute: Json, trigger: str, **body: Any) -> httpx.Response:
        body.setdefault("words", "好的")
        return await self.http.post(f"/v1/disputes/{dispute['id']}/{trigger}", json=body, headers=self.headers(who))

    async def pulled(self, who: Somebody, dispute: Json, trigger: str, **body: Any) -> Json:
        answer = await self.pull(who, dispute, trigger, **body)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def seen(self, who: Somebody, dispute: Json) -> Json:
        answer = await self.http.get(f"/v1/disputes/{dispute['id']}", headers=self.headers(who))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def cash_fen(self) -> int:
        cash: int = (await self.world.purses(self.payer.id))["cash_fen"]
        return cash

    async def wait(self, **time: int) -> None:
        """Time passes, and the worker fires what is due."""
        clock.advance(timedelta(**time))
        async with self.world.db.session() as session:
            # Whoever was signed in is not any more, days later.
            for who in (self.payer, self.manager, self.finance):
                self.tokens[who.id] = (await open_session(session, who.id)).token
        while await timers.fire_due(self.world.db, jobs.TIMERS):
            pass

    async def told(self, kind: str) -> list[Json]:
        """The data of every event of a type, in order."""
        async with self.world.db.session() as session:
            rows = await session.execute(
                text("""
                    SELECT event -> 'data' AS data FROM outbox CROSS JOIN LATERAL json_array_elements(events::json) AS event
                     WHERE event ->> 'type' = :kind ORDER BY lane, n
                """),
                {"kind": kind},
            )
            return [row.data for row in rows]


@asynccontextmanager
async def open_counter(world: World, *, cash_fen: int = 20_000) -> AsyncIterator[Counter]:
    """A payer with money; a manager of the canteen; finance of its region."""
    async with world.db.session() as session:
        await seed_calendar(session)
    async with doors(world, routes) as http:
        yield Counter(
            world,
            http,
            await employee(world, cash_fen=cash_fen),
            await officer(world, Role.CANTEEN_MANAGER, Place(site_id=world.canteen)),
            await officer(world, Role.FINANCE, Place(region_id=world.home)),
        )
