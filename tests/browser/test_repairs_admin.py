"""The office of repairs: a kind, a technician, a promise, parts and a problem, each kept by its screen; and who else sees what comes of it."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage, choose
from tests.browser.test_repairs import Scene, open_phone, photo, scene, sign_in
from tests.product import Json, Product

__all__ = ["scene"]


@pytest.fixture
def office(product: Product) -> Json:
    return sign_in(product, next(each for each in product.card["staff"] if "system_admin" in each["roles"]))


def open_part(new_page: NewPage, login: Json, part: str, size: tuple[int, int] = DESK) -> Page:
    page = new_page(size, keep={"guanjia.session.admin": login})
    page.goto(f"/admin/repairs?part={part}")
    return page


def search(page: Page, name: str, words: str, option: str | re.Pattern[str]) -> None:
    """An option of a list that asks the server."""
    box = page.get_by_role("combobox", name=name).filter(visible=True).last
    box.fill(words)
    page.get_by_role("option").filter(visible=True).filter(has_text=option).first.click()


class TestKinds:
    def test_a_kind_is_opened_changed_retired_and_used_again(self, new_page: NewPage, office: Json) -> None:
        code = f"door_{uuid4().hex[:8]}"
        page = open_part(new_page, office, "categories")
        page.get_by_test_id("new-category").click()
        dialog = page.get_by_role("dialog")
        dialog.locator("input[name=name_zh]").fill(f"门窗 {code}")
        dialog.locator("input[name=name_en]").fill("Doors")
        dialog.locator("input[name=code]").fill("Not A Code")
        choose(page, dialog.get_by_role("combobox", name="紧急程度"), "较急")
        choose(page, dialog.get_by_role("combobox", name="怎么派"), "师傅自己接")
        dialog.get_by_role("button", name="加一项").click()
        dialog.get_by_label("中文 1").fill("试开关三次")
        dialog.get_by_role("button", name="保存").click()
        # The server says what is wrong with it; nothing is lost.
        expect(dialog.get_by_role("alert")).to_be_visible()
        dialog.locator("input[name=code]").fill(code)
        dialog.get_by_role("button", name="保存").click()
        row = page.locator(f"[data-testid=category][data-code={code}]")
        expect(row).to_contain_text("较急")
        expect(row).to_contain_text("师傅自己接")
        expect(row).to_contain_text("1 项")

        row.get_by_test_id("edit-category").click()
        choose(page, dialog.get_by_role("combobox", name="紧急程度"), "紧急")
        dialog.get_by_role("button", name="保存").click()
        expect(row).to_contain_text("紧急")
        row.get_by_test_id("turn-category").click()
        page.get_by_role("dialog").get_by_role("button", name="停用").click()
        expect(row).to_have_count(0)
        page.get_by_text("也显示停用的").click()
        row.get_by_test_id("turn-category").click()
        expect(row.get_by_test_id("turn-category")).to_have_text("停用")


class TestTheWorkshop:
    def test_technicians_promises_parts_and_problems_are_kept_by_who_leads(
        self, new_page: NewPage, scene: Scene
    ) -> None:
        page = open_part(new_page, scene.dispatcher, "technicians")
        row = page.locator(f"[data-person={scene.technician['person']['id']}]")
        row.get_by_test_id("edit-technician").click()
        dialog = page.get_by_role("dialog")
        choose(page, dialog.get_by_role("combobox", name="技能"), "给排水")
        page.keyboard.press("Escape")
        dialog.get_by_role("button", name="保存").click()
        expect(row).to_contain_text("给排水")
        page.get_by_test_id("new-rate").click()
        dialog.locator("input[name=hour]").fill("60.00")
        dialog.get_by_role("button", name="保存").click()
        expect(page.get_by_test_id("rate").filter(has_text="¥60.00").first).to_be_visible()

        page.get_by_role("link", name="服务时限").click()
        self.a_promise_is_previewed_written_and_kept_possible(page, scene)
        page.get_by_role("link", name="备件").click()
        self.parts_come_in_and_are_counted(page)
        page.get_by_role("link", name="问题", exact=True).click()
        self.a_problem_is_opened_from_an_order_and_solved(page, scene)

    def a_promise_is_previewed_written_and_kept_possible(self, page: Page, scene: Scene) -> None:
        dialog, preview = page.get_by_role("dialog"), page.get_by_test_id("sla-preview")
        search(page, "选一个地点", "三楼走廊", "三楼走廊")
        choose(page, preview.get_by_role("combobox", name="类别"), scene.category["name_zh"])
        expect(page.get_by_test_id("preview-due")).to_contain_text("响应")
        expect(preview).to_contain_text("没有写过时限")
        page.get_by_test_id("new-target").click()
        choose(page, dialog.get_by_role("combobox", name="类别"), scene.category["name_zh"])
        dialog.get_by_role("button", name="保存").click()
        expect(page.get_by_test_id("target").filter(has_text=scene.category["name_zh"])).to_contain_text("16 小时")
        expect(preview).not_to_contain_text("没有写过时限")

        page.get_by_test_id("new-hours").click()
        search(page, "地点", "三楼走廊", "三楼走廊")
        dialog.get_by_label("第 1 段从").fill("09:00")
        dialog.get_by_label("第 1 段到").fill("09:01")
        dialog.get_by_role("button", name="去掉第 2 段").click()
        dialog.get_by_role("button", name="保存").click()
        # A minute a day: no promise of this house could be kept in it.
        expect(dialog.get_by_role("alert")).to_contain_text("走不完")
        dialog.get_by_label("第 1 段到").fill("21:00")
        dialog.get_by_role("button", name="保存").click()
        hours = page.get_by_test_id("hours").filter(has_text="三楼走廊")
        expect(hours).to_contain_text("09:00–21:00")
        expect(preview).to_contain_text("按这里的服务时间计")
        hours.get_by_role("button", name="停用").click()
        page.get_by_role("dialog").get_by_role("button", name="停用").click()
        expect(hours).to_have_count(0)

    def parts_come_in_and_are_counted(self, page: Page) -> None:
        dialog, code = page.get_by_role("dialog"), uuid4().hex[:8]
        page.get_by_test_id("new-store").click()
        dialog.locator("input[name=store_name]").fill(f"库房 {code}")
        dialog.get_by_role("button", name="保存").click()
        page.get_by_test_id("new-part").click()
        dialog.locator("input[name=part_name]").fill("灯管 T8")
        dialog.locator("input[name=part_code]").fill(code)
        dialog.get_by_label("最低").fill("4")
        dialog.locator("input[name=part_cost]").fill("12.5x")
        dialog.get_by_role("button", name="保存").click()
        expect(dialog.get_by_role("alert")).to_contain_text("12.50")
        dialog.locator("input[name=part_cost]").fill("12.50")
        dialog.get_by_role("button", name="保存").click()
        row = page.locator(f"[data-testid=part][data-code='{code}']")
        expect(row).to_contain_text("该补货")
        row.get_by_test_id("receive").click()
        dialog.get_by_label("入库数量").fill("6")
        dialog.get_by_role("button", name="保存").click()
        expect(row.get_by_test_id("part-quantity")).to_contain_text("6 个")
        expect(row).not_to_contain_text("该补货")
        row.get_by_test_id("count").click()
        dialog.get_by_label("实际数量").fill("5")
        dialog.get_by_role("button", name="保存").click()
        expect(row.get_by_test_id("part-quantity")).to_contain_text("5 个")
        expect(page.get_by_test_id("move").first).to_contain_text("盘点")
        page.get_by_text("只看该补货的").click()
        expect(row).to_have_count(0)

    def a_problem_is_opened_from_an_order_and_solved(self, page: Page, scene: Scene) -> None:
        words, other = f"跳闸 {uuid4().hex[:6]}", f"又跳闸 {uuid4().hex[:6]}"
        scene.raise_order(4, words)
        scene.raise_order(5, other)
        page.get_by_test_id("new-problem").click()
        search(page, "查找工单", words, words)
        page.get_by_role("dialog").get_by_role("button", name="从工单开问题").click()
        drawer = page.get_by_test_id("problem-drawer")
        expect(drawer.get_by_test_id("linked").filter(has_text=words)).to_have_count(1)
        search(page, "查找工单", other, other)
        drawer.get_by_test_id("link-order").click()
        expect(drawer.get_by_test_id("linked").filter(has_text=other)).to_have_count(1)
        drawer.get_by_test_id("problem-identify").click()
        drawer.locator("textarea").fill("线路过载")
        drawer.get_by_test_id("problem-send").click()
        expect(drawer).to_have_attribute("data-state-of", "identified")
        drawer.get_by_test_id("problem-solve").click()
        drawer.locator("textarea").fill("增加一路供电")
        drawer.get_by_test_id("problem-send").click()
        expect(drawer).to_have_attribute("data-state-of", "solved")
        expect(drawer.get_by_test_id("link-order")).to_have_count(0)


class TestTheDeskOfCalls:
    def test_sees_open_orders_as_they_are_raised_and_what_else_belongs_there(
        self, new_page: NewPage, scene: Scene
    ) -> None:
        login = next(each for each in scene.product.card["staff"] if "duty_staff" in each["roles"])
        keep = {"guanjia.session.desk": sign_in(scene.product, login), "guanjia.desk.sound": False}
        page = new_page(DESK, keep=keep)
        page.goto("/desk")
        count = page.get_by_test_id("open-orders-count")
        expect(page.get_by_test_id("open-orders")).to_be_visible()
        before = int(count.get_attribute("data-open") or 0) if count.count() else 0
        scene.raise_order(6, f"门锁坏了 {uuid4().hex[:6]}")
        page.wait_for_function(
            "before => Number(document.querySelector('[data-testid=open-orders-count]')?.dataset.open) > before",
            arg=before,
        )
        expect(page.get_by_test_id("hour-card")).to_be_visible()


class TestOnBehalf:
    def test_a_colleague_is_found_by_name_and_is_served(self, new_page: NewPage, scene: Scene) -> None:
        raiser = scene.raiser(7)
        client, words = scene.client(raiser), f"替人报 {uuid4().hex[:6]}"
        mates = [
            found
            for surname in ("wa", "li", "zh", "ch", "ya", "xu", "hu", "sh", "ma", "zo", "gu", "lu")
            for found in client.get("/v1/repair_people", params={"q": surname}).json()["data"]
        ]
        assert mates, "the demo's units have more people than one"
        phone = open_phone(new_page, raiser, f"/?tab=repairs&at={scene.label}")
        phone.get_by_label(scene.category["name_zh"]).check(force=True)
        phone.locator("textarea[name=words]").fill(words)
        phone.locator("summary").click()
        phone.locator("input[name=served]").fill(mates[0]["name"])
        phone.get_by_test_id("served-found").get_by_role("button").first.click()
        expect(phone.get_by_test_id("served")).to_contain_text(f"替{mates[0]['name']}报修")
        phone.get_by_test_id("raise-send").click()
        expect(phone.get_by_test_id("order")).to_contain_text(words)
        (order,) = [
            each
            for each in client.get("/v1/work_orders", params={"mine": "raised"}).json()["data"]
            if each["words"] == words
        ]
        assert [each["name"] for each in order["served"]] == [mates[0]["name"]]


class TestALabel:
    def test_opens_the_form_of_whoever_is_signed_in(self, new_page: NewPage, scene: Scene) -> None:
        phone = open_phone(new_page, scene.raiser(8), f"/repair/{scene.label}")
        expect(phone.get_by_test_id("raise")).to_contain_text("三楼走廊")
        phone.goto(f"/at/{scene.label}")
        phone.get_by_test_id("broken-here").click()
        expect(phone.get_by_test_id("raise")).to_contain_text("三楼走廊")

    def test_shows_a_guest_the_pictures_of_their_order_by_its_code(
        self, new_page: NewPage, scene: Scene, tmp_path: Path
    ) -> None:
        page = new_page(PHONE)
        page.goto(f"/repair/{scene.label}")
        page.get_by_label(scene.category["name_zh"]).check(force=True)
        page.locator("textarea[name=words]").fill("玻璃碎了")
        page.get_by_test_id("photos").locator("input").set_input_files(photo(tmp_path))
        expect(page.get_by_test_id("photos").locator("img")).to_have_count(1)
        page.get_by_test_id("guest-send").click()
        ticket = page.get_by_test_id("ticket").locator(".letters").inner_text()
        again = new_page(PHONE)
        again.goto(f"/repair?ticket={ticket}")
        picture = again.get_by_test_id("ticket-pictures").locator("img")
        expect(picture).to_be_visible()
        again.wait_for_function("() => document.querySelector('[data-testid=ticket-pictures] img').naturalWidth > 0")
