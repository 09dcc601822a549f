"""Getting in, on real screens: a slip becomes a password, a telephone the second factor, and nobody alone changes anything."""

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect

from kernel import clock
from tests.browser.conftest import DESK, PHONE, NewPage, choose, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product

Json = dict[str, Any]
OWN = "一句只有我自己知道的好记的话"


def staff(product: Product, role: str) -> Json:
    """The demo login of a role, signed in."""
    login = next(person for person in product.card["staff"] if role in person["roles"])
    sent = {"username": login["username"], "password": login["password"]}
    answer: Json = product.client().post("/v1/sessions", json=sent).json()
    return answer


def somebody_without_password(product: Product, token: str) -> Json:
    page = product.client(token).get("/v1/people", params={"limit": 100}).json()
    found: Json = next(person for person in page["data"] if person["username"] is None and person["organisation"])
    return found


def open_person(page: Page, person: Json) -> None:
    page.goto("/admin/people")
    page.locator(".search input").fill(person["staff_number"])
    row = page.locator("main table tbody tr").filter(has_text=person["staff_number"])
    expect(row).to_have_count(1)
    row.get_by_role("button").click()


class TestASlip:
    def test_leads_to_a_password_of_ones_own_and_then_to_a_second_factor(
        self, new_page: NewPage, product: Product
    ) -> None:
        system = staff(product, "system_admin")
        person = somebody_without_password(product, system["token"])
        desk = new_page(DESK, keep={"guanjia.session.admin": system})
        open_person(desk, person)
        desk.get_by_role("button", name="发激活单").click()
        desk.get_by_role("button", name="是", exact=True).click()
        slip = desk.get_by_test_id("slip")
        expect(slip).to_contain_text(person["name"])
        code = desk.get_by_test_id("slip-code").inner_text()
        desk.emulate_media(media="print")
        expect(desk.get_by_role("navigation")).to_be_hidden()

        phone = new_page(PHONE)
        phone.goto(f"/activate/{code}")
        username = phone.get_by_test_id("username").inner_text()
        phone.locator("input[name=new_password]").fill(OWN)
        phone.locator("input[name=password_again]").fill(OWN + "？")
        expect(phone.get_by_role("alert")).to_contain_text("不一样")
        phone.locator("input[name=password_again]").fill(OWN)
        phone.keyboard.press("Enter")
        expect(phone.get_by_role("status")).to_contain_text(username)
        phone.goto(f"/activate/{code}")
        expect(phone.get_by_role("alert")).to_contain_text("已使用")

        self._second_factor(new_page(DESK), username)

    def _second_factor(self, page: Page, username: str) -> None:
        page.goto("/admin")
        sign_in(page, username, OWN)
        page.get_by_role("link", name="登录安全").click()
        page.locator("input[name=present]").fill(OWN)
        page.keyboard.press("Enter")
        expect(page.locator("form img")).to_be_visible()
        secret = (page.locator(".secret").text_content() or "").strip()
        page.locator("input[name=first_code]").fill(_code(secret))
        page.keyboard.press("Enter")
        codes = page.get_by_test_id("recovery-codes").locator("li")
        expect(codes).to_have_count(10)
        recovery = codes.first.inner_text()
        page.get_by_role("button", name="我已收好，继续").click()
        expect(page.get_by_role("main")).to_contain_text("动态口令已启用")

        page.get_by_role("button", name=re.compile("退出登录")).click()
        sign_in(page, username, OWN)
        page.locator("input[name=code]").fill(_code(secret))
        page.keyboard.press("Enter")
        # The code that turned it on is used up; a recovery code opens once.
        expect(page.get_by_role("alert")).to_be_visible()
        page.locator("input[name=code]").fill(recovery)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="登录安全")).to_be_visible()


