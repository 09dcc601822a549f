"""A lunch is paid on real screens: the phone's pixels are read, the till answers by colour, the board counts."""

import io
import re
import time
from uuid import uuid4

import pytest
import zxingcpp
from PIL import Image, ImageFilter
from playwright.sync_api import Page, Response, WebSocketRoute, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in, tab_to
from tests.contract.test_addresses import is_error
from tests.product import Diner, Product, Till, fresh_amount_fen

CELADON = re.compile(r"rgb\(47, 107, 94\)")
RESULT = "[data-testid=till-result]"


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def other(product: Product) -> Till:
    """A till without a screen: what it does, the one with a screen cannot know, and so their numbers stay apart."""
    return product.new_till()


def open_phone(new_page: NewPage, product: Product, number: int) -> tuple[Page, Response]:
    """Signed in, with a code on the screen; also the answer that brought the code."""
    page = new_page(PHONE)
    login = product.card["employees"][number]
    page.goto("/")
    with page.expect_response("**/v1/me/pay_codes") as issued:
        sign_in(page, login["username"], login["password"])
    expect(page.locator("[data-testid=pay-qr][data-drawn]")).to_be_visible()
    return page, issued.value


def open_till(new_page: NewPage, till: Till, **options: object) -> Page:
    page = new_page((1024, 600), keep={"guanjia.terminal.till": till.card["token"]}, **options)
    page.goto("/terminal")
    expect(page.locator(RESULT)).to_be_visible()
    return page


