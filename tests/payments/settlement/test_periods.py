"""Posting and a cut-off: nothing is booked in a month once it was cut off; what comes late keeps its day and is told apart."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import insert, select, text

from kernel import clock
from kernel.ids import parse_public_id
from payments import api
from payments.funding import top_up_at_counter
from payments.ledger import open_period
from payments.models import AccountingPeriod
from payments.posting_rule import Payer, Quote, Refusal, Sale, Usage
from payments.queries import get_payment
from payments.settlement import late_sales, queries, service
from payments.settlement.errors import EarlierPeriodOpen, PeriodNotOver
from payments.settlement.models import LateCase
from payments.settlement.periods import (
    NONE_CLOSED,
    ClosedPeriods,
    enter_gate,
    is_late,
    needs_a_look,
    period_for_posting,
    period_of,
)
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month, finance
from tests.payments.world import FlatRule

H, Q = UUID(int=1), UUID(int=2)


class TestPeriodForPosting:
    def test_the_month_of_the_day_while_it_is_open(self) -> None:
        assert period_for_posting(NONE_CLOSED, "2026-11", H, Q) == "2026-11"

    def test_the_next_one_that_is_open_in_both_books(self) -> None:
        closed: ClosedPeriods = {H: frozenset({"2026-11"}), Q: frozenset({"2026-12"})}
        assert period_for_posting(closed, "2026-11", H) == "2026-12"
        assert period_for_posting(closed, "2026-11", Q) == "2026-11"
        assert period_for_posting(closed, "2026-11", H, Q) == "2027-01"

    def test_late_is_another_month_and_a_week_needs_a_look(self) -> None:
        assert is_late(date(2026, 11, 30), "2026-12")
        assert not is_late(date(2026, 12, 1), "2026-12")
        assert not needs_a_look(date(2026, 11, 30), date(2026, 12, 7))
        assert needs_a_look(date(2026, 11, 30), date(2026, 12, 8))


class TestCutOff:
    async def test_a_month_that_is_not_over_is_cut_off_only_if_that_is_meant(self, month: Month) -> None:
        await month.open()
        with pytest.raises(PeriodNotOver):
            await month.cut_off()
        await month.cut_off(early=True)
        async with month.world.db.session() as session:
            assert await open_period(session, month.world.home, clock.now().date()) == "2026-12"

    async def test_months_are_cut_off_in_their_order(self, month: Month) -> None:
        clock.advance(AFTER_MONTH + timedelta(days=40) - clock.now())
        await month.open()
        december = Month(month.world, "2026-12")
        await december.open()
        with pytest.raises(EarlierPeriodOpen):
            await december.cut_off()

    async def test_whoever_posts_meanwhile_is_before_it_or_in_the_next_month(self, month: Month) -> None:
        world = month.world
        await month.open()
        people = [await world.person(cash_fen=20_000) for _ in range(8)]
        is_cut_off = asyncio.Event()

        async def top_up(person: UUID) -> None:
            while not is_cut_off.is_set():
                async with world.db.session() as session:
                    await top_up_at_counter(session, person, 100, actor="test")

        async def eat(person: UUID) -> None:
            for serving in range(6):
                await world.lunch(person, amount_fen=1_000 + serving)

        async def cut_off() -> None:
            await asyncio.sleep(0.05)
            await month.cut_off(early=True)
            is_cut_off.set()

        await asyncio.gather(*map(eat, people), *map(top_up, people[:2]), cut_off())
        paid = await world.lunch(people[0], amount_fen=700)
        await month.reconcile()
        async with world.db.session() as session:
            last = await get_payment(session, parse_public_id("pay", paid["id"]))
            behind = await session.scalar(
                text("""
                    SELECT count(*) FROM ledger_lines l JOIN accounting_periods p
                        ON p.region_id = l.region_id AND p.period = l.accounting_period AND p.vector IS NOT NULL
                     WHERE l.n > coalesce((p.vector ->> l.lane::text)::bigint, 0)
                """)
            )
        assert (last.accounting_period, behind) == ("2026-12", 0)

    async def test_a_long_act_of_the_office_delays_it_and_not_the_tills(self, month: Month) -> None:
        world = month.world
        await month.open()
        async with world.db.session() as long_act:
            await enter_gate(long_act)
            cutting = asyncio.create_task(month.cut_off(early=True))
            await asyncio.sleep(0.1)
            for _ in range(5):
                async with asyncio.timeout(2), world.db.session() as till:
                    await enter_gate(till)
            assert not cutting.done()
        await cutting
        assert await month.states() == ["cutoff", "cutoff"]


@dataclass
class LateRule(FlatRule):
    """A till that was away: its sales are of an earlier day."""

    day: date = date(2026, 11, 20)

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        quoted = super().quote(sale, payer, usage)
        if isinstance(quoted, Refusal):
            return quoted
        return msgspec.structs.replace(quoted, business_date=self.day, accounting_period=period_of(self.day))


class TestLateSale:
    async def test_after_the_lock_it_is_booked_in_the_open_month_and_looked_at(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        await month.to_confirmed()
        await month.net(world.home)
        for step in (month.pay, month.settle, month.lock):
            await step()
        before = (await month.row(world.home)).aggregates_hash

        person = await world.person(cash_fen=5_000)
        rule = LateRule(world.rule.region_of_site, day=date(2026, 11, 20))
        paid = await _paid_by(month, rule, person)
        async with world.db.session() as session:
            payment = await get_payment(session, parse_public_id("pay", paid))
            assert (payment.business_date, payment.accounting_period) == (date(2026, 11, 20), "2026-12")
            assert await late_sales.note_late_sale(session, payment)
        december = Month(world, "2026-12")
        clock.advance(timedelta(days=31))
        await december.open()
        await december.cut_off()
        await december.reconcile()
        async with world.db.session() as session:
            (settlement,) = await december.ids(world.home)
            statement = await queries.statement_of_party(session, settlement, "canteen", world.canteen)
            assert statement is not None
            late = [line for line in await queries.lines_of(session, statement, "2026-12") if line.is_late]
            assert [(line.business_date, line.amount_fen) for line in late] == [(date(2026, 11, 20), 1_800)]
            assert set((await service.recount(session, await month.ids())).values()) == {True}
        assert (await month.row(world.home)).aggregates_hash == before

        async with world.db.session() as session:
            (case,) = await queries.late_cases(session, regions=None, state="open", after=None, limit=5)
            await late_sales.resolve(session, finance(), case.transfer_id, "the till was under water")
        async with world.db.session() as session:
            assert (await session.scalars(select(LateCase.state))).all() == ["resolved"]

    async def test_the_close_finds_one_that_nobody_has_noted(self, month: Month) -> None:
        world = month.world
        person = await world.person(cash_fen=5_000)
        rule = LateRule(world.rule.region_of_site, day=date(2026, 10, 20))
        async with world.db.session() as session:
            await session.execute(
                insert(AccountingPeriod).values(region_id=world.home, period="2026-10", state="locked")
            )
        await _paid_by(month, rule, person)
        clock.advance(AFTER_MONTH - clock.now())
        await month.open()
        await month.cut_off()
        await month.reconcile()
        async with world.db.session() as session:
            (case,) = await queries.late_cases(session, regions=None, state="open", after=None, limit=5)
        assert (case.business_date, case.period) == (date(2026, 10, 20), "2026-11")


async def _paid_by(month: Month, rule: FlatRule, person: UUID) -> str:
    """A payment under another rule: posting begins anew with it."""
    world = month.world
    await world.posting.stop()
    world.posting = api.Posting(world.db, rule, world.terminals)
    await world.posting.start()
    paid: str = (await world.lunch(person))["id"]
    return paid
