"""A whole copy of the product with a canteen, tills and diners, and the load that its faults are tried under."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec

from app.demo_data.kitchens import open_kitchens
from app.demo_data.places import open_places
from identity.api import enrol_terminal, open_terminal, payers_of
from kernel import clock
from kernel.calendar import seed_calendar
from kernel.db import Database
from payments import api
from payments.invariants import audit
from realtime.api import relay_lag_s
from tests.app.copies import Copy

TILLS: Final = 8
DINERS: Final = 120
CONNECTIONS: Final = 16
_CASH_FEN: Final = 500_000
_ACTOR: Final = "test"


@dataclass
class Sale:
    """One request of a till, which is repeated with its key until it is answered."""

    till: str
    key: str
    seq: int
    code: str
    amount_fen: int
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    unanswered: int = 0

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(
            {"code": self.code, "amount_fen": self.amount_fen, "seq": self.seq, "confirm_repeat": True}
        )


@dataclass
class Shop:
    """Where the load goes."""

    copy: Copy
    database: Database
    tokens: list[str]
    holders: list[tuple[int, UUID]]
    _seq: int = 0

    async def sales(self, count: int) -> list[Sale]:
        """Fresh codes of everybody in turn, each for one sale at one of the tills."""
        keys = [self.holders[number % DINERS] for number in range(count)]
        async with self.database.session() as session:
            codes = await api.issue_pay_codes(session, keys)
        found = []
        for number, code in enumerate(codes):
            self._seq += 1
            found.append(Sale(self.tokens[number % TILLS], uuid4().hex, self._seq, code.code, 1 + number % 1500))
        return found

    async def send(self, client: httpx.AsyncClient, sale: Sale) -> None:
        """Once. 503 and a lost connection are no answers."""
        headers = {"Authorization": f"Bearer {sale.till}", "Idempotency-Key": sale.key}
        try:
            answer = await client.post("/v1/payments", content=sale.body, headers=headers)
        except httpx.TransportError:
            sale.unanswered += 1
            return
        if answer.status_code == 503:
            sale.unanswered += 1
            return
        assert answer.status_code in (201, 402), answer.text
        sale.answers.append((answer.status_code, answer.content))

    async def drive(self, sales: Sequence[Sale], faults: Mapping[int, Callable[[], Awaitable[None]]]) -> None:
        """All sales over 16 connections; the fault at number n happens when the n-th sale is sent."""
        waiting = iter(enumerate(sales))

        async def connection(client: httpx.AsyncClient) -> None:
            for number, sale in waiting:
                if number in faults:
                    await faults[number]()
                await self.send(client, sale)
                if sale.unanswered:
                    await asyncio.sleep(0.05)

        async with self._client() as client:
            await asyncio.gather(*[connection(client) for _ in range(CONNECTIONS)])

    async def ask_again(self, sales: Sequence[Sale], timeout_s: float = 20) -> None:
        """Repeat every sale with its key, answered or not, until each has been answered (again)."""

        async def repeat(client: httpx.AsyncClient, sale: Sale) -> None:
            had = len(sale.answers)
            while len(sale.answers) == had:
                await self.send(client, sale)
                if len(sale.answers) == had:
                    await asyncio.sleep(0.1)

        async with asyncio.timeout(timeout_s), self._client() as client:
            waiting = iter(sales)

            async def connection() -> None:
                for sale in waiting:
                    await repeat(client, sale)

            await asyncio.gather(*[connection() for _ in range(CONNECTIONS)])

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        return httpx.AsyncClient(base_url=self.copy.url, timeout=15, limits=limits)

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """What the database says, once it can be asked."""
        for _ in range(200):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await self.database.raw_connection()
                try:
                    return list(await connection.fetch(statement, *arguments))
                finally:
                    await connection.close()
            await asyncio.sleep(0.1)
        raise AssertionError("the database did not come back")

    async def relay_is_done(self) -> None:
        """Wait until every event has been stamped."""
        for _ in range(600):
            async with self.database.session() as session:
                if await relay_lag_s(session) == 0:
                    return
            await asyncio.sleep(0.1)
        raise AssertionError("the relay did not catch up")

    async def assert_audit_is_clean(self) -> None:
        async with self.database.session() as session:
            findings = await audit(session)
        assert {finding.invariant.name: finding.offenders for finding in findings if not finding.holds} == {}


async def furnish(copy: Copy) -> Shop:
    """A canteen that is open round the clock, its tills, and diners with money; all through the services."""
    database = Database(copy.database_url)
    async with database.session() as session:
        await seed_calendar(session)
        await api.create_partitions_around(session, clock.now())
    places = await open_places(database)
    await open_kitchens(database, places)
    tokens = []
    for number in range(TILLS):
        async with database.session() as session:
            _, pairing = await open_terminal(
                session, site_id=places.canteens["C1"], name=f"T{number}", modes=("keyed", "fixed"), actor=_ACTOR
            )
        tokens.append((await enrol_terminal(database, pairing.code, "127.0.0.1"))["token"])
    holders = await _open_diners(database, places.organisations["U1"])
    return Shop(copy, database, tokens, holders)


async def _open_diners(database: Database, unit: UUID) -> list[tuple[int, UUID]]:
    people = [uuid4() for _ in range(DINERS)]
    async with database.session() as session:
        region = (await payers_of(session, [unit]))[unit].region_id
        found = await api.open_holders(
            session, [api.NewHolder(person, unit, region, "staff", "王*") for person in people]
        )
        await api.prefund_unit(session, unit, region, 10**9, actor=_ACTOR)
        await api.top_up_many_at_counter(session, dict.fromkeys(people, _CASH_FEN), actor=_ACTOR)
    async with database.session() as session:
        allotments = [api.Allotment(person, 35_200) for person in people]
        last_day = (clock.now() + timedelta(days=20)).date()
        await api.grant_subsidies(session, unit, allotments, expires_on=last_day, actor=_ACTOR)
    return [found[person] for person in people]
