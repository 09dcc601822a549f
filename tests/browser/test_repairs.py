"""A lamp is dark: scanned, photographed, sent, repaired on a ladder without a network, confirmed, and rated."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, NewPage
from tests.product import ROOT, Json, Product

# Each story has a raiser of its own; nobody pays here.
FIRST_RAISER = 14


@dataclass
class Scene:
    """A corridor whose label strangers may scan, one category, a technician and a dispatcher."""

    product: Product
    place: Json
    category: Json
    technician: Json
    dispatcher: Json

    @cached_property
    def label(self) -> str:
        # By the product's own secret, and not by that of the tests.
        program = (
            "from identity.api import place_code_of; from kernel.ids import parse_public_id; "
            f"print(place_code_of(parse_public_id('pla', '{self.place['id']}'), 1))"
        )
        own = os.environ | {"GUANJIA_SECRET_KEY": (self.product.data_dir / "secret_key").read_text().strip()}
        told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=own, check=True, capture_output=True)
        return told.stdout.decode().strip()

    def raiser(self, number: int) -> Json:
        return sign_in(self.product, self.product.card["employees"][FIRST_RAISER + number])

    def client(self, login: Json) -> httpx.Client:
        return self.product.client(login["token"])

    def raise_order(self, number: int, words: str) -> Json:
        """What an employee has reported by their phone."""
        body = {"category": self.category["id"], "place": self.place["id"], "words": words}
        made = self.client(self.raiser(number)).post("/v1/work_orders", json=body)
        assert made.status_code == 201, made.text
        order: Json = made.json()
        return order

    def pull(self, who: Json, order: str, trigger: str, **body: object) -> Json:
        answer = self.client(who).post(f"/v1/work_orders/{order}/{trigger}", json=body)
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed


def sign_in(product: Product, login: Json) -> Json:
    sent = {"username": login["username"], "password": login["password"]}
    answer: Json = product.client().post("/v1/sessions", json=sent).json()
    return answer


@pytest.fixture(scope="module")
def scene(product: Product) -> Scene:
    office = product.staff("system_admin")
    technician, dispatcher = (
        sign_in(product, next(each for each in product.card["staff"] if role in each["roles"]))
        for role in ("technician", "dispatcher")
    )
    desks = product.client(dispatcher["token"]).get("/v1/repair_desks").json()
    sites = office.get("/v1/sites", params={"limit": 100}).json()["data"]
    # A province has none of its own.
    desk, site = next((desk, site) for desk in desks for site in sites if site["region"] == desk["region"])
    code = uuid4().hex[:8]
    campus = {"code": f"R-{code}", "kind": "campus", "name_zh": "修缮园", "name_en": "Mended Park", "site": site["id"]}
    root = office.post("/v1/places", json=campus).json()
    corridor = {"code": f"R-{code}-1", "kind": "room", "name_zh": "三楼走廊", "name_en": "Corridor"}
    place = office.post("/v1/places", json={**corridor, "parent": root["id"], "open_to_strangers": True}).json()
    check = {"zh": "先断电", "en": "Power off first", "is_required": True}
    kind = {"code": f"lamp_{code}", "name_zh": f"灯具 {code}", "name_en": f"Lamps {code}", "icon": "light"}
    category = office.post("/v1/repair_categories", json={**kind, "skill": "electrical", "checklist": [check]})
    assert category.status_code == 201, category.text
    fit = {"region": desk["region"], "skills": ["electrical"], "load_max": 50}
    sent = product.client(dispatcher["token"]).put(f"/v1/technicians/{technician['person']['id']}", json=fit)
    assert sent.status_code == 200, sent.text
    return Scene(product, place, category.json(), technician, dispatcher)


def photo(folder: Path) -> Path:
    path = folder / "lamp.jpg"
    content = io.BytesIO()
    Image.new("RGB", (640, 480), (40, 40, 60)).save(content, "JPEG")
    path.write_bytes(content.getvalue())
    return path


def open_phone(new_page: NewPage, login: Json, address: str) -> Page:
    page = new_page(PHONE, keep={"guanjia.session.phone": login})
    page.goto(address)
    return page


def open_board(new_page: NewPage, scene: Scene) -> Page:
    page = new_page(DESK, keep={"guanjia.session.desk": scene.dispatcher})
    page.goto("/desk/repairs")
    return page


_HEIGHT_OF_LONG_COLUMN = """
(board) => {
    const list = board.querySelector('ul'), before = list.style.height
    list.style.height = '100000px'
    const height = list.parentElement.clientHeight
    list.style.height = before
    return height
}
"""


class TestADarkLamp:
    def test_is_scanned_sent_repaired_offline_confirmed_and_rated(
        self, new_page: NewPage, scene: Scene, tmp_path: Path
    ) -> None:
        words = f"第三盏灯不亮 {uuid4().hex[:6]}"
        phone = open_phone(new_page, scene.raiser(0), f"/?tab=repairs&at={scene.label}")
        expect(phone.get_by_test_id("call-place")).to_contain_text("修缮园 · 三楼走廊")
        phone.get_by_label(scene.category["name_zh"]).check(force=True)
        phone.locator("textarea[name=words]").fill(words)
        phone.get_by_test_id("photos").locator("input").set_input_files(photo(tmp_path))
        expect(phone.get_by_test_id("photos").locator("img")).to_have_count(1)
        phone.get_by_test_id("raise-send").click()
        mine = phone.get_by_test_id("order")
        expect(mine).to_have_attribute("data-order-state", "submitted")

        # Two strokes: A on the card, and the figure of whoever goes.
        board = open_board(new_page, scene)
        # However long a column is, it scrolls and draws what is in sight.
        assert board.get_by_test_id("repairs-board").evaluate(_HEIGHT_OF_LONG_COLUMN) < DESK[1]
        board.get_by_label("说明、位置、师傅").fill(words)
        card = board.locator("[data-card]")
        expect(card).to_have_count(1)
        order = card.get_attribute("data-card")
        board.locator("h1").click()
        board.keyboard.press("j")
        expect(board.locator("[data-card].picked")).to_have_count(1)
        board.keyboard.press("a")
        expect(board.get_by_test_id("candidates").get_by_role("button").first).to_be_focused()
        names = board.locator("[data-candidate]").evaluate_all("all => all.map((each) => each.dataset.candidate)")
        board.keyboard.press(str(names.index(scene.technician["person"]["id"]) + 1))
        expect(board.get_by_test_id("drawer")).to_have_attribute("data-order-state", "assigned")
        expect(mine).to_contain_text("已派给")

        work = open_phone(new_page, scene.technician, "/?tab=work")
        work.locator(f"[data-job='{order}']").click()
        job = work.get_by_test_id("job")
        expect(job).to_contain_text(words)
        work.context.set_offline(True)
        work.get_by_test_id("work-start").click()
        expect(job).to_have_attribute("data-job-state", "in_progress")
        work.get_by_label("先断电").check()
        form = work.get_by_test_id("note-form")
        form.locator("textarea").fill("换了灯管")
        form.locator("input[type=file]").set_input_files(photo(tmp_path))
        work.get_by_test_id("note-keep").click()
        work.get_by_test_id("work-finish").click()
        expect(work.get_by_test_id("queue")).to_contain_text("4 步等待网络")
        # Nothing has arrived, and a closed page loses nothing of it.
        expect(mine).to_have_attribute("data-order-state", "assigned")
        work.context.set_offline(False)
        expect(work.get_by_test_id("queue")).to_have_count(0)

        expect(mine).to_have_attribute("data-order-state", "done")
        expect(phone.get_by_test_id("history")).to_contain_text("换了灯管")
        phone.get_by_test_id("confirm").click()
        rate = phone.get_by_test_id("rate")
        rate.get_by_label("2 星").check(force=True)
        # Few stars say why, and are answered.
        expect(phone.get_by_test_id("rate-send")).to_be_disabled()
        rate.get_by_label("请说说哪里不满意").fill("等了太久")
        phone.get_by_test_id("rate-send").click()
        expect(phone.get_by_test_id("ratings")).to_contain_text("等了太久")


class TestTheSameLamp:
    def test_reported_again_is_joined_by_one_press(self, new_page: NewPage, scene: Scene) -> None:
        first = scene.raise_order(1, f"灯一直闪 {uuid4().hex[:6]}")
        phone = open_phone(new_page, scene.raiser(2), f"/?tab=repairs&at={scene.label}")
        phone.get_by_label(scene.category["name_zh"]).check(force=True)
        phone.locator("textarea[name=words]").fill("灯在闪")
        row = phone.get_by_test_id("same").locator("li", has_text=first["words"])
        row.get_by_test_id("me-too").click()
        expect(phone.get_by_test_id("order")).to_contain_text(first["words"])


class TestAStranger:
    def test_reports_without_a_sign_in_and_follows_by_a_code(self, new_page: NewPage, scene: Scene) -> None:
        page = new_page(PHONE)
        page.goto(f"/repair/{scene.label}")
        expect(page.get_by_test_id("guest-form")).to_contain_text("三楼走廊")
        page.get_by_label(scene.category["name_zh"]).check(force=True)
        page.locator("textarea[name=words]").fill("开关坏了")
        page.get_by_test_id("guest-send").click()
        expect(page.get_by_test_id("order")).to_have_attribute("data-order-state", "submitted")
        ticket = page.get_by_test_id("ticket").locator(".letters").inner_text()
        again = new_page(PHONE)
        again.goto("/repair")
        again.locator("input[name=ticket]").fill(ticket.lower().replace("-", " "))
        again.keyboard.press("Enter")
        expect(again.get_by_test_id("order")).to_contain_text("开关坏了")


class TestTheLoserOfAConflict:
    def test_is_told_why_and_keeps_the_note(self, new_page: NewPage, scene: Scene) -> None:
        order = scene.raise_order(3, f"插座松了 {uuid4().hex[:6]}")["id"]
        scene.pull(scene.dispatcher, order, "accept")
        scene.pull(scene.dispatcher, order, "assign", assignee=scene.technician["person"]["id"])
        work = open_phone(new_page, scene.technician, "/?tab=work")
        work.locator(f"[data-job='{order}']").click()
        expect(work.get_by_test_id("job")).to_be_visible()
        work.context.set_offline(True)
        work.get_by_test_id("work-start").click()
        work.get_by_test_id("note-form").locator("textarea").fill("已到现场")
        work.get_by_test_id("note-keep").click()
        expect(work.get_by_test_id("queue")).to_contain_text("2 步等待网络")
        # Their other phone, or a colleague on it, was faster.
        scene.pull(scene.technician, order, "start")
        work.context.set_offline(False)
        expect(work.get_by_test_id("refused")).to_contain_text("“开始处理”没有成功")
        notes = scene.client(scene.dispatcher).get(f"/v1/work_orders/{order}").json()["notes"]
        assert [note["words"] for note in notes] == ["已到现场"]
