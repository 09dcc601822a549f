"""Every screen in its five states, in both languages, at a phone's and at a desk's width, by keyboard alone, and for axe."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, Request, expect

from kernel import clock
from tests.browser.conftest import DESK, PHONE, NewPage
from tests.browser.looking import FAULTS, REQUEST_ID, Heard, fits, serious, speak, unreachable
from tests.browser.screens import SCREENS, SESSION_OF, STATES, Screen
from tests.product import ROOT, Json, Product, fresh_amount_fen

Keep = Callable[[str | None], dict[str, object]]


@pytest.fixture(scope="module")
def kept(product: Product) -> Keep:
    """What the browser of somebody who has signed in there keeps."""
    answers: dict[str, dict[str, object]] = {}

    def keep(role: str | None) -> dict[str, object]:
        if role is None:
            return {}
        if role == "till":
            return {"guanjia.terminal.till": product.till(3).card["token"]}
        if role not in answers:
            staff = (person for person in product.card["staff"] if role in person["roles"])
            login = product.card["employees"][32] if role == "employee" else next(staff)
            sent = {"username": login["username"], "password": login["password"]}
            answers[role] = product.client().post("/v1/sessions", json=sent).json()
        return {f"guanjia.session.{session}": answers[role] for session in SESSION_OF[role].split()}

    return keep


@pytest.fixture(scope="module")
def places(product: Product) -> Json:
    """What stands in the addresses of screens that are about one thing."""
    office, diner, till = product.staff("system_admin"), product.diner(32), product.new_till()
    paid = till.pay({"code": diner.code()["code"], "amount_fen": fresh_amount_fen()})
    assert paid.status_code == 201, paid.text
    wall = office.post("/v1/place_codes", json={"site": till.canteen, "terminal": till.id}).json()
    _pay_another_amount(product)
    slips = office.post("/v1/activations", json={"people": [product.diner(31).http.get("/v1/me").json()["id"]]}).json()
    return (
        {
            "payment": paid.json()["id"],
            "wall_code": wall["text"],
            "activation": slips["data"][0]["code"],
            "person": diner.http.get("/v1/me").json()["id"],
        }
        | _bookings(product)
        | _repairs(product)
    )


def _bookings(product: Product) -> Json:
    """A booking and a meeting of the employee's, its guide, and the door of its hall."""
    office, employee = product.staff("system_admin"), product.diner(32).http
    region = employee.get("/v1/me").json()["region"]["id"]
    body = {"kind": "venue", "name_zh": f"厅 {uuid4().hex[:6]}", "name_en": "Hall", "region": region, "capacity": 30}
    hall = office.post("/v1/bookables", json=body).json()
    days = [clock.now().replace(microsecond=0) + timedelta(days=ahead) for ahead in (1, 2)]
    times = [
        {"starts_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "ends_at": f"{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        for at in days
    ]
    booking = {"bookable": hall["id"], **times[0], "title": "碰头会", "request_id": str(uuid4())}
    held = employee.post("/v1/bookings", json=booking).json()
    employee.post(f"/v1/bookings/{held['id']}/confirm").raise_for_status()
    colleague = product.diner(31).http
    invited = {"person": colleague.get("/v1/me").json()["id"]}
    employee.post(f"/v1/bookings/{held['id']}/invitees", json=invited).raise_for_status()
    invitation = colleague.get("/v1/me/invitations").json()["data"][0]["code"]
    line = {"kind": "venue", "bookable": hall["id"], **times[1]}
    new = {"request_id": str(uuid4()), "title": "座谈会", "attendees": 5, "lines": [line]}
    meeting = employee.post("/v1/meetings", json=new).json()
    employee.post(f"/v1/meetings/{meeting['id']}/confirm", json={}).raise_for_status()
    employee.post(f"/v1/meetings/{meeting['id']}/guests", json={"name": "程远山"}).raise_for_status()
    door = office.post(f"/v1/bookables/{hall['id']}/door").json()["url"]
    found = {"meeting": meeting["id"], "guide": meeting["guide_code"], "door": door.rsplit("/", 1)[1]}
    return {**found, "invitation": invitation}


def _repairs(product: Product) -> Json:
    """What the pages of the office that keeps repairs have to show."""
    employee, code = product.diner(32).http, uuid4().hex[:8]
    login = next(each for each in product.card["staff"] if "dispatcher" in each["roles"])
    sent = {"username": login["username"], "password": login["password"]}
    lead = product.client(product.client().post("/v1/sessions", json=sent).json()["token"])
    led = {desk["region"] for desk in lead.get("/v1/repair_desks").json()}
    kind = {"code": f"lamp_{code}", "name_zh": f"灯具 {code}", "name_en": f"Lamps {code}"}
    category = product.staff("system_admin").post("/v1/repair_categories", json=kind).json()["id"]
    places = lead.get("/v1/places", params={"limit": 100}).json()["data"]
    place = next(each for each in places if each["region"] in led)
    region = place["region"]
    order = employee.post("/v1/work_orders", json={"category": category, "place": place["id"], "words": "灯不亮"})
    target = {"region": region, "category": category, "urgency": "low", "effective_from": f"{clock.now():%Y-%m-%d}"}
    spans = {"response_s": 3600, "arrival_s": 7200, "resolution_s": 28_800}
    store = lead.post("/v1/stores", json={"region": region, "name": f"库房 {code}"}).json()["id"]
    part = {"client_id": str(uuid4()), "code": code, "name": "灯管", "unit_cost_fen": 1250, "quantity": 2, "minimum": 5}
    person = next(each for each in product.card["staff"] if "technician" in each["roles"])
    sent = {"username": person["username"], "password": person["password"]}
    technician = product.client().post("/v1/sessions", json=sent).json()["person"]["id"]
    for answer in (
        order,
        lead.post("/v1/repair_problems", json={"order": order.json()["id"]}),
        lead.post("/v1/sla_targets", json=target | spans),
        lead.post(f"/v1/stores/{store}/parts", json=part),
        lead.put(f"/v1/technicians/{technician}", json={"region": region, "skills": ["electrical"], "load_max": 50}),
    ):
        assert answer.status_code in (200, 201), answer.text
    return {}


def _pay_another_amount(product: Product) -> None:
    """What a provider confirms and nobody was asked for: a difference for the page of differences."""
    body, headers = {"amount_fen": 300, "channel": "alipay"}, {"Idempotency-Key": uuid4().hex}
    qr_text = product.diner(31).http.post("/v1/me/top_ups", json=body, headers=headers).json()["qr_text"]
    paid = {"qr_text": qr_text, "amount_fen": 301, "order": "notify_first"}
    httpx.post(f"{product.card['simulators']['alipay']}/pay", json=paid).raise_for_status()


class TestTheRouter:
    def test_each_route_has_a_row(self, new_page: NewPage) -> None:
        page = new_page(DESK)
        page.goto("/nowhere")
        routes = page.evaluate(
            """() => document.querySelector('#app').__vue_app__.config.globalProperties.$router.getRoutes()
                .filter((route) => !route.redirect && (route.components?.default || route.instances)
                    && !(route.children ?? []).length).map((route) => route.path)"""
        )

        assert set(routes) - {screen.route for screen in SCREENS} == set()
        assert {screen.route for screen in SCREENS} - set(routes) == set()


class TestThePhone:
    def test_each_page_has_a_row(self) -> None:
        sources = ROOT / "frontend" / "src" / "app" / "phone"
        tabs = re.search(r"TABS.*\[(.*?), \.\.\.", (sources / "place.ts").read_text(encoding="utf-8"))
        pages = re.findall(r"page: '(\w+)'", (sources / "entries.ts").read_text(encoding="utf-8"))
        assert tabs
        assert pages
        walked = {parse_qs(urlsplit(screen.address).query).get("tab", ["pay"])[0] for screen in SCREENS}
        assert {*re.findall(r"\w+", tabs[1]), *pages} - walked == set()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
class TestEveryScreen:
    def test_is_for_everybody_in_each_of_its_states(
        self, new_page: NewPage, product: Product, kept: Keep, places: Json, screen: Screen
    ) -> None:
        screen = replace(screen, address=screen.address.format_map(places))
        keep = kept(screen.role) | dict(screen.keep)
        page = new_page(PHONE, language="zh-CN", keep=keep, service_workers="block")
        heard, strangers = Heard(page, keep, product.card), list[str]()
        page.on("request", lambda request: strangers.extend(_stranger(request, product)))
        page.goto(screen.address)
        look_at(page, screen, "full", screen.sign)
        assert heard.chinese_beside_data(page) == [], screen.name
        missed, unseen = unreachable(page)
        assert missed == [], (screen.name, "not reached by Tab")
        assert unseen == [], (screen.name, "does not show that it has the focus")
        for state in (state for state in STATES if state not in screen.without):
            see_state(page, screen, state)
        assert strangers == []


def see_state(page: Page, screen: Screen, state: str) -> None:
    """What a healthy server never shows: brought about between the page and the server."""
    speak(page, "zh-CN")
    page.route("**/v1/**", FAULTS[state])
    # From beside the page: while it stands, it keeps whatever answer is still on its way.
    page.goto("/icon.svg")
    page.evaluate(
        "for (const key of Object.keys(localStorage)) if (key.startsWith('guanjia.kept.')) localStorage.removeItem(key)"
    )
    page.goto(screen.address, wait_until="domcontentloaded")
    look_at(page, screen, state, screen.sign_of(state))
    if state == "error":
        assert REQUEST_ID in page.locator("body").inner_text(), (screen.name, "does not name the request")
    page.unroute("**/v1/**")


def look_at(page: Page, screen: Screen, state: str, sign: str) -> None:
    """At both widths and in both languages; axe looks from two of the four corners."""
    for language in ("zh-CN", "en"):
        if language != "zh-CN":
            speak(page, language)
        for width, height in (PHONE, DESK):
            page.set_viewport_size({"width": width, "height": height})
            where = (screen.name, state, width, language)
            expect(page.locator(sign).locator("visible=true").first, str(where)).to_be_visible()
            assert fits(page), where
            if (language, width) in (("zh-CN", PHONE[0]), ("en", DESK[0])) and (state == "full" or language == "en"):
                assert serious(page) == [], where


def _stranger(request: Request, product: Product) -> list[str]:
    """Addresses of anybody else: a campus may have no way to them."""
    parts = urlsplit(request.url)
    ours = parts.scheme in ("data", "blob", "about") or parts.netloc == urlsplit(product.url).netloc
    return [] if ours else [request.url]


class TestLanguages:
    def test_the_switch_changes_every_word_of_the_sign_in_and_is_remembered(self, new_page: NewPage) -> None:
        page = new_page(DESK)
        page.goto("/demo")
        expect(page.get_by_role("button", name="登录")).to_be_visible()
        page.get_by_role("button", name=re.compile("EN")).first.click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert json.loads(page.evaluate("localStorage.getItem('guanjia.locale')")) == "en"

    def test_an_error_comes_in_the_language_of_the_screen(self, new_page: NewPage) -> None:
        page = new_page(PHONE, language="en")
        page.goto("/")
        page.locator("input[name=username]").fill("nobody-at-all")
        page.locator("input[name=password]").fill("wrong-wrong-wrong")
        page.keyboard.press("Enter")

        expect(page.get_by_role("alert")).to_contain_text("do not belong together")


class TestTheOffice:
    @pytest.mark.parametrize(("address", "name"), [("security", "登录安全"), ("slips", "人员")])
    def test_shows_where_one_is_also_on_a_phone(self, new_page: NewPage, kept: Keep, address: str, name: str) -> None:
        page = new_page(PHONE, keep=kept("system_admin"))
        page.goto(f"/admin/{address}")
        here = page.locator("nav [data-here]")
        expect(here).to_have_text(name)
        expect(here).to_be_in_viewport(ratio=0.9)


class TestThePageForProgrammers:
    def test_opens_without_the_internet(self, new_page: NewPage, product: Product) -> None:
        page, strangers = new_page(DESK), list[str]()
        page.on("request", lambda request: strangers.extend(_stranger(request, product)))
        page.goto("/docs")

        expect(page.locator(".opblock").first).to_be_visible()
        assert strangers == []


class TestTheNight:
    @pytest.mark.parametrize("address", ["/", "/demo"])
    def test_is_readable_too(self, new_page: NewPage, address: str) -> None:
        page = new_page(DESK, keep={"guanjia.theme": "night"})
        page.goto(address)
        expect(page.locator("input[name=password]").first).to_be_visible()

        assert page.evaluate("document.documentElement.dataset.theme") == "night"
        assert serious(page) == []
