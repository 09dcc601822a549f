"""Printed codes: what they say, who may print them, and what becomes of one that was forged, bent or taken down."""

from typing import Any
from uuid import UUID

import httpx
import pytest
import zxingcpp
from sqlalchemy import text

from identity.api import EVERYWHERE, Place, Role
from payments.credentials.pay_code_format import luhn_digit
from payments.wall_codes.nearness import Coordinates, distance_m, far_m
from payments.wall_codes.place_code_format import place_tag, read_place_code, write_place_code
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.world import World
from tests.pdf import pictures_of, words_of

CODE, SITE, TILL = UUID(int=1 << 127 | 5), UUID(int=6), UUID(int=7)
KEY = bytes(32)


def with_luhn(body: str) -> str:
    return body + luhn_digit(body)


class TestFormat:
    def test_it_is_seventy_digits_that_can_be_read_back(self) -> None:
        tag = place_tag(KEY, CODE, SITE, TILL)
        digits = write_place_code(CODE, tag)
        assert (len(digits), digits[:3], digits.isdigit()) == (70, "711", True)
        assert read_place_code(digits) == (CODE, tag)

    def test_the_vector_of_the_page_stands(self) -> None:
        """docs/wall-code.md: whoever reads printed codes with other software tries it on this."""
        code, site, till = (UUID(f"0199c0de-0000-7000-8000-00000000000{n}") for n in (1, 2, 3))
        digits = "7110045052861402328000140737488355328000013467686034022153993727302809"
        assert write_place_code(code, place_tag(bytes(range(32)), code, site, till)) == digits
        assert read_place_code(digits) == (code, bytes.fromhex("3991aa090ac3e79318afa8"))

    def test_the_tag_is_of_the_code_its_site_and_its_till(self) -> None:
        tags = {
            place_tag(KEY, CODE, SITE, TILL),
            place_tag(KEY, CODE, SITE, None),
            place_tag(KEY, CODE, TILL, SITE),
            place_tag(KEY, SITE, CODE, TILL),
            place_tag(b"k" * 32, CODE, SITE, TILL),
        }
        assert len(tags) == 5

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda digits: digits[:-1],
            lambda digits: "70" + digits[2:],
            lambda digits: digits[:-1] + str(9 - int(digits[-1])),
            lambda digits: with_luhn("712" + digits[3:-1]),
            lambda _: with_luhn("711" + "9" * 66),
            lambda digits: digits.replace(digits[5], "٣"),
        ],
        ids=["short", "prefix", "luhn", "version", "overflow", "other digits"],
    )
    def test_what_cannot_be_ours_is_not_read(self, spoil: object) -> None:
        assert callable(spoil)
        assert read_place_code(spoil(write_place_code(CODE, place_tag(KEY, CODE, SITE, None)))) is None


class TestNearness:
    WEST_LAKE = Coordinates(30.2431, 120.1500)

    def test_distances_are_those_of_a_map(self) -> None:
        assert distance_m(self.WEST_LAKE, Coordinates(30.2431, 120.1604)) == pytest.approx(1000, rel=0.01)
        assert distance_m(self.WEST_LAKE, Coordinates(31.2304, 121.4737)) == pytest.approx(167_600, rel=0.01)

    def test_only_who_is_certainly_elsewhere_is_far(self) -> None:
        across_town = Coordinates(30.2431, 120.1800)
        assert far_m(across_town, self.WEST_LAKE) == pytest.approx(2880, rel=0.01)
        assert far_m(Coordinates(30.2431, 120.1800, accuracy_m=1900), self.WEST_LAKE) is None
        assert far_m(Coordinates(30.2431, 120.1590), self.WEST_LAKE) is None
        assert far_m(None, self.WEST_LAKE) is None
        assert far_m(across_town, None) is None

    def test_who_doubts_everything_is_not_near_everything(self) -> None:
        shanghai = Coordinates(31.2304, 121.4737, accuracy_m=10**7)
        assert far_m(shanghai, self.WEST_LAKE) is not None


async def manager(world: World) -> Somebody:
    return await officer(world, Role.CANTEEN_MANAGER, Place(site_id=world.canteen))


