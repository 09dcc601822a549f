"""One day's life: lunches at home and away, a refund, a top-up and a guest by Alipay, a shift; then bill, bank and list."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

import app.wiring  # noqa: F401  the counters are registered there
from kernel import clock
from kernel.ids import uuid7
from payments.banking.service import take_statement
from payments.channels.alipay import CHINA
from payments.ledger import post_lines
from payments.lines import Account, Line
from payments.reconciliation.bills import fetch_bill
from payments.reconciliation.hr_lists import take_hr_list
from payments.reconciliation.models import Difference, ReconciliationRun
from payments.reconciliation.runs import run_level, run_levels
from payments.till_sales import journal_position
from tests.payments.banking.samples import Entry, camt
from tests.payments.channels.shop import Shop

GRANT_FEN, TOP_UP_FEN, GUEST_FEN = 35_200, 10_000, 1_800
NET_FEN = TOP_UP_FEN + GUEST_FEN - 38 - 7
Row = tuple[Any, ...]


@dataclass
class Day:
    """The shop on that day, and short words for looking at it."""

    shop: Shop
    on: date
    person: UUID
    away_lunch: dict[str, Any] = field(default_factory=dict)
    guest_price_lunch: dict[str, Any] = field(default_factory=dict)
    top_up: dict[str, Any] = field(default_factory=dict)
    due_transfer: UUID = field(default_factory=uuid7)

    @property
    def db(self) -> Any:
        return self.shop.world.db

    @property
    def month(self) -> date:
        return self.on.replace(day=1)

    async def sql(self, statement: str, **values: Any) -> list[Row]:
        async with self.db.session() as session:
            result = await session.execute(text(statement), values)
            return [tuple(row) for row in result.all()] if result.returns_rows else []

    # ---- the other sides

    async def bring_bill(self, fault: str | None = None) -> None:
        self.shop.simulator.gateway.bills.faults.clear()
        if fault:
            self.shop.simulator.gateway.bills.set_fault(fault, None)
        await fetch_bill(self.db, self.shop.channel, self.on)

    async def bring_statement(self, entries: Sequence[Entry], reference: str = "S1", days: int = 1) -> None:
        on = self.on + timedelta(days=days)
        before = await self.sql("SELECT closing_fen FROM bank_statements ORDER BY last_day DESC LIMIT 1")
        content = camt(reference, on, on, before[0][0] if before else 0, entries)
        await take_statement(self.db, content, self.shop.world.home, actor="test")

    def payout(self, amount_fen: int = NET_FEN, days: int = 1) -> Entry:
        said = f"支付宝 {self.on:%Y%m%d} 结算款"
        return Entry(
            self.on + timedelta(days=days), amount_fen, f"R{amount_fen}", said, "支付宝（中国）网络技术有限公司"
        )

    async def bring_list(self, *people: str) -> None:
        rows = "".join(f"{number},{number},{GRANT_FEN // 100}.00\n" for number in people)
        content = f"工号,姓名,应发补贴\n{rows}".encode()
        await take_hr_list(self.db, content, self.shop.world.unit, self.month, actor="test")

    async def owe(self, ordinal: int, region: UUID, debit: Account, credit: Account) -> None:
        """One line between two books, posted as the office posts."""
        line = Line(1000, self.due_transfer, ordinal, "correction", region, debit, credit, None, 700, self.on, f"{self.on:%Y-%m}")  # fmt: skip  # one line
        async with self.db.session() as session:
            await post_lines(session, [line])

    # ---- running and looking

    async def run(self) -> list[ReconciliationRun]:
        """All levels for the day, and the bank's for the day of its statement."""
        runs = await run_levels(self.db, self.on)
        return [*runs, await run_level(self.db, 4, self.on + timedelta(days=1))]

    async def live(self) -> list[Difference]:
        async with self.db.session() as session:
            rows = await session.scalars(
                text("SELECT id FROM reconciliation_differences WHERE state <> 'closed' ORDER BY level, reference")
            )
            return [await session.get_one(Difference, each) for each in rows]

    async def told(self) -> list[tuple[int, str, int | None, int | None]]:
        return [(row.level, row.kind, row.expected_fen, row.found_fen) for row in await self.live()]

    async def balance(self, kind: str) -> int:
        rows = await self.sql("SELECT coalesce(sum(amount_fen), 0) FROM entries WHERE account_kind = :kind", kind=kind)
        return int(rows[0][0])


@asynccontextmanager
async def open_day(shop: Shop) -> AsyncIterator[Day]:
    """The day itself, from eleven to one; the clock then stands at ten the next morning."""
    on = clock.now().astimezone(CHINA).date()
    with clock.frozen(datetime.combine(on, time(11), CHINA)):
        world = shop.world
        person = await world.person(lots={GRANT_FEN: on + timedelta(days=60)})
        day = Day(shop, on, person)
        await _employ(day)
        day.top_up = await shop.opened(person, TOP_UP_FEN)
        await shop.pay(day.top_up["qr_text"])
        await _serve(day)
        clock.advance(timedelta(hours=22))
        yield day


async def _serve(day: Day) -> None:
    world, shift = day.shop.world, uuid7()
    async with day.db.session() as session:
        after = await journal_position(session)
    opened_at = clock.now()
    clock.advance(timedelta(minutes=30))
    await world.lunch(day.person)
    day.guest_price_lunch = await world.lunch(day.person)
    await world.refund(day.guest_price_lunch["id"], 500)
    charged = await day.shop.charge(await day.shop.code(), GUEST_FEN)
    assert charged.status_code == 201, charged.text
    clock.advance(timedelta(minutes=30))
    async with day.db.session() as session:
        until = await journal_position(session)
    # Handed over as a cashier does; the counter itself is another story (tests/canteen/test_shifts.py).
    await day.sql(
        """INSERT INTO canteens (id, is_open, open_to_all, configuration_version, created_at)
           VALUES (:canteen, true, true, 1, :now)""",
        canteen=world.canteen,
        now=opened_at,
    )
    await day.sql(
        """INSERT INTO shifts (id, canteen_id, terminal_id, cashier_id, state, business_date, opened_at, after, until,
                               handed_over_at, handed_over_by, sheet)
           VALUES (:id, :canteen, :till, :person, 'handed_over', :on, :opened, CAST(:after AS jsonb), CAST(:until AS jsonb),
                   :ended, :person, CAST(:sheet AS jsonb))""",
        id=shift,
        canteen=world.canteen,
        till=world.till.id,
        person=day.person,
        on=day.on,
        opened=opened_at,
        after=_stored(after),
        until=_stored(until),
        ended=clock.now(),
        sheet='{"sales_fen": 5400, "returned_fen": 0}',
    )
    day.away_lunch = await world.lunch(day.person, terminal=world.terminal(world.tills[-1]))


def _stored(position: dict[int, int]) -> str:
    return json.dumps({str(lane): n for lane, n in position.items()})


async def _employ(day: Day) -> None:
    await day.sql(
        """INSERT INTO people (id, name, pinyin, initials, staff_number, status, language, created_at)
           VALUES (:id, '王小明', 'wang xiao ming', 'wxm', 'A1', 'active', 'zh', :now)""",
        id=day.person,
        now=clock.now(),
    )


def payment_id(payment: dict[str, Any]) -> UUID:
    return UUID(payment["id"].partition("_")[2])
