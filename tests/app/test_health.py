"""`/healthz`, `/readyz`, `/metrics`, and the pages beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr

from app import pages
from app.main import create_app
from kernel.settings import Settings

NOBODY = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def served(database_url: str, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The web application of this test, started, without a network between."""
    app = create_app(Settings(database_url=SecretStr(database_url), redis_url=SecretStr(redis_url)))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://here") as client,
    ):
        yield client


class TestReadiness:
    async def test_every_part_is_named(self, database_url: str, valkey_url: str) -> None:
        async with served(database_url, valkey_url) as client:
            answer = await client.get("/readyz")

        assert answer.status_code == 200
        assert answer.json()["status"] == "ok"
        assert {name: part["status"] for name, part in answer.json()["parts"].items()} == {
            "database": "ok",
            "valkey": "ok",
            "relay_lag": "ok",
            "call_clocks": "ok",
        }

    async def test_without_valkey_payments_go_on_and_it_is_said(self, database_url: str) -> None:
        async with served(database_url, NOBODY) as client:
            answer = await client.get("/readyz")

        assert answer.status_code == 200
        assert answer.json()["parts"]["valkey"]["status"] == "failing"


class TestAddresses:
    async def test_an_address_of_machines_that_does_not_exist_is_an_error_and_no_page(
        self, database_url: str, valkey_url: str
    ) -> None:
        async with served(database_url, valkey_url) as client:
            answer = await client.get("/v1/nothing", headers={"Accept-Language": "en"})

        assert answer.status_code == 404
        assert answer.json()["code"] == "NOT_FOUND"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    async def test_our_own_fault_has_the_wire_form_too_and_tells_nothing_of_our_insides(
        self, database_url: str, valkey_url: str
    ) -> None:
        def break_down() -> None:
            raise RuntimeError("the secret recipe")

        app = create_app(Settings(database_url=SecretStr(database_url), redis_url=SecretStr(valkey_url)))
        app.add_api_route("/v1/broken", break_down)
        app.router.routes.insert(0, app.router.routes.pop())  # Before the pages.
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            answer = await client.get("/v1/broken")

        assert answer.status_code == 500
        assert answer.json()["code"] == "INTERNAL"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "recipe" not in answer.text

    async def test_metrics_are_prometheus_text(self, database_url: str, valkey_url: str) -> None:
        async with served(database_url, valkey_url) as client:
            answer = await client.get("/metrics")

        assert answer.headers["content-type"].startswith("text/plain")
        assert "guanjia_loop_failures_total" in answer.text or "python_info" in answer.text


@pytest.mark.skipif(not (pages.DIST / "index.html").exists(), reason="the front end is not built")
class TestPages:
    @pytest.mark.parametrize("screen", ["/", "/terminal", "/desk/canteen", "/admin/people", "/demo"])
    async def test_every_screen_is_the_page(self, screen: str, database_url: str, valkey_url: str) -> None:
        async with served(database_url, valkey_url) as client:
            answer = await client.get(screen)

        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        assert '<div id="app"' in answer.text

    async def test_nothing_outside_of_the_build_and_nothing_hidden_is_served(
        self, database_url: str, valkey_url: str
    ) -> None:
        async with served(database_url, valkey_url) as client:
            for path in ("/.built-from", "/%2e%2e/package.json", "/assets/../../package.json", "/assets/missing.js"):
                answer = await client.get(path)
                assert answer.status_code == 404, path
