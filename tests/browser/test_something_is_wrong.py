"""Something is wrong with a payment, on real screens: said on the phone, answered at the desk, and the money back before
one's eyes. And who leaves takes their cash along."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product, fresh_amount_fen


def open_phone(new_page: NewPage, product: Product, number: int, address: str) -> Page:
    """Somebody signed in, at a place."""
    page = new_page(PHONE)
    login = product.card["employees"][number]
    page.goto("/")
    sign_in(page, login["username"], login["password"])
    expect(page.locator("nav")).to_be_visible()
    page.goto(address)
    return page


class TestADispute:
    def test_the_canteen_accepts_and_the_money_returns_live_on_the_phone(
        self, new_page: NewPage, product: Product
    ) -> None:
        amount_fen = 300 + fresh_amount_fen()
        paid = product.new_till().pay({"code": product.diner(36).code()["code"], "amount_fen": amount_fen}).json()
        phone = open_phone(new_page, product, 36, f"/?tab=account&payment={paid['id']}")
        phone.locator("[data-testid=something-is-wrong]").click()
        form = phone.locator("[data-testid=dispute-form]")
        form.get_by_label("金额不对").check()
        form.get_by_label("说明").fill("多收了一元")
        form.locator("input[name=amount]").fill("1.00")
        assert serious(phone) == []
        phone.keyboard.press("Enter")
        told = phone.locator("[data-testid=dispute]")
        expect(told).to_contain_text("等食堂答复")
        expect(phone.locator("[data-testid=dispute-clock]")).to_contain_text("轮到食堂")
        assert fits(phone)

        desk = new_page(DESK)
        manager = next(person for person in product.card["staff"] if "canteen_manager" in person["roles"])
        desk.goto("/desk/disputes")
        sign_in(desk, manager["username"], manager["password"])
        desk.locator("[data-testid=dispute-list] li button").first.click()
        answer = desk.locator("[data-testid=answer]")
        expect(answer).to_contain_text("多收了一元")
        expect(answer).not_to_contain_text(product.card["employees"][36]["name"])
        answer.locator("textarea").fill("确实多收，抱歉")
        expect(answer.locator("input")).to_have_value("1.00")
        assert serious(desk) == []
        answer.locator("[data-testid=trigger-accept]").click()

        expect(told).to_contain_text("钱已退回")
        expect(told).to_contain_text("确实多收，抱歉")
        expect(phone.locator(".detail > header")).to_contain_text("部分退款")
        expect(phone.locator(".detail > header")).to_contain_text("1.00")


class TestLeaving:
    def test_the_cash_is_on_its_way_once_finance_has_agreed(self, new_page: NewPage, product: Product) -> None:
        phone = open_phone(new_page, product, 37, "/?tab=withdraw")
        name = product.card["employees"][37]["name"]
        phone.locator("input[name=account]").fill("leaving@example.com")
        phone.locator("input[name=name]").fill(name)
        phone.locator("[data-testid=send-cash]").click()
        expect(phone.get_by_role("alert")).to_contain_text("账户注销")
        assert serious(phone) == []
        phone.locator("[data-testid=send-cash]").click()
        row = phone.locator("[data-testid=withdrawal]")
        expect(row).to_contain_text("等财务复核")

        office = product.staff("finance")
        pending = office.get("/v1/approvals", params={"status": "pending", "kind": "withdrawal"}).json()["data"]
        assert office.post(f"/v1/approvals/{pending[0]['id']}/approve", json={}).status_code in (200, 201)
        expect(row).to_contain_text("已到账")
