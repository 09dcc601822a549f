"""In by the campus's own sign-in: the whole way over the network, and everything that may be wrong on it."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from identity import campus_provider
from identity.kinds import Role
from identity.people import change_person_status, edit_person
from kernel import clock
from kernel.db import Database
from kernel.settings import get_settings
from tests.identity.campus import CLIENT_ID, CLIENT_SECRET, CampusProvider, running_provider
from tests.identity.conftest import House, bearer
from tests.identity.test_second_factor import code_at


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CampusProvider]:
    async with running_provider() as provider:
        settings = get_settings()
        monkeypatch.setattr(settings, "oidc_issuer", provider.issuer)
        monkeypatch.setattr(settings, "oidc_client_id", CLIENT_ID)
        monkeypatch.setattr(settings, "oidc_client_secret", SecretStr(CLIENT_SECRET))
        yield provider


@pytest.fixture
async def wang(house: House, db: Database) -> UUID:
    return await numbered(house, db, "王小明", "A007")


async def numbered(house: House, db: Database, name: str, staff_number: str, role: Role | None = None) -> UUID:
    who = await house.person(name, role)
    async with db.session() as session:
        await edit_person(session, who, {"staff_number": staff_number}, actor="system")
    return who


class Browser:
    """Follows the way as a browser does, step by step, with its cookies."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def leave(self, return_to: str = "/admin") -> str:
        """To the campus: the address that our answer leads to."""
        answer = await self.api.get("/v1/sessions/campus", params={"return_to": return_to})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def sign_in_there(self, address: str) -> str:
        """The address with which the campus sends us back."""
        async with httpx.AsyncClient() as network:
            answer = await network.get(address)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def come_back(self, address: str) -> tuple[str, dict[str, list[str]]]:
        """The page of ours at which one ends, and what it is told."""
        answer = await self.api.get(address)
        assert answer.status_code == 303, answer.text
        page = urlsplit(answer.headers["location"])
        return page.path, parse_qs(page.query)

    async def whole_way(self, return_to: str = "/admin") -> tuple[str, dict[str, list[str]]]:
        return await self.come_back(await self.sign_in_there(await self.leave(return_to)))

    async def fetch(self) -> httpx.Response:
        return await self.api.post("/v1/sessions/campus")

    async def refused(self) -> str:
        """The code with which the way ends, and that nothing was opened."""
        _, told = await self.whole_way()
        assert (await self.fetch()).status_code == 401
        (code,) = told["sign_in_failed"]
        return code


@pytest.fixture
def browser(api: httpx.AsyncClient) -> Browser:
    return Browser(api)


async def count(db: Database, table: str) -> int:
    async with db.session() as session:
        found: int = await session.scalar(text(f"SELECT count(*) FROM {table}"))  # A name from this file.
        return found


