"""The installed phone page: it opens without a network, says how old things are, grows its letters, and stops a lost card."""

import gzip
import io
import re
import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, Route, expect

from kernel import clock
from tests.browser.conftest import PHONE, NewPage, sign_in
from tests.browser.looking import speak
from tests.contract.test_addresses import is_error
from tests.product import ROOT, Diner, Product, Till, fresh_amount_fen

CODE = "[data-testid=pay-qr][data-drawn]"
KEPT = "guanjia.kept.phone."


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


def open_phone(new_page: NewPage, product: Product, number: int) -> Page:
    """Signed in, a code on the screen, and the page installed."""
    page, login = new_page(PHONE), product.card["employees"][number]
    page.goto("/")
    sign_in(page, login["username"], login["password"])
    expect(page.locator(CODE)).to_be_visible()
    page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    until(page, "caches.keys().then((names) => names.length === 1)")
    return page


def signed_in(product: Product, number: int) -> dict[str, object]:
    """What a browser keeps of somebody who has signed in before."""
    login = product.card["employees"][number]
    sent = {"username": login["username"], "password": login["password"]}
    return {"guanjia.session.phone": product.client().post("/v1/sessions", json=sent).raise_for_status().json()}


def until(page: Page, script: str, arg: object = None) -> Any:
    """Ask the page until it says something; promises are waited for."""
    for _ in range(100):
        if found := page.evaluate(script, arg):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {script}")


def kept(page: Page, name: str) -> dict[str, object]:
    """What the phone keeps under a name, for whoever is signed in."""
    script = """([prefix, name]) => {
        const key = Object.keys(localStorage).find((key) => key.startsWith(prefix) && key.endsWith('.' + name))
        return key ? JSON.parse(localStorage.getItem(key)).value : null
    }"""
    found: dict[str, object] = until(page, script, [KEPT, name])
    return found


def let_the_code_run_out(page: Page) -> None:
    """As if the phone had lain in a pocket: the last code is older than its minute."""
    page.evaluate(
        """(prefix) => {
        const key = Object.keys(localStorage).find((key) => key.startsWith(prefix) && key.endsWith('.code'))
        const kept = JSON.parse(localStorage.getItem(key))
        localStorage.setItem(key, JSON.stringify({ ...kept, at: kept.at - 120_000 }))
    }""",
        KEPT,
    )


def read_codes(page: Page) -> dict[str, str]:
    """What a reader sees on the screen, by kind of symbol."""
    photo = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return {barcode.format.name: barcode.text for barcode in zxingcpp.read_barcodes(photo)}


