"""The statements' lines add up to what the close has counted, and to what it says to each side."""

from pathlib import Path

from sqlalchemy import select

from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.models import SettlementTotal
from payments.settlement.statements import listing, service
from payments.settlement.statements.statement import StatementKind, account_name, kind_of
from tests.payments.settlement.month import Month
from tests.payments.settlement.statements.stories import fetch

KINDS = {"canteen": "payable", "region_pair": "due_to", "unit": "unit_prefund"}


async def counted(month: Month, region: object) -> dict[str, tuple[int, int]]:
    """Debits and credits by account, as the close has kept them; persons' accounts by their kind."""
    (settlement,) = await month.ids(region)  # type: ignore[arg-type]  # a region's id
    found: dict[str, tuple[int, int]] = {}
    async with month.world.db.session() as session:
        rows = await session.scalars(
            select(SettlementTotal).where(
                SettlementTotal.settlement_id == settlement, SettlementTotal.kind.not_in(SETTLEMENT_KINDS)
            )
        )
        for row in rows:
            account = account_name(row.account_kind, row.account_owner)
            debit, credit = found.get(account, (0, 0))
            found[account] = (debit + row.debit_fen, credit + row.credit_fen)
    return found


class TestTies:
    async def test_to_the_close_s_totals_account_by_account(self, month: Month) -> None:
        world = month.world
        await month.to_confirmed()
        for region in (world.home, world.away):
            async with world.db.session() as session:
                made = await service.make_statement(session, StatementKind.BOOK, region, region, month.period)
            assert made.statement.final
            assert made.statement.totals == await counted(month, region)

    async def test_to_what_the_close_tells_each_side(self, month: Month) -> None:
        world = month.world
        await month.to_confirmed()
        told = await month.statements(world.home)
        seen = set()
        for kind, party in told:
            if kind not in KINDS:
                continue
            async with world.db.session() as session:
                made = await service.make_statement(session, StatementKind(kind), world.home, party, month.period)
            own = [account for account in made.statement.accounts if kind_of(account) != "subsidy"]
            in_fen, out_fen, _ = told[kind, party]
            # What the region owes a canteen is the canteen's gain; what it owes another region is its own loss.
            sign = -1 if kind == "region_pair" else 1
            assert sign * sum(made.statement.gain_fen(account) for account in own) == in_fen - out_fen, kind
            seen.add(kind)
        assert seen == set(KINDS)

    async def test_the_list_is_the_same_before_and_after_counting(self, month: Month) -> None:
        world = month.world

        async def listed() -> list[dict[str, object]]:
            async with world.db.session() as session:
                found = await listing.list_statement_files(session, world.home, month.period)
            return [view.model_dump(exclude={"final"}) for view in found]

        before = await listed()
        await month.to_confirmed()

        assert await listed() == before
        assert {each["kind"] for each in before} == {"canteen", "region_pair", "unit"}

    async def test_paying_the_month_changes_nothing_of_what_it_says(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        await month.to_confirmed()
        wanted = (StatementKind.REGION_PAIR, world.home, world.away)
        _, path = await fetch(world.db, *wanted, tmp_path)
        before = path.read_bytes()
        await month.net(world.home)
        _, path = await fetch(world.db, *wanted, tmp_path)

        assert path.read_bytes() == before
