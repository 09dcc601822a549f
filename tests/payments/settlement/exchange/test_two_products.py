"""Two whole products, two ports, two data folders: they send each other their statements and come to the same net sum."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from identity.api import EVERYWHERE, NewPerson, Role, hash_password, open_person, today, write_credential
from identity.roles import write_grant
from kernel.db import Database
from kernel.ids import public_id
from kernel.sealing import DEMO_SECRET_KEY
from tests.app.copies import Copy, end
from tests.payments.settlement.exchange.cities import HANGZHOU, NINGBO, City, open_city
from tests.payments.settlement.month import Month

# Meals are booked by this test's own process, next to the products'; their codes are signed with keys that both can open.
SHARED = {"GUANJIA_SECRET_KEY": DEMO_SECRET_KEY}


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[list[Copy]]:
    """Started beside each other, on free ports."""
    with ExitStack() as stack:
        started = []
        for name in ("hangzhou", "ningbo"):
            started.append(Copy(tmp_path / name, SHARED))
            stack.callback(end, started[-1])
        yield [copy.hears("Ctrl-C stops everything", 120) for copy in started]


class Office:
    """Finance of one city, at its own installation's address."""

    def __init__(self, city: City, url: str) -> None:
        self.city, self.password = city, uuid4().hex
        self.http = httpx.AsyncClient(base_url=url, timeout=60)

    async def sign_in(self, name: str) -> None:
        token = (await self.answer("POST", "/v1/sessions", 201, json={"username": name, "password": self.password}))[
            "token"
        ]
        self.http.headers["Authorization"] = f"Bearer {token}"

    async def answer(self, method: str, path: str, status: int, **sent: Any) -> Any:
        answer = await self.http.request(method, path, **sent)
        assert answer.status_code == status, answer.text
        return answer.json()

    def named(self, region: UUID) -> str:
        return public_id("reg", region)

    async def root_key(self) -> str:
        key: str = (await self.answer("GET", "/v1/root_key", 200))["root_key"]
        return key

    async def believe(self, root_key: str) -> None:
        """One of the office asks, the other approves."""
        wanted = {"region": self.named(self.city.other), "root_key": root_key, "reason": "by letter"}
        asked = await self.answer("POST", "/v1/partner_regions", 202, json=wanted)
        await self.sign_in("second")
        await self.answer("POST", f"/v1/approvals/{asked['approval']}/approve", 200, json={})
        await self.sign_in("first")

    async def download(self) -> dict[str, bytes]:
        path = f"/v1/statement_files/region_pair/{self.named(self.city.other)}"
        query = {"region": self.named(self.city.own), "period": self.city.period}
        found = {}
        for form, name in (("lines", "file"), ("sig", "signature")):
            answer = await self.http.get(path, params={**query, "form": form})
            assert answer.status_code == 200, answer.text
            found[name] = answer.content
        return found

    async def upload(self, files: dict[str, bytes]) -> dict[str, Any]:
        query = {"region": self.named(self.city.own)}
        told: dict[str, Any] = await self.answer("POST", "/v1/partner_statements", 201, params=query, files=files)
        return told

    async def positions(self) -> tuple[dict[str, int], set[tuple[str, str, int]]]:
        """Net positions and what is left to move, by the regions' codes."""
        told = await self.answer("GET", "/v1/settlements/positions", 200, params={"period": self.city.period})
        codes = {self.named(self.city.own): self.city.code, self.named(self.city.other): self.city.other_code}
        net = {codes[each["region"]["id"]]: each["net_fen"] for each in told["positions"]}
        moves = {
            (codes[each["debtor"]["id"]], codes[each["creditor"]["id"]], each["amount_fen"])
            for each in told["transfers"]
        }
        return net, moves


async def open_office(copy: Copy, code: str, other: str) -> Office:
    """The city in its database, and two people of finance who may sign in."""
    db = Database(copy.database_url)
    day = today()
    office = Office(await open_city(db, code, other, f"{day:%Y-%m}"), copy.url)
    for name in ("first", "second"):
        async with db.session() as session:
            somebody = NewPerson("顾文清", office.city.world.unit, "staff", day)
            person = await open_person(session, somebody, actor="test")
            await write_credential(session, person, name, await hash_password(office.password), actor="test")
            await write_grant(session, person, Role.FINANCE, EVERYWHERE, granted_by=None)
    await office.sign_in("first")
    return office


async def close(city: City) -> None:
    """Both books of an installation are cut off and counted."""
    month = Month(city.world, city.period)
    await month.open()
    await month.cut_off(early=True)
    await month.reconcile()


@pytest.mark.timeout(300)
async def test_two_products_settle_with_each_other_to_the_fen(copies: list[Copy]) -> None:
    h, n = [
        await open_office(copy, *codes)
        for copy, codes in zip(copies, ((HANGZHOU, NINGBO), (NINGBO, HANGZHOU)), strict=True)
    ]
    assert h.http.base_url.port != n.http.base_url.port
    try:
        await h.believe(await n.root_key())
        await n.believe(await h.root_key())
        for amount_fen in (2501, 1799, 1800):
            await h.city.feed_guest(amount_fen)
        await n.city.feed_guest(2500)
        await n.city.give_back(0, 499)

        # While the month is open: what the other's people have eaten becomes known.
        assert (await n.upload(await h.download()))["booked_fen"] == 6100
        assert (await h.upload(await n.download()))["booked_fen"] == 2001

        await asyncio.gather(close(h.city), close(n.city))
        told = [await n.upload(await h.download()), await h.upload(await n.download())]

        assert [each["agreed"] for each in told] == [True, True], told
        assert [each["ours_fen"] for each in told] == [each["theirs_fen"] for each in told] == [-4099, 4099]
        at_h, at_n = await h.positions(), await n.positions()
        assert at_h == at_n == ({HANGZHOU: 4099, NINGBO: -4099}, {(NINGBO, HANGZHOU, 4099)})
    finally:
        for office in (h, n):
            await office.http.aclose()
            await office.city.world.posting.stop()
            await office.city.world.db.close()