class TestWithoutANetwork:
    def test_it_opens_with_the_last_code_and_says_for_how_long_it_holds(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = open_phone(new_page, product, 30)
        code = kept(page, "code")
        page.context.set_offline(True)
        page.reload()

        expect(page.locator(CODE)).to_be_visible()
        expect(page.get_by_text(re.compile(r"网络不通，这个码还能用 \d+ 秒"))).to_be_visible()
        assert read_codes(page)["QRCode"] == code["text"]

    def test_once_that_has_run_out_the_voucher_pays_at_a_till_that_reads_the_square(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page = open_phone(new_page, product, 31)
        voucher = kept(page, "voucher")
        let_the_code_run_out(page)
        page.context.set_offline(True)
        page.reload()

        expect(page.locator(CODE)).to_be_visible()
        expect(page.get_by_text("离线付款码")).to_be_visible()
        expect(page.get_by_text(re.compile(r"还能用 .*(分钟|小时).*到 \d\d:\d\d 为止"))).to_be_visible()
        expect(page.get_by_text("短码（条形码）已失效")).to_be_visible()
        # No bars: what they say has run out.
        assert read_codes(page) == {"QRCode": voucher["text"]}
        text = str(voucher["text"])
        product.age_code(str(voucher["id"]), 120, block=False)
        is_error(till.pay({"code": text[:20], "amount_fen": fresh_amount_fen()}), 402, "DENY_CODE_EXPIRED")
        assert till.pay({"code": text, "amount_fen": fresh_amount_fen()}).status_code == 201
        is_error(till.pay({"code": text, "amount_fen": fresh_amount_fen()}), 402, "DENY_CODE_USED")

        # Back on the line, the phone learns that it is spent, and fetches the next.
        page.context.set_offline(False)
        page.reload()
        expect(page.locator(CODE)).to_be_visible()
        until(
            page,
            "([prefix, used]) => Object.entries(localStorage).some(([key, value]) => key.startsWith(prefix)"
            " && key.endsWith('.voucher') && JSON.parse(value).value.id !== used)",
            [KEPT, voucher["id"]],
        )

    def test_balances_and_payments_are_the_last_known_ones_with_their_time(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = open_phone(new_page, product, 32)
        page.goto("/?tab=account")
        expect(page.locator("main li .row").first).to_be_visible()
        total = page.locator("section.purse .total").inner_text()
        page.context.set_offline(True)
        page.reload()

        expect(page.locator("section.purse .total")).to_have_text(total)
        expect(page.locator("main li .row").first).to_be_visible()
        old = page.locator("[role=status]:visible").get_by_text(re.compile(r"网络不通，这是 \d\d:\d\d 的内容"))
        expect(old.first).to_be_visible()

    def test_with_nothing_left_to_show_it_says_what_is_missing(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 33)
        kept(page, "voucher")
        page.evaluate(
            "(p) => Object.keys(localStorage).filter((k) => k.startsWith(p)).forEach((k) => localStorage.removeItem(k))",
            KEPT,
        )
        page.context.set_offline(True)
        page.reload()

        expect(page.get_by_role("alert").first).to_contain_text("网络不通")

    def test_money_is_never_answered_from_what_was_kept_of_the_build(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 33)
        files = page.evaluate(
            "caches.keys().then(async ([name]) => (await (await caches.open(name)).keys()).map((r) => new URL(r.url).pathname))"
        )

        assert "/" in files
        assert [
            file for file in files if not re.fullmatch(r"/|/assets/[\w.-]+|/[\w.-]+\.(svg|png|webmanifest)", file)
        ] == []
        page.context.set_offline(True)
        assert page.evaluate("fetch('/v1/me/purses').then(() => 'answered', () => 'no network')") == "no network"

    def test_signing_out_leaves_nothing_behind(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 33)
        kept(page, "purses")
        page.goto("/?tab=me")
        page.get_by_role("button", name="退出登录").click()
        expect(page.locator("input[name=password]")).to_be_visible()

        assert page.evaluate(f"Object.keys(localStorage).filter((key) => key.startsWith('{KEPT}'))") == []


class TestInstalling:
    @pytest.mark.parametrize(("language", "name"), [("zh-CN", "管家"), ("en", "Guanjia")])
    def test_the_manifest_is_what_a_phone_asks_for(
        self, new_page: NewPage, product: Product, language: str, name: str
    ) -> None:
        page = new_page(PHONE, language=language)
        page.goto("/")
        devtools = page.context.new_cdp_session(page)
        found = devtools.send("Page.getAppManifest")

        assert found["errors"] == []
        answer = product.client().get(found["url"])
        manifest = answer.json()
        assert answer.headers["content-type"].startswith("application/manifest+json")
        assert (manifest["name"], manifest["lang"], manifest["display"]) == (name, language, "standalone")
        purposes = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
        assert purposes >= {(f"{size}x{size}", purpose) for size in (192, 512) for purpose in ("any", "maskable")}
        for icon in (icon for icon in manifest["icons"] if icon["type"] == "image/png"):
            picture = product.client().get(icon["src"]).content
            assert "{}x{}".format(*struct.unpack(">II", picture[16:24])) == icon["sizes"]
        hindrances = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        # The browser of a test keeps nothing, and says so.
        assert [each for each in hindrances if each["errorId"] != "in-incognito"] == []

    def test_a_maskable_icon_keeps_what_it_shows_within_the_safe_circle(self) -> None:
        picture = Image.open(ROOT / "frontend" / "public" / "icon-maskable-512.png").convert("RGB")
        ground, radius = picture.getpixel((0, 0)), 0.4 * 512
        outside = [
            picture.getpixel((x, y))
            for x in range(0, 512, 4)
            for y in range(0, 512, 4)
            if (x - 256) ** 2 + (y - 256) ** 2 > radius**2
        ]

        assert set(outside) == {ground}

    def test_a_new_build_takes_over_without_disturbing_an_open_page(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 34)
        old = page.evaluate("caches.keys()")
        worker = product.client().get("/sw.js")
        assert worker.headers["cache-control"] == "no-cache"
        newer = re.sub(r'const VERSION = "\w+"', 'const VERSION = "newer"', worker.text)
        # Of a real new build its address would be the same; for the browser either is a change.
        file = ROOT / "frontend" / "dist" / "sw-newer.js"
        file.write_text(newer)
        try:
            page.evaluate("navigator.serviceWorker.register('/sw-newer.js').then(() => undefined)")
            until(page, "caches.keys().then((names) => names.includes('guanjia-build-newer'))")
            until(page, "navigator.serviceWorker.controller?.scriptURL.endsWith('/sw-newer.js')")
        finally:
            file.unlink()

        expect(page.locator(CODE)).to_be_visible()
        # The build that this page was drawn from stays until the one after the next.
        assert set(page.evaluate("caches.keys()")) == {*old, "guanjia-build-newer"}
        page.reload()
        expect(page.locator(CODE)).to_be_visible()


class TestSpeed:
    def test_the_code_needs_little_script(self, new_page: NewPage, product: Product) -> None:
        page = new_page(PHONE)
        login = product.card["employees"][34]
        page.goto("/")
        sign_in(page, login["username"], login["password"])
        expect(page.locator(CODE)).to_be_visible()
        page.reload()
        expect(page.locator(CODE)).to_be_visible()
        page.wait_for_load_state("load")

        scripts: list[str] = page.evaluate(
            "performance.getEntriesByType('resource').map((each) => each.name).filter((name) => name.endsWith('.js'))"
        )
        sizes = {url.rsplit("/", 1)[1]: len(gzip.compress(page.request.get(url).body())) for url in scripts}
        assert len(sizes) > 2
        assert sum(sizes.values()) <= 150 * 1024, sizes

    def test_the_first_code_is_asked_for_once_and_before_the_page_is_drawn(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = open_phone(new_page, product, 34)
        asked = list[str]()
        page.on("request", lambda each: asked.append(urlsplit(each.url).path) if each.method == "POST" else None)
        page.reload()
        expect(page.locator(CODE)).to_be_visible()
        page.wait_for_timeout(500)

        assert asked.count("/v1/me/pay_codes") == 1
        early = page.evaluate(
            "() => performance.getEntriesByType('navigation')[0].domInteractive"
            " - performance.getEntriesByType('resource').find((each) => each.name.endsWith('/pay_codes')).startTime"
        )
        assert early > 0


class TestFirstPaint:
    """index.html itself holds out a code; the page's own files are taken away here, so that nothing else can."""

    def test_the_fresh_code_is_held_out_before_any_other_file_is_there(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page = new_page(PHONE, service_workers="block", keep=signed_in(product, 18))
        page.route("**/assets/**", lambda route: route.abort())
        page.goto("/")

        expect(page.locator(CODE)).to_be_visible()
        assert page.locator("#app").inner_html() == ""
        code, seen = kept(page, "code"), read_codes(page)
        assert seen == {"QRCode": code["text"], "Code128": code["code"]}
        assert till.pay({"code": seen["Code128"], "amount_fen": fresh_amount_fen()}).status_code == 201

    def test_the_page_takes_its_place_and_the_square_does_not_move(self, new_page: NewPage, product: Product) -> None:
        page = new_page(PHONE, service_workers="block", keep=signed_in(product, 18))
        held = list[Route]()
        page.route("**/assets/index-*.js", lambda route: held.append(route))  # noqa: PLW0108  playwright marks its handlers, which a built-in does not let it
        page.goto("/", wait_until="commit")
        expect(page.locator(CODE)).to_be_visible()
        early = page.locator(CODE).bounding_box()
        held[0].continue_()
        expect(page.get_by_role("navigation")).to_be_visible()

        expect(page.locator("#early")).to_have_count(0)
        expect(page.locator(CODE)).to_be_visible()
        assert page.locator(CODE).bounding_box() == early

    def test_without_a_network_the_voucher_is_held_out(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 19)
        voucher = kept(page, "voucher")
        let_the_code_run_out(page)
        page.evaluate(
            "caches.keys().then(async ([name]) => { const build = await caches.open(name); for (const each of await build.keys())"
            " if (each.url.includes('/assets/index-') && each.url.endsWith('.js'))"
            " await build.put(each, new Response('', { headers: { 'Content-Type': 'text/javascript' } })) })"
        )
        page.context.set_offline(True)
        page.reload(wait_until="commit")

        expect(page.locator(CODE)).to_be_visible()
        expect(page.get_by_text("离线付款码")).to_be_visible()
        assert page.locator("#app").inner_html() == ""
        assert read_codes(page) == {"QRCode": voucher["text"]}

    def test_a_code_that_the_server_refuses_is_held_out_no_longer(self, new_page: NewPage, product: Product) -> None:
        page = new_page(PHONE, service_workers="block", keep=signed_in(product, 19))
        page.goto("/")
        kept(page, "code")
        page.route("**/assets/**", lambda route: route.abort())
        page.route("**/v1/me/pay_codes", lambda route: route.fulfill(status=403, json={"code": "FORBIDDEN"}))
        page.reload(wait_until="commit")

        expect(page.locator("#early")).to_be_visible()
        expect(page.locator(CODE)).to_have_count(0)

    def test_the_other_screens_and_tabs_have_none(self, new_page: NewPage, product: Product) -> None:
        session = signed_in(product, 18)
        for address in ("/?tab=account", "/terminal", "/"):
            page = new_page(PHONE, service_workers="block", keep=session if address != "/" else {})
            page.goto(address)
            expect(page.locator("#app > *").first).to_be_visible()
            assert page.locator("#early").count() == 0, address

    def test_it_stands_in_the_page_itself_and_is_small(self) -> None:
        page = (ROOT / "frontend" / "dist" / "index.html").read_text()

        # What the browser finds by itself, it fetches first.
        assert re.findall(r'<(?:link|script)[^>]*(?:stylesheet|modulepreload|type="module")', page) == []
        assert len(gzip.compress(page.encode())) <= 12 * 1024


class TestLargeLetters:
    def test_are_chosen_once_kept_and_break_nothing(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 35)
        page.goto("/?tab=me")
        before = page.locator("main h2").first.evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)")
        page.get_by_text("大字").click()
        page.reload()
        expect(page.get_by_role("radio", name="大字")).to_be_checked()
        assert (
            page.locator("main h2").first.evaluate("(e) => parseFloat(getComputedStyle(e).fontSize)") >= before * 1.15
        )

        for tab in ("pay", "home", "account", "me", "lost"):
            page.goto(f"/?tab={tab}")
            expect(page.locator("nav button").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], tab
            assert cut_off(page) == [], tab
        page.goto("/")
        expect(page.locator(CODE)).to_be_visible()
        assert "QRCode" in read_codes(page)


def cut_off(page: Page) -> list[str]:
    """Words that do not fit into what holds them, or into the screen."""
    return list(
        page.evaluate("""() => [...document.querySelectorAll('main *, nav *')].filter((element) => {
            const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
            if (!words || element.closest('.visually-hidden') || !element.checkVisibility()) return false
            const box = element.getBoundingClientRect()
            const style = getComputedStyle(element)
            const hidden = style.overflowX !== 'visible' && style.textOverflow !== 'ellipsis'
            return box.right > innerWidth + 1 || box.left < -1 || (hidden && element.scrollWidth > element.clientWidth + 1)
        }).map((element) => element.textContent.trim())""")
    )


class TestLost:
    def test_two_taps_stop_every_code_and_the_finder_goes_on_by_one_more(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, diner = open_phone(new_page, product, 36), product.diner(36)
        voucher = kept(page, "voucher")
        page.get_by_test_id("lost").click()
        page.get_by_test_id("report-lost").click()
        expect(page.get_by_role("heading", name="已挂失")).to_be_visible()
        assert diner.purses()["state"] == "lost"
        is_error(till.pay({"code": voucher["text"], "amount_fen": fresh_amount_fen()}), 402, "DENY_LOST")
        page.get_by_role("button", name="付款").click()
        expect(page.locator(CODE)).to_have_count(0)

        page.get_by_role("button", name="找到了，解除挂失").click()
        expect(page.locator(CODE)).to_be_visible()
        assert diner.purses()["state"] == "active"

    def test_two_taps_from_the_home_too(self, new_page: NewPage, product: Product) -> None:
        page, diner = open_phone(new_page, product, 37), product.diner(37)
        page.get_by_role("button", name="首页").click()
        page.get_by_role("main").get_by_role("button", name="挂失").click()
        page.get_by_test_id("report-lost").click()
        expect(page.get_by_role("heading", name="已挂失")).to_be_visible()
        assert diner.purses()["state"] == "lost"
        assert diner.http.post("/v1/me/unlist").status_code == 200


class TestTheHome:
    def test_says_what_ends_soon_and_what_there_is_to_eat_where_one_usually_eats(
        self, new_page: NewPage, product: Product
    ) -> None:
        page, diner = open_phone(new_page, product, 38), product.diner(38)
        page.get_by_role("button", name="首页").click()
        menu = page.get_by_role("region", name="今日菜单")
        expect(menu.locator("li").first).to_be_visible()
        payments = diner.http.get("/v1/me/payments", params={"limit": 20}).json()["data"]
        times = [payment["canteen"] for payment in payments]
        assert menu.locator("select").input_value() == max(set(times), key=times.count)
        soon = [lot for lot in diner.purses()["lots"] if days_until(lot["expires_on"]) <= 7]
        expect(page.get_by_test_id("expiring")).to_have_count(1 if soon else 0)
        if soon:
            first = min(lot["expires_on"] for lot in soon)
            fen = sum(lot["amount_fen"] for lot in soon if lot["expires_on"] == first)
            expect(page.get_by_test_id("expiring")).to_contain_text(f"{fen / 100:,.2f}")

    def test_warns_of_what_would_be_lost_and_how_many_lunches_use_it(self, new_page: NewPage, product: Product) -> None:
        diner = product.diner(39)
        grant(product, diner, yuan="32.00", days=3)
        page = open_phone(new_page, product, 39)
        page.get_by_role("button", name="首页").click()

        warning = page.get_by_test_id("expiring")
        expect(warning).to_contain_text("3 天")
        expect(warning).to_contain_text("32.00")
        expect(warning).to_contain_text(diner.http.get("/v1/me/subsidies").json()["forecast"]["sentence_zh"])
        speak(page, "en")
        expect(warning).to_contain_text("You will lose 32.00 yuan in 3 days")

    def test_the_pay_button_lies_under_the_thumb(self, new_page: NewPage, product: Product) -> None:
        page = open_phone(new_page, product, 38)
        page.goto("/?tab=home")
        button = page.get_by_role("navigation").get_by_role("button", name="付款")
        box = button.bounding_box()
        assert box is not None
        assert box["y"] > PHONE[1] * 2 / 3
        assert min(box["width"], box["height"]) >= 48
        assert abs(box["x"] + box["width"] / 2 - PHONE[0] / 2) < 20
        button.click()
        expect(page.locator(CODE)).to_be_visible()


class TestTheScreen:
    def test_is_kept_awake_while_a_code_is_held_out_and_brightness_is_asked_for(
        self, new_page: NewPage, product: Product
    ) -> None:
        page, login = new_page(PHONE), product.card["employees"][38]
        page.add_init_script(_COUNT_LOCKS)
        page.goto("/")
        sign_in(page, login["username"], login["password"])
        expect(page.locator(CODE)).to_be_visible()

        until(page, "held.size === 1")
        expect(page.get_by_text("请调亮屏幕")).to_be_visible()

        # Shown again it is asked for again, and is still one.
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        until(page, "asked === 2 && held.size === 1")

        page.get_by_role("button", name="首页").click()
        expect(page.locator(CODE)).to_be_hidden()
        until(page, "held.size === 0")


# A browser without a screen has none to keep awake: what is asked of it is counted.
_COUNT_LOCKS = """
    window.held = new Set()
    window.asked = 0
    Object.defineProperty(navigator, 'wakeLock', {
        value: {
            request: async (kind) => {
                const lock = { kind, release: async () => held.delete(lock) }
                held.add(lock)
                asked += 1
                return lock
            },
        },
    })
"""


class TestStatements:
    def test_are_there_by_month_to_read_and_for_anybody_to_check(
        self, new_page: NewPage, product: Product, tmp_path: Path
    ) -> None:
        page = open_phone(new_page, product, 38)
        page.get_by_role("button", name="首页").click()
        page.get_by_role("main").get_by_role("button", name="账单").click()
        month = page.get_by_test_id("my-statement").first
        expect(month).to_contain_text(re.compile(r"20\d\d年\d+月"))
        with page.expect_download() as fetched:
            month.get_by_role("button", name=re.compile("PDF$")).click()
        assert fetched.value.path().read_bytes().startswith(b"%PDF")

        month.get_by_text("给别人核对").click()
        for name in ("明细文件", "签名"):
            with page.expect_download() as fetched:
                month.get_by_role("button", name=re.compile(f"{name}$")).click()
            fetched.value.save_as(tmp_path / fetched.value.suggested_filename)
        lines = next(tmp_path.glob("*.lines"))
        # Under the server's own names the two find each other.
        assert "相符" in product.command("verify-statement", str(lines))


def grant(product: Product, diner: Diner, *, yuan: str, days: int) -> None:
    """A subsidy for one person, by the two people that it takes."""
    me = diner.http.get("/v1/me").json()
    known = product.staff("system_admin").get("/v1/people", params={"q": me["name"]}).json()["data"]
    staff_number = next(each["staff_number"] for each in known if each["id"] == me["id"])
    one, two = (product.client(product.token_of(name)) for name in ("finance", "finance2"))
    ends = clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=days)
    wanted = {"unit": me["unit"]["id"], "name": "加班补贴", "expires_on": str(ends)}
    table = f"工号,金额\n{staff_number},{yuan}\n".encode()
    made = one.post("/v1/subsidies/batches", params=wanted, content=table)
    assert made.status_code == 201, made.text
    asked = one.post(f"/v1/subsidies/batches/{made.json()['batch']}/post", json={"reason": "加班"})
    assert two.post(f"/v1/approvals/{asked.json()['id']}/approve").status_code < 300, asked.text


def days_until(date: str) -> int:
    """From today, as the canteen counts."""
    from kernel.settings import get_settings

    today = clock.now().astimezone(get_settings().zone).date()
    return (datetime.fromisoformat(date).date() - today).days
