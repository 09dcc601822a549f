"""Talking in a call: a tone before one microphone is measured in the other browser, directly and through a relay."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from kernel import clock
from realtime.audio.ice import IceWays, ice_servers
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_calls import Scene, scene
from tests.browser.voices import browser_that_hears, heard_hz, hears, turn_server, write_tone
from tests.product import Json, Product

__all__ = ["scene"]

CALLER_HZ, DUTY_HZ = 440, 880
# Beside those of the other stories of calls.
CALLERS = {"directly": 15, "through a relay": 16, "without a way": 17}


@dataclass
class Talk:
    """The two ends of one call that is under way."""

    phone: Page
    desk: Page

    def state(self, page: Page) -> Any:
        return page.locator(".voice")

    def begin(self) -> None:
        """The one on duty asks, the caller answers."""
        self.desk.locator(".voice").get_by_role("button", name="语音通话").click()
        self.phone.locator(".voice").get_by_role("button", name="接听").click()

    def expect_states(self, state: str) -> None:
        for page in (self.phone, self.desk):
            expect(page.locator(".voice")).to_have_attribute("data-state", state, timeout=30_000)


@contextmanager
def call_under_way(
    browser: Browser, product: Product, scene: Scene, tones: dict[int, Path], caller: int, ways: Json | None = None
) -> Iterator[Talk]:
    """Somebody called, somebody took it; both look at it. `ways` stands for an operator's servers."""
    kept = scene.caller(caller)
    person = product.client(kept["guanjia.session.phone"]["token"])
    body = {"kind": "other", "place": scene.place["id"], "client_id": str(uuid4())}
    call = person.post("/v1/calls", json=body).json()["id"]
    duty = scene.as_duty()
    for trigger in ("acknowledge", "connect"):
        answer = duty.post(f"/v1/calls/{call}/{trigger}", json={})
        assert answer.status_code == 200, answer.text
    with ExitStack() as open_ones:
        pages = []
        for hz, size, keep in ((CALLER_HZ, PHONE, kept), (DUTY_HZ, DESK, scene.desk_of(scene.duty))):
            own = open_ones.enter_context(browser_that_hears(browser, tones[hz]))
            context = own.new_context(base_url=product.url, viewport={"width": size[0], "height": size[1]})
            for name, value in {"guanjia.locale": "zh-CN", **keep}.items():
                context.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))})")
            if ways is not None:
                context.route("**/v1/ice_servers", lambda route: route.fulfill(json=ways))
            pages.append(context.new_page())
        phone, desk = pages
        phone.goto("/?tab=home")
        phone.get_by_test_id("help").click()
        desk.goto("/desk")
        desk.locator(f"[data-call='{call}']").first.click()
        yield Talk(phone, desk)
        duty.post(f"/v1/calls/{call}/resolve", json={"words": "已处理"})


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("tones")
    return {hz: write_tone(folder / f"{hz}.wav", hz) for hz in (CALLER_HZ, DUTY_HZ)}


@pytest.fixture(scope="module", autouse=True)
def rung(scene: Scene) -> None:
    scene.open_policy(200, "other")


class TestTalking:
    def test_each_hears_the_other_until_one_mutes_and_one_hangs_up(
        self, browser: Browser, product: Product, scene: Scene, tones: dict[int, Path]
    ) -> None:
        with call_under_way(browser, product, scene, tones, CALLERS["directly"]) as talk:
            talk.begin()
            talk.expect_states("talking")
            assert hears(talk.desk, CALLER_HZ)
            assert hears(talk.phone, DUTY_HZ)

            talk.phone.locator(".voice").get_by_role("button", name="静音").click()
            assert heard_hz(talk.desk) is None
            talk.phone.locator(".voice").get_by_role("button", name="取消静音").click()
            assert hears(talk.desk, CALLER_HZ)

            talk.desk.locator(".voice").get_by_role("button", name="挂断").click()
            talk.expect_states("idle")

    def test_through_coturn_alone_the_tone_arrives_too(
        self, browser: Browser, product: Product, scene: Scene, tones: dict[int, Path]
    ) -> None:
        with turn_server("celadon-secret") as address:
            servers = ice_servers(IceWays((), (address,), "celadon-secret", turn_only=True), "per_1", clock.now())
            told = [
                {"urls": list(each.urls), "username": each.username, "credential": each.credential} for each in servers
            ]
            ways = {"ice_servers": told, "ice_transport_policy": "relay"}
            with call_under_way(browser, product, scene, tones, CALLERS["through a relay"], ways) as talk:
                talk.begin()
                talk.expect_states("talking")
                assert hears(talk.desk, CALLER_HZ)
                assert hears(talk.phone, DUTY_HZ)

    def test_where_no_way_opens_the_words_still_go_through(
        self, browser: Browser, product: Product, scene: Scene, tones: dict[int, Path]
    ) -> None:
        nowhere = {"ice_servers": [], "ice_transport_policy": "relay"}
        with call_under_way(browser, product, scene, tones, CALLERS["without a way"], nowhere) as talk:
            talk.begin()
            talk.expect_states("failed")
            expect(talk.phone.locator(".voice")).to_contain_text("语音没有接通")

            talk.phone.get_by_label("写消息").fill("我在三楼")
            talk.phone.keyboard.press("Enter")
            expect(talk.desk.get_by_test_id("call-chat")).to_contain_text("我在三楼")
