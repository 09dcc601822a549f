"""Tells docs/stories/paid-lunch.md: one lunch through the whole product, at a fixed time and with fixed ids.

What is random on purpose (tokens, the digits of a code, request ids) is shown as a placeholder; all else is what really
happened: the answers' bytes, the rows of the database, the frames of the sockets.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec
import uvicorn
from sqlalchemy import text

from app.handbook.markdown import fenced, table
from app.main import create_served_app
from identity import sign_in
from identity.api import Place, Role
from kernel import clock
from kernel.handlers import run_handler
from kernel.ids import public_id
from kernel.settings import Settings
from payments.api import Allotment, create_partitions_around, grant_subsidies, prefund_unit, top_up_at_counter
from payments.handlers import follow_people
from realtime.client import EventFrame, RealtimeClient, Subscribed
from realtime.protocol import HubProtocol
from tests.canteen.conftest import Town
from tests.realtime.stories import relay_everything

# 12:05 in Hangzhou, on a Monday.
NOON: Final = datetime(2026, 11, 23, 4, 5, tzinfo=UTC)
SEED: Final = 20_261_123

_HIDDEN: Final = (
    (re.compile(r"req_[0-9a-f]{32}"), "req_<random>"),
    (re.compile(r"\b70\d{218}\b"), "<220 digits>"),
    (re.compile(r'"code": ?"70\d{18}"'), '"code": "<20 digits>"'),
    (re.compile(r'"offline_block": ?"\d{200}"'), '"offline_block": "<200 digits>"'),
)


@dataclass
class Story:
    """The parts of the page as they come, and the names that the reader meets instead of UUIDs."""

    parts: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def say(self, *paragraphs: str) -> None:
        self.parts.extend(paragraphs)

    def show_request(self, line: str, body: Any = None) -> None:
        self.parts.append(fenced(line if body is None else f"{line}\n\n{_pretty(body)}", "http"))

    def show_answer(self, answer: httpx.Response, *headers: str) -> None:
        lines = [f"{answer.status_code}", *(f"{name}: {answer.headers[name]}" for name in headers)]
        self.parts.append(fenced("\n".join(lines) + f"\n\n{_pretty(answer.json())}", "http"))

    def show_frame(self, frame: EventFrame) -> None:
        self.parts.append(fenced(_pretty(msgspec.to_builtins(frame)), "json"))

    def show_rows(self, heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        self.parts.append(table(heads, [[self._named(cell) for cell in row] for row in rows]))

    def _named(self, cell: Any) -> str:
        if isinstance(cell, bytes):
            return f"`{cell.hex()[:16]}...`"
        return self.names.get(str(cell), "" if cell is None else str(cell))

    def page(self) -> str:
        told = "\n\n".join(self.parts) + "\n"
        for secret, placeholder in _HIDDEN:
            told = secret.sub(placeholder, told)
        return told


def _pretty(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2)


async def tell_paid_lunch(town: Town, redis_url: str) -> str:
    """Live the story in a town that was built by the same clock and seed; returns the page."""
    db, story = town.db, Story()
    person = await town.person("王小明")
    while await run_handler(db, "payments.follow_people", follow_people):
        pass
    manager = await town.person("陈主任", Role.CANTEEN_MANAGER, Place(site_id=town.canteen))
    till = await town.till()
    async with db.session() as session:
        await create_partitions_around(session, clock.now())
        await prefund_unit(session, town.hospital, town.region, 1_000_000, actor="system")
        await top_up_at_counter(session, person, 10_000, actor="system")
        await grant_subsidies(
            session,
            town.hospital,
            [Allotment(person, 35_200)],
            expires_on=clock.now().date().replace(day=30),
            actor="system",
        )
    await relay_everything(db)
    await _name_things(story, town, person)
    clock.advance(NOON - clock.now())
    async with _served(str(db.url.render_as_string(hide_password=False)), redis_url) as address:
        await _live(story, town, address, till["token"], await _token(town, person), await _token(town, manager))
    return story.page()


async def _live(story: Story, town: Town, address: str, till: str, phone: str, manager: str) -> None:
    story.say("# A paid lunch", _MADE, _LEAD)
    channel = f"canteen:{public_id('can', town.canteen)}"
    socket_url = f"ws://{address}/v1/realtime"
    async with (
        httpx.AsyncClient(base_url=f"http://{address}", headers={"Accept-Language": "en"}) as http,
        RealtimeClient(socket_url, phone) as payer,
        RealtimeClient(socket_url, manager) as board,
    ):
        await _subscribe(payer, "me")
        await _subscribe(board, channel)
        code = await _show_code(story, http, phone)
        clock.advance(timedelta(seconds=4))
        body = {"code": code["text"], "seq": 1}
        paid = await _pay(story, http, till, body)
        await _show_books(story, town, paid.json())
        await relay_everything(town.db)
        await _show_frames(story, payer, board, channel)
        await _show_repetitions(story, http, till, body, paid)
        await _show_purses(story, http, phone)


async def _show_code(story: Story, http: httpx.AsyncClient, phone: str) -> dict[str, Any]:
    story.say("## 1. The phone asks for a code")
    story.show_request("POST /v1/me/pay_codes\nAuthorization: Bearer <token of the phone>")
    answer = await http.post("/v1/me/pay_codes", headers=_bearer(phone))
    story.show_answer(answer)
    story.say(
        "`text` is `code` and `offline_block` together: what stands in the QR code. The digits are random and signed, and "
        "so stand here as placeholders. [pay-code.md](../pay-code.md) has a whole one."
    )
    issued: dict[str, Any] = answer.json()
    return issued


async def _pay(story: Story, http: httpx.AsyncClient, till: str, body: dict[str, Any]) -> httpx.Response:
    story.say(
        "## 2. Four seconds later the till has read it",
        "No amount: the till sells at the meal's price. The key and the number are the till's own; it wrote both down before it sent them.",
    )
    story.show_request("POST /v1/payments\nAuthorization: Bearer <token of the till>\nIdempotency-Key: lunch-1", body)
    answer = await http.post("/v1/payments", json=body, headers={**_bearer(till), "Idempotency-Key": "lunch-1"})
    story.say("The answer leaves after the commit. `trace` is why it cost this, in the order in which it was decided.")
    story.show_answer(answer)
    return answer


async def _show_books(story: Story, town: Town, paid: dict[str, Any]) -> None:
    payment = UUID(paid["id"].removeprefix("pay_"))
    story.say(
        "## 3. What the one transaction wrote", "The ledger lines, in fen. A is the payer, K the canteen, H the region."
    )
    async with town.db.session() as session:
        lines = await session.execute(
            text("""
                SELECT ordinal, region_id, debit_kind || ':', debit_owner, credit_kind || ':', credit_owner, lot_id,
                       amount_fen, business_date, accounting_period, lane, n
                  FROM ledger_lines WHERE transfer_id = :payment ORDER BY ordinal
            """),
            {"payment": payment},
        )
        rows = [
            (row[0], row[1], row[2] + story.names[str(row[3])], row[4] + story.names[str(row[5])], *row[6:])
            for row in lines
        ]
        deltas = await session.execute(
            text("""
                SELECT d.lane, d.n, kind || ':', owner, amount_fen, entry_count, line_count, hash
                  FROM account_deltas d JOIN ledger_batches b USING (lane, n)
                 WHERE d.lane > 0 ORDER BY 1, 2, 3
            """)
        )
        changes = [(row[0], row[1], row[2] + story.names[str(row[3])], *row[4:]) for row in deltas]
        counters = await session.execute(text("SELECT key, count, amount_fen FROM usage_counters ORDER BY key"))
        counted = [tuple(row) for row in counters]
    story.show_rows(
        ("ordinal", "book", "debit", "credit", "lot", "amount", "business date", "period", "lane", "n"), rows
    )
    story.say(
        "The canteen's account is a house account: no row of it was updated. The commit wrote one delta, and the next link of its lane's hash chain."
    )
    story.show_rows(("lane", "n", "account", "amount", "entries", "lines of the commit", "hash"), changes)
    story.say("The usage counters that the price asked for, raised by one and by the amount:")
    story.show_rows(("key", "count", "amount"), counted)


async def _show_frames(story: Story, payer: RealtimeClient, board: RealtimeClient, channel: str) -> None:
    story.say(
        "## 4. Who hears of it",
        "The transaction also wrote one outbox row. The relay gives the event a position in each channel that may hear it. The payer, on `me`:",
    )
    story.show_frame(await _event(payer))
    story.say(f"The canteen's board and tills, on `{channel}`: a masked name, and no purses.")
    story.show_frame(await _event(board))
    story.say(
        "The event has one id, whoever hears it. A client that was away subscribes with `after` its last position and gets what it missed."
    )


async def _show_repetitions(
    story: Story, http: httpx.AsyncClient, till: str, body: dict[str, Any], paid: httpx.Response
) -> None:
    story.say(
        "## 5. The till did not hear the answer, and sends the same again",
        "The same key, the same body: the same bytes, and no second payment.",
    )
    again = await http.post("/v1/payments", json=body, headers={**_bearer(till), "Idempotency-Key": "lunch-1"})
    assert (again.status_code, again.content) == (paid.status_code, paid.content)
    story.say(fenced(f"{again.status_code}\nidempotent-replayed: {again.headers['idempotent-replayed']}", "http"))
    story.say(
        "## 6. Somebody holds up a photograph of the code", "Another key and the next number, but a code pays once."
    )
    body = {**body, "seq": 2}
    story.show_request("POST /v1/payments\nAuthorization: Bearer <token of the till>\nIdempotency-Key: lunch-2", body)
    story.show_answer(
        await http.post("/v1/payments", json=body, headers={**_bearer(till), "Idempotency-Key": "lunch-2"})
    )


async def _show_purses(story: Story, http: httpx.AsyncClient, phone: str) -> None:
    story.say("## 7. What is left")
    story.show_request("GET /v1/me/purses\nAuthorization: Bearer <token of the phone>")
    story.show_answer(await http.get("/v1/me/purses", headers=_bearer(phone)))


# ---- the stage


@asynccontextmanager
async def _served(database_url: str, redis_url: str) -> AsyncIterator[str]:
    """The real web application on a real socket; its address."""
    settings = Settings.model_validate({"database_url": database_url, "redis_url": redis_url, "posting_lanes": 1})
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_served_app(settings), ws=HubProtocol, http="httptools", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def _name_things(story: Story, town: Town, person: UUID) -> None:
    async with town.db.session() as session:
        holder = await session.scalar(
            text("SELECT holder_id FROM holder_directory WHERE person_id = :person"), {"person": person}
        )
        lot = await session.scalar(text("SELECT id FROM subsidy_lots"))
    story.names = {str(holder): "A", str(town.canteen): "K", str(town.region): "H", str(lot): "the lot"}


async def _token(town: Town, person: UUID) -> str:
    async with town.db.session() as session:
        return (await sign_in.open_session(session, person)).token


async def _subscribe(client: RealtimeClient, channel: str) -> None:
    await client.subscribe(channel)
    answer = await client.receive()
    assert isinstance(answer, Subscribed), answer


async def _event(client: RealtimeClient) -> EventFrame:
    heard = await client.receive()
    assert isinstance(heard, EventFrame), heard
    return heard


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


_MADE: Final = "<!-- Lived by tests/app/paid_lunch.py; WRITE_STORIES=1 .venv/bin/pytest tests/app/test_stories.py writes it anew. -->"
_LEAD: Final = (
    "王小明 of the First Hospital eats lunch in its canteen, at 12:05 on Monday 2026-11-23. A lunch costs 18.00, of which the unit "
    "bears 16.00. There are 100.00 in cash and a month's subsidy of 352.00. The clock stands at a fixed time, ids are made from a "
    "fixed seed, and a test lives the story again and compares: all of this really happened in a real database, over real sockets."
)
