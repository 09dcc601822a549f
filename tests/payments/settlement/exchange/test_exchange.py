"""Two installations settle with each other: signed line files both ways, until they agree to the fen."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from payments.ledger import house_balance
from payments.settlement import queries
from payments.settlement.clearing import obligations_of
from payments.settlement.exchange.errors import PartnerNotPinned, StatementRefused
from payments.settlement.netting import Obligation, net_positions, transfers
from tests.conftest import _fresh_database
from tests.payments.conftest import assert_books_are_right
from tests.payments.settlement.exchange.cities import HANGZHOU, NINGBO, City, open_city
from tests.payments.settlement.month import Month
from tests.payments.settlement.statements.stories import NOON, PERIOD
from tests.servers import SharedPostgres


@pytest.fixture
def second_url(postgres_server: SharedPostgres) -> Iterator[str]:
    with _fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
async def cities(db: Database, second_url: str) -> AsyncIterator[tuple[City, City]]:
    """Hangzhou and Ningbo, with a database each; they know each other's root keys."""
    second = Database(second_url)
    with clock.frozen(NOON):
        h = await open_city(db, HANGZHOU, NINGBO, PERIOD)
        n = await open_city(second, NINGBO, HANGZHOU, PERIOD)
        await h.believe(await n.root_key())
        await n.believe(await h.root_key())
        yield h, n
        for city in (h, n):
            await city.world.posting.stop()
            await assert_books_are_right(city.world.db)
    await second.close()


async def eat(h: City, n: City) -> None:
    """Ningbo's people eat for 61.00 in Hangzhou; Hangzhou's for 25.00 in Ningbo, of which 5.00 are given back."""
    for amount_fen in (2500, 1800, 1800):
        await h.feed_guest(amount_fen)
        clock.advance(timedelta(seconds=11))
    await n.feed_guest(2500)
    await n.give_back(0, 500)


async def exchange_drafts(h: City, n: City) -> None:
    await n.receive(await h.send())
    await h.receive(await n.send())


async def owed(city: City) -> tuple[int, int]:
    """(what the other owes, what is owed to the other), by its own book."""
    async with city.world.db.session() as session:
        due_from = await house_balance(session, city.own, "due_from", city.other)
        return due_from, -await house_balance(session, city.own, "due_to", city.other)


async def close_both_books(city: City) -> list[Obligation]:
    """Cut off and count this installation's two books; who owes whom by them, the clearing's own word."""
    month = Month(city.world, city.period)
    await month.open()
    await month.cut_off(early=True)
    await month.reconcile()
    async with city.world.db.session() as session:
        return await obligations_of(session, await queries.lock_month(session, city.period))


