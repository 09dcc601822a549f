"""Somebody is reached: with no page of ours open, by the two ways that leave the house; and before a page, by what it draws.

On the other side stand a gateway for text messages and a mail server of this bench; the page is a real Chromium's, and *shown* is
its own word, said when the ring has been drawn on a page in front.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.request import urlopen

from aiosmtpd.smtp import SMTP
from playwright.async_api import async_playwright
from sqlalchemy import update

from bench.pressing import Desk, Line, Pressed, quantile
from bench.rig import Rig
from bench.rows import Row, at_most, told
from identity.models import Person
from kernel.ids import public_id
from realtime.calls.events import desk_id
from tests.chromium import find_chromium

AWAY: Final = 10
BEFORE_A_PAGE: Final = 60
_GOAL_AWAY_S: Final = 20
_GOAL_SHOWN_MS: Final = 200
_SECRET: Final = "a-secret-of-this-bench"


@dataclass
class Outside:
    """A gateway and a mail server that note when something came."""

    gateway_port: int = 0
    mail_port: int = 0
    texts: list[float] = field(default_factory=list)
    letters: list[float] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """How the product finds the mail server."""
        return {
            "GUANJIA_SMTP_HOST": "127.0.0.1",
            "GUANJIA_SMTP_PORT": str(self.mail_port),
            "GUANJIA_SMTP_SECURITY": "none",
            "GUANJIA_SMTP_FROM": "guanjia@bench.test",
        }

    async def take_text(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        self.texts.append(time.time())  # noqa: TID251  the benches' own clock
        writer.write(b'HTTP/1.1 202 x\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{"id": "sms-1"}')
        await writer.drain()
        writer.close()

    async def handle_DATA(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802  the library's name
        self.letters.append(time.time())  # noqa: TID251  as above
        return "250 OK"


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """Both, on free ports of this machine."""
    there = Outside()
    loop = asyncio.get_running_loop()
    gateway = await asyncio.start_server(there.take_text, "127.0.0.1", 0)
    letters = await loop.create_server(lambda: SMTP(there, loop=loop), "127.0.0.1", 0)
    async with gateway, letters:
        there.gateway_port = gateway.sockets[0].getsockname()[1]
        there.mail_port = letters.sockets[0].getsockname()[1]
        yield there


# ---- no page open


async def measure_away(desk: Desk, there: Outside) -> list[Row]:
    """A press a second while the one on duty has a telephone and an address, and no page."""
    await _give_ways(desk, there)
    there.texts.clear()
    there.letters.clear()
    async with Line(desk.port) as line:
        pressed = await line.press_all(desk.some(AWAY), "medical", a_second=1)
        async with asyncio.timeout(_GOAL_AWAY_S):
            while min(len(there.texts), len(there.letters)) < AWAY:  # noqa: ASYNC110  the other side only counts
                await asyncio.sleep(0.1)
        await line.cancel_all(pressed)
    return [
        at_most("nobody's page is open: press to the gateway of text messages, the slowest", slowest, "s", _GOAL_AWAY_S)
        if name == "text"
        else at_most("nobody's page is open: press to the mail server, the slowest", slowest, "s", _GOAL_AWAY_S)
        for name, slowest in (("text", _slowest_s(pressed, there.texts)), ("mail", _slowest_s(pressed, there.letters)))
    ]


def _slowest_s(pressed: list[Pressed], came: list[float]) -> float:
    """In order on both sides: a press a second, and less than a second on the way or the pairs would only look worse."""
    return max(at - one.began for one, at in zip(pressed, sorted(came), strict=False))


async def _give_ways(desk: Desk, there: Outside) -> None:
    async with desk.rig.database.session() as session:
        await session.execute(
            update(Person)
            .where(Person.id == desk.rig.people[0])
            .values(phone="13800000000", email="duty@bench.test", status="active")
        )
    gateway = {"kind": "sms", "name": "bench", "region": desk.region, "secret": _SECRET}
    async with Line(desk.port) as line:
        address = f"http://127.0.0.1:{there.gateway_port}/send"
        await line.ask("POST", "/v1/reaching/channels", desk.duty, {**gateway, "address": address})


# ---- a page


async def measure_shown(desk: Desk, say: Callable[[str], None]) -> list[Row]:
    """A desk in a real browser, sound on; shown is what the server has written down."""
    program = find_chromium()
    if program is None or not await asyncio.to_thread(_has_pages, desk.port):
        say("there is no Chromium here, or no built front end: `shown` is not measured")
        return []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            page = await browser.new_page(viewport={"width": 1440, "height": 900})
            await page.add_init_script(_kept(desk))
            await page.goto(f"http://127.0.0.1:{desk.port}/desk")
            await page.get_by_test_id("desk-lists").wait_for()
            async with Line(desk.port) as line:
                pressed = await line.press_all(desk.some(BEFORE_A_PAGE), "security", a_second=4)
                shown_ms = await _shown_ms(desk.rig, pressed)
                await line.cancel_all(pressed)
        finally:
            await browser.close()
    return [
        at_most("press to `shown` by a Chromium tab, p95", quantile(shown_ms, 0.95), "ms", _GOAL_SHOWN_MS),
        told("press to `shown` by a Chromium tab, p50", quantile(shown_ms, 0.5), "ms"),
    ]


def _has_pages(port: int) -> bool:
    with urlopen(f"http://127.0.0.1:{port}/desk", timeout=10) as answer:
        return b'id="app"' in answer.read()


def _kept(desk: Desk) -> str:
    """What a browser keeps in which somebody has signed in at this desk."""
    person = {"id": public_id("per", desk.rig.people[0]), "name": "王小明", "roles": ["duty_staff", "dispatcher"]}
    session = {"token": desk.duty, "expires_at": "2099-01-01T00:00:00Z", "person": person, "waits_for": None}
    kept = {
        "guanjia.locale": "zh-CN",
        "guanjia.session.desk": session,
        "guanjia.desk.chosen": desk_id(desk.region),
        "guanjia.desk.sound": False,
    }
    lines = (f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(each))})" for name, each in kept.items())
    return ";".join(lines)


async def _shown_ms(rig: Rig, pressed: list[Pressed]) -> list[float]:
    """The server and this bench have one clock. The first presses find a page that has drawn nothing yet: they are not counted."""
    asked = "SELECT call_id, min(shown_at) AS at FROM call_receipts WHERE shown_at IS NOT NULL GROUP BY call_id"
    began = {one.call: one.began for one in pressed[5:]}
    async with asyncio.timeout(20):
        while True:
            found = {public_id("call", row["call_id"]): row["at"].timestamp() for row in await rig.fetch(asked)}
            if began.keys() <= found.keys():
                return [(found[call] - at) * 1000 for call, at in began.items()]
            await asyncio.sleep(0.2)
