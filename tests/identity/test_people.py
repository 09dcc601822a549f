"""People and places: opened, found, moved; with dates that hold, and lists in the order people expect."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from identity.access import today
from identity.errors import MembershipOverlaps, NotATree
from identity.kinds import Role
from identity.people import NewPerson, change_membership, open_people
from identity.places import move_organisation, open_organisation
from identity.principal import Place
from identity.queries import mask_name, membership_of, memberships_of, payers_of, person_summary, site_summary
from kernel import clock
from kernel.db import Database
from kernel.outbox import read_after
from tests.identity.conftest import LONG_AGO, House, bearer

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


@pytest.fixture
async def admin(house: House) -> dict[str, str]:
    """The header of a system administrator of everything."""
    return bearer(await house.token(await house.person("管理员", Role.SYSTEM_ADMIN)))


async def move(house: House, person_id: UUID, organisation: UUID | None, person_class: str, on: date) -> None:
    async with house.db.session() as session:
        await change_membership(
            session,
            person_id,
            organisation_id=organisation,
            person_class=person_class,
            valid_from=on,
            actor="system",
        )


class TestBelonging:
    async def test_somebody_moves_and_each_day_keeps_its_truth(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        await move(house, wang, house.university, "contract", JUNE)
        async with db.session() as session:
            before, after = await membership_of(session, wang, MAY), await membership_of(session, wang, JULY)
        assert before is not None
        assert after is not None
        assert (before.organisation_id, before.unit_id, before.person_class) == (house.ward, house.hospital, "staff")
        assert before.valid_until == JUNE
        assert (after.unit_id, after.person_class, after.region_id) == (
            house.university,
            "contract",
            house.other_city,
        )

    async def test_a_correction_on_the_same_day_replaces(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        await move(house, wang, house.university, "staff", JUNE)
        await move(house, wang, house.hospital, "retired", JUNE)
        async with db.session() as session:
            now = await membership_of(session, wang, JUNE)
            count = await session.scalar(text("SELECT count(*) FROM memberships WHERE person_id = :id"), {"id": wang})
        assert now is not None
        assert (now.organisation_id, now.person_class) == (house.hospital, "retired")
        assert count == 2

    async def test_who_leaves_belongs_nowhere_and_is_no_employee(self, house: House) -> None:
        wang = await house.person("王小明")
        await move(house, wang, None, "staff", today())
        principal = await house.principal(wang)
        assert (principal.organisation_id, principal.unit_id, principal.person_class) == (None, None, None)
        assert principal.roles == ()

    async def test_what_is_already_arranged_is_not_silently_undone(self, house: House) -> None:
        wang = await house.person("王小明")
        await move(house, wang, house.university, "staff", JULY)
        with pytest.raises(MembershipOverlaps):
            await move(house, wang, house.hospital, "staff", JUNE)

    async def test_the_database_knows_no_two_memberships_of_a_day(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        async with db.session() as session:
            with pytest.raises(IntegrityError, match="memberships_no_overlap"):
                await session.execute(
                    text(
                        "INSERT INTO memberships SELECT gen_random_uuid(), person_id, organisation_id, person_class,"
                        " daterange('2026-05-01', '2026-05-02'), recorded_at FROM memberships WHERE person_id = :id"
                    ),
                    {"id": wang},
                )
            await session.rollback()

    async def test_ten_moves_at_once_leave_one_membership_a_day(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        moves = [move(house, wang, house.university, "staff", JUNE) for _ in range(10)]
        answers = await asyncio.gather(*moves, return_exceptions=True)
        assert answers == [None] * 10
        async with db.session() as session:
            count = await session.scalar(text("SELECT count(*) FROM memberships WHERE person_id = :id"), {"id": wang})
        assert count == 2

    async def test_neighbours_hear_of_it(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        await move(house, wang, house.university, "contract", JUNE)
        async with db.session() as session:
            told = {stored.event.type: stored.event.data() for stored in (await read_after(session, {})).events}
        assert told["person.joined"] == {
            "person": f"per_{wang.hex}",
            "organisation": f"org_{house.ward.hex}",
            "unit": f"org_{house.hospital.hex}",
            "region": f"reg_{house.city.hex}",
            "person_class": "staff",
            "valid_from": LONG_AGO.isoformat(),
        }
        assert told["membership.changed"]["unit"] == f"org_{house.university.hex}"


class TestWhatNeighboursAsk:
    async def test_names_places_and_payers(self, house: House, db: Database) -> None:
        wang = await house.person("王小明")
        async with db.session() as session:
            assert (await person_summary(session, [wang]))[wang].masked_name == "王*明"
            assert (await site_summary(session, [house.canteen]))[house.canteen].timezone == "Asia/Shanghai"
            assert (await payers_of(session, {house.ward}))[house.ward].unit_id == house.hospital
            assert set(await memberships_of(session, [wang, house.ward], JULY)) == {wang}

    @pytest.mark.parametrize(("name", "masked"), [("王", "*"), ("李四", "李*"), ("欧阳小明", "欧**明")])
    def test_a_masked_name_is_enough_to_know_oneself(self, name: str, masked: str) -> None:
        assert mask_name(name) == masked


class TestFindingPeople:
    async def test_by_name_pinyin_initials_or_number(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str], db: Database
    ) -> None:
        async with db.session() as session:
            new = [
                NewPerson("张三丰", house.ward, "staff", LONG_AGO, staff_number="A001"),
                NewPerson("李四", house.ward, "staff", LONG_AGO, staff_number="A002"),
                NewPerson("100%", house.ward, "staff", LONG_AGO, staff_number="B003"),
            ]
            await open_people(session, new, actor="system")

        async def found(words: str) -> set[str]:
            rows = (await api.get("/v1/people", params={"q": words}, headers=admin)).json()["data"]
            return {row["name"] for row in rows}

        assert await found("三") == {"张三丰"}
        assert await found("zhangs") == {"张三丰"}
        assert await found("Zhang San") == {"张三丰"}
        assert await found("zsf") == {"张三丰"}
        assert await found("a00") == {"张三丰", "李四"}
        assert await found("%") == {"100%"}
        assert await found("nobody") == set()

    async def test_by_name_the_order_is_pinyins(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        for name in ("赵一", "安二", "马三", "王四"):
            await house.person(name)
        names: list[str] = []
        after = ""
        while True:
            page = (await api.get(f"/v1/people?order=name&limit=2{after}", headers=admin)).json()
            names += [row["name"] for row in page["data"]]
            if not page["has_more"]:
                break
            after = f"&starting_after={page['data'][-1]['id']}"
        assert names == ["安二", "管理员", "马三", "王四", "赵一"]

    async def test_who_administers_one_city_finds_nobody_of_another(self, house: House, api: httpx.AsyncClient) -> None:
        here = Place(region_id=house.city)
        local = bearer(await house.token(await house.person("市管理员", Role.SYSTEM_ADMIN, here)))
        outside = await house.person("外人", organisation=house.university)
        rows = (await api.get("/v1/people", headers=local)).json()["data"]
        assert [row["name"] for row in rows] == ["市管理员"]
        assert (await api.get(f"/v1/people/per_{outside.hex}", headers=local)).status_code == 403

    async def test_an_employee_sees_no_list(self, house: House, api: httpx.AsyncClient) -> None:
        headers = bearer(await house.token(await house.person("王小明")))
        assert (await api.get("/v1/people", headers=headers)).status_code == 403


class TestEditingPeople:
    async def test_opened_edited_and_moved_over_http(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        body = {
            "name": "张三",
            "organisation": f"org_{house.ward.hex}",
            "valid_from": "2026-01-01",
            "staff_number": "7",
        }
        opened = await api.post("/v1/people", json=body, headers=admin)
        assert opened.status_code == 201
        path = f"/v1/people/{opened.json()['id']}"

        edited = (await api.patch(path, json={"name": "李四", "phone": "13800000000"}, headers=admin)).json()
        assert (edited["pinyin"], edited["phone"], edited["staff_number"]) == ("li si", "13800000000", "7")

        change = {"organisation": f"org_{house.university.hex}", "person_class": "visitor", "valid_from": "2026-06-01"}
        moved = (await api.post(f"{path}/membership", json=change, headers=admin)).json()
        assert moved["class"] == "visitor"
        assert [row["valid_until"] for row in moved["memberships"]] == [None, "2026-06-01"]

        taken = await api.post("/v1/people", json=body, headers=admin)
        assert taken.status_code == 409
        assert taken.json()["data"] == {"field": "staff_number", "value": "7"}

    async def test_a_number_that_two_take_at_once_is_one_persons(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        body = {
            "name": "张三",
            "organisation": f"org_{house.ward.hex}",
            "valid_from": "2026-01-01",
            "staff_number": "7",
        }
        answers = await asyncio.gather(*[api.post("/v1/people", json=body, headers=admin) for _ in range(5)])
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]

    async def test_an_organisation_that_nobody_knows_is_not_found(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        nowhere = {"organisation": "org_" + "0" * 32, "valid_from": "2026-01-01"}
        opened = await api.post("/v1/people", json=nowhere | {"name": "张三"}, headers=admin)
        wang = await house.person("王小明")
        moved = await api.post(f"/v1/people/per_{wang.hex}/membership", json=nowhere, headers=admin)
        assert opened.status_code == moved.status_code == 404

    async def test_nobody_suspends_themselves(self, house: House, api: httpx.AsyncClient) -> None:
        admin_id = await house.person("管理员", Role.SYSTEM_ADMIN)
        headers = bearer(await house.token(admin_id))
        answer = await api.post(f"/v1/people/per_{admin_id.hex}/suspend", headers=headers)
        assert answer.json()["code"] == "SAME_PERSON"


class TestPlaces:
    async def test_a_city_opens_an_organisation_and_a_canteen(
        self, house: House, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        region = f"reg_{house.city.hex}"
        unit = {"code": "N", "name_zh": "新单位", "name_en": "New", "kind": "unit", "home_region": region}
        organisation = (await api.post("/v1/organisations", json=unit, headers=admin)).json()
        assert organisation["pinyin"] == "xin dan wei"
        site = {
            "code": "N-C",
            "name_zh": "新食堂",
            "name_en": "New Canteen",
            "kind": "canteen",
            "region": region,
            "operator": organisation["id"],
        }
        assert (await api.post("/v1/sites", json=site, headers=admin)).status_code == 201
        assert (await api.post("/v1/sites", json=site, headers=admin)).json()["code"] == "ALREADY_EXISTS"

        sites = (await api.get("/v1/sites?kind=canteen", headers=admin)).json()["data"]
        assert [row["name_zh"] for row in sites] == ["新食堂", "学生食堂", "第一食堂"]
        found = (await api.get("/v1/organisations?q=xindan", headers=admin)).json()["data"]
        assert [row["id"] for row in found] == [organisation["id"]]

    async def test_a_time_zone_that_nobody_knows_is_refused(
        self, api: httpx.AsyncClient, admin: dict[str, str]
    ) -> None:
        body = {"code": "x", "name_zh": "月球", "name_en": "Moon", "timezone": "Moon/Tranquility"}
        assert (await api.post("/v1/regions", json=body, headers=admin)).status_code == 422

    async def test_who_administers_a_city_opens_nothing_elsewhere(self, house: House, api: httpx.AsyncClient) -> None:
        here = Place(region_id=house.city)
        local = bearer(await house.token(await house.person("市管理员", Role.SYSTEM_ADMIN, here)))
        body = {"code": "x", "name_zh": "县", "name_en": "County", "parent": f"reg_{house.city.hex}"}
        assert (await api.post("/v1/regions", json=body, headers=local)).status_code == 201
        body |= {"code": "y", "parent": f"reg_{house.other_city.hex}"}
        assert (await api.post("/v1/regions", json=body, headers=local)).status_code == 403
        assert (await api.post("/v1/regions", json=body | {"parent": None}, headers=local)).status_code == 403

    async def test_a_tree_stays_a_tree(self, house: House, api: httpx.AsyncClient, admin: dict[str, str]) -> None:
        path = f"/v1/regions/reg_{house.province.hex}/move"
        answer = await api.post(path, json={"parent": f"reg_{house.city.hex}"}, headers=admin)
        assert answer.json()["code"] == "NOT_A_TREE"
        below = f"/v1/organisations/org_{house.ward.hex}/move"
        moved = await api.post(below, json={"parent": f"org_{house.university.hex}"}, headers=admin)
        assert moved.json()["parent"] == f"org_{house.university.hex}"

    async def test_two_moves_at_once_make_no_ring(self, house: House, db: Database) -> None:
        async with db.session() as session:
            one, two = [
                await open_organisation(
                    session,
                    code=code,
                    name_zh=code,
                    name_en=code,
                    kind="unit",
                    home_region_id=house.city,
                    actor="system",
                )
                for code in ("one", "two")
            ]

        async def hang(below: UUID, above: UUID) -> None:
            async with db.session() as session:
                await move_organisation(session, below, parent_id=above, actor="system")

        answers = await asyncio.gather(hang(one, two), hang(two, one), return_exceptions=True)
        assert sum(answer is None for answer in answers) == 1
        assert sum(isinstance(answer, NotATree) for answer in answers) == 1

    async def test_a_unit_moved_below_another_is_reached_by_its_people(self, house: House, db: Database) -> None:
        bursar = await house.person("财务", Role.FINANCE, Place(organisation_id=house.university))
        assert not (await house.principal(bursar)).may(Role.FINANCE, organisation_id=house.ward)
        async with db.session() as session:
            await move_organisation(session, house.ward, parent_id=house.university, actor="system")
        assert (await house.principal(bursar)).may(Role.FINANCE, organisation_id=house.ward)


class TestTheDay:
    async def test_a_membership_begins_at_local_midnight(self, house: House) -> None:
        wang = await house.person("王小明")
        with clock.frozen(clock.now().replace(hour=15, minute=59, second=59, microsecond=0)):
            tomorrow = today() + timedelta(days=1)
            await move(house, wang, house.university, "staff", tomorrow)
            assert (await house.principal(wang)).unit_id == house.hospital
            clock.advance(timedelta(seconds=1))
            assert (await house.principal(wang)).unit_id == house.university
