"""A unit is charged for a repair or a hall: once, to the fen, in both books, through the close to the bank."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text

from identity.api import EVERYWHERE, NewPerson, Place, Role, open_person, today
from identity.roles import write_grant
from identity.sign_in import open_session
from kernel import clock
from kernel.db import Database
from kernel.errors import Malformed, NotFound
from kernel.http import install_error_handlers
from payments.api import charge_unit, refund_charge
from payments.charges.errors import ChargeDiffers, NothingServes
from payments.charges.models import ServiceCharge
from payments.charges.routes import router
from payments.ledger import house_balance
from payments.models import UnitPrefund
from tests.payments.settlement.month import Month
from tests.payments.world import World, open_world

NOON = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)


async def charged(
    world: World,
    amount_fen: int = 32_000,
    *,
    reference: UUID | None = None,
    payer: UUID | None = None,
    payee: UUID | None = None,
    in_days: int = 0,
) -> UUID:
    """A repair, unless it is said otherwise for the unit by the home region's site."""
    async with world.db.session() as session:
        return await charge_unit(
            session,
            kind="repair",
            reference=reference or uuid4(),
            payer_id=payer or world.unit,
            payee_id=payee or world.canteen,
            amount_fen=amount_fen,
            business_date=clock.now().date() + timedelta(days=in_days),
            note="换灯管",
        )


async def given_back(world: World, reference: UUID, amount_fen: int) -> UUID:
    async with world.db.session() as session:
        return await refund_charge(session, reference=reference, amount_fen=amount_fen)


async def balance(world: World, region: UUID, kind: str, owner: UUID) -> int:
    async with world.db.session() as session:
        return await house_balance(session, region, kind, owner)


async def prefund(world: World) -> int:
    async with world.db.session() as session:
        return int(await session.scalar(select(UnitPrefund.balance_fen).where(UnitPrefund.unit_id == world.unit)) or 0)


class TestACharge:
    async def test_moves_what_was_paid_in_ahead_to_whoever_served(self, world: World) -> None:
        before = await prefund(world)
        await charged(world)
        assert await prefund(world) == before - 32_000
        assert await balance(world, world.home, "payable", world.canteen) == -32_000

    async def test_of_another_region_stands_in_both_books(self, world: World) -> None:
        await charged(world, payee=world.canteen_away)
        assert await balance(world, world.home, "due_to", world.away) == -32_000
        assert await balance(world, world.away, "due_from", world.home) == 32_000
        assert await balance(world, world.away, "payable", world.canteen_away) == -32_000

    async def test_the_same_act_is_charged_once_by_however_many_at_once(self, world: World) -> None:
        reference, before = uuid4(), await prefund(world)
        ids = await asyncio.gather(*(charged(world, reference=reference) for _ in range(8)))
        assert len(set(ids)) == 1
        assert await prefund(world) == before - 32_000
        with pytest.raises(ChargeDiffers) as refused:
            await charged(world, 32_001, reference=reference)
        assert refused.value.data["amount_fen"] == 32_000

    async def test_that_the_prefund_does_not_cover_becomes_a_bill(self, world: World) -> None:
        """What was done is owed: no prefund and no limit of grants refuses it."""
        before = await prefund(world)
        await charged(world, before + 1)
        assert await prefund(world) == before
        async with world.db.session() as session:
            (owed,) = (await session.execute(text("SELECT unit_id, balance_fen FROM unit_receivables"))).all()
        assert owed == (world.unit, before + 1)

    async def test_names_the_organisation_that_runs_the_site(self, world: World) -> None:
        async with world.db.session() as session:
            operator = await session.scalar(
                text("SELECT operator_id FROM sites WHERE id = :site"), {"site": world.canteen}
            )
        await charged(world, payee=operator)
        async with world.db.session() as session:
            (row,) = (await session.scalars(select(ServiceCharge))).all()
        assert row.site_id in (world.canteen, world.canteen_away)

    async def test_nobody_to_pay_or_nothing_to_charge_is_said(self, world: World) -> None:
        with pytest.raises(NotFound):
            await charged(world, payer=uuid4())
        with pytest.raises(NothingServes):
            await charged(world, payee=uuid4())
        with pytest.raises(Malformed):
            await charged(world, 0)
        async with world.db.session() as session:
            assert await session.scalar(select(func.count()).select_from(ServiceCharge)) == 0

    async def test_that_fails_with_its_act_leaves_nothing(self, world: World) -> None:
        before = await prefund(world)
        with pytest.raises(RuntimeError):
            await _charge_and_fail(world)
        assert await prefund(world) == before


