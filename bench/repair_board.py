"""The desk of repairs with ten thousand open orders, in a real Chromium before a real web process and worker.

Painted means: every column says how many it has, all of them together all there are, and cards stand in it. Live means: an
order that somebody raises then is counted on the open page. The front end is the one of frontend/dist.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import httpx
from playwright.sync_api import BrowserContext, Page, sync_playwright

from app.pages import DIST
from bench.booking import office_of
from bench.rig import Rig, free_port, running
from bench.rows import Row, at_most, told
from identity.api import Place, Role, hash_password, principal_of
from identity.roles import write_grant
from identity.sign_in import write_credential
from kernel import clock
from kernel.ids import public_id
from repairs.orders.categories import open_category
from repairs.orders.parties import actor_of
from repairs.orders.raising import Draft, Report, Spot, raise_orders
from repairs.orders.schemas import CategoryRequest
from tests.chromium import find_chromium

ORDERS: Final = 10_000
OPENINGS: Final = 12
LIVE: Final = 10
_TOGETHER: Final = 500
_USERNAME: Final = "bench.desk"
_PASSWORD: Final = "a-desk-of-ten-thousand"
_SIZE: Final = {"width": 1440, "height": 900}

# Of the columns' heads; two frames later they have been shown.
_WATCH: Final = """
(() => {
    const counted = () => [...document.querySelectorAll('[data-column] h2 .count')]
        .reduce((sum, each) => sum + Number(each.textContent.replaceAll(',', '')), 0)
    const frames = (then) => requestAnimationFrame(() => requestAnimationFrame(then))
    window.wanted = Number(localStorage.getItem('bench.orders'))
    const look = () => {
        if (window.paintedAt || counted() < window.wanted || !document.querySelector('[data-card]')) return
        window.paintedAt = -1
        frames(() => { window.paintedAt = performance.timeOrigin + performance.now() })
    }
    window.waitFor = (count) => { window.wanted = count; window.paintedAt = 0; look() }
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true })
})()
"""


async def measure(rig: Rig) -> list[Row]:
    """Navigation to painted, and somebody's report to its card."""
    if find_chromium() is None or not (DIST / "index.html").exists():
        return []
    category, opened = await _fill(rig)
    port, worker_port = free_port(), free_port()
    async with (
        running(["-m", "app.cli", "web"], rig.environment(port), port),
        running(["-m", "app.cli", "worker", "--health-port", str(worker_port)], rig.environment(port), worker_port),
    ):
        report = _Sent(f"http://127.0.0.1:{port}", (await rig.open_sessions(2))[1], category)
        return await asyncio.to_thread(_look, report, opened)


@dataclass(frozen=True)
class _Sent:
    """How somebody reports."""

    url: str
    token: str
    category: str

    def now(self, words: str) -> None:
        body = {"words": words, "category": self.category}
        headers = {"Authorization": f"Bearer {self.token}"}
        httpx.post(f"{self.url}/v1/work_orders", json=body, headers=headers, timeout=30).raise_for_status()


async def _fill(rig: Rig) -> tuple[str, int]:
    """Orders in every column, each with its clock: their kind, and how many of the region are open."""
    async with rig.database.session() as session:
        await write_grant(session, rig.people[0], Role.DISPATCHER, Place(region_id=rig.region), granted_by=None)
        await write_credential(session, rig.people[0], _USERNAME, await hash_password(_PASSWORD), actor="bench")
        raiser = await principal_of(session, rig.people[1], clock.now().date())
        wanted = CategoryRequest(code="bench_board", name_zh="水管", name_en="Plumbing")
        category = await open_category(session, office_of(raiser), wanted)
    for first in range(0, ORDERS, _TOGETHER):
        reports = [_report(rig, category.id, number) for number in range(first, first + _TOGETHER)]
        async with rig.database.session() as session:
            await raise_orders(session, [Draft(actor_of(raiser), one, category, raiser.unit_id) for one in reports])
    await rig.fetch(_SPREAD.format(category=category.id, technician=rig.people[2]))
    await rig.fetch("ANALYZE work_orders, sla_clocks, sla_milestones")
    (row,) = await rig.fetch("SELECT count(*) AS orders FROM work_orders WHERE ended_at IS NULL")
    return public_id("rcat", category.id), int(row["orders"])


