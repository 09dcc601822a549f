"""A real Chromium before the running product. Without one these tests are skipped by name, or fail if REQUIRE_BROWSER is set."""

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from tests.chromium import find_chromium
from tests.product import Product

NewPage = Callable[..., Page]
PHONE, DESK = (390, 844), (1440, 900)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a file; it must be gone before the next file, because its event loop would be in the way of other tests."""
    path = find_chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set and there is no Chromium; apt-get install chromium, or set CHROMIUM")
        pytest.skip("there is no Chromium here")
    with sync_playwright() as playwright:
        # Chromium will not run its sandbox as root, and containers often are.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, product: Product) -> Iterator[NewPage]:
    """A page of a fresh browser profile; the test fails if a script on it does."""
    contexts, broken = [], list[str]()

    def make(
        size: tuple[int, int] = DESK,
        *,
        language: str = "zh-CN",
        keep: dict[str, Any] | None = None,
        service_workers: Literal["allow", "block"] = "allow",
    ) -> Page:
        phone = size[0] < 600
        context = browser.new_context(
            base_url=product.url,
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2 if phone else 1,
            reduced_motion="reduce",
            service_workers=service_workers,
        )
        contexts.append(context)
        kept = {"guanjia.locale": language, **(keep or {})}
        for name, value in kept.items():
            line = f"localStorage.getItem({json.dumps(name)}) ?? localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))})"
            context.add_init_script(line)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: broken.append(_told(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert broken == []


def _told(error: Error) -> str:
    return f"{error.name}: {error.message}"


def sign_in(page: Page, username: str, password: str) -> None:
    """As a person does, by keyboard."""
    page.locator("input[name=username]").fill(username)
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")


def choose(page: Page, box: Locator, name: str | re.Pattern[str]) -> None:
    """An option of a list by its name; the first one that a pattern finds."""
    options = page.get_by_role("option").filter(visible=True)
    # A list that still closes takes the press that is meant for the next one.
    expect(options).to_have_count(0)
    box.locator("xpath=ancestor::*[contains(@class, 'el-select__wrapper')]").click()
    found = options.get_by_text(name, exact=True) if isinstance(name, str) else options.filter(has_text=name).first
    found.click()


def tab_to(page: Page, selector: str, presses_max: int = 60) -> None:
    """Reach an element by the Tab key alone."""
    for _ in range(presses_max):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by the Tab key")
