"""A small house to tell stories in: two regions, a unit with a department, a canteen, administrators, and the API."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from identity.access import today
from identity.kinds import Role
from identity.passwords import hash_password
from identity.people import NewPerson, open_person
from identity.places import open_organisation, open_region, open_site
from identity.principal import EVERYWHERE, Place, Principal
from identity.queries import principal_of
from identity.roles import found_first_administrator, list_grants, write_grant
from identity.routes import router
from identity.sign_in import open_session, write_credential
from kernel.db import Database
from kernel.http import RequestIds, install_error_handlers

PASSWORD = "a long enough password"
LONG_AGO = date(2026, 1, 1)


@dataclass
class House:
    """The places and people that the stories begin with, and shortcuts to make more."""

    db: Database
    province: UUID
    city: UUID
    other_city: UUID
    hospital: UUID
    ward: UUID
    university: UUID
    canteen: UUID
    other_canteen: UUID

    async def person(
        self, name: str, role: Role | None = None, place: Place = EVERYWHERE, *, organisation: UUID | None = None
    ) -> UUID:
        """Somebody of the hospital's ward, with a role if one is named."""
        async with self.db.session() as session:
            new = NewPerson(name, organisation or self.ward, "staff", LONG_AGO)
            person_id = await open_person(session, new, actor="system")
            if role is not None:
                await write_grant(session, person_id, role, place, granted_by=None)
            return person_id

    async def credential(self, person_id: UUID, username: str, password: str = PASSWORD) -> None:
        async with self.db.session() as session:
            await write_credential(session, person_id, username, await hash_password(password), actor="system")

    async def token(self, person_id: UUID) -> str:
        """A sign-in of somebody, without the password's work."""
        async with self.db.session() as session:
            return (await open_session(session, person_id)).token

    async def principal(self, person_id: UUID) -> Principal:
        async with self.db.session() as session:
            return await principal_of(session, person_id, today())

    async def roles(self, person_id: UUID) -> list[str]:
        """The roles that somebody holds, newest first."""
        async with self.db.session() as session:
            return [grant.role for grant in await list_grants(session, person_id, also_revoked=False)]

    async def first_administrator(self, name: str, role: Role) -> UUID:
        person_id = await self.person(name)
        async with self.db.session() as session:
            await found_first_administrator(session, person_id, role)
        return person_id


async def open_house(db: Database) -> House:
    async with db.session() as session:

        async def region(code: str, zh: str, en: str, parent: UUID | None = None) -> UUID:
            return await open_region(
                session,
                code=code,
                name_zh=zh,
                name_en=en,
                timezone="Asia/Shanghai",
                parent_id=parent,
                actor="system",
            )

        async def organisation(code: str, zh: str, en: str, home: UUID, kind: str, parent: UUID | None = None) -> UUID:
            return await open_organisation(
                session,
                code=code,
                name_zh=zh,
                name_en=en,
                kind=kind,
                home_region_id=home,
                parent_id=parent,
                actor="system",
            )

        async def canteen(code: str, zh: str, en: str, where: UUID, operator: UUID) -> UUID:
            return await open_site(
                session,
                code=code,
                name_zh=zh,
                name_en=en,
                kind="canteen",
                region_id=where,
                operator_id=operator,
                actor="system",
            )

        province = await region("33", "浙江", "Zhejiang")
        city = await region("3301", "杭州", "Hangzhou", province)
        other_city = await region("3302", "宁波", "Ningbo", province)
        hospital = await organisation("H", "第一医院", "First Hospital", city, "unit")
        ward = await organisation("H-1", "儿科", "Paediatrics", city, "department", hospital)
        university = await organisation("U", "大学", "University", other_city, "unit")
        return House(
            db,
            province,
            city,
            other_city,
            hospital,
            ward,
            university,
            await canteen("C1", "第一食堂", "First Canteen", city, hospital),
            await canteen("C2", "学生食堂", "Students' Canteen", other_city, university),
        )


@pytest.fixture
async def house(db: Database) -> House:
    return await open_house(db)


@pytest.fixture
async def api(db: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The addresses of identity, as they are served."""
    app = FastAPI()
    app.add_middleware(RequestIds)
    install_error_handlers(app)
    app.include_router(router)
    app.state.database = db
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://guanjia.test") as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def house_url(database_url: str) -> str:
    """A database with the house in it, for a test that brings no event loop of its own."""

    async def build() -> None:
        db = Database(database_url)
        await open_house(db)
        await db.close()

    asyncio.run(build())
    return database_url
