"""Finance at month's end: from who owes whom down to the single meal, on one page, by its address."""

from playwright.sync_api import expect

from tests.browser.conftest import DESK, PHONE, NewPage, sign_in
from tests.browser.looking import fits, serious
from tests.product import Product


class TestTheMonth:
    def test_every_figure_opens_down_to_its_meals_and_back_goes_back(self, new_page: NewPage, product: Product) -> None:
        page = new_page(DESK)
        finance = next(person for person in product.card["staff"] if person["roles"] == ["finance"])
        page.goto("/admin/settlement")
        sign_in(page, finance["username"], finance["password"])
        expect(page.locator("[data-testid=month]").first).to_be_visible()
        expect(page.locator("[data-testid=positions]")).to_be_visible()
        # A month that began less than four weeks ago has no month before it in the demo: then nobody owes anybody.
        if page.locator("[data-testid=flows]").count():
            page.get_by_role("group").get_by_text("轧差后").click()
            assert serious(page) == []
            page.locator("[data-testid=net-position]").first.click()
        else:
            page.locator("[data-testid=month]").first.click()
        part = page.locator("[data-testid=month-part]")
        expect(part).to_contain_text("发对账单")
        part.get_by_role("button", name="食堂").click()
        page.locator("[data-testid=statement]").first.click()
        page.locator("[data-testid=line-day]").first.click()
        expect(page.locator("[data-testid=meals] tbody tr").first).to_contain_text("¥")
        assert serious(page) == []
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert fits(page)

        page.go_back()
        expect(page.locator("[data-testid=line-day]").first).to_be_visible()
        with page.expect_download() as fetched:
            page.locator("[data-testid=download-csv]").click()
        assert fetched.value.suggested_filename.endswith(".csv")
