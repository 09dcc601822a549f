"""Who comes to the lunch, and with what in hand: made in an installation of one's own, or borrowed from a running demo."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.demo_data.places import ACTOR
from app.demo_logins import base_url, read_demo_logins
from app.lunch.installation import Installation
from app.lunch.phones import PhoneCard
from app.lunch.plan import Guests, Size
from app.lunch.tills import TillCard
from app.lunch.wire import Line, NoAnswer
from app.operation.seed import TILLS_OF_A_CANTEEN, seed
from app.operation.seed import Size as SeedSize
from app.problems import LunchRefused
from identity.sign_in import open_session
from kernel.db import Database
from kernel.ids import parse_public_id
from kernel.settings import Settings
from payments.api import change_state, issue_place_code, reissue_card
from payments.wall_codes.place_codes import text_of

Say = Callable[[str], None]
T = TypeVar("T")

# A password is slow to check on purpose: so many sign in by the front door, for the others the service opens a session.
SIGNED_IN_BY_PASSWORD: Final = 20
# Every fourth carries a card; one in a hundred has lost it.
_CARD_EVERY: Final = 4
_LOST_EVERY: Final = 100
_AT_ONCE: Final = 100


@dataclass
class World:
    """Ready to eat. `database_url` is where the books can be asked, if anywhere."""

    address: SplitResult
    tills: list[TillCard]
    phones: list[PhoneCard]
    guests: Guests
    database_url: str | None
    # Whether nobody but us pays here.
    is_ours: bool


# ---- an installation of one's own


async def furnish(installation: Installation, size: Size, say: Say) -> World:
    """Canteens with tills, people with money; through the product's own services."""
    address, url = urlsplit(installation.url), installation.database_url
    canteens = -(-size.terminals // TILLS_OF_A_CANTEEN)
    file = await seed(Settings(), url, SeedSize(people=size.holders, canteens=canteens, seed=size.seed), say)
    card = json.loads(file.read_text())
    terminals = card["terminals"][: size.terminals]
    database = Database(url)
    try:
        say("· Their phones, cards, and printed codes at the tills ...")
        people = await _people(database, size.seed)
        tokens = await _sign_in(database, address, card["employees"], people)
        cards, lost = await _give_cards(database, people)
        walls = await _hang_wall_codes(database, terminals)
        near = await _tills_near(database, people, terminals)
    finally:
        await database.close()
    return World(
        address,
        [TillCard(till["token"], till["canteen"], wall) for till, wall in zip(terminals, walls, strict=True)],
        [PhoneCard(token, cards.get(n)) for n, token in enumerate(tokens)],
        Guests(near, [n for n in cards if n not in lost], sorted(lost)),
        url,
        is_ours=True,
    )


async def _people(database: Database, seed_number: int) -> list[UUID]:
    async with database.session() as session:
        found = await session.scalars(
            text("SELECT id FROM people WHERE staff_number LIKE :mark ORDER BY staff_number"),
            {"mark": f"S{seed_number}-%"},
        )
        return list(found.all())


async def _sign_in(
    database: Database, address: SplitResult, logins: Sequence[dict[str, Any]], people: Sequence[UUID]
) -> list[str]:
    tokens = [await _sign_in_by_password(address, login) for login in logins[:SIGNED_IN_BY_PASSWORD]]
    for group in _groups(people[len(tokens) :]):
        async with database.session() as session:
            tokens += [(await open_session(session, person)).token for person in group]
    return tokens


async def _give_cards(database: Database, people: Sequence[UUID]) -> tuple[dict[int, str], set[int]]:
    """A number for every fourth; and who of them has lost it."""
    carriers = range(0, len(people), _CARD_EVERY)
    cards: dict[int, str] = {}
    for group in _groups(carriers):
        async with database.session() as session:
            for n in group:
                cards[n] = await reissue_card(session, people[n], actor=ACTOR, number=f"66{n:08d}")
    lost = set(list(carriers)[:: max(1, _LOST_EVERY // _CARD_EVERY)])
    async with database.session() as session:
        for n in sorted(lost):
            await change_state(session, people[n], "report_lost", actor=ACTOR, reason="食堂门口遗失")
    return cards, lost


async def _hang_wall_codes(database: Database, terminals: Sequence[dict[str, Any]]) -> list[str]:
    async with database.session() as session:
        return [
            text_of(
                await issue_place_code(
                    session,
                    parse_public_id("can", till["canteen"]),
                    parse_public_id("ter", till["id"]),
                    actor=ACTOR,
                )
            )
            for till in terminals
        ]


async def _tills_near(
    database: Database, people: Sequence[UUID], terminals: Sequence[dict[str, Any]]
) -> list[Sequence[int]]:
    """Nine of ten eat in their own region: the tills there nine times, those of everywhere once."""
    async with database.session() as session:
        homes = {row.person_id: row.region_id for row in await session.execute(text(_HOMES))}
        regions = {row.id: row.region_id for row in await session.execute(text(_SITES))}
    by_region: dict[UUID, list[int]] = {}
    for n, till in enumerate(terminals):
        by_region.setdefault(regions[parse_public_id("can", till["canteen"])], []).append(n)
    everywhere = list(range(len(terminals)))
    return [by_region.get(homes[person], everywhere) * 9 + everywhere for person in people]


_HOMES: Final = "SELECT person_id, region_id FROM holders"
_SITES: Final = "SELECT id, region_id FROM sites"


# ---- a demo that is running


async def borrow_demo(settings: Settings, url: str, wanted: Size, say: Say) -> tuple[World, Size]:
    """The people and tills of a running demo: few, so the lunch is as small as their purses."""
    address = urlsplit(url.rstrip("/"))
    if address.scheme not in ("http", "https") or not address.netloc:
        raise LunchRefused(f"{url} is no address of a server: http://...")
    told = await _demo_of(address)
    kept = read_demo_logins(settings.data_dir) if base_url(settings) == url.rstrip("/") else None
    employees = [each for each in (kept or told)["employees" if kept else "data"] if "password" in each]
    if not kept:
        employees = [each for each in employees if "employee" in each.get("roles", [])]
    tills = told["terminals"]
    say(f"· {len(employees)} people of the demo sign in, {len(tills)} tills are switched on ...")
    tokens = [await _sign_in_by_password(address, login) for login in employees]
    everywhere = list(range(len(tills)))
    phones = [PhoneCard(token, login.get("card")) for token, login in zip(tokens, employees, strict=True)]
    guests = Guests(
        [everywhere] * len(phones), [n for n, phone in enumerate(phones) if phone.card], [], has_wall_codes=False
    )
    size = Size(wanted.seconds, wanted.peak, len(phones), len(tills), wanted.seed)
    cards = [TillCard(till["token"], till["canteen"]) for till in tills]
    return World(address, cards, phones, guests, None, is_ours=False), size


async def _demo_of(address: SplitResult) -> dict[str, Any]:
    """Only a demo tells its logins; production never does, and is never played with."""
    line = Line(address, "")
    try:
        answer = await line.get("/v1/demo_logins")
    except NoAnswer as error:
        raise LunchRefused(f"{address.geturl()} does not answer ({error}).") from error
    finally:
        line.close()
    if answer.status != 200:
        raise LunchRefused(f"There is no demo at {address.geturl()}. A lunch is simulated with a demo's logins only.")
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def _sign_in_by_password(address: SplitResult, login: dict[str, Any]) -> str:
    line = Line(address, "")
    sent = msgspec.json.encode({"username": login["username"], "password": login["password"]})
    try:
        answer = await line.post("/v1/sessions", sent)
    finally:
        line.close()
    if answer.status != 201:
        raise LunchRefused(
            f"{login['username']} could not sign in: {answer.status} {answer.body[:200].decode(errors='replace')}"
        )
    token: str = msgspec.json.decode(answer.body)["token"]
    return token


def _groups(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]
