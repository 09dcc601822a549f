"""The statements' lines add up to what the close has counted, and to what it says to each side."""

import dataclasses
import io
from pathlib import Path
from uuid import UUID

import pytest
from openpyxl import load_workbook
from sqlalchemy import select

from identity.models import Organisation
from kernel import clock
from kernel.ids import public_id, uuid7
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.models import CanteenShare, SettlementTotal
from payments.settlement.statements import listing, queries, service
from payments.settlement.statements.line_file import LineFileWriter, StatementBroken, verify
from payments.settlement.statements.statement import (
    Statement,
    StatementKind,
    StatementLine,
    account_name,
    kind_of,
)
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


def _forged(statement: Statement, share: dict[str, object], lines: list[StatementLine]) -> io.BytesIO:
    """A line file whose chain is right and whose header says another part."""

    class Forged(Statement):
        def header(self) -> dict[str, object]:
            return {**super().header(), "shares": [share]}

    target = io.BytesIO()
    fields = {field.name: getattr(statement, field.name) for field in dataclasses.fields(statement)}
    writer = LineFileWriter(target, Forged(**fields))
    writer.write_all(lines)
    writer.close()
    return io.BytesIO(target.getvalue())


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

    async def test_an_operator_s_part_to_what_the_close_has_split(self, month: Month, tmp_path: Path) -> None:
        """36.00 of one canteen by 7:3; the statement has the canteen's lines, and the part is the close's to the fen."""
        world = month.world
        operator = await self.shared(month, (world.canteen, 7, 3), (world.canteen_away, 2, 1))
        wanted = (StatementKind.OPERATOR, world.home, operator)
        draft, _ = await fetch(world.db, *wanted, tmp_path)
        await month.to_confirmed()
        made, path = await fetch(world.db, *wanted, tmp_path)
        assert (draft.statement.final, made.statement.final) == (False, True)
        assert made.statement.accounts == (f"payable:{world.canteen.hex}",), (
            "the other canteen stands in the other book"
        )
        assert draft.statement.shares == made.statement.shares
        told = await month.statements(world.home)
        (share,) = made.statement.shares
        assert (share.base_fen, share.weights, share.places) == (3_600, (7, 3), (1,))
        assert told["operator", operator] == (1_080, 0, 1_080)
        assert share.amount_fen == 1_080
        with path.open("rb") as source:
            assert verify(source).header["shares"][0]["amount_fen"] == 1_080
        async with world.db.session() as session:
            listed = await listing.list_statement_files(session, world.home, month.period, StatementKind.OPERATOR)
        assert [(each.subject.id, each.amounts[0].gain_fen, each.line_count) for each in listed] == [
            (public_id("org", operator), 1_080, made.statement.count)
        ]
        for form, words in (("xlsx", "36.00 × 3/10 = 10.80"), ("csv", "36.00")):
            _, sheet = await fetch(world.db, *wanted, tmp_path, form=form)
            content = str(list(load_workbook(sheet).worksheets[0].values)) if form == "xlsx" else sheet.read_text()
            assert words in content

    async def test_a_part_that_is_not_what_its_lines_come_to_is_refused(self, month: Month, tmp_path: Path) -> None:
        operator = await self.shared(month, (month.world.canteen, 7, 3))
        async with month.world.db.session() as session:
            made = await service.make_statement(
                session, StatementKind.OPERATOR, month.world.home, operator, month.period
            )
            read = queries.read_lines(session, made.extent)
            lines = [line async for some in read for line in some]
        for altered in ({"base_fen": 3_601}, {"weights": (6, 4)}, {"places": (0,)}):
            share = made.statement.shares[0]
            wrong = {**share.wire(), **{name: list(v) if isinstance(v, tuple) else v for name, v in altered.items()}}
            with pytest.raises(StatementBroken, match="weights"):
                verify(_forged(made.statement, wrong, lines))

    async def shared(self, month: Month, *canteens: tuple[UUID, int, int]) -> UUID:
        """The operator of some canteens, who has the second of two weights of their takings."""
        world = month.world
        operator = uuid7()
        async with world.db.session() as session:
            session.add(
                Organisation(
                    id=operator,
                    code="OP",
                    kind="operator",
                    name_zh="青禾餐饮",
                    name_en="Qinghe Catering",
                    pinyin="qing he can yin",
                    home_region_id=world.home,
                    created_at=clock.now(),
                )
            )
            for site, own, part in canteens:
                for ordinal, (role, weight) in enumerate((("canteen", own), ("operator", part))):
                    session.add(
                        CanteenShare(
                            site_id=site,
                            from_period="2026-11",
                            ordinal=ordinal,
                            organisation_id=operator if role == "operator" else world.unit,
                            weight=weight,
                            role=role,
                        )
                    )
        return operator

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
