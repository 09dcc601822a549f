"""Who may do what, where; and that no administrator can both give and use a right."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from identity.approvals import approve
from identity.errors import AdministratorsApart, AdministratorsExist, LastAdministrator, SamePerson
from identity.kinds import ADMINISTRATORS, GRANTED_ROLES, Role
from identity.principal import EVERYWHERE, Place
from identity.role_changes import ask_to_grant
from identity.roles import found_first_administrator, list_grants, revoke_role, write_grant
from kernel.db import Database
from kernel.errors import Forbidden
from tests.identity.conftest import House, bearer


@dataclass
class Administrators:
    """One of each kind, and the second security administrator whom approvals need."""

    system: UUID
    security: UUID
    second_security: UUID
    audit: UUID


@pytest.fixture
async def admins(house: House) -> Administrators:
    return Administrators(
        system=await house.first_administrator("系统", Role.SYSTEM_ADMIN),
        security=await house.first_administrator("安全", Role.SECURITY_ADMIN),
        second_security=await house.first_administrator("安全二", Role.SECURITY_ADMIN),
        audit=await house.first_administrator("审计", Role.AUDIT_ADMIN),
    )


class TestWhereARoleCounts:
    async def test_a_region_covers_what_is_below_it(self, house: House) -> None:
        chief = await house.principal(await house.person("厅长", Role.FINANCE, Place(region_id=house.province)))
        for place in (
            {"region_id": house.province},
            {"region_id": house.other_city},
            {"organisation_id": house.ward},
            {"site_id": house.other_canteen},
        ):
            assert chief.may(Role.FINANCE, **place), place
        assert not chief.may(Role.FINANCE)
        assert not chief.may(Role.CASHIER, site_id=house.canteen)

    async def test_a_city_covers_neither_its_province_nor_its_neighbour(self, house: House) -> None:
        local = await house.principal(await house.person("局长", Role.FINANCE, Place(region_id=house.city)))
        assert local.may(Role.FINANCE, organisation_id=house.hospital)
        assert local.may(Role.FINANCE, site_id=house.canteen)
        for place in (
            {"region_id": house.province},
            {"region_id": house.other_city},
            {"organisation_id": house.university},
            {"site_id": house.other_canteen},
        ):
            assert not local.may(Role.FINANCE, **place), place

    async def test_an_organisation_covers_its_departments_and_the_sites_it_runs(self, house: House) -> None:
        place = Place(organisation_id=house.hospital)
        bursar = await house.principal(await house.person("财务", Role.FINANCE, place))
        assert bursar.may(Role.FINANCE, organisation_id=house.ward)
        assert bursar.may(Role.FINANCE, site_id=house.canteen)
        assert not bursar.may(Role.FINANCE, site_id=house.other_canteen)
        assert not bursar.may(Role.FINANCE, region_id=house.city)

    async def test_a_site_covers_itself_alone_and_everywhere_is_everywhere(self, house: House) -> None:
        cashier = await house.principal(await house.person("收银", Role.CASHIER, Place(site_id=house.canteen)))
        assert cashier.may(Role.CASHIER, site_id=house.canteen)
        assert not cashier.may(Role.CASHIER, site_id=house.other_canteen)
        auditor = await house.principal(await house.person("审计", Role.AUDIT_ADMIN))
        assert auditor.may(Role.AUDIT_ADMIN)
        assert auditor.may(Role.AUDIT_ADMIN, site_id=house.other_canteen)
        assert auditor.cover_of(Role.AUDIT_ADMIN) is None

    async def test_an_employee_is_who_belongs_somewhere(self, house: House) -> None:
        wang = await house.principal(await house.person("王小明"))
        assert [grant.role for grant in wang.roles] == [Role.EMPLOYEE]
        assert wang.organisation_id == house.ward
        assert wang.unit_id == house.hospital
        assert wang.region_id == house.city


class TestTheThreeAdministrators:
    """The matrix: every administrator tries to give every role, and to hold it beside their own."""

    @pytest.mark.parametrize("role", GRANTED_ROLES)
    @pytest.mark.parametrize("giver", ["system", "security", "audit"])
    async def test_only_the_security_administrator_gives_and_never_alone(
        self, house: House, db: Database, admins: Administrators, giver: str, role: Role
    ) -> None:
        actor = await house.principal(getattr(admins, giver))
        wang = await house.person("王小明")
        if giver != "security":
            async with db.session() as session:
                with pytest.raises(Forbidden):
                    await ask_to_grant(session, actor, wang, role, EVERYWHERE)
            return
        async with db.session() as session:
            approval = await ask_to_grant(session, actor, wang, role, EVERYWHERE)
        assert await house.roles(wang) == []
        async with db.session() as session:
            with pytest.raises(SamePerson):
                await approve(session, actor, approval)
        second = await house.principal(admins.system)
        async with db.session() as session:
            await approve(session, second, approval)
        assert await house.roles(wang) == [role]

    @pytest.mark.parametrize("role", GRANTED_ROLES)
    @pytest.mark.parametrize("taker", ["system", "security", "audit"])
    async def test_no_administrator_holds_anything_beside_their_own_role(
        self, house: House, db: Database, admins: Administrators, taker: str, role: Role
    ) -> None:
        holder = getattr(admins, taker)
        other = admins.second_security
        actor = await house.principal(other)
        async with db.session() as session:
            if role == f"{taker}_admin":
                await write_grant(session, holder, role, EVERYWHERE, granted_by=other)
            else:
                with pytest.raises(AdministratorsApart):
                    await ask_to_grant(session, actor, holder, role, EVERYWHERE)
        principal = await house.principal(holder)
        assert [grant.role for grant in principal.roles] == [Role.EMPLOYEE, f"{taker}_admin"]

    @pytest.mark.parametrize("role", GRANTED_ROLES)
    async def test_nobody_gives_themselves_anything(
        self, house: House, db: Database, admins: Administrators, role: Role
    ) -> None:
        actor = await house.principal(admins.security)
        async with db.session() as session:
            with pytest.raises(SamePerson):
                await ask_to_grant(session, actor, admins.security, role, EVERYWHERE)

    async def test_who_holds_a_business_role_becomes_no_administrator(
        self, house: House, db: Database, admins: Administrators
    ) -> None:
        actor = await house.principal(admins.security)
        cashier = await house.person("收银", Role.CASHIER, Place(site_id=house.canteen))
        async with db.session() as session:
            with pytest.raises(AdministratorsApart) as refusal:
                await ask_to_grant(session, actor, cashier, Role.AUDIT_ADMIN, EVERYWHERE)
        assert refusal.value.data == {"held": ["cashier"]}

    async def test_what_each_may_call(self, house: House, api: httpx.AsyncClient, admins: Administrators) -> None:
        wang = await house.person("王小明")
        calls: dict[str, tuple[str, str, dict[str, Any] | None]] = {
            "read people": ("GET", "/v1/people", None),
            "edit a person": ("PATCH", f"/v1/people/per_{wang.hex}", {"language": "en"}),
            "open a region": ("POST", "/v1/regions", {"code": "x", "name_zh": "新", "name_en": "New"}),
            "grant a role": ("POST", f"/v1/people/per_{wang.hex}/roles", {"role": "cashier"}),
            "print a slip": ("POST", "/v1/activations", {"people": [f"per_{wang.hex}"]}),
        }
        may = {
            "system": {"read people", "edit a person", "open a region", "print a slip"},
            "security": {"read people", "grant a role"},
            "audit": {"read people"},
        }
        for who, allowed in may.items():
            headers = bearer(await house.token(getattr(admins, who)))
            for what, (method, path, body) in calls.items():
                answer = await api.request(method, path, json=body, headers=headers)
                assert (answer.status_code < 300) is (what in allowed), (who, what, answer.text)
                assert what in allowed or answer.status_code == 403

    async def test_one_alone_cannot_take_over_another_administrators_sign_in(
        self, house: House, api: httpx.AsyncClient, admins: Administrators
    ) -> None:
        await house.credential(admins.system, "system")
        security, audit = bearer(await house.token(admins.security)), bearer(await house.token(admins.audit))
        slip = {"people": [f"per_{admins.system.hex}"]}
        assert (await api.post("/v1/activations", json=slip, headers=audit)).json()["code"] == "SAME_PERSON"

        path = f"/v1/people/per_{admins.system.hex}/credential/reset"
        asked = await api.post(path, json={"reason": "忘记密码"}, headers=security)
        approval = asked.json()["approval"]
        own = await api.post(f"/v1/approvals/{approval}/approve", headers=security)
        assert own.json()["code"] == "SAME_PERSON"
        second = bearer(await house.token(admins.second_security))
        assert (await api.post(f"/v1/approvals/{approval}/approve", headers=second)).status_code == 200
        # Neither of the two who agreed opens the door: a third one prints the slip.
        for who in (security, second):
            assert (await api.post("/v1/activations", json=slip, headers=who)).status_code == 403
        assert (await api.post("/v1/activations", json=slip, headers=audit)).status_code == 201


class TestGrantingWithinOnesReach:
    async def test_a_citys_security_administrator_gives_nothing_outside(
        self, house: House, api: httpx.AsyncClient
    ) -> None:
        here = Place(region_id=house.city)
        local = bearer(await house.token(await house.person("市安全", Role.SECURITY_ADMIN, here)))
        wang = await house.person("王小明")
        path = f"/v1/people/per_{wang.hex}/roles"
        inside = {"role": "cashier", "site": f"sit_{house.canteen.hex}"}
        outside = {"role": "cashier", "site": f"sit_{house.other_canteen.hex}"}
        assert (await api.post(path, json=inside, headers=local)).json()["status"] == "pending"
        assert (await api.post(path, json=outside, headers=local)).status_code == 403
        assert (await api.post(path, json={"role": "cashier"}, headers=local)).status_code == 403

    async def test_a_role_taken_away_is_gone_at_the_next_call(
        self, house: House, api: httpx.AsyncClient, admins: Administrators
    ) -> None:
        security = bearer(await house.token(admins.security))
        manager = await house.person("经理", Role.CANTEEN_MANAGER, Place(site_id=house.canteen))
        token = bearer(await house.token(manager))
        assert (await api.get("/v1/terminals", headers=token)).status_code == 200

        path = f"/v1/people/per_{manager.hex}/roles"
        (grant,) = (await api.get(path, headers=security)).json()["data"]
        assert (await api.delete(f"{path}/{grant['id']}", headers=security)).status_code == 204
        assert (await api.get("/v1/terminals", headers=token)).status_code == 403
        assert (await api.delete(f"{path}/{grant['id']}", headers=security)).status_code == 404
        (kept,) = (await api.get(f"{path}?which=all", headers=security)).json()["data"]
        assert kept["revoked_by"] == f"per_{admins.security.hex}"

    async def test_the_same_role_twice_is_one_role(self, house: House, db: Database, admins: Administrators) -> None:
        actor, second = await house.principal(admins.security), await house.principal(admins.system)
        wang = await house.person("王小明")

        async def grant() -> None:
            async with db.session() as session:
                approval = await ask_to_grant(session, actor, wang, Role.CASHIER, Place(site_id=house.canteen))
            async with db.session() as session:
                await approve(session, second, approval)

        await asyncio.gather(*[grant() for _ in range(5)])
        async with db.session() as session:
            assert len(await list_grants(session, wang, also_revoked=True)) == 1

    @pytest.mark.parametrize("body", [{"role": "employee"}, {"role": "cashier", "site": "sit_1"}, {"role": "king"}])
    async def test_what_cannot_be_granted_is_malformed(
        self, house: House, api: httpx.AsyncClient, admins: Administrators, body: dict[str, str]
    ) -> None:
        wang = await house.person("王小明")
        security = bearer(await house.token(admins.security))
        answer = await api.post(f"/v1/people/per_{wang.hex}/roles", json=body, headers=security)
        assert answer.status_code == 422


class TestTheFirstAndTheLast:
    async def test_the_first_administrators_are_founded_once(
        self, house: House, db: Database, admins: Administrators
    ) -> None:
        assert admins.audit != admins.system
        wang = await house.person("王小明")
        for role in sorted(ADMINISTRATORS):
            async with db.session() as session:
                with pytest.raises(AdministratorsExist):
                    await found_first_administrator(session, wang, role)

    async def test_the_last_security_administrator_stays_also_when_two_remove_each_other(
        self, house: House, db: Database, admins: Administrators
    ) -> None:
        first, second = admins.security, admins.second_security
        await house.credential(first, "first")
        await house.credential(second, "second")

        async def remove(actor_id: UUID, other: UUID) -> None:
            actor = await house.principal(actor_id)
            async with db.session() as session:
                (grant,) = await list_grants(session, other, also_revoked=False)
                await revoke_role(session, actor, other, grant.id)

        answers = await asyncio.gather(remove(first, second), remove(second, first), return_exceptions=True)
        refused = [answer for answer in answers if answer is not None]
        assert len(refused) == 1
        assert isinstance(refused[0], LastAdministrator | Forbidden)