class TestTheWay:
    async def test_is_offered_only_where_it_is_set_up(self, api: httpx.AsyncClient) -> None:
        assert (await api.get("/v1/sign_in_options")).json() == {"campus": None, "password_reset": False}
        assert (await api.get("/v1/sessions/campus")).status_code == 404
        assert (await api.get("/v1/sessions/campus/callback?state=x&code=y")).status_code == 404

    async def test_leads_through_the_campus_to_a_session(
        self, provider: CampusProvider, wang: UUID, browser: Browser, api: httpx.AsyncClient
    ) -> None:
        assert (await api.get("/v1/sign_in_options")).json()["campus"]["path"] == "/v1/sessions/campus"
        page, told = await browser.whole_way("/desk/canteen")
        assert (page, told) == ("/desk/canteen", {"signed_in": ["campus"]})
        answer = await browser.fetch()
        assert (answer.status_code, answer.json()["waits_for"]) == (201, None)
        assert answer.json()["person"]["id"] == f"per_{wang.hex}"
        assert (await api.get("/v1/me", headers=bearer(answer.json()["token"]))).status_code == 200
        assert (await browser.fetch()).status_code == 401, "a page fetches its sign-in once"

    async def test_sends_pkce_nonce_and_state_along_and_keeps_their_secrets(
        self, provider: CampusProvider, wang: UUID, browser: Browser, db: Database
    ) -> None:
        asked = parse_qs(urlsplit(await browser.leave()).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == ["http://guanjia.test/v1/sessions/campus/callback"]
        async with db.session() as session:
            row = (await session.execute(text("SELECT * FROM campus_sign_ins"))).one()
        assert asked["state"][0].encode() not in row.state_hash
        assert row.code_verifier not in str(asked)
        assert row.nonce == asked["nonce"][0]

    @pytest.mark.parametrize(
        "return_to", ["https://evil.example", "//evil.example", "/\\evil.example", "/a?b=c", "evil"]
    )
    async def test_leads_to_no_page_but_ours(
        self, provider: CampusProvider, api: httpx.AsyncClient, return_to: str
    ) -> None:
        answer = await api.get("/v1/sessions/campus", params={"return_to": return_to})
        assert answer.status_code == 422

    async def test_is_good_for_one_return_by_the_same_browser_within_ten_minutes(
        self, provider: CampusProvider, wang: UUID, browser: Browser, api: httpx.AsyncClient
    ) -> None:
        back = await browser.sign_in_there(await browser.leave())
        # Somebody else is lured to this address: their browser never left for it.
        kept = dict(api.cookies)
        api.cookies.clear()
        assert (await browser.come_back(back))[1] == {"sign_in_failed": ["SIGN_IN_GONE"]}
        for name, value in kept.items():
            api.cookies.set(name, value)
        assert (await browser.come_back(back))[1] == {"signed_in": ["campus"]}
        assert (await browser.come_back(back))[1] == {"sign_in_failed": ["SIGN_IN_GONE"]}

        late = await browser.sign_in_there(await browser.leave())
        clock.advance(timedelta(minutes=10))
        assert (await browser.come_back(late))[1] == {"sign_in_failed": ["SIGN_IN_GONE"]}

    async def test_goes_on_when_the_campus_has_changed_its_key(
        self, provider: CampusProvider, wang: UUID, browser: Browser
    ) -> None:
        await browser.whole_way()
        provider.rotate_key()
        assert (await browser.whole_way())[1] == {"signed_in": ["campus"]}
        asked = len(provider.asked)
        await browser.whole_way()
        assert len(provider.asked) == asked, "what is known is not asked for again"


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        "fault",
        [
            "wrong nonce",
            "no nonce",
            "wrong audience",
            "two audiences",
            "wrong issuer",
            "expired",
            "from the future",
            "no subject",
            "signed by another",
            "signed with our secret",
            "not signed",
            "altered",
            "token is down",
            "the person says no",
        ],
    )
    async def test_opens_nothing_and_is_told(
        self, provider: CampusProvider, wang: UUID, browser: Browser, db: Database, fault: str
    ) -> None:
        provider.fault = fault
        assert await browser.refused() == "CAMPUS_FAILED"
        assert await count(db, "sessions") == 0
        assert await count(db, "campus_identities") == 0

    @pytest.mark.parametrize("fault", ["discovery is down", "another issuer"])
    async def test_with_the_campus_itself_leaves_the_password(
        self, provider: CampusProvider, api: httpx.AsyncClient, fault: str
    ) -> None:
        provider.fault = fault
        answer = await api.get("/v1/sessions/campus", params={"return_to": "/admin"})
        assert answer.headers["location"] == "/admin?sign_in_failed=CAMPUS_FAILED"

    async def test_a_code_that_was_slipped_in_fails_at_the_verifier(
        self, provider: CampusProvider, wang: UUID, browser: Browser
    ) -> None:
        stolen = parse_qs(urlsplit(await browser.sign_in_there(await browser.leave())).query)["code"][0]
        own = urlsplit(await browser.sign_in_there(await browser.leave()))
        state = parse_qs(own.query)["state"][0]
        _, told = await browser.come_back(f"{own.path}?state={state}&code={stolen}")
        assert told == {"sign_in_failed": ["CAMPUS_FAILED"]}


