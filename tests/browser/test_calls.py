"""Somebody needs help: one press on a phone, a desk that rings, somebody who comes, and stars at the end."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import DESK, PHONE, NewPage
from tests.product import ROOT, Json, Product

# Tests of other processes press buttons too: each story has people of its own.
FIRST_CALLER = 20


@dataclass
class Scene:
    """A place with two steps of its own: first the one on duty, then the dispatcher as well."""

    product: Product
    place: Json
    duty: Json
    dispatcher: Json

    def open_policy(self, seconds: int, kind: str) -> None:
        """Who rings for a kind of help at this place."""
        steps = [
            {"targets": [{"type": "person", "id": self.duty["person"]["id"]}], "seconds": seconds},
            {"targets": [{"type": "person", "id": self.dispatcher["person"]["id"]}], "seconds": 60},
        ]
        body = {"region": self.place["region"], "place": self.place["id"], "kind": kind, "name": f"试 {kind}"}
        answer = self.office.post("/v1/call_policies", json={**body, "steps": steps, "fallback": steps[1]})
        assert answer.status_code == 201, answer.text

    @property
    def office(self) -> httpx.Client:
        return self.product.staff("system_admin")

    def caller(self, number: int) -> Json:
        """A signed-in employee, and what their phone keeps: the place where they stood the last time."""
        answer = self.session(self.product.card["employees"][FIRST_CALLER + number])
        chosen = {key: self.place[f"full_{key}"] for key in ("name_zh", "name_en")} | {"id": self.place["id"]}
        kept = f"guanjia.kept.phone.{answer['person']['id']}.call.place"
        return {"guanjia.session.phone": answer, kept: {"at": 0, "value": chosen}}

    def session(self, login: Json) -> Json:
        sent = {"username": login["username"], "password": login["password"]}
        answer: Json = self.product.client().post("/v1/sessions", json=sent).json()
        return answer

    def desk_of(self, who: Json) -> dict[str, Any]:
        region = self.place["region"]
        return {"guanjia.session.desk": who, "guanjia.desk.chosen": f"calls-{region}", "guanjia.desk.sound": False}

    def label(self) -> str:
        """What is printed at the place, by the key of the running product."""
        tell = (
            "from identity.api import place_code_of; from kernel.ids import parse_public_id; "
            f"print(place_code_of(parse_public_id('pla', '{self.place['id']}'), 1))"
        )
        told = subprocess.run(
            [sys.executable, "-c", tell],
            env=os.environ | {"GUANJIA_SECRET_KEY": (self.product.data_dir / "secret_key").read_text().strip()},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        return told.stdout.strip()

    def as_duty(self) -> httpx.Client:
        return self.product.client(self.duty["token"])


@pytest.fixture(scope="module")
def scene(product: Product) -> Scene:
    office = product.staff("system_admin")
    site = office.get("/v1/sites", params={"limit": 100}).json()["data"][-1]
    code = uuid4().hex[:8]
    campus = {"code": f"T-{code}", "kind": "campus", "name_zh": "试验园", "name_en": "Trial Campus", "site": site["id"]}
    root = office.post("/v1/places", json=campus).json()
    room = {"code": f"T-{code}-1", "kind": "room", "name_zh": "值班室", "name_en": "Duty Room", "parent": root["id"]}
    place = office.post("/v1/places", json=room).json()
    logins = {
        role: next(p for p in product.card["staff"] if role in p["roles"]) for role in ("duty_staff", "dispatcher")
    }
    empty = Scene(product, place, {}, {})
    return Scene(product, place, empty.session(logins["duty_staff"]), empty.session(logins["dispatcher"]))


def open_desk(new_page: NewPage, scene: Scene, who: Json, **options: Any) -> Page:
    page = new_page(DESK, keep=scene.desk_of(who), **options)
    page.goto("/desk")
    expect(page.get_by_test_id("desk-lists")).to_be_visible()
    return page


def open_phone(new_page: NewPage, scene: Scene, number: int) -> Page:
    page = new_page(PHONE, keep=scene.caller(number))
    page.goto("/?tab=home")
    page.get_by_test_id("help").click()
    expect(page.get_by_test_id("call-place")).to_contain_text("试验园 · 值班室")
    return page


def press(phone: Page, kind: str) -> str:
    """The call's id, once the server has it."""
    with phone.expect_response(
        lambda answer: answer.url.endswith("/v1/calls") and answer.request.method == "POST"
    ) as placed:
        phone.locator(f"[data-kind={kind}]").click()
    call: str = placed.value.json()["id"]
    return call


