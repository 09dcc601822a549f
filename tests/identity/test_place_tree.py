"""A campus is opened down to a room; its labels are scanned; a table of places comes in."""

from typing import Any

import httpx
import pytest
import zxingcpp
from sqlalchemy import text

from identity.kinds import Role, SiteKind
from identity.place_imports import import_places
from identity.place_labels import place_code_of, read_place_code
from identity.place_tree import place_summary
from identity.places import open_site
from identity.principal import Cover, Place
from kernel.db import Database
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from tests.identity.conftest import House, bearer
from tests.pdf import pictures_of, words_of

HEADER = "编码,名称,英文名称,类型,上级编码,场所编码,序号,免登录报修\n"
TREE = HEADER + (
    "A-3-301,301 会议室,Room 301,房间,A-3,,,\n"
    "A-3,三层,Third Floor,楼层,A,,3,\n"
    "A,一号楼,Building One,楼,CAMPUS,,,\n"
    "CAMPUS,主院区,Main Campus,院区,,SITE,,\n"
    "A-L1,东侧电梯,East Lift,区域,A,,,是\n"
)


@pytest.fixture
async def site(db: Database, house: House) -> str:
    async with db.session() as session:
        return public_id(
            "sit",
            await open_site(
                session,
                code="SITE",
                name_zh="医院本部",
                name_en="Hospital Grounds",
                kind=SiteKind.OFFICE,
                region_id=house.city,
                operator_id=house.hospital,
                actor="system",
            ),
        )


@pytest.fixture
async def admin(house: House) -> dict[str, str]:
    return bearer(await house.token(await house.person("系统管理员", Role.SYSTEM_ADMIN)))


@pytest.fixture
async def employee(house: House) -> dict[str, str]:
    return bearer(await house.token(await house.person("王五")))


@pytest.fixture
async def tree(db: Database, site: str) -> dict[str, str]:
    """The tree of the table above; ids by code."""
    report = await import_places(db, TREE.encode(), dry_run=False, cover=None, actor="system")
    assert (report.created, report.bad_cells_total) == (5, 0)
    return await ids_of(db)


async def ids_of(db: Database) -> dict[str, str]:
    async with db.session() as session:
        rows = await session.execute(text("SELECT code, id FROM places"))
        return {row.code: public_id("pla", row.id) for row in rows}


async def open_one(api: httpx.AsyncClient, who: dict[str, str], **fields: Any) -> httpx.Response:
    return await api.post("/v1/places", json={"name_zh": "新", "code": "N", "kind": "room", **fields}, headers=who)