def _code(secret: str) -> str:
    return pyotp.TOTP(secret).generate_otp(int(clock.now().timestamp()) // 30)


class TestTheCampus:
    def test_is_a_button_beside_the_password_and_its_way_back_is_understood(
        self, new_page: NewPage, product: Product
    ) -> None:
        """The way itself is walked in tests/identity/test_campus.py; here is what the page makes of it."""
        page = new_page(PHONE)

        def offer(route: Route) -> None:
            route.fulfill(json={"campus": {"name": "统一身份认证", "path": "/v1/sessions/campus"}})

        def hand_over(route: Route) -> None:
            route.fulfill(status=201, json=staff(product, "audit_admin"))

        page.route("**/v1/sign_in_options", offer)
        page.goto("/admin?sign_in_failed=CAMPUS_UNKNOWN")
        expect(page.get_by_role("alert")).to_contain_text("没有对应的人员")
        link = page.get_by_role("link", name="用统一身份认证登录")
        expect(link).to_have_attribute("href", "/v1/sessions/campus?return_to=%2Fadmin%2Forganisations")
        page.route("**/v1/sessions/campus", hand_over)
        page.goto("/admin?signed_in=campus")
        expect(page.get_by_role("link", name="登录安全")).to_be_visible()
        assert "signed_in" not in page.url


class TestAForgottenPassword:
    """The letter and its link are walked in tests/identity/test_password_reset.py; here is what the page makes of it."""

    def test_is_not_offered_where_no_mail_is_sent(self, new_page: NewPage) -> None:
        page = new_page(PHONE)
        with page.expect_response("**/v1/demo_logins"):
            page.goto("/")
        expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="忘记密码")).to_have_count(0)

    @pytest.mark.parametrize("size", [PHONE, DESK], ids=["390", "1440"])
    def test_is_asked_about_by_name_and_answered_alike(self, new_page: NewPage, size: tuple[int, int]) -> None:
        page = new_page(size)
        page.route("**/v1/sign_in_options", lambda route: route.fulfill(json={"campus": None, "password_reset": True}))
        answers = iter(
            [(429, {"code": "TOO_MANY_REQUESTS", "message": "请稍后再试", "data": {}, "request_id": "req_0"})]
        )
        page.route(
            "**/v1/password_resets",
            lambda route: _answer(route, *next(answers, (202, {"status": "asked"}))),
        )
        page.goto("/admin")
        page.locator("input[name=username]").fill("jinzhixuan")
        page.get_by_role("button", name="忘记密码").click()
        expect(page.locator("input[name=forgotten_username]")).to_have_value("jinzhixuan")
        assert fits(page)
        assert serious(page) == []
        page.get_by_role("button", name="发送链接").click()
        expect(page.get_by_role("alert")).to_contain_text("请稍后再试")
        page.get_by_role("button", name="发送链接").click()
        expect(page.get_by_test_id("reset-asked")).to_contain_text("如果账号 jinzhixuan 登记了邮箱")
        assert serious(page) == []
        page.get_by_role("button", name="返回登录").click()
        expect(page.locator("input[name=password]")).to_be_visible()

    def test_goes_to_an_address_that_one_gives_with_ones_password(self, new_page: NewPage, product: Product) -> None:
        page, login = new_page(PHONE), product.card["employees"][37]
        page.route("**/v1/sign_in_options", lambda route: route.fulfill(json={"campus": None, "password_reset": True}))
        page.goto("/?tab=me")
        sign_in(page, login["username"], login["password"])
        expect(page.locator("nav")).to_be_visible()
        page.goto("/?tab=me")
        mine = page.get_by_test_id("mail-address")
        expect(mine).to_contain_text("未登记")
        mine.get_by_role("button", name="登记").click()
        assert serious(page) == []
        mine.locator("input[name=email]").fill("lin@example.test")
        mine.locator("input[name=present]").fill("not-the-password")
        page.keyboard.press("Enter")
        expect(mine.get_by_role("alert")).to_be_visible()
        mine.locator("input[name=present]").fill(login["password"])
        page.keyboard.press("Enter")
        expect(mine).to_contain_text("lin@example.test")
        assert fits(page)


def _answer(route: Route, status: int, body: Json) -> None:
    route.fulfill(status=status, json=body)