class TestOnePress:
    def test_rings_is_taken_by_one_key_and_ends_with_stars(self, new_page: NewPage, scene: Scene) -> None:
        scene.open_policy(200, "medical")
        desk = new_page(DESK, keep=scene.desk_of(scene.duty) | {"guanjia.desk.sound": True})
        desk.goto("/desk")
        # By keyboard alone, from the test of the sound on.
        expect(desk.get_by_test_id("sound-on")).to_be_focused()
        desk.keyboard.press("Enter")
        expect(desk.get_by_test_id("sound-heard")).to_be_visible()
        desk.get_by_test_id("sound-heard").focus()
        desk.keyboard.press("Enter")
        expect(desk.get_by_test_id("desk-lists")).to_be_visible()

        phone = open_phone(new_page, scene, 0)
        call = press(phone, "medical")
        mine, bar = phone.get_by_test_id("my-call"), desk.get_by_test_id("ring-bar")
        expect(bar).to_contain_text("试验园 · 值班室")
        expect(phone.get_by_test_id("call-seen")).to_have_text(re.compile("已显示在 1 块屏幕上"))

        desk.locator(f"[data-call='{call}']").focus()
        desk.keyboard.press("Enter")
        desk.keyboard.press("t")
        expect(mine).to_contain_text("戴晓岚接了")
        expect(bar).to_have_count(0)
        desk.keyboard.press("2")
        expect(mine).to_contain_text("约 2 分钟后到")

        phone.get_by_label("写消息").fill("三楼，靠窗")
        phone.keyboard.press("Enter")
        expect(desk.get_by_test_id("call-chat")).to_contain_text("三楼，靠窗")
        desk.keyboard.press("m")
        expect(desk.get_by_label("写消息")).to_be_focused()
        desk.keyboard.type("马上到")
        desk.keyboard.press("Enter")
        expect(phone.get_by_test_id("call-chat")).to_contain_text("马上到")
        # Whoever writes pulls no trigger by accident.
        expect(desk.get_by_test_id("call-detail")).to_have_attribute("data-call-state", "connected")

        desk.keyboard.press("Tab")
        desk.keyboard.press("a")
        expect(mine).to_contain_text("已到现场")
        # While its last key is on the way, the desk hears no other.
        expect(desk.get_by_test_id("call-detail")).to_have_attribute("aria-busy", "false")
        expect(desk.get_by_test_id("call-detail")).to_have_attribute("data-call-state", "on_site")
        desk.keyboard.press("r")
        expect(desk.locator("form textarea")).to_be_focused()
        desk.keyboard.type("量了血压，休息后好转")
        desk.keyboard.press("Enter")
        expect(mine).to_have_attribute("data-call-state", "resolved")
        phone.get_by_label("5 星").check(force=True)
        phone.get_by_role("button", name="提交评价").click()
        expect(mine).to_contain_text("谢谢评价")
        assert scene.as_duty().get(f"/v1/calls/{call}").json()["rating"] == 5

    def test_a_second_press_is_the_same_call_and_more_urgent(self, new_page: NewPage, scene: Scene) -> None:
        scene.open_policy(200, "security")
        phone, desk = open_phone(new_page, scene, 1), open_desk(new_page, scene, scene.duty)
        call = press(phone, "security")
        phone.get_by_test_id("press-again").click()
        expect(phone.get_by_test_id("press-again")).to_contain_text("已催 1 次")
        expect(desk.locator(f"[data-call='{call}']")).to_contain_text("×2")
        phone.get_by_test_id("cancel-call").click()
        phone.get_by_test_id("cancel-yes").click()
        expect(phone.get_by_test_id("my-call")).to_have_attribute("data-call-state", "cancelled")
        expect(desk.locator(f"[data-call='{call}']")).to_have_count(0)

    def test_nobody_answers_and_the_next_step_is_seen_by_the_caller(self, new_page: NewPage, scene: Scene) -> None:
        scene.open_policy(1, "lift")
        phone = open_phone(new_page, scene, 2)
        press(phone, "lift")
        expect(phone.get_by_test_id("call-step")).to_contain_text("第 2 步，共 2 步")
        phone.get_by_test_id("cancel-call").click()
        phone.get_by_test_id("cancel-yes").click()
        expect(phone.get_by_test_id("my-call")).to_contain_text("已取消")


class TestTwoDesks:
    def test_in_the_same_moment_one_has_it_and_the_other_is_told_who(self, new_page: NewPage, scene: Scene) -> None:
        scene.open_policy(200, "lost_property")
        first, second = (open_desk(new_page, scene, who) for who in (scene.duty, scene.dispatcher))
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        second.route("**/acknowledge", hold)
        call = press(open_phone(new_page, scene, 3), "lost_property")
        for desk in (second, first):
            desk.locator(f"[data-call='{call}']").click()
            desk.get_by_test_id("acknowledge").click()
        expect(first.get_by_test_id("call-detail")).to_have_attribute("data-call-state", "acknowledged")
        held[0].continue_()
        expect(second.get_by_test_id("call-problem")).to_contain_text("戴晓岚先接了")
        first.get_by_test_id("by-text").click()
        first.get_by_test_id("resolve").click()
        first.get_by_test_id("resolve-send").click()
        expect(first.locator(f"[data-call='{call}']")).to_have_count(0)


