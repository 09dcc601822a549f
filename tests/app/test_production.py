"""A demo secret never starts in production mode."""

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.problems import NotForProduction
from app.production import refuse_demo_secrets, refuse_weak_settings
from app.services import Services, open_services
from app.simulators.alipay.server import serve as serve_simulator
from kernel.db import Database
from kernel.sealing import DEMO_SECRET_KEY
from kernel.settings import Settings

GOOD_SECRET = "d2f1c0b9a8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9"


def production(database_url: str = "postgresql://nowhere/x", secret: str | None = GOOD_SECRET) -> Settings:
    """Settings of a real installation."""
    return Settings(
        production=True,
        database_url=SecretStr(database_url),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
        secret_key=SecretStr(secret) if secret is not None else None,
    )


class TestSecrets:
    @pytest.mark.parametrize("secret", [None, "", "short", "a" * 40, "abab" * 12, DEMO_SECRET_KEY])
    def test_a_missing_or_weak_secret_is_refused(self, secret: str | None) -> None:
        with pytest.raises(NotForProduction, match="GUANJIA_SECRET_KEY"):
            refuse_weak_settings(production(secret=secret))

    def test_a_random_secret_is_taken(self) -> None:
        refuse_weak_settings(production())

    def test_outside_of_production_nothing_is_asked_for(self) -> None:
        refuse_weak_settings(Settings())


class TestSimulators:
    @pytest.mark.parametrize(
        "changed",
        [
            {"alipay_simulator_url": "http://127.0.0.1:9"},
            {"alipay_gateway": "http://127.0.0.1:9/gateway.do"},
        ],
        ids=lambda changed: next(iter(changed)),
    )
    def test_production_speaks_with_no_simulator(self, changed: dict[str, str]) -> None:
        with pytest.raises(NotForProduction, match="never at a simulator"):
            refuse_weak_settings(production().model_copy(update=changed))

    def test_a_simulator_does_not_run_in_production(self) -> None:
        with pytest.raises(NotForProduction, match="simulated Alipay"):
            serve_simulator(production(), fd=None)


class TestDemoData:
    async def test_a_database_that_the_demo_was_brought_into_is_refused(self, db: Database, database_url: str) -> None:
        async with db.session() as session:
            await session.execute(text("CREATE TABLE demo_seed (started_at timestamptz, completed_at timestamptz)"))

        async with open_services(production(database_url)) as services:
            with pytest.raises(NotForProduction, match="demo's people, passwords and tokens"):
                await refuse_demo_secrets(services.settings, services.database)

    async def test_a_database_without_it_is_taken(self, database_url: str) -> None:
        async with open_services(production(database_url)) as services:
            await refuse_demo_secrets(services.settings, services.database)

    async def test_a_demo_is_left_alone_where_it_belongs(self, database_url: str, db: Database) -> None:
        async with db.session() as session:
            await session.execute(text("CREATE TABLE demo_seed (started_at timestamptz, completed_at timestamptz)"))

        settings = Settings(database_url=SecretStr(database_url), redis_url=SecretStr("redis://127.0.0.1:1/0"))
        async with open_services(settings) as services:
            assert isinstance(services, Services)
            await refuse_demo_secrets(services.settings, services.database)
