"""Every screen, at a phone's and at a desk's width, in both languages: it fits, it passes axe, and it says what it is."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage
from tests.product import ROOT, Product

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# Name of the screen, its address, whose it is, and what shows that it has come up.
SCREENS: tuple[tuple[str, str, str | None, str], ...] = (
    ("sign in", "/", None, "input[name=password]"),
    ("pay code", "/", "employee", "[data-testid=pay-qr][data-drawn]"),
    ("account", "/?tab=account", "employee", "main li"),
    ("me", "/?tab=me", "employee", "main h2"),
    ("pairing", "/terminal", None, "input[name=pairing_code]"),
    ("till", "/terminal", "till", "[data-testid=till-result]"),
    ("demo", "/demo", None, "[data-testid=hold]"),
    ("board", "/desk/canteen", "canteen_manager", "[data-testid=board-count]"),
    ("organisations", "/admin/organisations", "system_admin", "main table tbody tr"),
    ("people", "/admin/people", "system_admin", "main table tbody tr"),
    ("terminals", "/admin/terminals", "system_admin", "main table tbody tr"),
    ("canteens", "/admin/canteens", "system_admin", "main table tbody tr"),
    ("prices", "/admin/prices", "system_admin", "main table tbody tr"),
    ("menus", "/admin/menus", "system_admin", "main"),
    ("no such page", "/nowhere", None, "a[href='/']"),
)
SESSION_OF = {"employee": "phone", "canteen_manager": "desk", "system_admin": "admin"}


@pytest.fixture(scope="module")
def kept(product: Product) -> Callable[[str | None], dict[str, object]]:
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
        return {f"guanjia.session.{SESSION_OF[role]}": answers[role]}

    return keep


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out, as `rule: selector`."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen[0])
class TestEveryScreen:
    def test_fits_speaks_and_keeps_nobody_out(
        self,
        new_page: NewPage,
        kept: Callable[[str | None], dict[str, object]],
        screen: tuple[str, str, str | None, str],
    ) -> None:
        name, address, role, sign = screen
        for language in ("zh-CN", "en"):
            page = new_page(PHONE, language=language, keep=kept(role))
            page.goto(address)
            for width, height in (PHONE, DESK):
                page.set_viewport_size({"width": width, "height": height})
                expect(page.locator(sign).first).to_be_visible()
                where = (name, width, language)
                used = page.evaluate("document.documentElement.scrollWidth")
                assert used <= width, (*where, f"scrolls sideways: {used} px")
                assert page.evaluate("document.documentElement.lang") == language, where
                assert serious(page) == [], where
            page.context.close()


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


class TestTheNight:
    @pytest.mark.parametrize("address", ["/", "/demo"])
    def test_is_readable_too(self, new_page: NewPage, address: str) -> None:
        page = new_page(DESK, keep={"guanjia.theme": "night"})
        page.goto(address)
        expect(page.locator("input[name=password]").first).to_be_visible()

        assert page.evaluate("document.documentElement.dataset.theme") == "night"
        assert serious(page) == []