class TestTwoPeople:
    def test_give_a_role_after_both_have_seen_what_it_changes(self, new_page: NewPage, product: Product) -> None:
        security, system = staff(product, "security_admin"), staff(product, "system_admin")
        person = somebody_without_password(product, system["token"])
        asking = new_page(DESK, keep={"guanjia.session.admin": security})
        open_person(asking, person)
        asking.get_by_role("button", name="申请新角色").click()
        dialog = asking.get_by_role("dialog", name="申请新角色")
        choose(asking, dialog.get_by_role("combobox", name="角色"), "维修技师")
        choose(asking, dialog.get_by_role("combobox", name="范围类型"), "全部")
        dialog.get_by_role("button", name="看看会改变什么").click()
        expect(asking.get_by_test_id("role-preview")).to_contain_text(f"{person['name']} 将成为维修技师")
        dialog.get_by_role("button", name="提交审批").click()
        expect(dialog).to_be_hidden()

        deciding = new_page(DESK, keep={"guanjia.session.admin": system})
        deciding.goto("/admin/approvals")
        card = deciding.get_by_test_id("approval").filter(has_text=f"{person['name']} 将成为维修技师")
        card.get_by_role("button", name="批准").click()
        expect(card).to_have_count(0)
        open_person(deciding, person)
        expect(deciding.get_by_role("dialog")).to_contain_text("维修技师")

    def test_end_a_role_on_a_day_after_both_have_seen_what_it_changes(
        self, new_page: NewPage, product: Product
    ) -> None:
        security, system = staff(product, "security_admin"), staff(product, "system_admin")
        person = somebody_without_password(product, system["token"])
        path = f"/v1/people/{person['id']}/roles"
        asked = product.client(security["token"]).post(path, json={"role": "duty_staff"}).json()["approval"]
        product.client(system["token"]).post(f"/v1/approvals/{asked}/approve")

        asking = new_page(DESK, keep={"guanjia.session.admin": security})
        open_person(asking, person)
        held = asking.get_by_role("listitem").filter(has_text="值班员")
        held.get_by_role("button", name="定日收回").click()
        dialog = asking.get_by_role("dialog", name="收回“值班员”")
        day = clock.now().astimezone(ZoneInfo("Asia/Shanghai")) + timedelta(days=40)
        dialog.get_by_role("combobox", name="从哪天起收回").fill(f"{day:%Y-%m-%d}")
        asking.keyboard.press("Enter")
        for size in (PHONE, DESK):
            asking.set_viewport_size({"width": size[0], "height": size[1]})
            assert fits(asking)
            assert serious(asking) == []
        dialog.get_by_role("button", name="看看会改变什么").click()
        shown = asking.get_by_test_id("role-preview")
        expect(shown).to_contain_text(f"{person['name']} 将不再是值班员")
        expect(shown).to_contain_text(f"{day.month}月{day.day}日")
        dialog.get_by_role("textbox", name="理由").fill("合同到期")
        dialog.get_by_role("button", name="提交审批").click()
        expect(dialog).to_be_hidden()

        deciding = new_page(DESK, keep={"guanjia.session.admin": system})
        deciding.goto("/admin/approvals")
        card = deciding.get_by_test_id("approval").filter(has_text=f"{person['name']} 将不再是值班员")
        expect(card).to_contain_text("合同到期")
        card.get_by_role("button", name="批准").click()
        expect(card).to_have_count(0)
        roles = product.client(security["token"]).get(path).json()["data"]
        assert [each["role"] for each in roles if each["role"] == "duty_staff"] == ["duty_staff"], "not before its day"

    @pytest.mark.parametrize("size", [PHONE, DESK], ids=["390", "1440"])
    def test_change_a_price_or_leave_it(self, new_page: NewPage, product: Product, size: tuple[int, int]) -> None:
        asking = new_page(size, keep={"guanjia.session.admin": staff(product, "canteen_manager")})
        asking.goto("/admin/prices")
        choose(asking, asking.get_by_role("combobox", name="食堂"), re.compile("^(?!.*通用)"))
        cell = asking.get_by_role("button", name=re.compile("在职人员 午餐"))
        expect(cell).to_contain_text("同通用")
        before = cell.inner_text()
        cell.click()
        price = asking.get_by_role("dialog").locator("input").first
        price.fill("97.31")
        asking.get_by_role("button", name="看看会改变什么").click()
        shown = asking.get_by_test_id("price-preview")
        expect(shown).to_contain_text("97.31")
        expect(shown).to_contain_text(re.compile(r"[1-9]\d* 人"))
        asking.get_by_role("button", name="提交审批").click()
        expect(asking.get_by_role("link", name="有 1 项改价等待审批")).to_be_visible()
        assert cell.inner_text() == before, "nothing has changed yet"

        deciding = new_page(size, keep={"guanjia.session.admin": staff(product, "finance")})
        deciding.goto("/admin/approvals")
        card = deciding.get_by_test_id("approval").filter(has_text="97.31")
        card.get_by_role("textbox").fill("太贵")
        card.get_by_role("button", name="驳回").click()
        expect(card).to_have_count(0)
        asking.goto("/admin/approvals")
        asking.get_by_text("全部记录").click()
        told = asking.get_by_test_id("approval").filter(has_text="97.31").first
        expect(told).to_contain_text("太贵")
