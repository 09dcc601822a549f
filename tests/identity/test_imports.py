"""A spreadsheet comes in: everything that is wrong with it is named, and nothing of it is taken until all is right."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from identity.access import today
from identity.commands import commands
from identity.errors import ImportHasBadCells
from identity.kinds import Role
from identity.organisation_imports import import_organisations
from identity.people_imports import import_people
from identity.principal import Place
from identity.queries import membership_of
from kernel.db import Database
from kernel.settings import get_settings
from tests.identity.conftest import House, bearer

HEADER = "工号,姓名,手机,单位编码,人员类别,生效日期,截止日期\n"
GOOD = HEADER + "A1,张三,13800000001,H-1,在编,2026-01-01,\nA2,李四,,U,编外,2026/3/1,2026-12-31\n"


async def people(db: Database, content: str | bytes, *, dry_run: bool = False) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else content.encode()
    return (await import_people(db, raw, dry_run=dry_run, cover=None, actor="system")).model_dump()


async def organisations(db: Database, content: str, *, dry_run: bool = False) -> dict[str, Any]:
    report = await import_organisations(db, content.encode(), dry_run=dry_run, cover=None, actor="system")
    return report.model_dump()


async def count(db: Database, table: str) -> int:
    async with db.session() as session:
        found: int = await session.scalar(text(f"SELECT count(*) FROM {table}"))  # A name from this file.
        return found


def complaints(report: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(cell["row"], cell["column"], cell["reason_en"]) for cell in report["bad_cells"]]


@pytest.mark.usefixtures("house")
class TestPeople:
    async def test_a_dry_run_says_what_would_happen_and_does_nothing(self, db: Database) -> None:
        report = await people(db, GOOD, dry_run=True)
        assert (report["rows"], report["created"], report["bad_cells_total"]) == (2, 2, 0)
        assert [(row["row"], row["key"], row["action"]) for row in report["changes"]] == [
            (2, "A1", "create"),
            (3, "A2", "create"),
        ]
        assert await count(db, "people") == 0

    async def test_the_same_file_twice_changes_nothing_the_second_time(self, db: Database) -> None:
        assert (await people(db, GOOD))["created"] == 2
        again = await people(db, GOOD)
        assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 2)
        assert await count(db, "memberships") == 2

    async def test_a_later_file_moves_and_renames_and_the_preview_lists_it(self, db: Database, house: House) -> None:
        await people(db, GOOD)
        later = HEADER + "A1,张三三,,U,退休,2026-07-01,\n"
        preview = await people(db, later, dry_run=True)
        assert preview["changes"] == [
            {"row": 2, "key": "A1", "action": "update", "fields": ["name", "organisation_code"]}
        ]
        assert (await people(db, later))["updated"] == 1
        async with db.session() as session:
            row = (await session.execute(text("SELECT id, name, phone FROM people WHERE staff_number = 'A1'"))).one()
            now = await membership_of(session, row.id, today())
        assert (row.name, row.phone) == ("张三三", "13800000001")
        assert now is not None
        assert (now.organisation_id, now.person_class) == (house.university, "retired")
        assert (await people(db, later))["unchanged"] == 1

    async def test_mail_addresses_come_in_stay_where_a_cell_is_empty_and_bad_ones_are_named(self, db: Database) -> None:
        header = "工号,姓名,电子邮箱,单位编码,人员类别,生效日期\n"
        rest = ",U,在编,2026-01-01\n"
        long = "a" * 64 + "@" + "b" * 190
        wrong = [f"A{n},张三,{value}{rest}" for n, value in enumerate(("a@b c", "a", "a@b\tBcc", "张@b.cn", long))]
        dry = await people(db, header + "".join(wrong), dry_run=True)
        assert complaints(dry) == [(row, "email", "not a plain mail address") for row in range(2, 7)]
        assert dry["bad_cells"][0]["cell"] == "C2"
        with pytest.raises(ImportHasBadCells):
            await people(db, header + "A1,张三,zhang@example.cn" + rest + wrong[0])
        assert await count(db, "people") == 0

        await people(db, header + "A1,张三,zhang@example.cn" + rest)
        assert (await people(db, header + "A1,张三," + rest))["unchanged"] == 1
        changed = await people(db, header + "A1,张三,san@example.cn" + rest)
        assert changed["changes"] == [{"row": 2, "key": "A1", "action": "update", "fields": ["email"]}]
        async with db.session() as session:
            assert await session.scalar(text("SELECT email FROM people")) == "san@example.cn"

    async def test_every_bad_cell_is_named_and_nothing_is_imported(self, db: Database) -> None:
        bad = (
            HEADER
            + "A1,张三,12,H-1,在编,2026-01-01,\n"
            + ",李四,,NOWHERE,外星人,2026-02-30,\n"
            + "A3,王五,,NOWHERE,在编,2026-01-02,2026-01-01\n"
            + "A4,赵六,,U,在编,2026-01-01,\n"
            + "A4,赵七,,U,在编,2026-01-01,\n"
            + "A5,钱八,,U,在编,2026-01-01,,多\n"
        )
        report = await people(db, bad, dry_run=True)
        assert complaints(report) == [
            (2, "phone", "not a telephone number"),
            (3, "staff_number", "must not be empty"),
            (3, "person_class", report["bad_cells"][2]["reason_en"]),
            (3, "valid_from", "not a date such as 2026-01-31"),
            (4, "organisation_code", "no organisation has this code"),
            (4, "last_day", "before the first day"),
            (6, "staff_number", "the same as in row 5"),
            (7, "", "one cell too many"),
        ]
        assert report["bad_cells"][0]["reason_zh"] == "不是有效的电话号码"
        assert report["bad_cells"][0]["value"] == "12"
        assert await count(db, "people") == 0

    async def test_one_bad_cell_stops_all_the_good_ones(
        self, db: Database, house: House, api: httpx.AsyncClient
    ) -> None:
        admin = bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))
        before = await count(db, "people")
        refused = await api.post(
            "/v1/imports/people", content=GOOD + "A9,赵九,,NOWHERE,在编,2026-01-01,\n", headers=admin
        )
        assert refused.status_code == 422
        assert refused.json()["code"] == "IMPORT_HAS_BAD_CELLS"
        assert refused.json()["data"]["bad_cells"][0]["row"] == 4
        assert await count(db, "people") == before

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
    async def test_what_a_chinese_spreadsheet_writes_is_read(self, db: Database, encoding: str) -> None:
        assert (await people(db, GOOD.encode(encoding)))["created"] == 2
        async with db.session() as session:
            names = await session.scalars(text("SELECT name FROM people ORDER BY staff_number"))
        assert list(names) == ["张三", "李四"]

    async def test_tabs_quotes_and_blank_lines_are_read(self, db: Database) -> None:
        content = 'staff_number\tname\torganisation_code\tperson_class\tvalid_from\r\n\r\nA1\t"张\t三"\tU\tstaff\t20260101\r\n'
        report = await people(db, content, dry_run=True)
        assert complaints(report) == [(3, "name", "holds an invisible control character")]
        assert (await people(db, content.replace('"张\t三"', '"张""三"')))["created"] == 1

    @pytest.mark.parametrize(
        ("header", "column", "reason"),
        [
            ("工号,姓名,单位编码,人员类别,生效日期,血型\n", "血型", "an unknown column"),
            ("工号,工号,姓名,单位编码,人员类别,生效日期\n", "工号", "the same column twice"),
            ("工号,姓名,单位编码,人员类别\n", "valid_from", "this column is missing"),
        ],
    )
    async def test_a_header_that_is_wrong_is_said_once(
        self, db: Database, header: str, column: str, reason: str
    ) -> None:
        report = await people(db, header + "A1,张三,U,在编,2026-01-01\n", dry_run=True)
        assert complaints(report) == [(1, column, reason)]

    async def test_a_move_across_what_is_arranged_already_is_a_bad_cell(self, db: Database) -> None:
        await people(db, HEADER + "A1,张三,,H-1,在编,2026-07-01,\n")
        report = await people(db, HEADER + "A1,张三,,U,在编,2026-05-01,\n", dry_run=True)
        assert complaints(report) == [(2, "valid_from", "this person already belongs elsewhere from 2026-07-01 on")]


@pytest.mark.usefixtures("house")
class TestOrganisations:
    HEADER = "编码,名称,英文名称,类型,上级编码,地区编码\n"

    async def test_parents_may_stand_below_their_children(self, db: Database) -> None:
        content = self.HEADER + "D2,二级,,部门,D1,3301\nD1,一级,,department,N,3301\nN,新单位,New,单位,,3301\n"
        assert (await organisations(db, content, dry_run=True))["created"] == 3
        assert (await organisations(db, content))["created"] == 3
        assert (await organisations(db, content))["unchanged"] == 3

    async def test_names_and_parents_change_but_kind_and_home_stay(self, db: Database) -> None:
        report = await organisations(db, self.HEADER + "H-1,儿科中心,,部门,U,3301\n")
        assert report["changes"][0]["fields"] == ["name_zh", "parent_code"]
        report = await organisations(db, self.HEADER + "H,第一医院,First Hospital,运营方,,3302\n", dry_run=True)
        assert [cell[1] for cell in complaints(report)] == ["kind", "home_region_code"]

    async def test_rings_orphans_and_strangers_are_named(self, db: Database) -> None:
        content = (
            self.HEADER
            + "A,甲,,单位,B,3301\nB,乙,,单位,A,3301\nC,丙,,部门,,3301\nE,戊,,单位,NONE,9999\nH,第一医院,,单位,H-1,3301\n"
        )
        report = await organisations(db, content, dry_run=True)
        assert complaints(report) == [
            (2, "parent_code", "it would stand below itself"),
            (3, "parent_code", "it would stand below itself"),
            (4, "parent_code", "a department is part of something"),
            (5, "parent_code", "no organisation has this code"),
            (5, "home_region_code", "no region has this code"),
            (6, "parent_code", "it would stand below itself"),
        ]


class TestOverHttp:
    async def test_as_a_form_and_within_ones_reach(self, house: House, api: httpx.AsyncClient) -> None:
        here = Place(region_id=house.city)
        local = bearer(await house.token(await house.person("市管理员", Role.SYSTEM_ADMIN, here)))
        report = await api.post(
            "/v1/imports/people?dry_run=true", files={"file": ("people.csv", GOOD.encode("gbk"))}, headers=local
        )
        assert report.status_code == 200
        assert complaints(report.json()) == [(3, "organisation_code", "outside of what you administer")]
        assert report.json()["created"] == 1

    async def test_only_the_system_administrator_imports(self, house: House, api: httpx.AsyncClient) -> None:
        security = bearer(await house.token(await house.person("安全", Role.SECURITY_ADMIN)))
        assert (await api.post("/v1/imports/people", content=GOOD, headers=security)).status_code == 403

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n\n",
            b"\x00\x00\x00",
            b"\xff\xfe\x00\x01",
            b'"unclosed',
            b"a," * 200_000,
            b"\x80" * 100,
            HEADER.encode() + b"A1,\x00,,U,\xe5,2026-01-01,\n",
            HEADER.encode() + b"A1," + b"x" * 200_000 + b",,U,staff,2026-01-01,\n",
        ],
        ids=["empty", "blank", "nul", "utf16", "unclosed", "wide", "neither", "nul in a cell", "long cell"],
    )
    async def test_no_file_is_answered_with_a_fault_of_ours(
        self, house: House, api: httpx.AsyncClient, content: bytes
    ) -> None:
        admin = bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))
        answer = await api.post("/v1/imports/people", content=content, headers=admin)
        assert answer.status_code == 422
        assert answer.json()["code"] in ("MALFORMED", "IMPORT_HAS_BAD_CELLS")

    @pytest.mark.parametrize(
        ("content_type", "content"),
        [
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b"not a form"),
            (
                "multipart/form-data; boundary=b",
                b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--',
            ),
            ("multipart/form-data; boundary=b; charset=nonsense", b"--b--"),
        ],
        ids=["no boundary", "no form", "no file", "odd charset"],
    )
    async def test_a_broken_form_is_malformed(
        self, house: House, api: httpx.AsyncClient, content_type: str, content: bytes
    ) -> None:
        admin = bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))
        headers = admin | {"Content-Type": content_type}
        answer = await api.post("/v1/imports/people", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")


class TestTheCommandLine:
    def test_it_previews_then_imports(self, tmp_path: Path, house_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "people.csv"
        monkeypatch.setenv("GUANJIA_DATABASE_URL", house_url)
        get_settings.cache_clear()
        run = CliRunner()

        file.write_text(GOOD + "A3,王五,,NOWHERE,在编,2026-01-01,\n", encoding="gbk")
        bad = run.invoke(commands, ["import", "people", str(file), "--dry-run"])
        assert bad.exit_code == 1
        assert "NOWHERE" in bad.output
        assert run.invoke(commands, ["import", "people", str(file)]).exit_code == 1

        file.write_text(GOOD)
        assert "Would import: 2 new" in run.invoke(commands, ["import", "people", str(file), "--dry-run"]).output
        assert "Imported: 2 new" in run.invoke(commands, ["import", "people", str(file)]).output
        assert (
            "Imported: 0 new, 0 changed, 2 as they were, 0 left"
            in run.invoke(commands, ["import", "people", str(file)]).output
        )

        found = [
            "administrators",
            "first",
            "security_admin",
            "--organisation",
            "H",
            "--name",
            "安全",
            "--username",
            "sec",
        ]
        weak = run.invoke(commands, [*found, "--password", "short"])
        assert weak.exit_code == 1
        made = run.invoke(commands, [*found, "--password", "a long enough password"])
        assert "security_admin" in made.output
        get_settings.cache_clear()
