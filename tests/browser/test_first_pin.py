"""A cashier who has no PIN yet: told at the phone, at the desk and at the till, and she sets the first one by herself."""

import io
from dataclasses import dataclass

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.browser.test_a_shift import open_till, type_and_enter
from tests.product import Json, Product, Till

PASSWORD = "窗外的桂花落在第三张桌子上"
MISSING, DIALOG = "[data-testid=pin-missing]", "[role=dialog]"


@dataclass(frozen=True)
class Newcomer:
    """A cashier of the first canteen, on her first day."""

    name: str
    username: str


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture
def newcomer(product: Product, till: Till) -> Newcomer:
    """Somebody without a password becomes a cashier: asked for by one, approved by another, let in by a slip."""
    system, security = product.staff("system_admin"), product.staff("security_admin")
    people = system.get("/v1/people", params={"limit": 100}).json()["data"]
    person: Json = [each for each in people if each["username"] is None and each["organisation"]][-1]
    site = till.http.get("/v1/terminals/me").json()["site"]["id"]
    asked = security.post(f"/v1/people/{person['id']}/roles", json={"role": "cashier", "site": site}).json()
    approved = system.post(f"/v1/approvals/{asked['approval']}/approve")
    assert approved.status_code == 200, approved.text
    slip = system.post("/v1/activations", json={"people": [person["id"]]}).json()["data"][0]
    used = product.client().post("/v1/activations/use", json={"code": slip["code"], "password": PASSWORD})
    return Newcomer(person["name"], used.json()["username"])


def type_pin(page: Page, pin: str, again: str) -> None:
    page.locator("input[name=pin]").fill(pin)
    page.locator("input[name=pin_again]").fill(again)


class TestTheFirstPin:
    def test_is_asked_for_after_signing_in_and_set_on_the_phone_that_the_till_points_to(
        self, new_page: NewPage, product: Product, till: Till, newcomer: Newcomer
    ) -> None:
        phone = new_page(PHONE)
        phone.goto("/")
        sign_in(phone, newcomer.username, PASSWORD)
        expect(phone.locator(MISSING)).to_contain_text("还没有收银密码")

        page = open_till(new_page, till)
        page.get_by_test_id("shift").click()
        page.get_by_role("button", name=newcomer.name).click()
        expect(page.get_by_test_id("first-pin")).to_contain_text(f"{newcomer.name} 还没有收银密码")
        assert serious(page) == []
        (seen,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        assert seen.text == f"{product.url}/?tab=till_pin"

        phone.goto(seen.text)
        for size in (DESK, PHONE):
            phone.set_viewport_size({"width": size[0], "height": size[1]})
            assert fits(phone)
            assert serious(phone) == []
        type_pin(phone, "802461", "802462")
        expect(phone.get_by_role("alert")).to_contain_text("不一致")
        expect(phone.get_by_role("button", name="保存")).to_be_disabled()
        type_pin(phone, "123456", "123456")
        phone.get_by_role("button", name="保存").click()
        expect(phone.get_by_role("alert")).to_contain_text("连续")
        type_pin(phone, "802461", "802461")
        phone.keyboard.press("Enter")
        expect(phone.get_by_role("status")).to_contain_text("已生效")
        phone.goto("/")
        expect(phone.locator("[data-testid=pay-qr], [data-testid=report-lost]").first).to_be_visible()
        expect(phone.locator(MISSING)).to_have_count(0)

        # The till has seen it by itself.
        expect(page.get_by_test_id("first-pin")).to_have_count(0)
        type_and_enter(page, "802461")
        expect(page.get_by_test_id("shift")).to_contain_text(newcomer.name)

    def test_is_set_at_the_desk_as_well(self, new_page: NewPage, newcomer: Newcomer) -> None:
        page = new_page(DESK)
        page.goto("/desk/shifts")
        sign_in(page, newcomer.username, PASSWORD)
        page.locator(MISSING).get_by_role("button", name="设置我的收银密码").click()
        assert serious(page) == []
        type_pin(page, "802461", "802461")
        page.keyboard.press("Enter")
        expect(page.locator(DIALOG)).to_be_hidden()
        expect(page.locator(MISSING)).to_have_count(0)
