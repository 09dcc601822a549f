"""Something is wrong with a payment, on real screens: said on the phone, answered at the desk, and the money back before
one's eyes. And who leaves takes their cash along."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product, fresh_amount_fen

# Whoever leaves is gone for the rest of the run.
LEAVER = 17


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
        desk = new_page(DESK)
        manager = next(person for person in product.card["staff"] if "canteen_manager" in person["roles"])
        desk.goto("/desk/disputes")
        sign_in(desk, manager["username"], manager["password"])
        under_way = desk.locator("[data-testid=dispute-list] li button")
        expect(desk.locator("[data-testid=dispute-list], [data-state=empty]").first).to_be_visible()
        before = under_way.count()

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

        # The desk was open all the while: the line has told it.
        expect(under_way).to_have_count(before + 1)
        under_way.first.click()
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

    def test_the_office_sends_it_for_who_has_left_and_says_what_the_gateway_says(
        self, new_page: NewPage, product: Product
    ) -> None:
        diner, name = product.diner(LEAVER), product.card["employees"][LEAVER]["name"]
        cash_fen = diner.purses()["cash_fen"]
        person = diner.http.get("/v1/me").json()["id"]
        assert product.staff("system_admin").post(f"/v1/people/{person}/leave").status_code == 200
        office = new_page(DESK)
        office.goto("/admin/cards")
        login = next(person for person in product.card["staff"] if person["username"] == "finance")
        sign_in(office, login["username"], login["password"])
        office.get_by_placeholder("姓名").fill(name)
        office.keyboard.press("Enter")
        office.get_by_role("button", name=name).click()
        leaver = office.get_by_test_id("leaver")
        rows, dialog = leaver.get_by_test_id("withdrawal"), office.get_by_role("dialog")

        leaver.get_by_role("button", name="退还现金").click()
        dialog.get_by_role("button", name="退还现金").click()
        expect(dialog).to_contain_text("支付宝账号和本人姓名都要填")
        dialog.locator("input[name=payee_account]").fill("nobody@example.com")
        dialog.locator("input[name=payee_name]").fill("别人")
        dialog.get_by_role("button", name="退还现金").click()
        expect(dialog.get_by_role("alert")).to_contain_text("姓名")
        dialog.locator("input[name=payee_name]").fill(name)
        assert serious(office) == []
        dialog.get_by_role("button", name="退还现金").click()
        expect(dialog).to_have_count(0)
        expect(rows.first).to_contain_text("等财务复核")
        assert fits(office)
        rows.first.get_by_role("button", name="取消").click()
        expect(rows.first).to_contain_text("已取消")

        for account, outcome in (("nobody@example.com", "没有这个支付宝账号"), ("slow@example.com", "已到账")):
            leaver.get_by_role("button", name="退还现金").click()
            dialog.locator("input[name=payee_account]").fill(account)
            dialog.locator("input[name=payee_name]").fill(name)
            dialog.get_by_role("button", name="退还现金").click()
            expect(rows.first).to_contain_text("等财务复核")
            approve(product, person)
            expect(rows.first).to_contain_text(outcome, timeout=30_000)
        expect(rows.first).to_contain_text(f"{cash_fen / 100:,.2f}")


def approve(product: Product, person: str) -> None:
    """The second person of finance."""
    other = product.client(product.token_of("finance2"))
    pending = other.get("/v1/approvals", params={"status": "pending", "kind": "withdrawal"}).json()["data"]
    asked = next(each for each in pending if each["payload"]["person"] == person)
    assert other.post(f"/v1/approvals/{asked['id']}/approve", json={}).status_code in (200, 201)
