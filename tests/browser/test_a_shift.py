"""A cashier's shift on the real till page: opened, sold, voided, handed over; and the manager's look at it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, NewPage
from tests.browser.looking import serious
from tests.product import Diner, Product, Till, fresh_seq

RESULT = "[data-testid=till-result]"
TILL = (1024, 600)
# The browsers of these tests have no voices: one of each language, and an ear.
SPEECH = """
    window.said = []
    const voices = [{ lang: 'zh-CN' }, { lang: 'en-US' }]
    Object.defineProperty(window, 'speechSynthesis', { value: {
        getVoices: () => voices, cancel: () => {}, speak: (words) => window.said.push(words.text) } })
    window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text } }
"""


@pytest.fixture
def till(product: Product) -> Iterator[Till]:
    """A till of its own, left without a shift."""
    made = product.new_till()
    yield made
    shift = made.http.get("/v1/terminals/me/shift").json()["shift"]
    if shift is not None:
        made.http.post("/v1/terminals/me/shift/hand_over", json={"pin": pin_of(product, "cashier")})


def pin_of(product: Product, role: str) -> str:
    pin: str = next(person for person in product.card["staff"] if role in person["roles"])["till_pin"]
    return pin


def open_till(new_page: NewPage, till: Till, **options: Any) -> Page:
    page = new_page(TILL, keep={"guanjia.terminal.till": till.card["token"]}, **options)
    page.add_init_script(SPEECH)
    page.goto("/terminal")
    expect(page.locator(RESULT)).to_be_visible()
    return page


def type_and_enter(page: Page, keys: str) -> None:
    """As a scanner or a keypad does."""
    page.keyboard.type(keys)
    page.keyboard.press("Enter")


def enter_amount(page: Page, yuan: str) -> None:
    """And look at it, as a cashier does before a code is held to the reader."""
    type_and_enter(page, yuan)
    expect(page.locator(RESULT)).to_have_attribute("data-phase", "ready")
    expect(page.locator(RESULT)).to_contain_text(yuan)


def sell(page: Page, product: Product, diner: int, yuan: str) -> None:
    enter_amount(page, yuan)
    type_and_enter(page, product.diner(diner).code()["code"])
    expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
    expect(page.locator(RESULT)).to_contain_text(yuan)


def scrolls(page: Page) -> bool:
    found: bool = page.evaluate(
        "document.documentElement.scrollHeight > innerHeight || document.documentElement.scrollWidth > innerWidth"
    )
    return found


def begin_shift(page: Page, product: Product) -> None:
    page.get_by_test_id("shift").click()
    page.get_by_role("button", name="沈秋月").click()
    type_and_enter(page, pin_of(product, "cashier"))
    expect(page.get_by_test_id("shift")).to_contain_text("沈秋月")
    # The line tells of the shift before the answer to the PIN is there: until then keys are the PIN's.
    expect(page.get_by_role("dialog")).to_have_count(0)


def printed_code(product: Product, till: Till) -> str:
    """What hangs at a till."""
    made = product.staff("system_admin").post("/v1/place_codes", json={"site": till.canteen, "terminal": till.id})
    text: str = made.json()["text"]
    return text


def pay_by_phone(diner: Diner, place_code: str, amount_fen: int) -> None:
    body, headers = {"place_code": place_code, "amount_fen": amount_fen}, {"Idempotency-Key": f"wall-{fresh_seq()}"}
    assert diner.http.post("/v1/me/scan_payments", json=body, headers=headers).status_code == 201


class TestAShift:
    def test_from_the_pin_to_the_sheet_that_ties_to_the_ledger(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page = open_till(new_page, till)
        page.get_by_role("tab", name="金额").click()
        begin_shift(page, product)
        sell(page, product, 33, "6.05")
        sell(page, product, 34, "7.10")
        sell(page, product, 35, "8.20")
        assert page.evaluate("window.said") == ["支付成功 六元零五分", "支付成功 七元一角", "支付成功 八元二角"]

        voids = page.get_by_role("button", name=re.compile("^撤销"))
        voids.first.click()
        type_and_enter(page, "111112")
        expect(page.get_by_role("dialog")).to_contain_text("不正确")
        type_and_enter(page, pin_of(product, "cashier"))
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "voided")
        expect(page.locator(RESULT)).to_contain_text("8.20")

        voids.first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("须由主管签字")
        expect(dialog.get_by_role("button", name="沈秋月")).to_have_count(0)
        type_and_enter(page, pin_of(product, "canteen_manager"))
        expect(page.locator(RESULT)).to_contain_text("7.10")
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "voided")

        page.get_by_test_id("shift").click()
        expect(page.get_by_test_id("net")).to_contain_text("6.05")
        assert not scrolls(page)
        assert serious(page) == []
        page.get_by_role("button", name="交班").click()
        type_and_enter(page, pin_of(product, "cashier"))
        expect(page.get_by_test_id("ties")).to_have_attribute("data-ties", "true")
        expect(page.get_by_role("dialog", name="交接单")).to_contain_text("程海宁")
        page.get_by_role("button", name="完成").click()
        expect(page.get_by_test_id("shift")).to_contain_text("开班")

    def test_is_there_for_the_manager_down_to_its_payments(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page = open_till(new_page, till)
        page.get_by_role("tab", name="金额").click()
        begin_shift(page, product)
        sell(page, product, 33, "6.35")
        manager = next(person for person in product.card["staff"] if "canteen_manager" in person["roles"])
        sent = {"username": manager["username"], "password": manager["password"]}
        session = product.client().post("/v1/sessions", json=sent).json()
        desk = new_page(DESK, keep={"guanjia.session.desk": session})
        desk.goto("/desk/shifts")
        row = desk.locator("main tbody tr").filter(has_text=till.http.get("/v1/terminals/me").json()["name"])
        expect(row).to_contain_text("进行中")
        row.get_by_role("button").click()
        drawer = desk.get_by_role("dialog")
        expect(drawer.get_by_test_id("net")).to_contain_text("6.35")
        drawer.get_by_role("button", name="交班").click()
        desk.locator(".el-message-box").get_by_role("button", name="交班").click()

        # Both screens know at once, without a reload.
        expect(row).to_contain_text("账实一致")
        expect(page.get_by_test_id("shift")).to_contain_text("开班")
        assert serious(desk) == []


class TestTheScanner:
    def test_lands_wherever_the_cashier_has_clicked(self, new_page: NewPage, product: Product, till: Till) -> None:
        page = open_till(new_page, till)
        result = page.locator(RESULT)
        for number, somewhere in enumerate(("header h1", ".modes button:nth-child(1)", ".last h2", "header .language")):
            page.locator(somewhere).click()
            type_and_enter(page, product.diner(36 + number % 2).code()["code"])
            expect(result).to_have_attribute("data-phase", re.compile("paid|ask_repeat"))
            page.keyboard.press("Escape")
            expect(result).to_have_attribute("data-phase", "ready")

    def test_lands_also_while_a_pin_is_asked_for(self, new_page: NewPage, product: Product, till: Till) -> None:
        page = open_till(new_page, till)
        page.get_by_test_id("shift").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        type_and_enter(page, product.diner(38).code()["text"])

        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
        expect(page.get_by_role("dialog")).to_have_count(0)


class TestTheScreen:
    def test_fits_1024_by_600_in_every_mode_and_dialog_and_both_languages(self, new_page: NewPage, till: Till) -> None:
        page = open_till(new_page, till)
        for _ in ("zh", "en"):
            for tab in page.get_by_role("tab").all():
                tab.click()
                assert not scrolls(page), tab.inner_text()
            page.get_by_test_id("shift").click()
            expect(page.get_by_role("dialog").locator("li").first).to_be_visible()
            assert not scrolls(page)
            assert serious(page) == []
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)
            page.locator("header .language").click()

    def test_without_a_network_says_so_and_takes_nothing(self, new_page: NewPage, product: Product, till: Till) -> None:
        page, diner = open_till(new_page, till), product.diner(38)
        before, code = diner.purses(), diner.code()["code"]
        page.context.set_offline(True)
        expect(page.get_by_test_id("offline")).to_contain_text("现在不能收款")
        assert not scrolls(page)
        type_and_enter(page, code)
        expect(page.locator(RESULT)).to_contain_text("这一笔没有收")
        assert diner.purses() == before
        page.context.set_offline(False)
        expect(page.get_by_test_id("offline")).to_have_count(0)

        type_and_enter(page, code)
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")

    def test_is_paired_with_one_click_where_there_is_a_demo(self, new_page: NewPage) -> None:
        page = new_page(TILL)
        page.goto("/terminal")
        page.get_by_role("button", name="4号机").or_(page.locator(".tills button").last).first.click()

        expect(page.locator(RESULT)).to_be_visible()


class TestADish:
    def test_is_sold_out_with_one_key_at_every_till_and_back_with_another(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, other = open_till(new_page, till), open_till(new_page, product.new_till())
        for each in (page, other):
            each.get_by_role("tab", name="点菜").click()
        dish = page.locator(".dishes li").last
        name = dish.locator(".name").inner_text()
        dish.get_by_role("button", name=re.compile("售完$")).click()

        expect(other.get_by_role("button", name=re.compile(f"^{name} ¥"))).to_be_disabled()
        told = till.http.get("/v1/terminals/me").json()
        menu = next(menu for menu in told["menus"] if menu["meal"] == told["canteen"]["now"]["meal"])
        item = next(item for item in menu["items"] if item["name_zh"] == name)
        body = {"code": product.diner(38).code()["code"], "items": [{"dish_id": item["dish_id"]}]}
        refused = till.pay(body)
        assert (refused.status_code, refused.json()["code"]) == (422, "ITEMS_NOT_ON_MENU")
        page.get_by_role("button", name=f"{name}: 恢复供应").click()
        expect(other.get_by_role("button", name=re.compile(f"^{name} ¥"))).to_be_enabled()


class TestOtherWaysToPay:
    def test_a_card_is_read_like_a_code(self, new_page: NewPage, product: Product, till: Till) -> None:
        diner, number = product.diner(33), f"9{fresh_seq() % 10**9:09d}"
        assert diner.http.post("/v1/me/card", json={"number": number}).status_code < 300
        page = open_till(new_page, till)
        page.get_by_role("tab", name="金额").click()
        enter_amount(page, "3.15")
        type_and_enter(page, number)

        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
        expect(page.locator(RESULT)).to_contain_text("3.15")
        enter_amount(page, "3.25")
        type_and_enter(page, "8888888888")
        expect(page.locator(RESULT)).to_contain_text("无法识别的卡")

    def test_a_guest_pays_with_their_own_app_and_is_counted_in_the_shift(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, result = open_till(new_page, till), RESULT
        page.get_by_role("tab", name="金额").click()
        begin_shift(page, product)
        for behaviour, phase in (("pay", "paid"), ("refuse", "refused"), ("wait", "guest_wait")):
            enter_amount(page, "18.00")
            type_and_enter(page, guest_code(product, behaviour))
            expect(page.locator(result)).to_have_attribute("data-phase", phase)
        assert not scrolls(page)
        page.keyboard.press("Escape")
        expect(page.locator(result)).to_contain_text("没有收钱")

        page.get_by_test_id("shift").click()
        expect(page.get_by_role("dialog", name="交接单")).to_contain_text("访客 1 笔")
        expect(page.get_by_test_id("net")).to_contain_text("18.00")
        expect(page.get_by_test_id("ties")).to_have_attribute("data-ties", "true")

    def test_a_guests_meal_is_voided_like_any_other_and_the_sheet_ties(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page = open_till(new_page, till)
        page.get_by_role("tab", name="金额").click()
        begin_shift(page, product)
        enter_amount(page, "16.40")
        type_and_enter(page, guest_code(product, "pay"))
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
        page.get_by_role("button", name=re.compile("^撤销")).first.click()
        type_and_enter(page, pin_of(product, "cashier"))
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "voided")
        expect(page.locator(".last li").first).to_contain_text("已撤销")

        page.get_by_test_id("shift").click()
        expect(page.get_by_test_id("net")).to_contain_text("0.00")
        expect(page.get_by_test_id("ties")).to_have_attribute("data-ties", "true")

    def test_a_phone_at_the_printed_code_is_shown_and_spoken_and_in_the_shift(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        code, diner = printed_code(product, till), product.diner(34)
        pay_by_phone(diner, code, 415)
        page = open_till(new_page, till)
        last = page.locator(".last li")
        expect(last).to_have_count(1)
        expect(last).to_contain_text("4.15")
        expect(last).to_contain_text("扫收款码")
        begin_shift(page, product)
        pay_by_phone(diner, code, 465)

        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid", timeout=1_500)
        expect(page.locator(RESULT)).to_contain_text("扫码付款")
        assert page.evaluate("window.said") == ["支付成功 四元六角五分"]
        page.get_by_test_id("shift").click()
        expect(page.get_by_test_id("net")).to_contain_text("4.65")

    def test_a_phone_that_pays_meanwhile_takes_nothing_from_what_the_cashier_has_typed(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, code = open_till(new_page, till), printed_code(product, till)
        page.get_by_role("tab", name="金额").click()
        enter_amount(page, "7.45")
        pay_by_phone(product.diner(34), code, 435)
        expect(page.locator(".last li").first).to_contain_text("4.35")
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "ready")
        expect(page.locator(RESULT)).to_contain_text("7.45")

        # Digits that no Enter has ended are the cashier's too.
        page.keyboard.press("Escape")
        page.keyboard.type("8.5")
        pay_by_phone(product.diner(35), code, 445)
        expect(page.locator(".last li").first).to_contain_text("4.45")
        page.keyboard.type("5")
        page.keyboard.press("Enter")
        type_and_enter(page, product.diner(36).code()["code"])
        expect(page.locator(RESULT)).to_have_attribute("data-phase", "paid")
        expect(page.locator(RESULT)).to_contain_text("8.55")


def guest_code(product: Product, behaviour: str) -> str:
    """What a guest's app shows, and what becomes of it."""
    made = httpx.post(f"{product.card['simulators']['alipay']}/auth_codes", json={"behaviour": behaviour})
    code: str = made.json()["auth_code"]
    return code
