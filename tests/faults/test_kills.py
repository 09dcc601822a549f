"""kill -9 of every part under load: what was acknowledged is there once, a retry gets the same bytes, the books are right."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from tests.app.copies import Copy, running_copy
from tests.faults.shop import Sale, Shop, furnish

SALES = 500
KILLED_AT = 200


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Copy, dict[str, Shop]]]:
    """One running copy, furnished once; its database is durable, as a person's is."""
    with running_copy(tmp_path_factory.mktemp("faults") / "data") as copy:
        yield copy, {}


@pytest.fixture
async def shop(running: tuple[Copy, dict[str, Shop]]) -> AsyncIterator[Shop]:
    """The shop in it, opened for this test's loop."""
    copy, furnished = running
    if "shop" not in furnished:
        furnished["shop"] = await furnish(copy)
        # The tills are new: the web process learns of them within the second.
        await asyncio.sleep(1)
    else:
        shop = furnished["shop"]
        furnished["shop"] = Shop(copy, type(shop.database)(copy.database_url), shop.tokens, shop.holders, shop._seq)
    copy.forget()
    yield furnished["shop"]
    await furnished["shop"].database.close()


async def assert_each_happened_once(shop: Shop, sales: Sequence[Sale]) -> None:
    """Every acknowledged sale is one payment, and no sale is more; every answer of a sale has the same bytes."""
    for sale in sales:
        assert len(sale.answers) >= 1
        assert len(set(sale.answers)) == 1, sale
    rows = await shop.rows(
        "SELECT r.key, p.id, p.amount_fen FROM terminal_requests r JOIN payments p ON p.id = r.payment_id "
        "WHERE r.key = ANY($1::text[])",
        [sale.key for sale in sales],
    )
    paid = {row["key"]: row["amount_fen"] for row in rows}
    assert len(rows) == len(paid)
    assert paid == {sale.key: sale.amount_fen for sale in sales if sale.answers[0][0] == 201}
    await shop.assert_audit_is_clean()


async def assert_everybody_was_told_once(shop: Shop, sales: Sequence[Sale]) -> None:
    """On the payer's channel and on the canteen's, without gap or repeat."""
    await shop.relay_is_done()
    rows = await shop.rows(
        """
        SELECT count(*) AS heard, count(DISTINCT event_id) AS events FROM channel_events c
         WHERE type = 'payment.succeeded' AND data::json ->> 'payment' IN (
               SELECT 'pay_' || replace(payment_id::text, '-', '') FROM terminal_requests WHERE key = ANY($1::text[]))
        """,
        [sale.key for sale in sales],
    )
    paid = len([sale for sale in sales if sale.answers[0][0] == 201])
    assert (rows[0]["heard"], rows[0]["events"]) == (2 * paid, paid)
    gaps = await shop.rows("SELECT channel FROM channel_events GROUP BY channel HAVING max(position) <> count(*)")
    assert gaps == []


def acknowledged(sales: Sequence[Sale]) -> int:
    return len([sale for sale in sales if sale.answers])


def recoveries(shop: Shop) -> int:
    """How often the database has recovered from a crash, by its own log."""
    return (shop.copy.data_dir / "logs" / "postgres.log").read_text().count("automatic recovery in progress")


class TestKilledUnderLoad:
    async def test_postgres(self, shop: Shop) -> None:
        before = recoveries(shop)
        sales = await shop.sales(SALES)

        async def kill() -> None:
            shop.copy.kill("postgres")

        await shop.drive(sales, {KILLED_AT: kill})
        assert KILLED_AT - 16 <= acknowledged(sales) < SALES
        await shop.ask_again(sales)

        assert recoveries(shop) == before + 1
        await assert_each_happened_once(shop, sales)
        await assert_everybody_was_told_once(shop, sales)

    async def test_the_web_process(self, shop: Shop) -> None:
        sales = await shop.sales(SALES)

        async def kill() -> None:
            shop.copy.kill("web")

        await shop.drive(sales, {KILLED_AT: kill})
        assert acknowledged(sales) < SALES, "some were cut off between their commit and their answer, or before"
        await shop.ask_again(sales)

        shop.copy.hears("web is running again")
        await assert_each_happened_once(shop, sales)
        await assert_everybody_was_told_once(shop, sales)

    async def test_the_worker_amid_its_relaying(self, shop: Shop) -> None:
        sales = await shop.sales(SALES)

        async def kill() -> None:
            shop.copy.kill("worker")

        await shop.drive(sales, {KILLED_AT: kill})
        assert acknowledged(sales) == SALES, "payments do not need the worker"
        await shop.ask_again(sales)

        shop.copy.hears("worker is running again")
        await assert_each_happened_once(shop, sales)
        await assert_everybody_was_told_once(shop, sales)

    async def test_valkey(self, shop: Shop) -> None:
        sales = await shop.sales(SALES)

        async def kill() -> None:
            shop.copy.kill("valkey")

        await shop.drive(sales, {KILLED_AT: kill})
        assert acknowledged(sales) == SALES, "payments do not need Valkey"
        await shop.ask_again(sales)

        shop.copy.hears("valkey is running again")
        await assert_each_happened_once(shop, sales)
        await assert_everybody_was_told_once(shop, sales)