class TestWhoItIs:
    async def test_is_known_by_the_subject_from_the_first_time_on(
        self, provider: CampusProvider, wang: UUID, browser: Browser, house: House, db: Database
    ) -> None:
        await browser.whole_way()
        # The number has passed to somebody else, on both sides; the subject never does.
        async with db.session() as session:
            await edit_person(session, wang, {"staff_number": "A008"}, actor="system")
        li = await numbered(house, db, "李四", "A007")
        await browser.whole_way()
        assert (await browser.fetch()).json()["person"]["id"] == f"per_{wang.hex}"
        provider.person = {"sub": "u-2", "preferred_username": "A007"}
        await browser.whole_way()
        assert (await browser.fetch()).json()["person"]["id"] == f"per_{li.hex}"

    async def test_a_second_account_with_the_same_number_is_nobody(
        self, provider: CampusProvider, wang: UUID, browser: Browser
    ) -> None:
        await browser.whole_way()
        await browser.fetch()
        provider.person = {"sub": "an impostor", "preferred_username": "A007"}
        assert await browser.refused() == "CAMPUS_UNKNOWN"

    @pytest.mark.parametrize(
        "person", [{"preferred_username": "B999"}, {"preferred_username": ""}, {"preferred_username": ["A007"]}, {}]
    )
    async def test_whoever_is_not_known_here_stays_outside_and_nothing_is_made(
        self, provider: CampusProvider, wang: UUID, browser: Browser, db: Database, person: dict[str, Any]
    ) -> None:
        before = await count(db, "people"), await count(db, "role_grants")
        provider.person = {"sub": "u-9", **person}
        assert await browser.refused() == "CAMPUS_UNKNOWN"
        assert (await count(db, "people"), await count(db, "role_grants")) == before

    async def test_who_has_left_stays_outside(
        self, provider: CampusProvider, wang: UUID, browser: Browser, db: Database
    ) -> None:
        await browser.whole_way()
        await browser.fetch()
        async with db.session() as session:
            await change_person_status(session, wang, "leave", actor="system")
        assert await browser.refused() == "CAMPUS_UNKNOWN"

    async def test_the_number_may_stand_in_userinfo_if_it_is_the_same_persons(
        self, provider: CampusProvider, wang: UUID, browser: Browser
    ) -> None:
        provider.fault = "number in userinfo only"
        await browser.whole_way()
        assert (await browser.fetch()).json()["person"]["id"] == f"per_{wang.hex}"

    async def test_userinfo_of_another_names_nobody(
        self, provider: CampusProvider, wang: UUID, browser: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(get_settings(), "oidc_staff_number_claim", "staff_number")
        provider.person = {"sub": "u-1", "preferred_username": "A007"}
        provider.fault = "userinfo of another"
        assert await browser.refused() == "CAMPUS_FAILED"


class TestAdministrators:
    async def test_need_a_second_factor_of_ours_and_are_asked_for_it(
        self, provider: CampusProvider, house: House, browser: Browser, db: Database, api: httpx.AsyncClient
    ) -> None:
        system = await numbered(house, db, "系统", "S1", Role.SYSTEM_ADMIN)
        await house.credential(system, "system")
        provider.person = {"sub": "u-s", "preferred_username": "S1"}
        assert await browser.refused() == "CAMPUS_NEEDS_SECOND_FACTOR"
        assert await count(db, "campus_identities") == 0

        headers = bearer(await house.token(system))
        secret = (
            await api.post("/v1/me/second_factor", json={"password": "a long enough password"}, headers=headers)
        ).json()["secret"]
        await api.post("/v1/me/second_factor/confirm", json={"code": code_at(secret)}, headers=headers)
        clock.advance(timedelta(seconds=30))

        assert (await browser.whole_way())[1] == {"signed_in": ["campus"]}
        half = (await browser.fetch()).json()
        assert half["waits_for"] == "code"
        whole = await api.post("/v1/sessions/second_factor", json={"token": half["token"], "code": code_at(secret)})
        assert whole.status_code == 201


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """Each story has a provider of its own."""
    campus_provider._Known.provider = None
    yield
    campus_provider._Known.provider = None