def photograph(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def read_qr(photo: Image.Image) -> list[str]:
    wanted = zxingcpp.BarcodeFormat.QRCode
    return [barcode.text for barcode in zxingcpp.read_barcodes(photo) if barcode.format == wanted]


def scan(page: Page, digits: str) -> None:
    """What a scanner does: types fast, ends with Enter."""
    page.keyboard.type(digits)
    page.keyboard.press("Enter")


def money_of(diner: Diner) -> int:
    purses = diner.purses()
    money: int = purses["cash_fen"] + purses["subsidy_fen"]
    return money


class TestThePhone:
    def test_shows_a_code_that_a_real_reader_reads_straight_blurred_and_turned(
        self, new_page: NewPage, product: Product, other: Till
    ) -> None:
        page, issued = open_phone(new_page, product, 20)
        photo, text = photograph(page), issued.json()["text"]

        assert read_qr(photo) == [text]
        assert read_qr(photo.filter(ImageFilter.GaussianBlur(2.5))) == [text]
        assert read_qr(photo.rotate(15, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)) == [text]
        turned = photo.rotate(-15, expand=True, fillcolor="gray", resample=Image.Resampling.BICUBIC)
        assert read_qr(turned.filter(ImageFilter.GaussianBlur(1.5))) == [text]
        assert other.pay({"code": text, "amount_fen": fresh_amount_fen()}).status_code == 201

    def test_a_screenshot_is_refused_three_minutes_later(
        self, new_page: NewPage, product: Product, other: Till
    ) -> None:
        page, issued = open_phone(new_page, product, 21)
        (text,) = read_qr(photograph(page))
        product.age_code(issued.json()["id"], 180)

        refused = other.pay({"code": text, "amount_fen": fresh_amount_fen()})
        is_error(refused, 402, "DENY_CODE_EXPIRED")

    def test_turns_celadon_when_the_till_has_the_money_and_says_why_this_price(
        self, new_page: NewPage, product: Product, other: Till
    ) -> None:
        page, issued = open_phone(new_page, product, 22)
        assert other.pay({"code": issued.json()["code"], "amount_fen": 1234}).status_code == 201
        paid = page.locator("section.paid")
        expect(paid).to_be_visible(timeout=1_500)
        expect(paid).to_contain_text("12.34")
        expect(paid).to_have_css("background-image", CELADON)
        paid.get_by_role("button").first.click()
        expect(page.locator("main")).to_contain_text("为什么是这个价格")
        expect(page.locator("main")).to_contain_text("12.34")
        page.go_back()
        expect(page.locator("nav")).to_be_visible()

    def test_renews_the_code_by_one_tap(self, new_page: NewPage, product: Product) -> None:
        page, issued = open_phone(new_page, product, 23)
        with page.expect_response("**/v1/me/pay_codes") as renewed:
            page.get_by_role("button", name="立即更新付款码").click()
        text = renewed.value.json()["text"]

        assert text != issued.json()["text"]
        page.wait_for_timeout(300)
        assert read_qr(photograph(page)) == [text]

    def test_without_network_says_so_and_keeps_the_code_while_it_pays(
        self, new_page: NewPage, product: Product
    ) -> None:
        page, issued = open_phone(new_page, product, 23)
        page.context.set_offline(True)
        page.get_by_role("button", name="立即更新付款码").click()
        expect(page.get_by_text("这个码还能用")).to_be_visible()
        assert read_qr(photograph(page)) == [issued.json()["text"]]
        page.context.set_offline(False)

    def test_wrong_password_is_told_in_a_sentence(self, new_page: NewPage, product: Product) -> None:
        page = new_page(PHONE)
        page.goto("/")
        sign_in(page, product.card["employees"][39]["username"], "not-the-password")

        expect(page.get_by_role("alert")).to_contain_text("密码不正确")


class TestTheTill:
    def test_takes_a_keyed_amount_by_keyboard_alone(self, new_page: NewPage, product: Product, till: Till) -> None:
        page, diner = open_till(new_page, till), product.diner(24)
        page.get_by_role("tab", name="金额").click()
        page.keyboard.type("6.05")
        page.keyboard.press("Enter")
        scan(page, diner.code()["text"])

        result = page.locator(RESULT)
        expect(result).to_have_attribute("data-phase", "paid")
        expect(result).to_contain_text("6.05")
        expect(result).to_have_css("background-color", CELADON)

    def test_asks_about_a_double_tap_and_takes_it_by_enter(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, diner, result = open_till(new_page, till), product.diner(25), RESULT
        page.get_by_role("tab", name="金额").click()
        before = money_of(diner)
        for _ in range(2):
            page.keyboard.type("6.15")
            page.keyboard.press("Enter")
            scan(page, diner.code()["code"])
            expect(page.locator(result)).to_have_attribute("data-phase", re.compile("paid|ask_repeat"))
        expect(page.locator(result)).to_have_attribute("data-phase", "ask_repeat")
        assert before - money_of(diner) == 615
        page.keyboard.press("Enter")
        expect(page.locator(result)).to_have_attribute("data-phase", "paid")
        assert before - money_of(diner) == 2 * 615

    def test_refuses_in_words_and_colour_and_the_next_scan_just_works(
        self, new_page: NewPage, product: Product, till: Till, other: Till
    ) -> None:
        page, diner = open_till(new_page, till), product.diner(26)
        used = diner.code()["code"]
        assert other.pay({"code": used, "amount_fen": fresh_amount_fen()}).status_code == 201
        page.get_by_role("tab", name="定额").click()
        scan(page, used)
        result = page.locator(RESULT)
        expect(result).to_have_attribute("data-phase", "refused")
        expect(result).to_contain_text("已使用")
        scan(page, diner.code()["code"])
        expect(result).to_have_attribute("data-phase", "paid")

    def test_voids_the_last_payment(self, new_page: NewPage, product: Product, till: Till) -> None:
        page, diner = open_till(new_page, till), product.diner(27)
        page.get_by_role("tab", name="金额").click()
        before = diner.purses()
        page.keyboard.type("6.25")
        page.keyboard.press("Enter")
        scan(page, diner.code()["code"])
        result = page.locator(RESULT)
        expect(result).to_have_attribute("data-phase", "paid")
        page.get_by_role("button", name=re.compile("^撤销")).first.click()
        expect(result).to_have_attribute("data-phase", "ask_void")
        page.keyboard.press("Enter")
        expect(result).to_have_attribute("data-phase", "voided")
        assert diner.purses() == before

    def test_takes_dishes(self, new_page: NewPage, product: Product, till: Till) -> None:
        page, diner = open_till(new_page, till), product.diner(28)
        page.get_by_role("tab", name="点菜").click()
        dish = till.http.get("/v1/terminals/me").json()
        menu = next(menu for menu in dish["menus"] if menu["meal"] == dish["canteen"]["now"]["meal"])
        first = next(item for item in menu["items"] if item["price_fen"])
        page.get_by_role("button", name=first["name_zh"]).first.click()
        scan(page, diner.code()["code"])

        result = page.locator(RESULT)
        expect(result).to_have_attribute("data-phase", "paid")
        expect(result).to_contain_text(f"{first['price_fen'] / 100:.2f}")

    def test_survives_a_reload_in_the_middle_of_a_shift(self, new_page: NewPage, product: Product, till: Till) -> None:
        page, diner = open_till(new_page, till), product.diner(28)
        page.reload()
        page.get_by_role("tab", name="金额").click()
        page.keyboard.type("6.35")
        page.keyboard.press("Enter")
        scan(page, diner.code()["code"])

        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")


class TestTheWholeStory:
    def test_held_to_the_till_the_phone_turns_and_the_board_counts_within_the_second(
        self, new_page: NewPage, product: Product
    ) -> None:
        login = product.card["employees"][29]
        page = new_page(DESK)
        page.goto("/demo")
        sign_in(page, login["username"], login["password"])
        expect(page.locator("[data-testid=pay-qr][data-drawn]")).to_be_visible()
        page.get_by_role("button", name="号机").nth(2).click()
        count = page.get_by_test_id("board-count")
        expect(count).to_have_text(re.compile(r"\d+"))
        before = int(count.inner_text())

        page.get_by_test_id("hold").click()
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
        answered = time.monotonic()
        phone = page.locator(".handset section.paid")
        expect(phone).to_be_visible(timeout=1_000)
        page.wait_for_function(
            "before => Number(document.querySelector('[data-testid=board-count]').textContent) > before",
            arg=before,
            timeout=1_000,
        )
        assert time.monotonic() - answered < 1.5
        expect(phone).to_have_css("background-image", CELADON)

    def test_by_keyboard_alone(self, new_page: NewPage) -> None:
        page = new_page(DESK)
        page.goto("/demo")
        expect(page.locator(".offers button").first).to_be_visible()
        tab_to(page, ".offers li:nth-child(3) button")
        page.keyboard.press("Enter")
        expect(page.locator("[data-testid=pay-qr][data-drawn]")).to_be_visible()
        tab_to(page, ".tills button:nth-of-type(2)")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("board-count")).to_be_visible()
        page.keyboard.press("Shift+Tab")
        tab_to(page, "[data-testid=hold]")
        page.keyboard.press("Enter")

        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")


class TestTheBoard:
    def test_says_within_15_s_that_its_line_is_silent_and_recovers_without_a_reload(
        self, new_page: NewPage, product: Product, other: Till
    ) -> None:
        page, silent = new_page(DESK), [False]

        def stand_between(route: WebSocketRoute) -> None:
            if silent[0]:
                route.close()
                return
            server = route.connect_to_server()
            route.on_message(lambda message: None if silent[0] else server.send(message))
            server.on_message(lambda message: None if silent[0] else route.send(message))

        page.route_web_socket("**/v1/realtime", stand_between)
        login = next(person for person in product.card["staff"] if "canteen_manager" in person["roles"])
        page.goto("/desk/canteen")
        sign_in(page, login["username"], login["password"])
        expect(page.get_by_test_id("board-count")).to_be_visible()
        expect(page.get_by_test_id("line-cut")).to_have_count(0)
        before = int(page.get_by_test_id("board-count").inner_text())

        silent[0] = True
        expect(page.get_by_test_id("line-cut")).to_be_visible(timeout=15_000)
        diner = product.diner(30)
        assert other.pay({"code": diner.code()["code"], "amount_fen": fresh_amount_fen()}).status_code == 201
        silent[0] = False
        expect(page.get_by_test_id("line-cut")).to_have_count(0, timeout=15_000)
        page.wait_for_function(
            "before => Number(document.querySelector('[data-testid=board-count]').textContent) > before", arg=before
        )

    def test_a_new_till_is_paired_from_the_admin_page(self, new_page: NewPage, product: Product) -> None:
        office = product.staff("system_admin")
        site = product.till().http.get("/v1/terminals/me").json()["site"]["id"]
        made = office.post("/v1/terminals", json={"site": site, "name": f"P-{uuid4().hex[:6]}", "modes": ["keyed"]})
        page = new_page((1024, 600))
        page.goto("/terminal")
        page.locator("input[name=pairing_code]").fill(made.json()["pairing"]["code"])
        page.keyboard.press("Enter")

        expect(page.locator(RESULT)).to_be_visible()
        page.keyboard.type("6.45")
        page.keyboard.press("Enter")
        scan(page, product.diner(31).code()["code"])
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
