"""What can be said of any screen: it fits, it keeps nobody out, it speaks one language, the keyboard reaches all of it."""

import json
import re
from typing import Any, Final

from playwright.sync_api import Page, Response, Route, WebSocket

from tests.product import ROOT

AXE: Final = (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
REQUEST_ID: Final = "req_0123456789abcdef"
CHINESE: Final = re.compile(r"[\u3400-\u9fff]+")
# The switch of languages names each in itself.
OWN_NAMES: Final = {"中文"}


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out, as `rule: selector`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def fits(page: Page) -> bool:
    """Whether the page is no wider than its window; what draws itself anew has a moment for it."""
    for _ in range(20):
        if page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            return True
        page.wait_for_timeout(50)
    return False


def speak(page: Page, language: str) -> None:
    """Change the language as another window of the same browser would."""
    page.evaluate(
        """(language) => {
            localStorage.setItem('guanjia.locale', JSON.stringify(language))
            dispatchEvent(new StorageEvent('storage', { key: 'guanjia.locale' }))
        }""",
        language,
    )
    page.wait_for_function("(language) => document.documentElement.lang === language", arg=language)


class Heard:
    """All that a page was told by the server: what of its words are data."""

    def __init__(self, page: Page, *kept: object) -> None:
        self._told = [json.dumps(each, ensure_ascii=False) for each in kept]
        page.on("response", self._hear)
        page.on("websocket", self._listen)

    def _hear(self, response: Response) -> None:
        if "/v1/" in response.url and "json" in response.headers.get("content-type", ""):
            self._told.append(json.dumps(response.json(), ensure_ascii=False))

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self._told.append(_as_words(frame)))

    def chinese_beside_data(self, page: Page) -> list[str]:
        """Chinese on the screen that the server has not said."""
        page.wait_for_timeout(50)
        told = "\n".join(self._told)
        shown = " ".join(page.evaluate(_WORDS))
        return sorted({run for run in CHINESE.findall(shown) if run not in OWN_NAMES and run not in told})


def _as_words(frame: str | bytes) -> str:
    text = frame if isinstance(frame, str) else frame.decode()
    return json.dumps(json.loads(text), ensure_ascii=False)


_WORDS: Final = """() => [
    document.title,
    document.body.innerText,
    ...[...document.querySelectorAll('option')].map((each) => each.textContent),
    ...[...document.querySelectorAll('[aria-label], [placeholder], [title], [alt]')].flatMap((each) =>
        ['aria-label', 'placeholder', 'title', 'alt'].map((name) => each.getAttribute(name) ?? '')),
]"""


# ---- states that a healthy server never shows


def never_answer(route: Route) -> None:
    """The state `loading`: the question stays unanswered."""


def fail(route: Route) -> None:
    """The state `error`."""
    body = {"code": "INTERNAL", "message": "…", "data": {}, "request_id": REQUEST_ID}
    route.fulfill(status=500, json=body)


def cut(route: Route) -> None:
    """The state `offline`."""
    route.abort("internetdisconnected")


def empty(route: Route) -> None:
    """The state `empty`: every list is, whatever else there is."""
    if route.request.method != "GET":
        route.fallback()
        return
    answer = route.fetch()
    if answer.ok and "json" in answer.headers.get("content-type", "") and "has_more" in (body := answer.json()):
        route.fulfill(response=answer, json={**body, "data": [], "has_more": False})
    else:
        route.fulfill(response=answer)


FAULTS: Final[dict[str, Any]] = {"loading": never_answer, "empty": empty, "error": fail, "offline": cut}


# ---- by keyboard alone

_TABBABLE: Final = """() => {
    const radios = new Set()
    const found = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')].filter((each) => {
        if (each.disabled || each.tabIndex < 0 || !each.checkVisibility({ visibilityProperty: true })) return false
        if (each.type === 'hidden' || each.closest('[inert], [aria-hidden=true]')) return false
        // Of a group of radio buttons one is reached by Tab, the others by arrows.
        if (each.type === 'radio') {
            if (radios.has(each.name)) return false
            radios.add(each.name)
        }
        return true
    })
    window.look = (element) => {
        const looks = []
        for (let each = element, level = 0; each && level < 6; each = each.parentElement, level += 1) {
            const style = getComputedStyle(each)
            looks.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor)
        }
        return looks.join('|')
    }
    window.walked = found.map((element) => ({ element, before: look(element), reached: false, seen: false }))
    return found.length
}"""

_STEP: Final = """async () => {
    // What changes with the focus is drawn in the next frames.
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    const now = document.activeElement
    for (const each of window.walked) {
        const same = each.element === now || (now?.type === 'radio' && each.element.type === 'radio' && each.element.name === now.name)
        if (same) {
            each.reached = true
            each.seen ||= look(now) !== each.before || now !== each.element
        }
    }
    return window.walked.every((each) => each.reached)
}"""

_MISSED: Final = """(what) => window.walked.filter((each) => !each[what] && each.element.isConnected)
    .map((each) => each.element.outerHTML.slice(0, 120))"""

# Behind these come more rows of the same list.
WALKED_MAX: Final = 70


def unreachable(page: Page) -> tuple[list[str], list[str]]:
    """What Tab does not reach, and what does not show that it has been reached."""
    page.evaluate("document.activeElement?.blur?.()")
    count: int = page.evaluate(_TABBABLE)
    page.evaluate(f"window.walked.splice({WALKED_MAX})")
    for _ in range(min(count, WALKED_MAX) * 2 + 10):
        page.keyboard.press("Tab")
        if page.evaluate(_STEP):
            break
    missed: list[str] = page.evaluate(_MISSED, "reached")
    unseen: list[str] = page.evaluate(_MISSED, "seen")
    return missed, [] if missed else unseen