class TestTree:
    async def test_a_campus_is_opened_down_to_a_room(
        self, api: httpx.AsyncClient, admin: dict[str, str], site: str, house: House
    ) -> None:
        campus = (await open_one(api, admin, code="C", kind="campus", name_zh="主院区", site=site)).json()
        building = (await open_one(api, admin, code="B", kind="building", name_zh="二号楼", parent=campus["id"])).json()
        room = (
            await open_one(api, admin, code="R", name_zh="值班室", name_en="Duty Room", parent=building["id"])
        ).json()
        assert room["full_name_zh"] == "主院区 · 二号楼 · 值班室"
        assert room["full_name_en"] == "主院区 · 二号楼 · Duty Room"
        assert (room["site"], room["region"], room["timezone"]) == (site, public_id("reg", house.city), "Asia/Shanghai")
        assert room["path"] == [campus["id"], building["id"], room["id"]]
        assert (await api.get(f"/v1/places/{campus['id']}", headers=admin)).json()["children"] == 1

    async def test_a_wide_place_does_not_stand_below_a_narrow_one(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        answer = await open_one(api, admin, kind="building", parent=tree["A-3-301"])
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")

    async def test_a_code_is_taken_once(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        answer = await open_one(api, admin, code="A-3-301", parent=tree["A-3"])
        assert (answer.status_code, answer.json()["data"]) == (409, {"field": "code", "value": "A-3-301"})

    async def test_storeys_stand_in_their_order_and_rooms_by_pinyin(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        for code, ordinal, name in (("A-10", 10, "十层"), ("A-B1", -1, "地下一层"), ("A-1", 1, "一层")):
            await open_one(api, admin, code=code, kind="storey", name_zh=name, parent=tree["A"], ordinal=ordinal)
        children = (await api.get(f"/v1/places/tree?parent={tree['A']}", headers=admin)).json()["data"]
        assert [child["name_zh"] for child in children] == ["地下一层", "一层", "三层", "十层", "东侧电梯"]

    async def test_words_find_a_room_by_its_way(
        self, api: httpx.AsyncClient, employee: dict[str, str], tree: dict[str, str]
    ) -> None:
        async def found(words: str) -> list[str]:
            page = (await api.get("/v1/places", params={"q": words}, headers=employee)).json()
            return [place["code"] for place in page["data"]]

        assert await found("一号楼 301") == ["A-3-301"]
        assert await found("yihaolou room") == ["A-3-301"]
        assert await found("二号楼 301") == []
        assert await found("dianti") == []
        assert await found("dongce") == ["A-L1"]
        assert sorted(await found("一号楼")) == ["A"]

    async def test_what_is_below_a_place_is_listed_at_any_depth(
        self, api: httpx.AsyncClient, employee: dict[str, str], tree: dict[str, str]
    ) -> None:
        page = (await api.get("/v1/places", params={"below": tree["A"]}, headers=employee)).json()
        assert {place["code"] for place in page["data"]} == {"A-3", "A-3-301", "A-L1"}

    async def test_retiring_takes_what_is_below_along_and_nothing_is_opened_there(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        assert (await api.post(f"/v1/places/{tree['A']}/retire", headers=admin)).json()["active"] is False
        assert (await api.get(f"/v1/places/{tree['A-3-301']}", headers=admin)).json()["active"] is False
        assert (await api.get(f"/v1/places/tree?parent={tree['CAMPUS']}", headers=admin)).json()["data"] == []
        refused = await open_one(api, admin, parent=tree["A-3"])
        assert (refused.status_code, refused.json()["code"]) == (409, "PLACE_RETIRED")
        assert (await api.post(f"/v1/places/{tree['A-3']}/reopen", headers=admin)).status_code == 409
        assert (await api.post(f"/v1/places/{tree['A']}/reopen", headers=admin)).json()["active"] is True

    async def test_a_name_changes_and_the_whole_names_below_with_it(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        changed = await api.patch(f"/v1/places/{tree['A']}", json={"name_zh": "门诊楼"}, headers=admin)
        assert changed.json()["pinyin" if "pinyin" in changed.json() else "name_zh"] == "门诊楼"
        room = (await api.get(f"/v1/places/{tree['A-3-301']}", headers=admin)).json()
        assert room["full_name_zh"] == "主院区 · 门诊楼 · 三层 · 301 会议室"

    async def test_only_the_administrator_of_the_site_changes_it(
        self, api: httpx.AsyncClient, house: House, employee: dict[str, str], tree: dict[str, str]
    ) -> None:
        elsewhere = await house.person("外地管理员", Role.SYSTEM_ADMIN, Place(region_id=house.other_city))
        for who in (employee, bearer(await house.token(elsewhere))):
            assert (await open_one(api, who, parent=tree["A-3"])).status_code == 403
            assert (await api.post(f"/v1/places/{tree['A']}/retire", headers=who)).status_code == 403

    async def test_a_neighbour_reads_whole_names_in_one_go(self, db: Database, tree: dict[str, str]) -> None:
        ids = [parse_public_id("pla", tree[code]) for code in ("A-3-301", "A-L1")]
        async with db.session() as session:
            found = await place_summary(session, ids)
        assert found[ids[0]].full_name_en == "Main Campus · Building One · Third Floor · Room 301"
        assert (found[ids[1]].open_to_strangers, found[ids[0]].open_to_strangers) == (True, False)
        assert found[ids[0]].path[-1] == ids[0]


class TestLabels:
    async def test_a_printed_label_leads_back_to_its_place(
        self, api: httpx.AsyncClient, admin: dict[str, str], employee: dict[str, str], tree: dict[str, str]
    ) -> None:
        pdf = await api.get(
            "/v1/places/labels", params={"place": tree["CAMPUS"], "below": True, "layout": "labels"}, headers=admin
        )
        assert pdf.headers["content-type"] == "application/pdf"
        (page,) = pictures_of(pdf.content, 3)
        scanned = {code.text for code in zxingcpp.read_barcodes(page)}
        assert len(scanned) == 5
        assert "301 会议室" in words_of(pdf.content)
        letters = {url.rpartition("/at/")[2] for url in scanned}
        names = set()
        for code in letters:
            names.add((await api.get("/v1/places/by_code", params={"code": code}, headers=employee)).json()["name_zh"])
        assert names == {"主院区", "一号楼", "三层", "301 会议室", "东侧电梯"}

    async def test_a_sheet_for_a_wall_holds_one(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        pdf = await api.get("/v1/places/labels", params={"place": tree["A-L1"]}, headers=admin)
        (page,) = pictures_of(pdf.content)
        (code,) = zxingcpp.read_barcodes(page)
        assert code.text.startswith("http://guanjia.test/at/")

    async def test_a_stranger_is_told_where_the_place_is_open_to_strangers(
        self, api: httpx.AsyncClient, tree: dict[str, str]
    ) -> None:
        open_one = place_code_of(parse_public_id("pla", tree["A-L1"]), 1)
        closed_one = place_code_of(parse_public_id("pla", tree["A-3-301"]), 1)
        told = await api.get("/v1/places/by_code", params={"code": open_one})
        assert told.json()["full_name_zh"] == "主院区 · 一号楼 · 东侧电梯"
        assert (await api.get("/v1/places/by_code", params={"code": closed_one})).status_code == 401

    async def test_every_bent_letter_is_seen(self, tree: dict[str, str]) -> None:
        code = place_code_of(parse_public_id("pla", tree["A"]), 1)
        assert read_place_code(code) == (parse_public_id("pla", tree["A"]), 1)
        for at, letter in enumerate(code):
            bent = code[:at] + ("A" if letter != "A" else "B") + code[at + 1 :]
            with pytest.raises(NotFound):
                read_place_code(bent)

    async def test_a_new_issue_ends_the_one_before_and_so_does_retiring(
        self, api: httpx.AsyncClient, admin: dict[str, str], tree: dict[str, str]
    ) -> None:
        place_id = parse_public_id("pla", tree["A"])

        async def scan(issue: int) -> str:
            answer = await api.get("/v1/places/by_code", params={"code": place_code_of(place_id, issue)}, headers=admin)
            return str(answer.json().get("code", answer.status_code))

        assert await scan(1) == "200"
        assert (await api.post(f"/v1/places/{tree['A']}/replace_label", headers=admin)).json()["label_issue"] == 2
        assert (await scan(1), await scan(2)) == ("PLACE_LABEL_ENDED", "200")
        await api.post(f"/v1/places/{tree['A']}/retire", headers=admin)
        assert await scan(2) == "PLACE_LABEL_ENDED"


class TestImport:
    async def test_a_dry_run_says_what_would_happen_and_does_nothing(self, db: Database, site: str) -> None:
        report = await import_places(db, TREE.encode(), dry_run=True, cover=None, actor="system")
        assert (report.created, report.bad_cells_total, await ids_of(db)) == (5, 0, {})

    async def test_the_same_file_twice_changes_nothing_and_a_later_one_renames(
        self, db: Database, tree: dict[str, str]
    ) -> None:
        again = await import_places(db, TREE.encode(), dry_run=False, cover=None, actor="system")
        assert (again.created, again.updated, again.unchanged) == (0, 0, 5)
        later = TREE.replace("301 会议室", "301 党员活动室")
        report = await import_places(db, later.encode(), dry_run=False, cover=None, actor="system")
        assert [(change.key, change.fields) for change in report.changes] == [("A-3-301", ["name_zh"])]

    async def test_what_cannot_be_is_named_cell_by_cell_and_nothing_is_written(
        self, db: Database, tree: dict[str, str]
    ) -> None:
        bad = HEADER + (
            "X1,甲,,房间,NOWHERE,,,\n"
            "X2,乙,,楼,A-3,,,\n"
            "X3,丙,,院区,,NOSITE,,\n"
            "X4,丁,,楼层,X5,,,\n"
            "X5,戊,,楼,X4,,,\n"
            "X6,己,,房间,X4,,一,\n"
            "A,一号楼,,房间,CAMPUS,,,\n"
            "A-3,三层,,楼层,CAMPUS,,,\n"
        )
        report = await import_places(db, bad.encode(), dry_run=True, cover=None, actor="system")
        assert [(cell.row, cell.column) for cell in report.bad_cells] == [
            (2, "parent_code"),
            (3, "kind"),
            (4, "site_code"),
            (5, "parent_code"),
            (6, "parent_code"),
            (7, "ordinal"),
            (8, "kind"),
            (9, "parent_code"),
        ]
        assert set(await ids_of(db)) == set(tree)

    async def test_an_administrator_of_elsewhere_brings_in_nothing_here(self, db: Database, site: str) -> None:
        report = await import_places(db, TREE.encode(), dry_run=True, cover=Cover(), actor="system")
        assert {cell.reason_en for cell in report.bad_cells} == {"outside of what you administer"}

    async def test_by_http_with_its_template(
        self, api: httpx.AsyncClient, admin: dict[str, str], employee: dict[str, str], site: str
    ) -> None:
        sent = await api.post(
            "/v1/imports/places", content=TREE.encode(), headers={**admin, "Content-Type": "text/csv"}
        )
        assert sent.json()["created"] == 5
        assert (await api.get("/v1/imports/places/template", headers=admin)).content[:2] == b"PK"
        assert (await api.post("/v1/imports/places", content=b"", headers=employee)).status_code == 403
