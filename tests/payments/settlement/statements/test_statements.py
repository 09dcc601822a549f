"""A month as each side reads it: the canteens, the unit, the two regions, the person."""

import csv
import io
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from kernel import clock
from kernel.errors import NotFound
from payments.settlement.statements import listing, service
from payments.settlement.statements.line_file import LineFileReader
from payments.settlement.statements.statement import StatementKind, StatementLine
from payments.settlement.statements.words import Language
from tests.payments.settlement.statements.stories import NOON, PERIOD, Month, cut_off, eat_a_month, fetch
from tests.payments.world import World, open_world
from tests.pdf import words_of


@pytest.fixture
async def month(world_at_noon: World) -> Month:
    return await eat_a_month(world_at_noon)


@pytest.fixture
async def world_at_noon(db: object) -> AsyncIterator[World]:
    with clock.frozen(NOON):
        world = await open_world(db, prefund_fen=1_000_000)  # type: ignore[arg-type]  # the database of tests/conftest.py
        yield world
        await world.posting.stop()


def lines_in(path: Path) -> list[StatementLine]:
    with path.open("rb") as source:
        return list(LineFileReader(source).lines())


class TestCanteen:
    async def test_reads_its_meals_and_nothing_of_who_ate_them(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        made, path = await fetch(world.db, StatementKind.CANTEEN, world.home, world.canteen, tmp_path)

        lines = lines_in(path)
        assert [(line.debit, line.amount_fen) for line in lines] == [("subsidy", 1600), ("cash", 200)]
        assert {line.credit for line in lines} == {f"payable:{world.canteen.hex}"}
        assert {line.happened_at for line in lines} == {NOON}
        assert made.statement.gain_fen(f"payable:{world.canteen.hex}") == 1800
        async with world.db.session() as session:
            holder = await session.scalar(text("SELECT holder_id FROM holder_directory"))
        content = path.read_text()
        assert holder.hex not in content
        assert month.person.hex not in content

    async def test_is_a_draft_until_the_cut_off_and_the_same_file_ever_after(
        self, month: Month, tmp_path: Path
    ) -> None:
        world = month.world
        draft, _ = await fetch(world.db, StatementKind.CANTEEN, world.home, world.canteen, tmp_path)
        await cut_off(world.db, world.home)
        final, path = await fetch(world.db, StatementKind.CANTEEN, world.home, world.canteen, tmp_path)
        first = path.read_bytes()
        # Whatever comes after the cut-off: here a sale that a rule would book elsewhere.
        await world.lunch(month.person)
        _, path = await fetch(world.db, StatementKind.CANTEEN, world.home, world.canteen, tmp_path)

        assert (draft.statement.final, final.statement.final) == (False, True)
        assert path.read_bytes() == first


class TestRegions:
    async def test_both_sides_tell_the_same_meals_by_the_same_names(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        _, at_home = await fetch(world.db, StatementKind.REGION_PAIR, world.home, world.away, tmp_path)
        home = lines_in(at_home)
        _, abroad = await fetch(world.db, StatementKind.REGION_PAIR, world.away, world.home, tmp_path)
        away = lines_in(abroad)

        def by_transfer(lines: list[StatementLine], kind: str) -> dict[str, int]:
            keyed = itertools.groupby(lines, key=lambda line: line.transfer_id.hex)
            return {name: sum(line.gain_fen(kind) for line in found) for name, found in keyed}

        payment = month.away["id"].removeprefix("pay_")
        owed, due = by_transfer(home, "due_to"), by_transfer(away, "due_from")
        assert owed[payment] == -2500
        assert {name: -fen for name, fen in owed.items()} == due
        assert sum(due.values()) == 2000
        refund = next(line for line in away if line.kind == "refund")
        assert refund.reference is not None
        assert refund.reference.hex == payment


class TestUnit:
    async def test_reads_what_it_paid_in_granted_and_what_was_eaten_of_it(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        made, path = await fetch(world.db, StatementKind.UNIT, world.home, world.unit, tmp_path)

        told = [(line.kind, line.gain_fen("unit_prefund"), line.gain_fen("subsidy")) for line in lines_in(path)]
        # What was written in the same millisecond stands in no particular order.
        assert sorted(told) == [
            ("grant", -35_200, 35_200),
            ("payment", 0, -1600),
            ("payment", 0, -1600),
            ("prefund", 1_000_000, 0),
        ]
        assert made.statement.opening_fen == {f"unit_prefund:{world.unit.hex}": 0}

    async def test_the_next_month_opens_with_what_was_left(self, month: Month) -> None:
        world = month.world
        clock.advance(NOON.replace(month=12) - clock.now())
        async with world.db.session() as session:
            made = await service.make_statement(session, StatementKind.UNIT, world.home, world.unit, "2026-12")

        assert made.statement.count == 0
        assert made.statement.opening_fen == {f"unit_prefund:{world.unit.hex}": 964_800}


class TestPerson:
    async def test_reads_every_meal_with_day_time_and_canteen(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        async with world.db.session() as session:
            made = await service.person_statement(session, month.person, PERIOD)
            file = await service.write_file(session, made, "csv", "zh")
        rows = list(csv.reader(io.StringIO(file.path.read_text("utf-8-sig"))))
        file.remove()

        assert rows[0] == ["序号", "营业日", "时间", "摘要", "地点 / 对方", "现金钱包", "补贴", "单号", "原单号"]
        assert sorted((row[1], row[2], row[3], row[5], row[6]) for row in rows[1:-1]) == [
            ("2026-11-03", "2026-11-03 12:00:00", "充值", "100.00", "0.00"),
            ("2026-11-03", "2026-11-03 12:00:00", "消费", "-2.00", "0.00"),
            ("2026-11-03", "2026-11-03 12:00:00", "消费", "0.00", "-16.00"),
            ("2026-11-03", "2026-11-03 12:00:00", "补贴发放", "0.00", "352.00"),
            ("2026-11-04", "2026-11-04 12:00:00", "消费", "-9.00", "0.00"),
            ("2026-11-04", "2026-11-04 12:00:00", "消费", "0.00", "-16.00"),
            ("2026-11-04", "2026-11-04 12:00:00", "退款", "5.00", "0.00"),
        ]
        assert rows[-1][5:7] == ["94.00", "320.00"]
        purses = await world.purses(month.person)
        assert (purses["cash_fen"], purses["subsidy_fen"]) == (9400, 32_000)

    async def test_the_next_month_opens_with_what_was_left(self, month: Month) -> None:
        clock.advance(NOON.replace(month=12) - clock.now())
        async with month.world.db.session() as session:
            made = await service.person_statement(session, month.person, "2026-12")

        assert made.statement.opening_fen == {"cash": 9400, "subsidy": 32_000}


class TestForms:
    @pytest.mark.parametrize("form", ["lines", "xlsx", "csv", "pdf"])
    async def test_a_second_run_gives_the_same_bytes(self, month: Month, tmp_path: Path, form: str) -> None:
        world = month.world
        await cut_off(world.db, world.home)
        _, first = await fetch(world.db, StatementKind.UNIT, world.home, world.unit, tmp_path, form)
        before = first.read_bytes()
        # A second run must not look at the clock.
        with clock.frozen(NOON.replace(year=2027)):
            _, second = await fetch(world.db, StatementKind.UNIT, world.home, world.unit, tmp_path, form)

        assert second.read_bytes() == before

    async def test_the_workbook_adds_up_and_its_amounts_are_numbers(self, month: Month, tmp_path: Path) -> None:
        world = month.world
        _, path = await fetch(world.db, StatementKind.CANTEEN, world.home, world.canteen, tmp_path, "xlsx")

        rows = list(load_workbook(path).worksheets[0].iter_rows(values_only=True))
        head = next(number for number, row in enumerate(rows) if row[0] == "序号")
        assert rows[0][0] == "食堂对账单"
        assert [row[5] for row in rows[head + 1 : -1]] == [16, 2]
        assert rows[-1][5] == 18
        assert rows[head + 1][1:3] == ("2026-11-03", "2026-11-03 12:00:00")

    async def test_the_paper_is_chinese_and_can_be_english(self, month: Month, tmp_path: Path) -> None:
        world = month.world

        async def paper(language: Language) -> str:
            where = (StatementKind.CANTEEN, world.home, world.canteen, tmp_path, "pdf")
            _, path = await fetch(world.db, *where, language=language)
            return words_of(path.read_bytes())

        chinese, english = await paper("zh"), await paper("en")
        assert "食堂对账单" in chinese
        assert "2026-11-03 12:00:00" in chinese
        assert "18.00" in chinese
        assert "Statement of a canteen" in english
        assert "Payment" in english


class TestListing:
    async def test_names_every_statement_of_a_month_with_what_it_comes_to(self, month: Month) -> None:
        world = month.world
        async with world.db.session() as session:
            found = await listing.list_statement_files(session, world.home, PERIOD)
            mine = await listing.list_my_statements(session, month.person)

        told = {view.kind: {amount.account: amount.gain_fen for amount in view.amounts} for view in found}
        assert told == {
            "canteen": {"payable": 1800},
            "region_pair": {"due_to": -2000},
            "unit": {"unit_prefund": 964_800},
        }
        assert [(view.period, view.final) for view in mine] == [(PERIOD, False)]

    async def test_what_does_not_exist_is_not_found(self, month: Month) -> None:
        world = month.world
        async with world.db.session() as session:
            for kind, subject in ((StatementKind.REGION_PAIR, world.home), (StatementKind.UNIT, month.person)):
                with pytest.raises(NotFound):
                    await service.make_statement(session, kind, world.home, subject, PERIOD)
