"""A wall code on real screens: read from a photo or opened by the phone's own camera, looked at, paid; and one's card."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
import qrcode
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.pdf import pictures_of
from tests.product import Json, Product, Till, fresh_amount_fen

PLACE = "[data-testid=scan-place]"
PAY = "[data-testid=scan-pay]"


@pytest.fixture(scope="module")
def till(product: Product) -> Till:
    return product.new_till()


@pytest.fixture(scope="module")
def wall(product: Product, till: Till) -> Json:
    office = product.staff("system_admin")
    code: Json = office.post("/v1/place_codes", json={"site": till.canteen, "terminal": till.id}).json()
    return code


@pytest.fixture(scope="module")
def name(till: Till) -> str:
    return str(till.http.get("/v1/terminals/me").json()["site"]["name_zh"])


def phone(new_page: NewPage, product: Product, number: int, address: str) -> Page:
    """Somebody whose phone opens an address and asks them to sign in first."""
    page, login = new_page(PHONE), product.card["employees"][number]
    page.goto(address)
    sign_in(page, login["username"], login["password"])
    return page


def yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def serve(product: Product, till: Till, wall: Json) -> tuple[Json, Json, Json]:
    """The menu of this meal with at least three dishes, the last of them sold out; two that are there, and that one."""
    manager = product.staff("canteen_manager")
    meal = product.diner(20).http.get(f"/v1/place_codes/{wall['text']}").json()["meal"]
    path = f"/v1/canteens/{till.canteen}"
    menu = next((each for each in manager.get(f"{path}/menus").json()["data"] if each["meal"] == meal), None)
    if menu is None:
        dishes = manager.get(f"{path}/dishes", params={"limit": 3}).json()["data"]
        today = till.http.get("/v1/terminals/me").json()["canteen"]["business_date"]
        items = [{"dish_id": each["id"]} for each in dishes]
        made = manager.post(f"{path}/menus", json={"business_date": today, "meal": meal, "items": items}).json()
        menu = manager.post(f"/v1/menus/{made['id']}/publish").json()
    sold, other, *_, gone = [{**each, "menu": menu["id"]} for each in menu["items"]]
    for each in (sold, other):
        run_out(till, each, sold_out=False)
    run_out(till, gone, sold_out=True)
    return sold, other, gone


def run_out(till: Till, item: Json, *, sold_out: bool) -> None:
    """One key at the till."""
    path = f"/v1/menus/{item['menu']}/items/{item['dish_id']}/sold_out"
    assert till.http.put(path, json={"sold_out": sold_out}).status_code == 200


def dish(page: Page, item: Json) -> Locator:
    return page.locator(f"{PLACE} li").filter(has_text=item["name_zh"])


class TestAWallCode:
    def test_opened_by_the_phones_own_camera_it_is_keyed_and_paid(
        self, new_page: NewPage, product: Product, wall: Json, name: str
    ) -> None:
        page, amount_fen = phone(new_page, product, 16, f"/pay/{wall['text']}"), fresh_amount_fen()
        expect(page.locator(f"{PLACE} h2")).to_have_text(name)
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            assert fits(page)
            assert serious(page) == []
        page.get_by_text("输入金额", exact=True).click()
        expect(page.locator(PAY)).to_be_disabled()
        page.locator(f"{PLACE} input.figures").fill(yuan(amount_fen))
        page.keyboard.press("Enter")
        paid = page.locator(".paid")
        expect(paid).to_contain_text(f"¥{yuan(amount_fen)}")
        expect(paid).to_contain_text(name)
        page.get_by_role("button", name="价格说明").click()
        expect(page.locator(".detail")).to_contain_text("扫收款码")

    def test_read_from_a_photo_of_the_sheet_the_price_is_confirmed(
        self, new_page: NewPage, product: Product, till: Till, wall: Json, name: str, tmp_path: Path
    ) -> None:
        sheet = product.staff("system_admin").get(f"/v1/place_codes/sheet?site={till.canteen}&code={wall['id']}")
        photo = tmp_path / "sheet.png"
        pictures_of(sheet.content, scale=2)[0].save(photo)
        page = phone(new_page, product, 17, "/pay")
        page.locator("input[type=file]").set_input_files(photo)
        expect(page.locator(f"{PLACE} h2")).to_have_text(name)
        # Whatever meal it is now, it has a price: the first canteen serves round the clock.
        expect(page.locator(PAY)).to_have_text(re.compile(r"付款\s*¥\d+\.\d\d"))
        page.locator(PAY).click()
        expect(page.locator(".paid")).to_be_visible()

    def test_dishes_are_chosen_from_the_menu_of_this_meal_and_paid_together(
        self, new_page: NewPage, product: Product, till: Till, wall: Json
    ) -> None:
        sold, other, gone = serve(product, till, wall)
        page = phone(new_page, product, 20, f"/pay/{wall['text']}")
        page.get_by_text("点菜", exact=True).click()
        expect(page.locator(PAY)).to_be_disabled()
        expect(dish(page, gone)).to_contain_text("售完")
        expect(dish(page, gone).get_by_role("button")).to_have_count(0)
        for each in (sold, sold, other, other):
            dish(page, each).get_by_role("button", name="+1").click()
        dish(page, other).get_by_role("button", name="−1").click()

        total = yuan(2 * sold["price_fen"] + other["price_fen"])
        expect(page.locator(PLACE)).to_contain_text("共 3 份")
        expect(page.locator(PAY)).to_have_text(re.compile(rf"付款\s*¥{total}"))
        for size in (DESK, PHONE):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            assert fits(page)
            assert serious(page) == []
        with page.expect_request("**/v1/me/scan_payments") as sent:
            page.locator(PAY).click()
        ordered = [{"dish_id": sold["dish_id"], "quantity": 2}, {"dish_id": other["dish_id"], "quantity": 1}]
        assert (sent.value.post_data_json or {})["items"] == ordered
        expect(page.locator(".paid")).to_contain_text(f"¥{total}")

    def test_a_dish_that_runs_out_meanwhile_is_said_and_not_charged(
        self, new_page: NewPage, product: Product, till: Till, wall: Json
    ) -> None:
        sold, other, _ = serve(product, till, wall)
        page = phone(new_page, product, 21, f"/pay/{wall['text']}")
        page.get_by_text("点菜", exact=True).click()
        for each in (sold, other):
            dish(page, each).get_by_role("button", name="+1").click()
        run_out(till, sold, sold_out=True)
        page.locator(PAY).click()

        expect(page.locator("[data-testid=scan-failure]")).to_contain_text("售完")
        expect(dish(page, sold)).to_contain_text("售完")
        expect(page.locator(PAY)).to_have_text(re.compile(rf"付款\s*¥{yuan(other['price_fen'])}"))
        run_out(till, sold, sold_out=False)

    def test_a_code_of_somebody_else_is_not_paid(self, new_page: NewPage, product: Product, tmp_path: Path) -> None:
        photo = tmp_path / "other.png"
        with photo.open("wb") as file:
            qrcode.make("https://qr.alipay.com/fkx00000000000000000").save(file)
        page = phone(new_page, product, 18, "/pay")
        page.locator("input[type=file]").set_input_files(photo)
        expect(page.get_by_role("alert").filter(has_text="请勿付款")).to_be_visible()
        page.goto(f"/pay/711{'0' * 67}")
        expect(page.locator("[data-testid=scan-refused]")).to_contain_text("请勿付款")
        expect(page.locator(PAY)).to_have_count(0)

    def test_far_away_one_is_warned_and_must_say_that_the_name_is_right(
        self, new_page: NewPage, product: Product, till: Till, wall: Json
    ) -> None:
        office = product.staff("system_admin")
        site = till.http.get("/v1/terminals/me").json()["site"]["id"]
        office.patch(f"/v1/sites/{site}", json={"latitude": 30.2431, "longitude": 120.15})
        page = new_page(PHONE)
        page.context.grant_permissions(["geolocation"])
        page.context.set_geolocation({"latitude": 30.29, "longitude": 120.15, "accuracy": 30})
        login = product.card["employees"][18]
        page.goto(f"/pay/{wall['text']}")
        sign_in(page, login["username"], login["password"])
        expect(page.locator(".far")).to_contain_text("公里")
        expect(page.locator(PAY)).to_be_disabled()
        page.get_by_label("名称没错").check()
        with page.expect_request("**/v1/me/scan_payments") as sent:
            page.locator(PAY).click()
        assert (sent.value.post_data_json or {})["location"] == {
            "latitude": 30.29,
            "longitude": 120.15,
            "accuracy_m": 30,
        }
        expect(page.locator(".paid")).to_be_visible()

    def test_without_an_answer_only_the_very_same_can_be_sent_again(
        self, new_page: NewPage, product: Product, wall: Json
    ) -> None:
        page, amount_fen = phone(new_page, product, 19, f"/pay/{wall['text']}"), fresh_amount_fen()
        keys: list[str] = []
        page.on(
            "request",
            lambda request: (
                keys.append(request.headers["idempotency-key"]) if request.url.endswith("/scan_payments") else None
            ),
        )
        page.get_by_text("输入金额", exact=True).click()
        page.locator(f"{PLACE} input.figures").fill(yuan(amount_fen))
        page.route("**/v1/me/scan_payments", lambda route: route.abort())
        page.locator(PAY).click()
        expect(page.locator("[data-testid=scan-failure]")).to_contain_text("不会重复扣款")
        expect(page.locator(PAY)).to_be_disabled()
        page.unroute("**/v1/me/scan_payments")
        page.get_by_role("button", name="用同一单号再试").click()
        expect(page.locator(".paid")).to_be_visible()
        assert len(keys) == 2
        assert len(set(keys)) == 1


class TestACard:
    def test_taken_on_the_phone_it_pays_and_the_phone_says_so_at_once(
        self, new_page: NewPage, product: Product, till: Till
    ) -> None:
        page, number = phone(new_page, product, 12, "/"), str(uuid4().int)[:10]
        expect(page.locator("[data-testid=pay-qr][data-drawn]")).to_be_visible()
        page.goto("/?tab=card")
        page.get_by_role("button", name="换一张卡").click()  # The demo has given one to everybody.
        page.locator("section input.figures").fill(number)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("已启用")
        page.get_by_role("button", name="设置支付密码").click()
        page.locator("input[type=password]").fill("123456")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("连续")
        page.locator("input[type=password]").fill("274911")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("已生效")
        answer = till.pay({"credential": {"kind": "card", "value": number}, "amount_fen": fresh_amount_fen()})
        assert answer.status_code == 201, answer.text
        expect(page.locator(".paid")).to_contain_text("实体卡")
        expect(page.locator(".paid")).to_contain_text("挂失")

    def test_the_office_sees_whose_it_is_and_stops_it(self, new_page: NewPage, product: Product, till: Till) -> None:
        diner, number = product.diner(11), str(uuid4().int)[:10]
        assert diner.http.post("/v1/me/card", json={"number": number}).status_code == 201
        login = next(each for each in product.card["staff"] if "finance" in each["roles"])
        page = new_page(DESK)
        page.goto("/admin/cards")
        sign_in(page, login["username"], login["password"])
        expect(page.get_by_label("刷卡或输入卡号")).to_be_focused()
        page.keyboard.type(number)
        page.keyboard.press("Enter")
        account = page.locator("[data-testid=account]")
        expect(account).to_contain_text(diner.http.get("/v1/me").json()["name"])
        account.get_by_role("button", name="挂失").click()
        page.get_by_role("button", name="是", exact=True).click()
        expect(account).to_contain_text("已挂失")
        answer = till.pay({"credential": {"kind": "card", "value": number}, "amount_fen": fresh_amount_fen()})
        assert answer.json()["code"] == "DENY_LOST"
        account.get_by_role("button", name="解挂").click()
        expect(account).to_contain_text("正常")
