"""Payments for a bank to make: the XML is valid by the standard's schema and says every payment once; so does the workbook."""

import io
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from openpyxl import load_workbook

from payments.banking.instructions import BankInstruction, BankParty, write_batch_workbook, write_pain
from payments.banking.xml import validate

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
HANGZHOU = BankParty("杭州市机关事务局", "6222000011112222", "102331002020")
KITCHEN = BankParty("K1 食堂 & 伙伴 <有限>", "6222000011113333")
REGION = BankParty("宁波市", "DE89370400440532013000", "103332000010")


def instruction(reference: str = "stl-1", amount_fen: int = 560_000, creditor: BankParty = KITCHEN) -> BankInstruction:
    return BankInstruction(reference, HANGZHOU, creditor, amount_fen, date(2026, 12, 2), "2026-11 结算")


def read(content: bytes, path: str) -> list[str]:
    root = etree.fromstring(content)
    validate(root, "pain.001.001.09")
    return [each.text or "" for each in root.findall(".//" + "/".join(f"{{*}}{name}" for name in path.split("/")))]


class TestPain:
    def test_every_payment_with_its_reference_and_sum(self) -> None:
        content = write_pain("SET-2026-11", NOW, [instruction(), instruction("stl-2", 1, REGION)])
        assert read(content, "PmtId/EndToEndId") == ["stl-1", "stl-2"]
        assert read(content, "InstdAmt") == ["5600.00", "0.01"]
        assert read(content, "GrpHdr/CtrlSum") == ["5600.01"]
        assert read(content, "Cdtr/Nm") == [KITCHEN.name, "宁波市"]
        assert read(content, "CdtrAcct/Id/IBAN") == [REGION.account]
        assert read(content, "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId") == ["102331002020"]

    def test_another_day_or_account_is_another_group(self) -> None:
        other = BankInstruction("stl-3", REGION, KITCHEN, 100, date(2026, 12, 2), "")
        assert len(read(write_pain("S", NOW, [instruction(), other]), "PmtInfId")) == 2

    @pytest.mark.parametrize(
        "instructions",
        [[], [instruction(amount_fen=0)], [instruction(), instruction()], [instruction("x" * 36)], [instruction("食")]],
    )
    def test_what_no_bank_could_take_is_refused(self, instructions: list[BankInstruction]) -> None:
        with pytest.raises(ValueError, match=r"batch|reference|above"):
            write_pain("S", NOW, instructions)

    @given(st.text(min_size=1, max_size=200), st.integers(1, 10**12))
    def test_whatever_a_name_holds_the_file_is_valid(self, name: str, amount_fen: int) -> None:
        name = "".join(c for c in name if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF) or "x"
        if not name.strip():
            name = "x"
        content = write_pain("S", NOW, [instruction(amount_fen=amount_fen, creditor=BankParty(name, "6222-1"))])
        assert read(content, "InstdAmt") == [f"{amount_fen // 100}.{amount_fen % 100:02d}"]


class TestTheWorkbook:
    def test_says_the_same_and_no_cell_is_a_formula(self) -> None:
        evil = BankParty("=HYPERLINK(1)", "6222000011114444")
        content = write_batch_workbook([instruction(), instruction("stl-2", 1, evil)])
        rows = list(load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))
        assert rows[1][1] == "stl-1"
        assert rows[1][7] == "5600.00"
        assert rows[2][5] == "'=HYPERLINK(1)"
        assert rows[-1][7] == "5600.01"
