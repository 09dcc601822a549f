"""Topping up on real screens: the phone shows a code, the simulated Alipay pays it, and the phone says so by itself."""

import io

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product

FORM, CODE, RESULT = "[data-testid=top-up-form]", "[data-testid=top-up-code]", "[data-testid=top-up-result]"


def open_code(page: Page, product: Product, number: int, yuan: str) -> str:
    """Signed in, another amount typed, the code on the screen; what the code says."""
    login = product.card["employees"][number]
    page.goto("/?tab=top_up")
    sign_in(page, login["username"], login["password"])
    expect(page.locator("nav")).to_be_visible()
    page.goto("/?tab=top_up")
    page.locator("input[value=other]").check(force=True)
    page.locator("input[name=amount]").fill(yuan)
    page.keyboard.press("Enter")
    expect(page.locator(f"{CODE} canvas[data-drawn]")).to_be_visible()
    assert serious(page) == []
    photo = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    (seen,) = zxingcpp.read_barcodes(photo)
    return seen.text


class TestATopUp:
    def test_the_code_on_the_screen_is_paid_and_the_money_arrives_before_ones_eyes(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = new_page(PHONE)
        address = open_code(page, product, 33, "12.34")
        assert address.startswith(product.card["simulators"]["alipay"])

        with page.expect_popup() as opened:
            page.locator("[data-testid=top-up-simulator]").click()
        alipay = opened.value
        assert alipay.url.startswith(address)
        for language in ("zh", "en"):
            alipay.goto(f"{address}?lang={language}")
            assert fits(alipay)
            assert serious(alipay) == []
        alipay.get_by_role("button", name="Pay as Alipay").click()
        expect(alipay.get_by_role("status")).to_contain_text("paid")

        expect(page.locator(RESULT)).to_contain_text("充值成功")
        expect(page.locator(RESULT)).to_contain_text("12.34")
        assert serious(page) == []

    def test_who_comes_back_finds_the_code_that_is_still_good(self, new_page: NewPage, product: Product) -> None:
        page = new_page(PHONE, language="en")
        address = open_code(page, product, 34, "5")
        page.reload()
        expect(page.locator(f"{CODE} canvas[data-drawn]")).to_be_visible()
        assert page.locator("[data-testid=top-up-simulator]").get_attribute("href") == address
        page.get_by_role("button", name="Another amount").click()
        expect(page.locator(FORM)).to_be_visible()
        expect(page.locator("li").filter(has_text="Waiting")).to_be_visible()

    def test_a_lie_about_the_amount_is_not_believed_by_the_phone_either(
        self, new_page: NewPage, product: Product
    ) -> None:
        page = new_page(PHONE, language="en")
        address = open_code(page, product, 35, "7")
        alipay = page.context.new_page()
        alipay.goto(f"{address}?lang=en")
        alipay.get_by_label("It tells of one fen more than was paid").check()
        alipay.get_by_role("button", name="Pay as Alipay").click()
        expect(alipay.get_by_role("status")).to_contain_text("paid")
        page.wait_for_timeout(1500)
        expect(page.locator(CODE)).to_contain_text("Waiting for the payment")


class TestTheSimulatorsPage:
    @pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
    @pytest.mark.parametrize("language", ["zh", "en"])
    def test_is_for_everybody(self, new_page: NewPage, product: Product, size: tuple[int, int], language: str) -> None:
        page = new_page(size)
        page.goto(f"{product.card['simulators']['alipay']}/?lang={language}")
        page.locator("form[action='/codes'] button").click()
        expect(page.locator(".code")).to_be_visible()
        # Looked at and not sent: the other tests of this run have the same gateway.
        page.locator("form[action='/faults/set'] input[value=timeout]").check()
        assert fits(page)
        assert serious(page) == []
