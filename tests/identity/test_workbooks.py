"""The same import from a spreadsheet: cells are named as the spreadsheet names them, and nothing in it is trusted."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import httpx
import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import text

from identity.kinds import Role
from identity.organisation_imports import ORGANISATION_COLUMNS, organisation_template
from identity.people_imports import PEOPLE_COLUMNS, import_people, people_template
from kernel.db import Database
from kernel.errors import Malformed
from tests.identity.conftest import House, bearer

HEADER = ["工号", "姓名", "手机", "单位编码", "人员类别", "生效日期", "截止日期", "状态"]


def workbook(*rows: list[Any], header: list[Any] | None = None) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (header or HEADER, *rows):
        sheet.append(row)
    return saved(book)


def saved(book: Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


async def bring(db: Database, content: bytes, *, dry_run: bool = True) -> dict[str, Any]:
    return (await import_people(db, content, dry_run=dry_run, cover=None, actor="system")).model_dump()


def named(report: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(cell["cell"], cell["reason_en"]) for cell in report["bad_cells"]]


@pytest.mark.usefixtures("house")
class TestCells:
    async def test_numbers_and_days_are_read_as_they_are_meant(self, db: Database) -> None:
        book = Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.append(HEADER)
        sheet.append(
            [123, "张三", 13800000001, "H-1", "在编", date(2026, 1, 31), datetime.fromisoformat("2026-12-31"), None]
        )
        sheet["A2"].number_format = "00000"
        sheet.append([None, "  ", None])
        sheet.append(["B-7", "李四", None, "U", "编外", "2026/3/1"])
        assert (await bring(db, saved(book), dry_run=False))["created"] == 2
        async with db.session() as session:
            rows = await session.execute(
                text(
                    "SELECT staff_number, phone, lower(valid)::text, upper(valid)::text FROM people p JOIN memberships m"
                    " ON m.person_id = p.id ORDER BY staff_number"
                )
            )
        assert [tuple(row) for row in rows] == [
            ("00123", "13800000001", "2026-01-31", "2027-01-01"),
            ("B-7", None, "2026-03-01", None),
        ]

    async def test_every_bad_cell_is_named_as_the_spreadsheet_names_it(self, db: Database) -> None:
        report = await bring(
            db,
            workbook(
                ["A1", "张三", "12", "H-1", "在编", "2026-01-01"],
                [None, "李四", None, "NOWHERE", "在编", "2026-02-30"],
                [],
                ["A3", "王五", None, "H", "在编", "2026-01-01", None, None, "多"],
                [12345678901234567, "赵六", None, "H", "在编", "2026-01-01"],
            ),
        )
        assert named(report) == [
            ("C2", "not a telephone number"),
            ("A3", "must not be empty"),
            ("F3", "not a date such as 2026-01-31"),
            ("I5", "one cell too many"),
            ("A6", "too long for a number; make it text"),
        ]

    async def test_a_formula_is_refused_even_where_it_shows_something_good(self, db: Database) -> None:
        report = await bring(db, workbook(["A1", '="张"&"三"', None, "H", "在编", "2026-01-01"]))
        assert named(report) == [("B2", "a formula is not taken; paste its value")]
        assert report["bad_cells"][0]["value"] == '="张"&"三"'

    async def test_columns_may_stand_in_any_order_and_an_unknown_one_is_named(self, db: Database) -> None:
        swapped = ["姓名", "工号", "单位编码", "人员类别", "生效日期"]
        assert (await bring(db, workbook(["张三", "A1", "H", "在编", "2026-01-01"], header=swapped)))["created"] == 1
        unknown = await bring(db, workbook(["张三"], header=["姓名", "星座"]))
        assert named(unknown)[0] == ("B1", "an unknown column")
        assert (None, "this column is missing") in named(unknown)

    async def test_a_csv_file_has_its_cells_named_too(self, db: Database) -> None:
        report = await bring(db, "工号,姓名,单位编码,人员类别,生效日期\nA1,张三,X,在编,2026-01-01\n".encode())
        assert named(report) == [("C2", "no organisation has this code")]


def _with_part(content: bytes, name: str, part: bytes) -> bytes:
    """The same workbook with one of its parts replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, part if info.filename == name else old.read(info.filename))
    return buffer.getvalue()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    b'<c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>'
)
OUTSIDE = BOMB.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "file:///etc/passwd">')
SHEET = "xl/worksheets/sheet1.xml"
GOOD = workbook(["A1", "张三", None, "H", "在编", "2026-01-01"])


@pytest.mark.usefixtures("house")
class TestWhatIsNoWorkbook:
    @pytest.mark.parametrize(
        "content",
        [
            b"PK\x03\x04 and then nothing",
            GOOD[: len(GOOD) // 2],
            _with_part(GOOD, SHEET, b"<not xml"),
            _with_part(GOOD, SHEET, BOMB),
            _with_part(GOOD, SHEET, OUTSIDE),
            _with_part(GOOD, "xl/workbook.xml", b"<workbook/>"),
            _with_part(GOOD, SHEET, b" " * (65 * 1024 * 1024)),
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
        ],
        ids=[
            "no zip",
            "cut off",
            "broken xml",
            "entities",
            "entities from outside",
            "no sheet",
            "unpacks to 65 MB",
            "old or protected",
        ],
    )
    async def test_is_told_so_and_nothing_more(self, db: Database, content: bytes) -> None:
        with pytest.raises(Malformed):
            await bring(db, content)

    async def test_more_rows_than_may_be(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("identity.csv_table.ROWS_MAX", 2)
        row = ["A1", "张三", None, "H", "在编", "2026-01-01"]
        assert (await bring(db, workbook(row)))["rows"] == 1
        with pytest.raises(Malformed, match="MALFORMED"):
            await bring(db, workbook(row, row, row))


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "columns"), [(people_template, PEOPLE_COLUMNS), (organisation_template, ORGANISATION_COLUMNS)]
    )
    def test_has_every_column_with_a_note(self, template: Callable[[], bytes], columns: tuple[Any, ...]) -> None:
        book = load_workbook(io.BytesIO(template()))
        sheet = book.worksheets[0]
        assert [cell.value for cell in sheet[1]] == [column.titles[0] for column in columns]
        assert all(cell.comment for cell in sheet[1])

    async def test_is_fetched_filled_in_and_imported(self, house: House, api: httpx.AsyncClient, db: Database) -> None:
        admin = bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))
        answer = await api.get("/v1/imports/people/template", headers=admin)
        assert answer.headers["content-disposition"] == 'attachment; filename="people.xlsx"'
        book = load_workbook(io.BytesIO(answer.content))
        book.worksheets[0].append([column.example for column in PEOPLE_COLUMNS])
        book.worksheets[0]["D2"] = "H"
        book.worksheets[0]["G2"] = None
        files = {"file": ("people.xlsx", saved(book))}
        report = await api.post("/v1/imports/people", files=files, headers=admin)
        assert (report.status_code, report.json()["created"]) == (200, 1), report.text

    async def test_is_not_for_others(self, house: House, api: httpx.AsyncClient) -> None:
        security = bearer(await house.token(await house.person("安全", Role.SECURITY_ADMIN)))
        assert (await api.get("/v1/imports/people/template", headers=security)).status_code == 403
