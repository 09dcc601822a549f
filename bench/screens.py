"""Speed as people feel it: a real Chromium before the whole product.

The phone: from the icon to the painted code, the page installed, its last code run out; with a processor slowed four times
and the browser's own `Slow 4G` (562 ms a question, 1.4 Mbit/s), and without a network. The till: from the scanner's Enter key to
the painted result, and to the first tone.
"""

import gzip
import json
import re
import statistics
from collections.abc import Callable
from typing import Any, Final

import httpx
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Response, sync_playwright

from bench.rows import Row, at_most, told
from bench.whole import Whole, fresh_copy, running_whole
from tests.chromium import find_chromium

OPENINGS: Final = 25
PAYMENTS: Final = 40
CPU_SLOWED: Final = 4
# The browser's own preset, as its tools name it.
SLOW_4G: Final = {"offline": False, "latency": 562.5, "downloadThroughput": 180_000, "uploadThroughput": 84_375}
OFFLINE: Final = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
_PHONE: Final = {"width": 390, "height": 844}
_COUNTER: Final = {"width": 1024, "height": 600}
_KEPT: Final = "guanjia.kept.phone."

# When a picture has been shown: the frame after the one in which it was drawn has begun.
_WATCH: Final = """
(() => {
    const selector = SELECTOR
    const frames = (then) => requestAnimationFrame(() => requestAnimationFrame(then))
    const look = () => {
        if (window.paintedAt || !document.querySelector(selector)) return
        window.paintedAt = -1
        frames(() => { window.paintedAt = performance.now() })
    }
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true })
})()
"""

_TILL_WATCH: Final = """
() => {
    const panel = document.querySelector('[data-testid=till-result]')
    window.taken = {}
    addEventListener('keydown', (event) => {
        if (event.key === 'Enter') window.taken = { enter: event.timeStamp }
    }, true)
    const start = OscillatorNode.prototype.start
    OscillatorNode.prototype.start = function (...when) {
        window.taken.sound ??= performance.now()
        return start.apply(this, when)
    }
    new MutationObserver(() => {
        if (panel.dataset.phase !== 'paid' || window.taken.painted) return
        window.taken.painted = -1
        const mine = window.taken
        requestAnimationFrame(() => requestAnimationFrame(() => { mine.painted = performance.now() }))
    }).observe(panel, { attributes: true, attributeFilter: ['data-phase'] })
}
"""


def measure(say: Callable[[str], None]) -> list[Row]:
    """A fresh copy, two starts of it, and the screens of the second."""
    with fresh_copy() as folder:
        say("`make run` of a fresh copy ...")
        with running_whole(folder) as first:
            rows = [at_most("make run to the page, caches warm", first.started_in_s, "s", 60)]
        say("starting it a second time ...")
        with running_whole(folder) as second:
            rows.append(at_most("second start to the page", second.started_in_s, "s", 10))
            rows += _measure_screens(second, say)
            rows.append(at_most("memory of the whole demo", second.memory_gib(), "GiB", 1.5))
    return rows


def _measure_screens(whole: Whole, say: Callable[[str], None]) -> list[Row]:
    program = find_chromium()
    if program is None:
        say("there is no Chromium here: the screens are not measured")
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        try:
            say("the phone ...")
            rows = _measure_phone(browser, whole)
            say("the till ...")
            return rows + _measure_till(browser, whole)
        finally:
            browser.close()


# ---- the phone


def _measure_phone(browser: Browser, whole: Whole) -> list[Row]:
    login = whole.card()["employees"][3]
    session = _sign_in(whole, login)
    context = _context(browser, whole, _PHONE, {"guanjia.session.phone": session})
    context.add_init_script(_WATCH.replace("SELECTOR", json.dumps("[data-testid=pay-qr][data-drawn]")))
    first_s, script_kb = _install(context)
    slow = [_open_phone(context, SLOW_4G) for _ in range(OPENINGS)]
    without = [_open_phone(context, OFFLINE) for _ in range(OPENINGS)]
    context.close()
    return [
        at_most("phone, icon to code, slow 4G, CPU / 4, p95", _p95(slow), "s", 1.0),
        told("phone, icon to code, slow 4G, CPU / 4, p50", statistics.median(slow), "s"),
        at_most("phone, icon to code, no network, CPU / 4, p95", _p95(without), "s", 0.5),
        told("phone, first visit ever, loopback", first_s, "s"),
        at_most("phone, JavaScript to the code, gzipped", script_kb, "KB", 150),
    ]


