"""The worked example of the books, replayed to the fen in the books of both regions (docs/books.md)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from payments import funding, jobs
from payments.ledger import house_balance
from tests.payments.conftest import assert_books_are_right
from tests.payments.world import World, open_world

NOON = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)


@pytest.fixture
async def example(db: Database) -> AsyncIterator[World]:
    """E1: the unit has paid in 10,000.00, and nothing else has happened."""
    with clock.frozen(NOON):
        world = await open_world(db, prefund_fen=1_000_000)
        yield world
        await world.posting.stop()
        await assert_books_are_right(db)


async def books(world: World, person: UUID) -> dict[str, dict[str, int]]:
    """Both books: every account that is not zero, by its name in the example (+ debit, - credit)."""
    async with world.db.session() as session:
        rows = await session.execute(
            text("""
                SELECT e.region_id, e.account_kind, e.account_owner, sum(e.amount_fen) AS fen
                  FROM entries e GROUP BY 1, 2, 3 HAVING sum(e.amount_fen) <> 0
            """)
        )
        holder = await session.scalar(
            text("SELECT holder_id FROM holder_directory WHERE person_id = :person"), {"person": person}
        )
    names = {
        world.home: "H", world.away: "Q", world.unit: "U", world.canteen: "K1", world.canteen_away: "K2", holder: "A",
    }  # fmt: skip  # the names of the example
    found: dict[str, dict[str, int]] = {"H": {}, "Q": {}}
    for row in rows:
        account = row.account_kind if row.account_kind == "bank" else f"{row.account_kind}:{names[row.account_owner]}"
        found[names[row.region_id]][account] = int(row.fen)
    return found


class TestWorkedExample:
    async def test_each_event_stands_in_both_books_as_written_down(self, example: World) -> None:
        world = example
        month_end = NOON.date().replace(day=30)

        person = await world.person(lots={35_200: month_end})
        h = {"bank": 1_000_000, "unit_prefund:U": -964_800, "subsidy:A": -35_200}
        assert await books(world, person) == {"H": h, "Q": {}}, "E1 and E2"

        async with world.db.session() as session:
            await funding.top_up_at_counter(session, person, 10_000, actor="test")
        h |= {"bank": 1_010_000, "cash:A": -10_000}
        assert await books(world, person) == {"H": h, "Q": {}}, "E3, at the counter"

        lunch = await world.lunch(person)
        assert [(leg["purse"], leg["amount_fen"]) for leg in lunch["legs"]] == [("subsidy", 1600), ("cash", 200)]
        h |= {"subsidy:A": -33_600, "cash:A": -9_800, "payable:K1": -1_800}
        assert await books(world, person) == {"H": h, "Q": {}}, "E4"

        second = await world.lunch(person)
        assert [(leg["purse"], leg["amount_fen"]) for leg in second["legs"]] == [("cash", 1800)]
        h |= {"cash:A": -8_000, "payable:K1": -3_600}
        assert await books(world, person) == {"H": h, "Q": {}}, "E5"

        clock.advance(timedelta(days=1))
        away = await world.lunch(person, amount_fen=2500, terminal=world.terminal(world.tills[-1]))
        assert [(leg["purse"], leg["amount_fen"]) for leg in away["legs"]] == [("subsidy", 1600), ("cash", 900)]
        h |= {"subsidy:A": -32_000, "cash:A": -7_100, "due_to:Q": -2_500}
        q = {"due_from:H": 2_500, "payable:K2": -2_500}
        assert await books(world, person) == {"H": h, "Q": q}, "E6"

        refunded = await world.refund(away["id"], 500)
        assert [(leg["purse"], leg["amount_fen"]) for leg in refunded.legs] == [("cash", 500)]
        h |= {"cash:A": -7_600, "due_to:Q": -2_000}
        q = {"due_from:H": 2_000, "payable:K2": -2_000}
        assert await books(world, person) == {"H": h, "Q": q}, "E7"

        # Expiry is posted 72 hours after the last business day, which itself ends at 02:00.
        clock.advance(datetime(2026, 12, 3, 17, 59, tzinfo=UTC) - clock.now())
        assert await jobs.expire_due_lots(world.db) == 0
        clock.advance(timedelta(minutes=1))
        assert await jobs.expire_due_lots(world.db) == 1
        del h["subsidy:A"]
        h["unit_prefund:U"] = -996_800
        assert await books(world, person) == {"H": h, "Q": q}, "E9"
        assert sum(h.values()) == 0
        assert sum(q.values()) == 0

    async def test_straight_after_a_meal_in_another_region_both_books_hold_written_by_one_transaction(
        self, example: World
    ) -> None:
        world = example
        person = await world.person(cash_fen=5_000, lots={35_200: NOON.date().replace(day=30)})
        paid = await world.lunch(person, amount_fen=2_500, terminal=world.terminal(world.tills[-1]))
        async with world.db.session() as session:
            lines = await session.execute(
                text("""
                    SELECT l.region_id, l.debit_kind, l.credit_kind, l.amount_fen, l.lane, l.n, l.xmin::text AS written_by,
                           p.xmin::text AS paid_by
                      FROM ledger_lines l JOIN payments p ON p.bucket = l.bucket AND p.id = l.transfer_id
                     WHERE l.transfer_id = :payment ORDER BY l.ordinal
                """),
                {"payment": UUID(paid["id"].removeprefix("pay_"))},
            )
        found = lines.all()
        assert [(row.region_id, row.debit_kind, row.credit_kind, row.amount_fen) for row in found] == [
            (world.home, "subsidy", "due_to", 1_600),
            (world.home, "cash", "due_to", 900),
            (world.away, "due_from", "payable", 2_500),
        ]
        assert (
            len({(row.lane, row.n, row.written_by) for row in found} | {(found[0].lane, found[0].n, found[0].paid_by)})
            == 1
        )
        books_now = await books(world, person)
        assert {book: sum(accounts.values()) for book, accounts in books_now.items()} == {"H": 0, "Q": 0}

    async def test_a_house_account_reads_the_same_before_and_after_each_checkpoint(self, example: World) -> None:
        world = example
        person = await world.person(cash_fen=50_000)
        expected = 0
        for amount_fen in (1200, 700, 900):
            await world.lunch(person, amount_fen=amount_fen)
            expected -= amount_fen
            for _ in range(2):
                async with world.db.session() as session:
                    assert await house_balance(session, world.home, "payable", world.canteen) == expected
                await jobs.fold_account_deltas(world.db)
            clock.advance(timedelta(seconds=9))

    async def test_lots_are_spent_in_the_order_of_their_end_then_the_smallest(self, example: World) -> None:
        world = example
        last = NOON.date() + timedelta(days=5)
        person = await world.person(cash_fen=10_000, lots={900: last, 500: last, 300: last + timedelta(days=9)})
        body = await world.lunch(person)
        assert [(leg["purse"], leg["amount_fen"]) for leg in body["legs"]] == [
            ("subsidy", 500),
            ("subsidy", 900),
            ("subsidy", 200),
            ("cash", 200),
        ]
