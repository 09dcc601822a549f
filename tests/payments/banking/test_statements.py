"""The bank's statement, from the file to the table: read whole or not at all, once, one after the other."""

import io
from datetime import date
from uuid import uuid4

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from kernel.db import Database
from payments.banking.camt import read_camt
from payments.banking.errors import (
    AccountElsewhere,
    StatementHasBadCells,
    StatementNotNext,
    StatementTaken,
    StatementUnreadable,
)
from payments.banking.service import read_statement, take_statement
from payments.banking.table import build_statement_template, read_table
from tests.payments.banking.samples import ACCOUNT, Entry, camt

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
PAYOUT = Entry(MONDAY, 9_962, "R1", "支付宝 20261122 结算款", "支付宝（中国）网络技术有限公司")
PAID_OUT = Entry(MONDAY, -5_600, "R2", "11 月结算", "K1 食堂", "stl-1")
TABLE = (
    "流水号,类型,记账日期,金额,账号,对方户名,付款指令号,摘要\n"
    f"期初,期初余额,2026-11-23,1000.00,{ACCOUNT},,,\n"
    f"R1,明细,2026-11-23,99.62,{ACCOUNT},支付宝（中国）网络技术有限公司,,支付宝 20261122 结算款\n"
    f"R2,明细,2026/11/23,-56,{ACCOUNT},K1 食堂,stl-1,11 月结算\n"
    f'期末,期末余额,20261123,"1,043.62",{ACCOUNT},,,\n'
)
BOMB = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&c;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&a;</Document>"""


class TestCamt:
    @pytest.mark.parametrize("version", ["02", "08"])
    def test_says_account_days_balances_and_lines(self, version: str) -> None:
        statement = read_camt(camt("S1", MONDAY, MONDAY, 100_000, [PAYOUT, PAID_OUT], version=version))
        assert (statement.account, statement.reference, statement.form) == (ACCOUNT, "S1", "camt.053")
        assert (statement.opening_fen, statement.closing_fen) == (100_000, 104_362)
        first, second = statement.lines
        assert (first.amount_fen, first.counterparty, first.end_to_end_id) == (9_962, PAYOUT.counterparty, "")
        assert (second.amount_fen, second.counterparty, second.end_to_end_id) == (-5_600, "K1 食堂", "stl-1")
        assert (first.remittance, first.bank_reference) == (PAYOUT.remittance, "R1")

    def test_what_is_only_announced_is_no_line(self) -> None:
        content = camt("S1", MONDAY, MONDAY, 0, [PAYOUT], closing_fen=0).replace(b"BOOK", b"PDNG")
        assert read_camt(content).lines == []

    def test_a_batch_is_its_payments(self) -> None:
        one = camt("S1", MONDAY, MONDAY, 0, [Entry(MONDAY, 300, "R9")]).decode()
        details = one[one.index("<TxDtls>") : one.index("</NtryDtls>")]
        two = details.replace("3.00", "1.00") + details.replace("3.00", "2.00")
        statement = read_camt(one.replace(details, two).encode())
        assert [(line.amount_fen, line.bank_reference) for line in statement.lines] == [(100, "R9/1"), (200, "R9/2")]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"<Document", "xml"),
            (BOMB, "xml"),
            (OUTSIDE, "xml"),
            (b"<Document/>", "schema"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT], version="08").replace(b"053.001.08", b"053.001.07"), "schema"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT]).replace(b"<Id>S1</Id>", b""), "schema"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT]).replace(b"99.62</Amt>", b"a lot</Amt>"), "schema"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT], closing_fen=9_961), "sums"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT]).replace(b"OPBD", b"INFO"), "sums"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT], currency="EUR"), "currency"),
            (camt("S1", MONDAY, MONDAY, 0, [PAYOUT]).replace(b"99.62</Amt>", b"99.621</Amt>"), "amount"),
            (camt("S1", TUESDAY, TUESDAY, 0, [PAYOUT]), "days"),
            (camt("S1", TUESDAY, MONDAY, 0, []), "days"),
        ],
    )
    def test_what_is_not_a_whole_statement_is_refused_with_its_reason(self, content: bytes, reason: str) -> None:
        with pytest.raises(StatementUnreadable) as refused:
            read_camt(content)
        assert refused.value.data["reason"] == reason

    def test_cut_off_anywhere_it_is_refused(self) -> None:
        content = camt("S1", MONDAY, MONDAY, 0, [PAYOUT])
        for length in range(5, len(content) - 1, 97):
            with pytest.raises(StatementUnreadable):
                read_statement(content[:length])


class TestTheTable:
    def test_says_the_same_as_the_camt(self) -> None:
        told = read_statement(TABLE.encode("gb18030"))
        assert told.lines == read_camt(camt("S1", MONDAY, MONDAY, 100_000, [PAYOUT, PAID_OUT])).lines
        assert (told.form, told.reference, told.closing_fen) == ("csv", "20261123-20261123", 104_362)

    def test_names_every_cell_that_is_wrong(self) -> None:
        wrong = TABLE.replace("99.62", "99.6x").replace("2026/11/23", "2026/13/23").replace("R2,明细", "R1,明系")
        with pytest.raises(StatementHasBadCells) as refused:
            read_table(wrong.encode())
        cells = {cell["cell"]: cell["column"] for cell in refused.value.data["cells"]}
        assert cells == {"D3": "amount", "B4": "kind", "C4": "booked_on"}

    @pytest.mark.parametrize(
        ("before", "after", "cell"),
        [("-56,", "0,", "D4"), (f"-56,{ACCOUNT}", "-56,6222", "E4"), ("R2,", "R1,", "A4")],
    )
    def test_a_line_without_amount_another_account_and_the_same_reference_twice(
        self, before: str, after: str, cell: str
    ) -> None:
        with pytest.raises(StatementHasBadCells) as refused:
            read_table(TABLE.replace(before, after).encode())
        assert [each["cell"] for each in refused.value.data["cells"]] == [cell]

    def test_without_its_balances_it_is_no_statement(self) -> None:
        with pytest.raises(StatementUnreadable, match="STATEMENT_UNREADABLE"):
            read_table("\n".join(TABLE.splitlines()[:-1]).encode())

    def test_the_template_has_its_columns(self) -> None:
        sheet = load_workbook(io.BytesIO(build_statement_template())).worksheets[0]
        assert [cell.value for cell in sheet[1]][:4] == ["流水号", "类型", "记账日期", "金额"]


class TestBroughtIn:
    async def count(self, db: Database) -> tuple[int, int]:
        async with db.session() as session:
            row = (await session.execute(text("SELECT (SELECT count(*) FROM bank_statements), (SELECT count(*) FROM bank_lines)"))).one()  # fmt: skip  # one question
        return row[0], row[1]

    async def test_once_one_after_the_other_and_in_one_book(self, db: Database) -> None:
        region = uuid4()
        monday = camt("S1", MONDAY, MONDAY, 100_000, [PAYOUT, PAID_OUT])
        await take_statement(db, monday, region, actor="test")
        assert await self.count(db) == (1, 2)
        with pytest.raises(StatementTaken):
            await take_statement(db, monday, region, actor="test")
        with pytest.raises(StatementTaken):
            await take_statement(db, monday.replace(b"20:00", b"21:00"), region, actor="test")
        with pytest.raises(AccountElsewhere):
            await take_statement(db, camt("S2", TUESDAY, TUESDAY, 104_362, []), uuid4(), actor="test")
        with pytest.raises(StatementNotNext) as refused:
            await take_statement(db, camt("S2", TUESDAY, TUESDAY, 104_361, []), region, actor="test")
        assert refused.value.data["closing_fen"] == 104_362
        with pytest.raises(StatementNotNext):
            await take_statement(db, camt("S2", MONDAY, TUESDAY, 104_362, []), region, actor="test")
        await take_statement(db, camt("S2", TUESDAY, TUESDAY, 104_362, []), region, actor="test")
        assert await self.count(db) == (2, 2)

    async def test_a_file_that_is_refused_leaves_nothing_behind(self, db: Database) -> None:
        for wrong in (
            BOMB,
            camt("S1", MONDAY, MONDAY, 0, [PAYOUT], closing_fen=1),
            TABLE.replace("99.62", "x").encode(),
        ):
            with pytest.raises((StatementUnreadable, StatementHasBadCells)):
                await take_statement(db, wrong, uuid4(), actor="test")
        assert await self.count(db) == (0, 0)