async def _charge_and_fail(world: World) -> None:
    async with world.db.session() as session:
        await charge_unit(
            session,
            kind="meeting",
            reference=uuid4(),
            payer_id=world.unit,
            payee_id=world.canteen,
            amount_fen=1,
            business_date=clock.now().date(),
            note="",
        )
        raise RuntimeError


class TestARefund:
    async def test_goes_back_to_where_it_came_from_and_once(self, world: World) -> None:
        reference, before = uuid4(), await prefund(world)
        await charged(world, reference=reference)
        for _ in range(2):
            await given_back(world, reference, 12_000)
            assert await prefund(world) == before - 20_000
        await asyncio.gather(*(given_back(world, reference, 32_000) for _ in range(4)))
        assert await prefund(world) == before
        assert await balance(world, world.home, "payable", world.canteen) == 0

    async def test_of_a_bill_lowers_the_bill_also_when_there_is_a_prefund_by_then(self, world: World) -> None:
        reference, before = uuid4(), await prefund(world)
        await charged(world, before + 500, reference=reference)
        await given_back(world, reference, 500)
        async with world.db.session() as session:
            assert await session.scalar(text("SELECT balance_fen FROM unit_receivables")) == before
        assert await prefund(world) == before

    async def test_of_another_region_takes_both_books_back(self, world: World) -> None:
        reference = uuid4()
        await charged(world, payee=world.canteen_away, reference=reference)
        await given_back(world, reference, 32_000)
        assert await balance(world, world.home, "due_to", world.away) == 0
        assert await balance(world, world.away, "payable", world.canteen_away) == 0

    async def test_is_never_more_than_the_charge(self, world: World) -> None:
        reference = uuid4()
        await charged(world, reference=reference)
        with pytest.raises(ChargeDiffers):
            await given_back(world, reference, 32_001)
        with pytest.raises(NotFound):
            await given_back(world, uuid4(), 1)


class TestTheMonth:
    async def test_closes_with_the_charge_in_the_statements_and_at_the_bank(self, db: Database) -> None:
        with clock.frozen(NOON):
            world = await open_world(db, prefund_fen=1_000_000)
            month = Month(world, "2026-11")
            reference = uuid4()
            await charged(world, 30_000 - 7)
            # A hall of next month, paid now: this month's close finds it.
            await charged(world, 7, in_days=40)
            await charged(world, 50_000, payee=world.canteen_away, reference=reference)
            clock.advance(timedelta(days=1))
            await given_back(world, reference, 10_000)
            await month.to_confirmed()
            at_home, away = await month.statements(world.home), await month.statements(world.away)
            assert at_home["canteen", world.canteen] == (30_000, 0, 30_000)
            assert away["canteen", world.canteen_away] == (50_000, 10_000, 40_000)
            await month.net(world.home)
            await month.pay()
            balances = await month.balances()
            # The unit paid ahead 10,000.00, of which 700.00 went to the two sites that served it.
            assert balances["H"] == {"bank": 930_000, "unit_prefund": -930_000}
            assert balances["Q"] == {}
            await world.posting.stop()


@pytest.fixture
async def office(world: World) -> httpx.AsyncClient:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(router)
    app.state.database = world.db
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://guanjia.test")


async def token_of(world: World, role: Role | None, place: Place = EVERYWHERE) -> dict[str, str]:
    async with world.db.session() as session:
        person = await open_person(session, NewPerson("钱", world.unit, "staff", today()), actor="system")
        if role is not None:
            await write_grant(session, person, role, place, granted_by=None)
        return {"Authorization": f"Bearer {(await open_session(session, person)).token}"}


class TestTheList:
    async def test_is_read_by_finance_of_the_unit_and_by_nobody_else(
        self, world: World, office: httpx.AsyncClient
    ) -> None:
        first, second = await charged(world, 100), await charged(world, 200)
        own = await token_of(world, Role.FINANCE, Place(organisation_id=world.unit))
        page = (await office.get("/v1/charges", params={"limit": 1}, headers=own)).json()
        assert [row["id"] for row in page["data"]] == [f"chg_{second.hex}"]
        after = page["data"][0]["id"]
        rest = (await office.get("/v1/charges", params={"starting_after": after}, headers=own)).json()
        assert [(row["id"], row["note"], row["unit"]) for row in rest["data"]] == [
            (f"chg_{first.hex}", "换灯管", f"org_{world.unit.hex}")
        ]
        nobody = await token_of(world, None)
        assert (await office.get("/v1/charges", headers=nobody)).status_code == 403
        stranger = await token_of(world, Role.FINANCE, Place(site_id=world.canteen))
        assert (await office.get("/v1/charges", headers=stranger)).json()["data"] == []
        await office.aclose()
