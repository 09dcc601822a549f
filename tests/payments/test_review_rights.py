"""Who may say that money has come: the finance of the region whose bank account it is, not that of the unit itself."""

from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from identity.api import EVERYWHERE, NewPerson, Place, Role, open_person, today
from identity.roles import write_grant
from identity.sign_in import open_session
from kernel.http import install_error_handlers
from payments.routes import router
from tests.payments.world import World


async def finance_of(world: World, place: Place) -> str:
    """The token of somebody of the unit who is its finance, or the region's, or the whole house's."""
    async with world.db.session() as session:
        person = await open_person(session, NewPerson("钱", world.unit, "staff", today()), actor="system")
        await write_grant(session, person, Role.FINANCE, place, granted_by=None)
        return (await open_session(session, person)).token


async def prefund(world: World, unit: UUID, token: str) -> httpx.Response:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(router)
    app.state.database = world.db
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://guanjia.test") as client:
        return await client.post(f"/v1/organisations/org_{unit.hex}/prefund", json={"amount_fen": 100}, headers=headers)


class TestPrefund:
    async def test_a_units_own_finance_cannot_write_it_money(self, world: World) -> None:
        token = await finance_of(world, Place(organisation_id=world.unit))
        assert (await prefund(world, world.unit, token)).status_code == 403

    @pytest.mark.parametrize("where", ["region", "everywhere"])
    async def test_the_regions_finance_notes_what_the_bank_has_told(self, world: World, where: str) -> None:
        token = await finance_of(world, Place(region_id=world.home) if where == "region" else EVERYWHERE)
        answer = await prefund(world, world.unit, token)
        assert (answer.status_code, answer.json()["balance_fen"]) == (201, 10**10 + 100)
