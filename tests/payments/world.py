"""A small world for the stories of payments: two regions, a unit, two canteens, tills, and a flat price.

Identity's rows are written directly, because these stories are not about them; everything of payments goes through
its own services.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal, hash_token
from identity.models import Organisation, Region, Site, TerminalRow
from kernel import clock
from kernel.configuration import bump_configuration
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.idempotency import Answer
from kernel.ids import parse_public_id, uuid7
from payments import api
from payments.posting_rule import NO_USAGE, DenyCode, Payer, Quote, Refusal, Sale, Usage
from payments.queries import get_payment
from payments.reversals import Reversed

LUNCH_FEN = 1800
UNIT_SHARE_FEN = 1600


@dataclass
class FlatRule:
    """Every meal 18.00, of which the unit bears 16.00 at the first serving of the day; keyed amounts as they are."""

    region_of_site: dict[UUID, UUID] = field(default_factory=dict)
    is_open: bool = True
    amount_max_fen: int | None = None
    count_max: int | None = None

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        rows = await connection.fetch("SELECT id, region_id FROM sites")
        self.region_of_site.update({row["id"]: row["region_id"] for row in rows})

    def counter_keys(self, sale: Sale) -> tuple[str, ...]:
        return (f"meal:{sale.at.date()}:lunch",)

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        (key,) = self.counter_keys(sale)
        served = usage.get(key, NO_USAGE).count
        if payer.person_class == "visitor":
            return Refusal(DenyCode.CLASS)
        if not self.is_open:
            return Refusal(DenyCode.OUT_OF_PERIOD)
        if self.count_max is not None and served >= self.count_max:
            return Refusal(DenyCode.COUNT_LIMIT)
        amount_fen = LUNCH_FEN if sale.amount_fen is None else sale.amount_fen
        if self.amount_max_fen is not None and amount_fen > self.amount_max_fen:
            return Refusal(DenyCode.AMOUNT_LIMIT)
        return Quote(
            amount_fen=amount_fen,
            unit_share_fen=min(UNIT_SHARE_FEN, amount_fen) if served == 0 else 0,
            business_date=sale.at.date(),
            accounting_period=f"{sale.at:%Y-%m}",
            host_region_id=self.region_of_site[sale.site_id],
            site_id=sale.site_id,
            lot_tags=frozenset({sale.site_id.hex, "lunch"}),
            counters=(key,),
            context={"meal": "lunch"},
            trace=({"code": "price.flat", "zh": "午餐 18.00 元", "en": "Lunch is 18.00 yuan"},),
        )

    def site_label(self, site_id: UUID) -> str:
        return "一食堂"

    def site_label_en(self, site_id: UUID) -> str:
        return "Canteen One"


@dataclass
class World:
    """Places, tills and people, and short words for what is done with them."""

    db: Database
    home: UUID
    away: UUID
    unit: UUID
    canteen: UUID
    canteen_away: UUID
    tokens: dict[UUID, str] = field(default_factory=dict)
    tills: list[UUID] = field(default_factory=list)
    rule: FlatRule = field(default_factory=FlatRule)
    terminals: api.TerminalCache = field(default_factory=api.TerminalCache)
    posting: api.Posting = None  # type: ignore[assignment]  # set by open_world
    _seqs: dict[UUID, "itertools.count[int]"] = field(default_factory=dict)

    @property
    def till(self) -> Terminal:
        """The first till of the home canteen."""
        return self.terminal(self.tills[0])

    def terminal(self, terminal_id: UUID) -> Terminal:
        found = self.terminals.by_id(terminal_id)
        assert found is not None
        return found

    def next_seq(self, terminal: Terminal) -> int:
        return next(self._seqs.setdefault(terminal.id, itertools.count(1)))

    async def person(
        self, *, cash_fen: int = 0, lots: Mapping[int, Any] | None = None, person_class: str = "staff"
    ) -> UUID:
        """Somebody with cash and lots ({amount_fen: last day})."""
        person_id = uuid4()
        holder = api.NewHolder(person_id, self.unit, self.home, person_class, "王*")
        async with self.db.session() as session:
            await api.open_holders(session, [holder])
            if cash_fen:
                await api.top_up_at_counter(session, person_id, cash_fen, actor="test")
        for amount_fen, expires_on in (lots or {}).items():
            async with self.db.session() as session:
                await api.grant_subsidies(
                    session, self.unit, [api.Allotment(person_id, amount_fen)], expires_on=expires_on, actor="test"
                )
        return person_id

    async def code(self, person_id: UUID) -> api.IssuedCode:
        async with self.db.session() as session:
            return await api.issue_pay_code(session, person_id)

    async def purses(self, person_id: UUID) -> dict[str, Any]:
        from payments.service import purses_view

        async with self.db.session() as session:
            return await purses_view(session, person_id)

    async def pay(
        self,
        code: str,
        *,
        amount_fen: int | None = None,
        terminal: Terminal | None = None,
        key: str | None = None,
        seq: int | None = None,
        confirm_repeat: bool = False,
    ) -> Answer:
        """Through the queue, as the route does."""
        terminal = terminal or self.till
        body = api.PaymentRequest(
            seq=seq or self.next_seq(terminal), code=code, amount_fen=amount_fen, confirm_repeat=confirm_repeat
        )
        item = api.queue_item(terminal, key or uuid4().hex, body, request_id="req_test", language="zh")
        return await self.posting.submit(item)

    async def lunch(self, person_id: UUID, **arguments: Any) -> dict[str, Any]:
        """A fresh code, paid at once: the body of the 201."""
        answer = await self.pay((await self.code(person_id)).code, confirm_repeat=True, **arguments)
        assert answer.status == 201, answer.body
        return body_of(answer)

    async def void(self, payment: str, terminal: Terminal | None = None) -> Reversed:
        """At a till of the home canteen, unless another is given."""
        async with self.db.session() as session:
            return await api.void_payment(
                session, parse_public_id("pay", payment), terminal or self.till, site_label=self.rule.site_label
            )

    async def refund(self, payment: str, amount_fen: int, reason: str = "cold soup") -> Reversed:
        """By the office."""
        async with self.db.session() as session:
            return await api.refund_payment(
                session,
                parse_public_id("pay", payment),
                amount_fen,
                reason,
                actor="test",
                site_label=self.rule.site_label,
            )

    async def change(self, person_id: UUID, trigger: str) -> str:
        """A trigger on somebody's account; its state afterwards."""
        async with self.db.session() as session:
            return (await api.change_state(session, person_id, trigger, actor="test", reason="")).state

    async def status_of(self, payment: str) -> str:
        async with self.db.session() as session:
            return (await get_payment(session, parse_public_id("pay", payment))).status

    async def refused(self, code: str, **arguments: Any) -> GuanjiaError:
        """The error that a payment raised."""
        try:
            answer = await self.pay(code, **arguments)
        except GuanjiaError as error:
            return error
        raise AssertionError(f"it was answered: {answer}")


