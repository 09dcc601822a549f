"""Who may fetch which statement and change which mapping, over HTTP."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from identity.api import EVERYWHERE, NewPerson, Place, Role, open_person, site_summary, today
from identity.roles import write_grant
from identity.sign_in import open_session
from kernel.http import install_error_handlers
from payments.settlement.exchange.routes import router as exchange_router
from payments.settlement.models import CanteenShare
from payments.settlement.statements.line_file import verify
from payments.settlement.statements.routes import router
from payments.settlement.statements.signatures import check_signature
from payments.settlement.vouchers.routes import router as vouchers_router
from tests.payments.settlement.month import Month
from tests.payments.world import World


class Caller:
    """Somebody at the product's addresses."""

    def __init__(self, world: World, token: str) -> None:
        app = FastAPI()
        install_error_handlers(app)
        for each in (router, vouchers_router, exchange_router):
            app.include_router(each)
        app.state.database = world.db
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(
            transport=transport, base_url="http://guanjia.test", headers={"Authorization": f"Bearer {token}"}
        )

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.http.get(path, params=query)


class House:
    """The month's world with people in offices."""

    def __init__(self, month: Month) -> None:
        self.month, self.world, self.callers = month, month.world, list[Caller]()

    async def somebody(self, role: Role | None = None, place: Place = EVERYWHERE) -> Caller:
        async with self.world.db.session() as session:
            person = await open_person(session, NewPerson("钱", self.world.unit, "staff", today()), actor="system")
            if role is not None:
                await write_grant(session, person, role, place, granted_by=None)
            token = (await open_session(session, person)).token
        self.callers.append(Caller(self.world, token))
        return self.callers[-1]

    def path(self, kind: str) -> str:
        world = self.world
        named = {
            "unit": f"org_{world.unit.hex}",
            "canteen": f"can_{world.canteen.hex}",
            "region_pair": f"reg_{world.away.hex}",
        }
        return f"/v1/statement_files/{kind}/{named[kind]}"

    @property
    def query(self) -> dict[str, str]:
        return {"region": f"reg_{self.world.home.hex}", "period": self.month.period}


@pytest.fixture
async def house(month: Month) -> AsyncIterator[House]:
    opened = House(month)
    yield opened
    for caller in opened.callers:
        await caller.http.aclose()


class TestAnOperator:
    async def test_fetches_its_own_statement_and_nobody_elses(self, house: House) -> None:
        world = house.world
        async with world.db.session() as session:
            operator = (await site_summary(session, [world.canteen]))[world.canteen].operator_id
            assert operator is not None
            for ordinal, (role, whose) in enumerate((("canteen", world.unit), ("operator", operator))):
                session.add(
                    CanteenShare(
                        site_id=world.canteen,
                        from_period=house.month.period,
                        ordinal=ordinal,
                        organisation_id=whose,
                        weight=1,
                        role=role,
                    )
                )
        own = await house.somebody(Role.FINANCE, Place(organisation_id=operator))
        stranger = await house.somebody(Role.FINANCE, Place(organisation_id=world.unit))
        path = f"/v1/statement_files/operator/org_{operator.hex}"
        for caller, status in ((own, 200), (stranger, 403)):
            answer = await caller.get(path, **house.query, form="lines")
            assert answer.status_code == status
        fetched = await own.get(path, **house.query, form="lines")
        (share,) = verify(io.BytesIO(fetched.content)).header["shares"]
        assert (share["base_fen"], share["amount_fen"]) == (3_600, 1_800)


class TestDownloads:
    async def test_each_office_gets_its_own_and_no_other(self, house: House) -> None:
        world = house.world
        offices = {
            "region": await house.somebody(Role.FINANCE, Place(region_id=world.home)),
            "unit": await house.somebody(Role.FINANCE, Place(organisation_id=world.unit)),
            "canteen": await house.somebody(Role.CANTEEN_MANAGER, Place(site_id=world.canteen)),
            "other region": await house.somebody(Role.FINANCE, Place(region_id=world.away)),
            "nobody": await house.somebody(),
        }
        got = {
            name: {
                kind
                for kind in ("unit", "canteen", "region_pair")
                if (await caller.get(house.path(kind), form="lines", **house.query)).status_code == 200
            }
            for name, caller in offices.items()
        }

        assert got == {
            "region": {"unit", "canteen", "region_pair"},
            "unit": {"unit"},
            "canteen": {"canteen"},
            "other region": set(),
            "nobody": set(),
        }
        listed = {
            name: (await each.get("/v1/statement_files", **house.query)).status_code for name, each in offices.items()
        }
        assert listed == {"region": 200, "unit": 403, "canteen": 403, "other region": 403, "nobody": 403}

    async def test_the_line_file_and_its_signature_belong_together(self, house: House) -> None:
        office = await house.somebody(Role.FINANCE)
        lines = await office.get(house.path("region_pair"), form="lines", **house.query)
        signature = await office.get(house.path("region_pair"), form="sig", **house.query)
        root = (await office.get("/v1/root_key")).json()["root_key"]
        verified = verify(io.BytesIO(lines.content))

        assert lines.headers["x-statement-sha256"] == verified.sha256
        assert lines.headers["content-disposition"].startswith('attachment; filename="region_pair-')
        origin = check_signature(signature.content, verified.sha256)
        assert origin.region == house.query["region"]
        assert root in signature.text

    @pytest.mark.parametrize(("form", "begins"), [("pdf", b"%PDF-"), ("xlsx", b"PK"), ("csv", b"\xef\xbb\xbf")])
    async def test_the_readable_forms_are_what_they_say(self, house: House, form: str, begins: bytes) -> None:
        office = await house.somebody(Role.FINANCE)
        answer = await office.get(house.path("unit"), form=form, **house.query)

        assert answer.status_code == 200
        assert answer.content.startswith(begins)

    async def test_the_list_leads_to_the_files(self, house: House) -> None:
        office = await house.somebody(Role.FINANCE)
        listed = (await office.get("/v1/statement_files", **house.query)).json()["data"]

        assert {each["kind"] for each in listed} == {"unit", "canteen", "region_pair"}
        for each in listed:
            assert (await office.http.get(f"{each['path']}&form=csv")).status_code == 200

    async def test_one_s_own_statement_comes_to_the_phone_in_the_phone_s_language(self, house: House) -> None:
        from payments.api import NewHolder, open_holders, top_up_at_counter

        world = house.world
        async with world.db.session() as session:
            person = await open_person(session, NewPerson("李", world.unit, "staff", today()), actor="system")
            await open_holders(session, [NewHolder(person, world.unit, world.home, "staff", "李*")])
            await top_up_at_counter(session, person, 5000, actor="test")
            token = (await open_session(session, person)).token
        phone = Caller(world, token)
        house.callers.append(phone)
        months = (await phone.get("/v1/me/statements")).json()["data"]
        answer = await phone.http.get(months[0]["path"], params={"form": "csv"}, headers={"Accept-Language": "en"})

        assert [each["period"] for each in months] == [house.month.period]
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert [row[3] for row in rows] == ["What", "Top-up", ""]
        assert rows[1][5:7] == ["50.00", "0.00"]
        nobody = await house.somebody()
        assert (await nobody.get(f"/v1/me/statements/{house.month.period}", form="csv")).status_code == 404


