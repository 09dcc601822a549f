"""Whatever a month holds, every invariant does: random months of two regions, from the first lunch to the lock.

The dice choose who eats where, what is taken back, granted, disputed and shared; the fixture audits the books afterwards.
"""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kernel import clock
from kernel.ids import parse_public_id, uuid7
from payments import api, jobs
from payments.queries import get_payment
from payments.settlement import queries, service, suspense
from payments.settlement.errors import DisputeExceeds
from payments.settlement.models import CanteenShare
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month, finance

EVENTS = 30
LINE_DISPUTES_MAX = 3


@dataclass
class Dice:
    """One random month, and what each canteen must have sold by its end."""

    month: Month
    roll: random.Random
    people: list[UUID] = field(default_factory=list)
    # What stands and may still be taken back: {payment: what is left of it}.
    left_fen: dict[str, int] = field(default_factory=dict)
    sold_fen: dict[UUID, int] = field(default_factory=dict)
    site_of: dict[str, UUID] = field(default_factory=dict)
    # Lines of statements that are disputed, with their months.
    lines: list[tuple[UUID, UUID]] = field(default_factory=list)
    # What persons dispute: {dispute: (canteen, region, fen)}.
    set_aside: dict[UUID, tuple[UUID, UUID, int]] = field(default_factory=dict)

    async def live(self) -> None:
        """Some people, then one event after the other."""
        world = self.month.world
        # The fixture's month has sold this much already (E4 to E7).
        self.sold_fen = {world.canteen: 3_600, world.canteen_away: 2_000}
        for _ in range(3):
            lots = {self.roll.randrange(1_000, 9_000): clock.now().date() + timedelta(days=self.roll.randrange(2, 20))}
            self.people.append(await world.person(cash_fen=100_000, lots=lots))
        events = (self.eat, self.eat, self.eat, self.void, self.refund, self.grant, self.top_up, self.dispute)
        for _ in range(EVENTS):
            clock.advance(timedelta(minutes=self.roll.randrange(1, 2 * 24 * 60 // 3)))
            await self.roll.choice(events)()
        for dispute in list(self.set_aside):
            if self.roll.random() < 0.5:
                await self.settle_dispute(dispute)

    async def eat(self) -> str:
        world = self.month.world
        till = world.terminal(self.roll.choice(world.tills))
        paid = await world.lunch(
            self.roll.choice(self.people), amount_fen=self.roll.randrange(100, 4_000), terminal=till
        )
        self.left_fen[paid["id"]], self.site_of[paid["id"]] = paid["amount_fen"], till.site_id
        self.sold_fen[till.site_id] += paid["amount_fen"]
        return str(paid["id"])

    async def void(self) -> None:
        """At once, as a void is allowed for five minutes."""
        payment, world = await self.eat(), self.month.world
        till = next(t for t in map(world.terminal, world.tills) if t.site_id == self.site_of[payment])
        await world.void(payment, till)
        self.sold_fen[self.site_of[payment]] -= self.left_fen.pop(payment)

    async def refund(self) -> None:
        if not self.left_fen:
            return
        payment = self.roll.choice(sorted(self.left_fen))
        back_fen = self.roll.randrange(1, self.left_fen[payment] + 1)
        await self.month.world.refund(payment, back_fen)
        self.sold_fen[self.site_of[payment]] -= back_fen
        self.left_fen[payment] -= back_fen
        if not self.left_fen[payment]:
            del self.left_fen[payment]

    async def grant(self) -> None:
        world = self.month.world
        last_day = clock.now().date() + timedelta(days=self.roll.randrange(1, 15))
        everybody = [api.Allotment(person, self.roll.randrange(100, 3_000)) for person in self.people]
        async with world.db.session() as session:
            await api.grant_subsidies(session, world.unit, everybody, expires_on=last_day, actor="test")

    async def top_up(self) -> None:
        async with self.month.world.db.session() as session:
            await api.top_up_at_counter(
                session, self.roll.choice(self.people), self.roll.randrange(1, 5_000), actor="test"
            )

    async def dispute(self) -> None:
        """What a person disputes leaves the canteen's account until it is settled."""
        if not self.left_fen:
            return
        identifier = self.roll.choice(sorted(self.left_fen))
        async with self.month.world.db.session() as session:
            payment = await get_payment(session, parse_public_id("pay", identifier))
            dispute, amount_fen = uuid7(), self.roll.randrange(1, self.left_fen[identifier] + 1)
            self.set_aside[dispute] = (payment.site_id, payment.host_region_id, amount_fen)
            await suspense.put_in_suspense(session, **self._of(dispute))
        self.sold_fen[payment.site_id] -= amount_fen

    async def settle_dispute(self, dispute: UUID) -> None:
        async with self.month.world.db.session() as session:
            await suspense.take_from_suspense(session, **self._of(dispute))
        site, _, amount_fen = self.set_aside.pop(dispute)
        self.sold_fen[site] += amount_fen

    def _of(self, dispute: UUID) -> dict[str, Any]:
        site, region, amount_fen = self.set_aside[dispute]
        on = clock.now().date()
        return {
            "site_id": site,
            "region_id": region,
            "amount_fen": amount_fen,
            "dispute_id": dispute,
            "business_date": on,
        }

    async def share(self, operator: UUID) -> None:
        """From this month on some canteens share their takings, by whatever weights."""
        async with self.month.world.db.session() as session:
            for site in self.sold_fen:
                weights = [self.roll.randrange(1, 100) for _ in range(self.roll.randrange(2, 4))]
                for ordinal, weight in enumerate(weights):
                    role, whose = ("operator", operator) if ordinal else ("canteen", self.month.world.unit)
                    session.add(
                        CanteenShare(
                            site_id=site,
                            from_period=self.month.period,
                            ordinal=ordinal,
                            organisation_id=whose,
                            weight=weight,
                            role=role,
                        )
                    )

    async def dispute_lines(self, region: UUID) -> int:
        """Of canteens' statements that were sent, some lines in part; how much that is of a book."""
        month, disputed_fen = self.month, 0
        (settlement,) = await month.ids(region)
        for _ in range(self.roll.randrange(LINE_DISPUTES_MAX + 1)):
            async with month.world.db.session() as session:
                statements = [s for s in await queries.statements_of(session, settlement) if s.kind == "canteen"]
                due = [statement for statement in statements if statement.due_fen > 0]
                if not due:
                    break
                statement = self.roll.choice(due)
                lines = await queries.lines_of(session, statement, month.period)
                line = self.roll.choice([line for line in lines if line.amount_fen])
                amount_fen = self.roll.randrange(1, min(abs(line.amount_fen), statement.due_fen) + 1)
                try:
                    found = await suspense.dispute_line(
                        session,
                        month.receiver,
                        settlement,
                        statement.id,
                        business_date=line.business_date,
                        line_kind=line.kind,
                        amount_fen=amount_fen,
                        reason="dice",
                    )
                except DisputeExceeds:
                    # The same line twice, for more than it was.
                    continue
                self.lines.append((settlement, found.id))
            disputed_fen += amount_fen
        return disputed_fen

    async def decide_lines(self) -> None:
        """Each of them goes back to its canteen, or waits for a voucher."""
        for settlement, line in self.lines:
            upheld = self.roll.random() < 0.5
            async with self.month.world.db.session() as session:
                await suspense.decide_dispute(
                    session, settlement, line, upheld=upheld, note="dice", actor=finance().actor
                )


@pytest.mark.parametrize("seed", range(1, 6))
async def test_every_invariant_holds_and_every_canteen_gets_what_it_sold(month: Month, seed: int) -> None:
    world, dice = month.world, Dice(month, random.Random(seed))
    operator = uuid7()
    await dice.live()
    await dice.share(operator)
    clock.advance(AFTER_MONTH - clock.now())
    while await jobs.expire_due_lots(world.db):
        pass
    await month.open()
    await month.cut_off(early=True)
    hashes = await month.reconcile()
    told = {**await month.statements(world.home), **await month.statements(world.away)}
    assert {site: told["canteen", site][0] - told["canteen", site][1] for site in dice.sold_fen} == dice.sold_fen
    parts_fen = {}
    for region in (world.home, world.away):
        statements = await month.statements(region)
        parts_fen[region] = statements.get(("operator", operator), (0, 0, 0))[2]
        canteens = [due for (kind, _), (_, _, due) in statements.items() if kind == "canteen"]
        sold = sum(i - o for (kind, _), (i, o, _) in statements.items() if kind == "canteen")
        assert sum(canteens) + parts_fen[region] == sold, "the parts are the whole"
    await month.send()
    disputed = {region: await dice.dispute_lines(region) for region in (world.home, world.away)}
    await month.confirm()
    await month.net(world.home)
    if (await month.row(world.away)).clearing_id is None:
        await month.net(world.away)
    await month.pay()
    await month.settle()
    await dice.decide_lines()
    await month.lock()
    books = await month.balances()
    for name, region in (("H", world.home), ("Q", world.away)):
        book = books[name]
        assert sum(book.values()) == 0
        assert not {"clearing", "due_to", "due_from", "operator_payable"} & book.keys()
        # What is left of the canteens' money waits, or has come back and is paid with the month that is open.
        waits_fen = sum(fen for _, where, fen in dice.set_aside.values() if where == region) + disputed[region]
        assert book.get("payable", 0) + book.get("suspense", 0) == -waits_fen
    async with world.db.session() as session:
        assert set((await service.recount(session, list(hashes))).values()) == {True}