def body_of(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


async def open_world(db: Database, *, tills: int = 2, prefund_fen: int = 10**10) -> World:
    """Build the world and start its posting."""
    home, away, unit, operator, canteen, canteen_away = (uuid7() for _ in range(6))
    world = World(db, home, away, unit, canteen, canteen_away)
    async with db.session() as session:
        await _places(session, world, operator)
        await _tills(session, world, tills)
    async with db.session() as session:
        await api.create_partitions_around(session, clock.now())
        await api.prefund_unit(session, unit, home, prefund_fen, actor="test")
    world.posting = api.Posting(db, world.rule, world.terminals)
    await world.posting.start()
    return world


async def _places(session: AsyncSession, world: World, operator: UUID) -> None:
    at = clock.now()
    names = {"name_zh": "某地", "name_en": "Somewhere", "pinyin": "moudi", "created_at": at}
    for number, region in enumerate((world.home, world.away)):
        await session.execute(
            insert(Region).values(id=region, code=f"R{number}-{region.hex[-6:]}", timezone="Asia/Shanghai", **names)
        )
    for number, (organisation, kind) in enumerate(((world.unit, "unit"), (operator, "operator"))):
        await session.execute(
            insert(Organisation).values(
                id=organisation,
                home_region_id=world.home,
                kind=kind,
                code=f"O{number}-{organisation.hex[-6:]}",
                **names,
            )
        )
    for site, region in ((world.canteen, world.home), (world.canteen_away, world.away)):
        await session.execute(
            insert(Site).values(
                id=site, region_id=region, operator_id=operator, kind="canteen", code=f"S{site.hex[-6:]}", **names
            )
        )


async def _tills(session: AsyncSession, world: World, count: int) -> None:
    version = await bump_configuration(session)
    for site in [*[world.canteen] * count, world.canteen_away]:
        till, token = uuid7(), f"gjt_{uuid4().hex}"
        world.tills.append(till)
        world.tokens[till] = token
        await session.execute(
            insert(TerminalRow).values(
                id=till,
                site_id=site,
                name="1号机",
                serial=None,
                status="active",
                epoch=1,
                modes=["keyed", "fixed"],
                token_hash=hash_token(token),
                configuration_version=version,
                rotation_due=False,
                health={},
                created_at=clock.now(),
            )
        )