def _install(context: BrowserContext) -> tuple[float, float]:
    """The first visit: how long it took, how much script it fetched. Afterwards the page is installed and holds a voucher."""
    page, scripts = context.new_page(), list[Response]()
    page.on("response", lambda each: scripts.append(each) if re.search(r"\.js$", each.url) else None)
    page.goto("/")
    first_s = _painted(page)
    bodies = [each.body() for each in scripts if "/assets/" in each.url]
    # The page carries a script itself.
    bodies.append(page.request.get("/").body())
    script_kb = sum(len(gzip.compress(body)) for body in bodies) / 1024
    page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    page.wait_for_function(
        f"Object.keys(localStorage).some((key) => key.startsWith('{_KEPT}') && key.endsWith('.voucher'))"
    )
    page.close()
    return first_s, script_kb


def _open_phone(context: BrowserContext, network: dict[str, Any]) -> float:
    """One opening: from the navigation to the painted code, in seconds."""
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    _slow_down(devtools, network)
    page.goto("/")
    painted_s = _painted(page)
    # The last code has always run out by the next time.
    page.evaluate(
        f"Object.keys(localStorage).filter((k) => k.startsWith('{_KEPT}') && k.endsWith('.code')).forEach((k) => localStorage.removeItem(k))"
    )
    page.close()
    return painted_s


def _slow_down(devtools: CDPSession, network: dict[str, Any]) -> None:
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", network)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWED})


def _painted(page: Page) -> float:
    page.wait_for_function("window.paintedAt > 0", timeout=30_000)
    milliseconds: float = page.evaluate("window.paintedAt")
    return milliseconds / 1000


# ---- the till


def _measure_till(browser: Browser, whole: Whole) -> list[Row]:
    card = whole.card()
    diners = [
        httpx.Client(base_url=whole.url, headers={"Authorization": f"Bearer {_sign_in(whole, each)['token']}"})
        for each in card["employees"][5:9]
    ]
    context = _context(browser, whole, _COUNTER, {"guanjia.terminal.till": card["terminals"][0]["token"]})
    page = context.new_page()
    page.goto("/terminal")
    page.get_by_role("tab", name="金额").click()
    page.wait_for_timeout(1_000)
    page.evaluate(_TILL_WATCH)
    taken = [_pay(page, diners[number % len(diners)], 101 + number) for number in range(PAYMENTS)]
    for diner in diners:
        diner.close()
    context.close()
    painted = [each["painted"] - each["enter"] for each in taken]
    sounding = [each["sound"] - each["enter"] for each in taken if "sound" in each]
    return [
        at_most("till, Enter key to painted result, p95", _p95(painted), "ms", 250),
        at_most("till, Enter key to the first tone, p95", _p95(sounding), "ms", 250),
    ]


def _pay(page: Page, diner: httpx.Client, amount_fen: int) -> dict[str, float]:
    code = diner.post("/v1/me/pay_codes").json()["text"]
    page.keyboard.type(f"{amount_fen / 100:.2f}")
    page.keyboard.press("Enter")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    page.wait_for_function("window.taken.painted > 0", timeout=10_000)
    taken: dict[str, float] = page.evaluate("window.taken")
    # A cashier breathes; what the till does between two people is not measured.
    page.wait_for_timeout(150)
    return taken


def _context(browser: Browser, whole: Whole, size: dict[str, int], keep: dict[str, object]) -> BrowserContext:
    context = browser.new_context(base_url=whole.url, viewport=size, device_scale_factor=2)  # type: ignore[arg-type]  # a TypedDict of just these two
    for name, value in keep.items():
        text = json.dumps(json.dumps(value))
        context.add_init_script(
            f"localStorage.getItem({json.dumps(name)}) ?? localStorage.setItem({json.dumps(name)}, {text})"
        )
    return context


def _sign_in(whole: Whole, login: dict[str, Any]) -> dict[str, Any]:
    sent = {"username": login["username"], "password": login["password"]}
    answer: dict[str, Any] = httpx.post(f"{whole.url}/v1/sessions", json=sent).raise_for_status().json()
    return answer


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