class TestShown:
    def test_is_told_by_a_page_that_is_looked_at_and_by_no_other(self, new_page: NewPage, scene: Scene) -> None:
        scene.open_policy(200, "other")
        desk = new_page(DESK, keep=scene.desk_of(scene.duty))
        desk.add_init_script(
            """window.away = true
            Object.defineProperty(document, 'visibilityState', { get: () => (window.away ? 'hidden' : 'visible') })"""
        )
        desk.goto("/desk")
        expect(desk.get_by_test_id("desk-lists")).to_be_visible()
        device = desk.evaluate("sessionStorage.getItem('guanjia.desk.device')")
        with desk.expect_response("**/receipts") as told:
            call = press(open_phone(new_page, scene, 4), "other")
        sent = told.value.request.post_data_json
        assert sent is not None
        assert sent["status"] == "sent"

        def status() -> str:
            rows = scene.as_duty().get(f"/v1/calls/{call}/receipts").json()
            return str(next(row["status"] for row in rows if row["device"] == device))

        expect(desk.get_by_test_id("ring-bar")).to_be_visible()
        assert status() == "sent"
        with desk.expect_response("**/receipts"):
            desk.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
        assert status() == "shown"
        scene.as_duty().post(f"/v1/calls/{call}/acknowledge", json={})
        scene.as_duty().post(f"/v1/calls/{call}/connect", json={"way": "text"})
        scene.as_duty().post(f"/v1/calls/{call}/resolve", json={})


class TestWithoutANetwork:
    def test_the_press_is_kept_honestly_and_sent_at_once_when_it_is_back(self, new_page: NewPage, scene: Scene) -> None:
        phone = open_phone(new_page, scene, 5)
        phone.context.set_offline(True)
        phone.locator("[data-kind=medical]").click()
        expect(phone.get_by_test_id("call-queued")).to_contain_text("尚未发出")
        expect(phone.get_by_test_id("my-call")).to_have_count(0)
        with phone.expect_response(lambda answer: answer.url.endswith("/v1/calls") and answer.ok) as placed:
            phone.context.set_offline(False)
        expect(phone.get_by_test_id("my-call")).to_be_visible()
        expect(phone.get_by_test_id("call-queued")).to_have_count(0)
        assert placed.value.json()["urgency"] == 1  # However often it was tried: one call, pressed once.
        phone.get_by_test_id("cancel-call").click()
        phone.get_by_test_id("cancel-yes").click()
        expect(phone.get_by_test_id("my-call")).to_contain_text("已取消")


class TestTheWall:
    def test_shows_what_waits_and_where_and_nobody_by_name(self, new_page: NewPage, scene: Scene) -> None:
        wall = new_page(DESK, keep=scene.desk_of(scene.duty))
        wall.goto("/desk/wall")
        phone = open_phone(new_page, scene, 6)
        press(phone, "medical")
        shown = wall.get_by_test_id("wall")
        expect(shown).to_contain_text("试验园 · 值班室")
        for name in (scene.duty["person"]["name"], scene.caller(6)["guanjia.session.phone"]["person"]["name"]):
            expect(wall.locator("body")).not_to_contain_text(name)
        assert wall.evaluate("document.documentElement.dataset.theme") == "night"
        phone.get_by_test_id("cancel-call").click()
        phone.get_by_test_id("cancel-yes").click()
        expect(phone.get_by_test_id("my-call")).to_contain_text("已取消")


class TestTheLabel:
    def test_on_a_wall_opens_the_button_with_the_place_filled_in(self, new_page: NewPage, scene: Scene) -> None:
        code = scene.label()
        kept = {"guanjia.session.phone": scene.caller(7)["guanjia.session.phone"]}
        phone = new_page(PHONE, keep=kept)
        phone.goto(f"/at/{code}")
        expect(phone.get_by_test_id("call-place")).to_contain_text("试验园 · 值班室")


class TestThePolicies:
    def test_are_made_and_retired_in_a_form(self, new_page: NewPage, scene: Scene) -> None:
        admin = next(each for each in scene.product.card["staff"] if "system_admin" in each["roles"])
        page = new_page(DESK, keep={"guanjia.session.admin": scene.session(admin)})
        page.goto("/admin/calls")
        page.get_by_test_id("new-policy").click()
        name = f"夜班 {uuid4().hex[:6]}"
        page.get_by_label("名称").fill(name)
        page.get_by_label("从", exact=True).fill("22:00")
        page.get_by_label(re.compile("^到")).fill("6:00")
        page.get_by_role("button", name="保存").click()
        row = page.get_by_test_id("policies").locator("li", has_text=name)
        expect(row).to_contain_text("22:00–06:00")
        row.get_by_role("button", name="停用").click()
        page.locator(".el-message-box").get_by_role("button", name="停用").click()
        expect(row).to_have_count(0)