class TestMappings:
    ENTRIES: tuple[dict[str, Any], ...] = ({"account": "bank", "code": "1002", "name": "银行存款"},)

    async def test_a_unit_s_finance_edits_its_own_and_sees_what_is_missing(self, house: House) -> None:
        world = house.world
        path = f"/v1/voucher_mappings/unit/org_{world.unit.hex}"
        vouchers = f"/v1/vouchers/unit/org_{world.unit.hex}"
        finance = await house.somebody(Role.FINANCE, Place(organisation_id=world.unit))
        wanted = {"base_version": 0, "entries": list(self.ENTRIES)}
        changed = await finance.http.put(path, params=house.query, json=wanted)
        shown = (await finance.get(path, **house.query)).json()
        refused = await finance.get(vouchers, form="csv", **house.query)
        history = (await finance.get(f"{path}/history", **house.query)).json()["data"]

        assert (changed.status_code, changed.json()["version"]) == (200, 1)
        assert shown["holes"] == refused.json()["data"]["accounts"]
        assert f"payable:{world.canteen.hex}" in shown["holes"]
        assert (refused.status_code, refused.json()["code"]) == (409, "MAPPING_INCOMPLETE")
        assert [each["version"] for each in history] == [1]
        again = await finance.http.put(path, params=house.query, json=wanted)
        assert (again.status_code, again.json()["code"]) == (409, "MAPPING_CHANGED")
        whole = [
            {"account": kind, "code": "1", "name": kind} for kind in {hole.partition(":")[0] for hole in shown["holes"]}
        ]
        wanted = {"base_version": 1, "entries": [*self.ENTRIES, *whole]}
        assert (await finance.http.put(path, params=house.query, json=wanted)).status_code == 200
        for form in ("csv", "xlsx"):
            assert (await finance.get(vouchers, form=form, **house.query)).status_code == 200

    async def test_nobody_else_does(self, house: House) -> None:
        path = f"/v1/voucher_mappings/unit/org_{house.world.unit.hex}"
        stranger = await house.somebody(Role.CANTEEN_MANAGER)
        body = {"base_version": 0, "entries": []}

        assert (await stranger.get(path, **house.query)).status_code == 403
        assert (await stranger.http.put(path, params=house.query, json=body)).status_code == 403
        twice = {"base_version": 0, "entries": [*self.ENTRIES, *self.ENTRIES]}
        finance = await house.somebody(Role.FINANCE)
        assert (await finance.http.put(path, params=house.query, json=twice)).status_code == 422


class TestPartners:
    async def test_a_root_key_is_pinned_by_two(self, house: House) -> None:
        office = await house.somebody(Role.FINANCE)
        root = (await office.get("/v1/root_key")).json()["root_key"]
        wanted = {"region": f"reg_{house.world.away.hex}", "root_key": root, "reason": "by letter"}

        assert (await office.http.post("/v1/partner_regions", json=wanted)).status_code == 202
        assert (await office.get("/v1/partner_regions")).json()["data"] == []
        short = wanted | {"root_key": "AAAA"}
        assert (await office.http.post("/v1/partner_regions", json=short)).status_code == 422

    async def test_what_is_no_statement_is_refused(self, house: House) -> None:
        office = await house.somebody(Role.FINANCE)
        query = {"region": house.query["region"]}
        files = {"file": b"hello\n", "signature": b"{}"}

        answer = await office.http.post("/v1/partner_statements", params=query, files=files)
        assert (answer.status_code, answer.json()["code"]) == (422, "STATEMENT_REFUSED")
        assert answer.json()["data"]["line"] == 1
        assert (await office.http.post("/v1/partner_statements", params=query, content=b"x")).status_code == 422
        stranger = await house.somebody()
        assert (await stranger.http.post("/v1/partner_statements", params=query, files=files)).status_code == 403