async def issue(client: httpx.AsyncClient, who: Somebody, site: UUID, till: UUID | None = None) -> dict[str, Any]:
    body = {"site": f"can_{site.hex}", "terminal": f"ter_{till.hex}" if till else None}
    answer = await client.post("/v1/place_codes", json=body, headers=who.headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


class TestIssuing:
    async def test_a_new_issue_replaces_the_one_before_it(self, world: World) -> None:
        chief = await manager(world)
        async with doors(world) as client:
            first = await issue(client, chief, world.canteen)
            of_till = await issue(client, chief, world.canteen, world.tills[0])
            second = await issue(client, chief, world.canteen)
            listed = (await client.get(f"/v1/place_codes?site=sit_{world.canteen.hex}", headers=chief.headers)).json()
        assert (first["issue"], second["issue"], of_till["issue"]) == (1, 2, 1)
        assert {row["id"]: row["state"] for row in listed["data"]} == {
            first["id"]: "replaced",
            second["id"]: "active",
            of_till["id"]: "active",
        }
        assert second["url"] == f"https://guanjia.test/pay/{second['text']}"

    async def test_a_revoked_code_cannot_be_revoked_again(self, world: World) -> None:
        chief = await manager(world)
        async with doors(world) as client:
            code = await issue(client, chief, world.canteen)
            revoked = await client.post(f"/v1/place_codes/{code['id']}/revoke", headers=chief.headers)
            again = await client.post(f"/v1/place_codes/{code['id']}/revoke", headers=chief.headers)
        assert (revoked.json()["state"], revoked.json()["allowed"]) == ("revoked", [])
        assert (again.status_code, again.json()["code"]) == (409, "STATE_CONFLICT")

    async def test_a_till_of_another_canteen_gets_no_code_of_this_one(self, world: World) -> None:
        chief = await officer(world, Role.SYSTEM_ADMIN, EVERYWHERE)
        body = {"site": f"can_{world.canteen.hex}", "terminal": f"ter_{world.tills[-1].hex}"}
        async with doors(world) as client:
            assert (await client.post("/v1/place_codes", json=body, headers=chief.headers)).status_code == 404

    async def test_only_who_runs_the_canteen_prints_its_codes(self, world: World) -> None:
        chief, stranger = await manager(world), await employee(world)
        async with doors(world) as client:
            code = await issue(client, chief, world.canteen)
            for who, site in ((stranger, world.canteen), (chief, world.canteen_away)):
                query = f"?site=can_{site.hex}"
                body = {"site": f"can_{site.hex}"}
                assert (await client.post("/v1/place_codes", json=body, headers=who.headers)).status_code == 403
                assert (await client.get(f"/v1/place_codes{query}", headers=who.headers)).status_code == 403
                assert (await client.get(f"/v1/place_codes/sheet{query}", headers=who.headers)).status_code == 403
            revoke = f"/v1/place_codes/{code['id']}/revoke"
            assert (await client.post(revoke, headers=stranger.headers)).status_code == 403


class TestSheet:
    async def test_each_page_can_be_scanned_and_names_the_canteen_in_both_languages(self, world: World) -> None:
        chief = await manager(world)
        async with doors(world) as client:
            codes = [await issue(client, chief, world.canteen, till) for till in (None, world.tills[0])]
            await issue(client, chief, world.canteen, world.tills[1])
            gone = await issue(client, chief, world.canteen, world.tills[1])
            await client.post(f"/v1/place_codes/{gone['id']}/revoke", headers=chief.headers)
            sheet = await client.get(f"/v1/place_codes/sheet?site=can_{world.canteen.hex}", headers=chief.headers)
            address = f"/v1/place_codes/sheet?site=can_{world.canteen.hex}&code={codes[1]['id']}"
            alone = await client.get(address, headers=chief.headers)
        assert sheet.headers["content-type"] == "application/pdf"
        scanned = [zxingcpp.read_barcodes(page)[0].text for page in pictures_of(sheet.content)]
        assert scanned == [code["url"] for code in codes]
        words = words_of(sheet.content, page=1)
        assert all(word in words for word in ("某地", "Somewhere", "1号机", "扫码付款"))
        assert [zxingcpp.read_barcodes(page)[0].text for page in pictures_of(alone.content)] == [codes[1]["url"]]

    async def test_where_nothing_was_issued_there_is_nothing_to_print(self, world: World) -> None:
        chief = await manager(world)
        async with doors(world) as client:
            answer = await client.get(f"/v1/place_codes/sheet?site=can_{world.canteen.hex}", headers=chief.headers)
        assert answer.status_code == 404


class TestReading:
    async def test_its_reader_sees_where_and_how_much(self, world: World) -> None:
        chief, diner = await manager(world), await employee(world, cash_fen=5000)
        async with doors(world) as client:
            code = await issue(client, chief, world.canteen, world.tills[0])
            seen = (await client.get(f"/v1/place_codes/{code['text']}", headers=diner.headers)).json()
        assert (seen["name_zh"], seen["name_en"], seen["terminal_name"]) == ("某地", "Somewhere", "1号机")
        assert (seen["price_fen"], seen["meal"], seen["refusal"], seen["far_m"]) == (1800, "lunch", None, None)
        assert seen["modes"] == ["fixed", "keyed"]

    @pytest.mark.parametrize(("is_open", "person_class", "code"), [(False, "staff", "DENY_OUT_OF_PERIOD"), (True, "visitor", "DENY_CLASS")])  # fmt: skip  # one table
    async def test_who_is_not_served_reads_why(self, world: World, is_open: bool, person_class: str, code: str) -> None:
        world.rule.is_open = is_open
        chief, diner = await manager(world), await employee(world, person_class=person_class)
        async with doors(world) as client:
            place = await issue(client, chief, world.canteen)
            headers = {**diner.headers, "Accept-Language": "en"}
            seen = (await client.get(f"/v1/place_codes/{place['text']}", headers=headers)).json()
        assert (seen["price_fen"], seen["refusal"]["code"]) == (None, code)
        assert seen["refusal"]["message"].isascii()

    async def test_a_code_that_somebody_else_made_is_none_of_ours(self, world: World) -> None:
        diner = await employee(world)
        forged = write_place_code(CODE, place_tag(KEY, CODE, world.canteen, None))
        async with doors(world) as client:
            answer = await client.get(f"/v1/place_codes/{forged}", headers=diner.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "PLACE_CODE_UNKNOWN")

    async def test_a_row_that_was_bent_to_another_canteen_fails_its_tag(self, world: World) -> None:
        chief, diner = await manager(world), await employee(world)
        async with doors(world) as client:
            code = await issue(client, chief, world.canteen)
            async with world.db.session() as session:
                await session.execute(text("UPDATE place_codes SET site_id = :site"), {"site": world.canteen_away})
            answer = await client.get(f"/v1/place_codes/{code['text']}", headers=diner.headers)
        assert answer.json()["code"] == "PLACE_CODE_UNKNOWN"

    async def test_a_sheet_that_was_replaced_or_revoked_says_so(self, world: World) -> None:
        chief, diner = await manager(world), await employee(world)
        async with doors(world) as client:
            first, second = [await issue(client, chief, world.canteen) for _ in range(2)]
            await client.post(f"/v1/place_codes/{second['id']}/revoke", headers=chief.headers)
            answers = [
                await client.get(f"/v1/place_codes/{code['text']}", headers=diner.headers) for code in (first, second)
            ]
        assert [(each.status_code, each.json()["data"]["state"]) for each in answers] == [
            (410, "replaced"),
            (410, "revoked"),
        ]

    async def test_a_phone_elsewhere_is_warned_before_it_pays(self, world: World) -> None:
        chief, diner = await manager(world), await employee(world)
        async with world.db.session() as session:
            where = {"site": world.canteen, "north": 30.2431, "east": 120.15}
            await session.execute(text("UPDATE sites SET latitude = :north, longitude = :east WHERE id = :site"), where)
        async with doors(world) as client:
            code = await issue(client, chief, world.canteen)
            address = f"/v1/place_codes/{code['text']}"
            near = await client.get(f"{address}?latitude=30.243&longitude=120.151", headers=diner.headers)
            far = await client.get(f"{address}?latitude=30.29&longitude=120.15&accuracy_m=500", headers=diner.headers)
        assert near.json()["far_m"] is None
        assert far.json()["far_m"] == pytest.approx(5215, abs=20)
