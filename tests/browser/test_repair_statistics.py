"""Whoever leads the office looks at what became of the repairs of some weeks, looks into a house, and takes the figures along."""

import io
import re

from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, NewPage, choose
from tests.product import Json, Product


def open_figures(product: Product, new_page: NewPage) -> tuple[Page, Json]:
    """The page of a dispatcher, and what the server tells them of the same weeks."""
    login = next(person for person in product.card["staff"] if "dispatcher" in person["roles"])
    sent = {"username": login["username"], "password": login["password"]}
    session = product.client().post("/v1/sessions", json=sent).json()
    page = new_page(DESK, keep={"guanjia.session.desk": session}, service_workers="block")
    page.goto("/desk/repairs")
    with page.expect_response(re.compile("/v1/repair_statistics")) as told:
        page.get_by_role("link", name="报修统计").click()
    return page, told.value.json()


class TestFigures:
    def test_are_drawn_said_tabled_and_taken_along(self, product: Product, new_page: NewPage) -> None:
        page, told = open_figures(product, new_page)
        expect(page.get_by_test_id("figure-raised")).to_contain_text(str(told["totals"]["raised"]))
        score = page.get_by_test_id("figure-score")
        expect(score).to_contain_text(f"{told['satisfaction']['mean_score']:.2f}")
        # Never without who has answered.
        expect(score).to_contain_text(f"{told['satisfaction']['response_percent']:g}%")
        for name in ("flow", "times", "promises", "ratings", "load"):
            card = page.get_by_test_id(f"picture-{name}")
            expect(card.get_by_role("img", name=re.compile(r"\d"))).to_be_visible()
            expect(card.locator("svg path").first).to_be_attached()
            card.locator("summary").press("Enter")
            expect(card.get_by_role("table")).to_be_visible()
        rows = page.get_by_test_id("picture-load").locator("tbody tr")
        expect(rows).to_have_count(len(told["technicians"]))

        with page.expect_download() as taken:
            page.get_by_test_id("figures-xlsx").click()
        book = load_workbook(io.BytesIO(taken.value.path().read_bytes()))
        assert [row[0].value for row in book["按类别"]["A2:A99"] if row[0].value] == [
            row["name_zh"] for row in told["by_category"]
        ]

    def test_one_looks_into_a_house_and_a_time_without_repairs_says_so(
        self, product: Product, new_page: NewPage
    ) -> None:
        page, told = open_figures(product, new_page)
        house = next(row for row in told["by_place"] if row["id"])
        page.get_by_role("button", name=house["name_zh"]).click()
        expect(page.get_by_test_id("figure-raised")).to_contain_text(str(house["raised"]))
        # The place stands in the filter under its name.
        expect(page.get_by_text(house["name_zh"]).first).to_be_visible()

        choose(page, page.get_by_label("类别"), "电梯")
        choose(page, page.get_by_label("统计期间"), "上月")
        expect(page.locator("[data-state=empty]")).to_contain_text("这段时间没有报修")