def _report(rig: Rig, category_id: Any, number: int) -> Report:
    return Report(
        spot=Spot(rig.region, text=f"一号楼 {number % 30} 层 {number % 800} 房"),
        words=f"水龙头关不紧，一直滴水，已经用桶接着 {number}",
        client_id=uuid4(),
        category_id=category_id,
        urgency=("low", "normal", "normal", "high", "urgent")[number % 5],
    )


def _look(report: _Sent, orders: int) -> list[Row]:
    url = report.url
    sent = {"username": _USERNAME, "password": _PASSWORD}
    session = httpx.post(f"{url}/v1/sessions", json=sent).raise_for_status().json()
    desk = _server_ms(url, session["token"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        try:
            context = browser.new_context(base_url=url, viewport=_SIZE)  # type: ignore[arg-type]  # a TypedDict of just these two
            kept = {"guanjia.session.desk": json.dumps(session), "bench.orders": str(orders)}
            for name, value in kept.items():
                context.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
            context.add_init_script(_WATCH)
            _open(context)  # Whoever works there has been there before.
            painted = [_open(context) for _ in range(OPENINGS)]
            live = _raise_live(context, report, orders)
        finally:
            browser.close()
    return [
        at_most(f"a board of {ORDERS:,} open orders, navigation to painted, p95", _p95(painted), "s", 1),
        told(f"a board of {ORDERS:,} open orders, navigation to painted, p50", statistics.median(painted), "s"),
        told(f"a board of {ORDERS:,} open orders, the server's answer, p50", desk, "ms"),
        at_most("on that board, a new order from its report to its card, p95", _p95(live), "s", 1),
    ]


def _server_ms(url: str, token: str) -> float:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        (desk, *_) = client.get("/v1/repair_desks").raise_for_status().json()
        taken: list[float] = []
        for _ in range(7):
            started = time.perf_counter()
            client.get(f"/v1/repair_desks/{desk['id']}").raise_for_status()
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def _open(context: BrowserContext) -> float:
    page = context.new_page()
    page.goto("/desk/repairs", wait_until="commit")
    painted_s = _painted_s(page) - float(page.evaluate("performance.timeOrigin")) / 1000
    page.close()
    return painted_s


def _painted_s(page: Page) -> float:
    """When, in seconds of the clock that the browser and we have in common."""
    page.wait_for_function("window.paintedAt > 0", timeout=60_000)
    return float(page.evaluate("window.paintedAt")) / 1000


def _raise_live(context: BrowserContext, report: _Sent, orders: int) -> Sequence[float]:
    page, taken = context.new_page(), list[float]()
    page.goto("/desk/repairs")
    _painted_s(page)
    for number in range(1, LIVE + 1):
        page.evaluate("(count) => window.waitFor(count)", orders + number)
        started = time.time()  # noqa: TID251  compared with the browser's clock
        report.now(f"新的 {number}")
        taken.append(_painted_s(page) - started)
    return taken


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


_SPREAD: Final = """
UPDATE work_orders o
   SET state = s.state, version = 2, accepted_at = o.raised_at,
       assignee_id = CASE WHEN s.state IN ('submitted', 'accepted') THEN NULL ELSE '{technician}'::uuid END,
       hold_cause = CASE WHEN s.state = 'on_hold' THEN 'parts' END,
       held_at = CASE WHEN s.state = 'on_hold' THEN o.raised_at END
  FROM (SELECT id, (ARRAY['submitted', 'accepted', 'assigned', 'en_route', 'in_progress', 'on_hold', 'done'])
                   [1 + (row_number() OVER (ORDER BY id) % 7)::int] AS state
          FROM work_orders WHERE category_id = '{category}') AS s
 WHERE o.id = s.id
"""