class TestDrafts:
    async def test_what_is_news_is_booked_once_under_its_own_name(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        assert await owed(n) == (2000, 0)

        sent = await h.send()
        first = await n.receive(sent)
        again = await n.receive(sent)

        assert (first.booked_count, first.booked_fen, first.final) == (3, 6100, False)
        assert (again.id, again.booked_count) == (first.id, 3)
        assert await owed(n) == (2000, 6100)
        # What Hangzhou has not heard of yet is all that is missing from its file.
        assert {each["kind"] for each in again.differences} == {"missing_there"}
        assert again.difference_count == 2

    async def test_after_both_ways_nothing_differs(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        await exchange_drafts(h, n)
        last = await n.receive(await h.send())

        assert last.difference_count == 0
        assert (last.ours_fen, last.theirs_fen) == (2000 - 6100, 2000 - 6100)
        assert await owed(h) == (6100, 2000)
        assert await owed(n) == (2000, 6100)

    async def test_our_copy_of_their_book_mirrors_it(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        await exchange_drafts(h, n)
        async with n.world.db.session() as session:
            assert await house_balance(session, n.own, "away", n.other) == 6100
            assert await house_balance(session, n.other, "due_from", n.own) == 6100


class TestSettling:
    async def test_final_files_agree_and_are_netted_to_the_fen_alike(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        await exchange_drafts(h, n)
        by_h, by_n = await close_both_books(h), await close_both_books(n)
        told_n, told_h = await n.receive(await h.send()), await h.receive(await n.send())

        for told in (told_n, told_h):
            assert (told.final, told.ours_final, told.difference_count, told.booked_count) == (True, True, 0, 0)
        names = {h.own: "H", h.other: "N", n.own: "N", n.other: "H"}

        def named(obligations: list[Obligation]) -> set[tuple[str, str, int]]:
            return {(names[each.debtor], names[each.creditor], each.amount_fen) for each in obligations}

        assert named(by_h) == named(by_n) == {("N", "H", 6100), ("H", "N", 2000)}
        assert named(transfers(net_positions(by_h))) == {("N", "H", 4100)}
        assert named(transfers(net_positions(by_n))) == {("N", "H", 4100)}

    async def test_a_claim_after_our_cut_off_is_booked_in_the_next_month_and_named(
        self, cities: tuple[City, City]
    ) -> None:
        h, n = cities
        await eat(h, n)
        await close_both_books(n)
        told = await n.receive(await h.send())

        assert told.booked_count == 3
        kinds = [each["kind"] for each in told.differences]
        assert kinds.count("other_period") == 3
        async with n.world.db.session() as session:
            periods = await session.scalars(
                text("SELECT DISTINCT accounting_period FROM ledger_lines WHERE kind = 'away_meal'")
            )
            assert list(periods) == ["2026-12"]


class TestDifferences:
    async def test_another_amount_is_named_by_its_line(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        await exchange_drafts(h, n)
        # Somebody has tampered with Ningbo's copy of one meal: the journal alone says so.
        changed = UUID(str(h.eaten[1]["id"]).removeprefix("pay_"))
        for amount_fen in (1700, 1800):
            async with n.world.db.session() as session:
                await session.execute(
                    text("UPDATE ledger_lines SET amount_fen = :fen WHERE transfer_id = :id"),
                    {"fen": amount_fen, "id": changed},
                )
            told = await n.receive(await h.send())
            if amount_fen == 1800:
                assert told.difference_count == 0
                continue
            (difference,) = told.differences
            assert (difference["kind"], difference["transfer"]) == ("amount", changed.hex)
            assert (difference["ours_fen"], difference["theirs_fen"]) == (-1700, -1800)
            lines = (await h.send())[0].read_text().splitlines()
            assert changed.hex in lines[difference["line"] - 1]

    async def test_what_they_no_longer_tell_is_named(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        early = await h.send()
        await h.feed_guest(900)
        late = await h.send()
        await n.receive(late)
        told = await n.receive(early)

        missing = {each["transfer"] for each in told.differences if each["kind"] == "missing_there"}
        assert str(h.eaten[-1]["id"]).removeprefix("pay_") in missing


class TestTrust:
    async def test_a_file_of_an_unknown_or_another_installation_is_refused(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        sent = await h.send()
        await n.believe(uuid4().bytes * 2)
        with pytest.raises(StatementRefused, match="STATEMENT_REFUSED"):
            await n.receive(sent)
        async with n.world.db.session() as session:
            await session.execute(text("DELETE FROM partner_regions"))
        with pytest.raises(PartnerNotPinned):
            await n.receive(sent)
        assert await owed(n) == (2000, 0)

    async def test_one_byte_changed_books_nothing_and_names_the_line(
        self, cities: tuple[City, City], tmp_path: Path
    ) -> None:
        h, n = cities
        await eat(h, n)
        path, signature = await h.send()
        changed = tmp_path / "changed.lines"
        changed.write_bytes(path.read_bytes().replace(b",1800,", b",1900,", 1))
        with pytest.raises(StatementRefused) as refused:
            await n.receive((changed, signature))

        assert refused.value.data["line"] >= 3
        assert await owed(n) == (2000, 0)

    async def test_a_statement_that_is_not_for_us_is_refused(self, cities: tuple[City, City]) -> None:
        h, n = cities
        await eat(h, n)
        with pytest.raises(StatementRefused):
            await n.receive(await n.send())
