"""A month's accounting vouchers in a unit's own chart of accounts."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from payments.settlement.statements.queries import Movement
from payments.settlement.vouchers import service
from payments.settlement.vouchers.errors import MappingChanged, MappingIncomplete
from payments.settlement.vouchers.making import ChartAccount, HoleInMapping, make_vouchers
from payments.settlement.vouchers.schemas import MappingEntry
from payments.settlement.vouchers.sheets import vouchers_csv, vouchers_xlsx
from tests.payments.settlement.month import Month, finance

CHART = [
    MappingEntry(account="bank", code="1002", name="银行存款"),
    MappingEntry(account="unit_prefund", code="1123.01", name="预付账款-食堂"),
    MappingEntry(account="subsidy", code="1123.02", name="预付账款-职工餐补"),
    MappingEntry(account="payable", code="6602.08", name="管理费用-福利费"),
    MappingEntry(account="due_to", code="6602.09", name="管理费用-异地就餐"),
]

accounts = st.sampled_from(
    ["bank", "cash", "subsidy", "payable:" + "a" * 32, "payable:" + "b" * 32, "due_to:" + "c" * 32]
)
movements = st.lists(
    st.builds(
        Movement,
        st.integers(0, 29).map(lambda day: date(2026, 11, 1) + timedelta(days=day)),
        st.sampled_from(["payment", "refund", "grant", "expiry"]),
        accounts,
        accounts,
        st.integers(1, 10**12),
        st.integers(1, 1000),
    ),
    max_size=40,
)
EVERYTHING = {
    name: ChartAccount(f"{number}", name)
    for number, name in enumerate(("bank", "cash", "subsidy", "payable", "due_to"))
}


class TestMaking:
    @given(movements, st.booleans())
    @settings(max_examples=80, deadline=None)
    def test_debits_are_credits_in_each_and_all_add_up_to_the_lines(
        self, found: list[Movement], mirrored: bool
    ) -> None:
        vouchers = make_vouchers(EVERYTHING, found, mirrored=mirrored)

        assert [voucher.number for voucher in vouchers] == list(range(1, len(vouchers) + 1))
        for voucher in vouchers:
            assert voucher.total_fen == sum(entry.credit_fen for entry in voucher.entries)
        for account in {name for each in found for name in (each.debit, each.credit)}:
            said = sum(e.debit_fen - e.credit_fen for v in vouchers for e in v.entries if e.account == account)
            moved = sum(m.amount_fen * ((m.debit == account) - (m.credit == account)) for m in found)
            assert said == (-moved if mirrored else moved)

    def test_a_hole_refuses_the_whole_and_names_the_account(self) -> None:
        mapping = {name: chart for name, chart in EVERYTHING.items() if name != "payable"}
        known = mapping | {"payable:" + "a" * 32: ChartAccount("1", "K1")}
        day = date(2026, 11, 3)
        found = [Movement(day, "payment", "cash", "payable:" + owner * 32, 100, 1) for owner in ("a", "b")]

        with pytest.raises(HoleInMapping) as refused:
            make_vouchers(known, found, mirrored=False)
        assert refused.value.accounts == ["payable:" + "b" * 32]

    def test_no_cell_is_a_formula(self) -> None:
        mapping = EVERYTHING | {
            "cash": ChartAccount("=1+1", "+cmd|' /C calc'!A0"),
            "bank": ChartAccount("-2", "@SUM(A1)"),
        }
        vouchers = make_vouchers(mapping, [Movement(date(2026, 11, 3), "=kind", "cash", "bank", 5, 1)], mirrored=False)

        rows = list(csv.reader(io.StringIO(vouchers_csv(vouchers, {}, "zh").decode("utf-8-sig"))))
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
        sheet = load_workbook(io.BytesIO(vouchers_xlsx(vouchers, {}, "zh", "2026-11"))).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s", "n"}


class TestOfAUnit:
    async def mapped(self, month: Month, entries: list[MappingEntry]) -> None:
        async with month.world.db.session() as session:
            base = await service.current_mapping(session, "unit", month.world.unit)
            await service.change_mapping(
                session, finance(), "unit", month.world.unit, base.version if base else 0, entries, "first"
            )

    async def test_stand_on_the_other_side_of_our_book_and_tie_to_the_statement(self, month: Month) -> None:
        world = month.world
        await self.mapped(month, CHART)
        async with world.db.session() as session:
            made, vouchers = await service.make_vouchers_of(session, "unit", world.home, world.unit, month.period)
            names = await service.names_in(session, vouchers)
        content = service.voucher_file(made, vouchers, names, "csv", "zh")

        told = {
            voucher.line_kind: [(e.chart.code, e.debit_fen, e.credit_fen) for e in voucher.entries]
            for voucher in vouchers
        }
        assert told["prefund"] == [("1123.01", 1_000_000, 0), ("1002", 0, 1_000_000)]
        assert told["grant"] == [("1123.02", 35_200, 0), ("1123.01", 0, 35_200)]
        assert [voucher.line_kind for voucher in vouchers].count("payment") == 2
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        total = f"{made.statement.total_fen // 100}.{made.statement.total_fen % 100:02d}"
        assert rows[0][:8] == ["日期", "凭证字", "凭证号", "摘要", "科目编码", "科目名称", "借方金额", "贷方金额"]
        assert rows[-1][6:8] == [total, total]
        assert ["2026-11-03", "记", "2", "消费 1 笔", "6602.08", "管理费用-福利费"] in [row[:6] for row in rows]

    async def test_the_workbook_has_the_same_totals_and_a_second_run_the_same_bytes(self, month: Month) -> None:
        world = month.world
        await self.mapped(month, CHART)
        async with world.db.session() as session:
            made, vouchers = await service.make_vouchers_of(session, "unit", world.home, world.unit, month.period)
        content = service.voucher_file(made, vouchers, {}, "xlsx", "en")

        assert content == service.voucher_file(made, vouchers, {}, "xlsx", "en")
        rows = list(load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))
        assert rows[0][0] == "Date"
        assert [str(rows[-1][at]) for at in (6, 7)] == [
            str(sum(Decimal(str(row[at] or 0)) for row in rows[1:-1])) for at in (6, 7)
        ]

    async def test_a_hole_is_named_and_nothing_is_made(self, month: Month) -> None:
        world = month.world
        await self.mapped(month, CHART[:-2])
        with pytest.raises(MappingIncomplete) as refused:
            async with world.db.session() as session:
                await service.make_vouchers_of(session, "unit", world.home, world.unit, month.period)

        holes = [f"due_to:{world.away.hex}", f"payable:{world.canteen.hex}"]
        assert refused.value.data["accounts"] == holes
        assert holes[0] in refused.value.message("zh")
        async with world.db.session() as session:
            assert await service.holes_of(session, "unit", world.home, world.unit, month.period) == holes

    async def test_the_region_s_own_vouchers_say_what_its_book_says(self, month: Month) -> None:
        world = month.world
        everything = [*CHART, MappingEntry(account="cash", code="2241", name="其他应付款")]
        async with world.db.session() as session:
            await service.change_mapping(session, finance(), "region", world.home, 0, everything, "")
            _, vouchers = await service.make_vouchers_of(session, "region", world.home, world.home, month.period)

        prefund = next(voucher for voucher in vouchers if voucher.line_kind == "prefund")
        assert [(e.chart.code, e.debit_fen, e.credit_fen) for e in prefund.entries] == [
            ("1002", 1_000_000, 0),
            ("1123.01", 0, 1_000_000),
        ]


class TestHistory:
    async def test_each_change_stays_and_two_at_once_do_not_undo_each_other(self, month: Month) -> None:
        unit = month.world.unit
        async with month.world.db.session() as session:
            await service.change_mapping(session, finance(), "unit", unit, 0, CHART[:1], "first")
        async with month.world.db.session() as session:
            await service.change_mapping(session, finance(), "unit", unit, 1, CHART, "all of it")
        with pytest.raises(MappingChanged) as refused:
            async with month.world.db.session() as session:
                await service.change_mapping(session, finance(), "unit", unit, 1, [], "too late")

        assert refused.value.data == {"version": 2}
        async with month.world.db.session() as session:
            versions = await service.list_versions(session, "unit", unit)
        assert [(row.version, len(row.entries), row.note) for row in versions] == [(2, 5, "all of it"), (1, 1, "first")]
