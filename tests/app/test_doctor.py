"""`guanjia doctor`: a healthy house has no bad line; each thing that can be wrong is named, with what to do."""

import asyncio
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.demo_logins import remember_base_url
from app.operation import database_checks, machine_checks
from app.operation.doctor import examine
from app.operation.findings import Found, State
from kernel import clock
from kernel.db import Database
from kernel.settings import Settings
from payments.api import ensure_signing_key
from payments.credentials.trust import trust_list
from tests.app.test_cli import guanjia
from tests.app.test_embedded_postgres import run_sql
from tests.product import Product


def lines_of(settings: Settings) -> dict[str, Found]:
    return {line.name: line for line in examine(settings)}


@pytest.fixture
def here(database_url: str, valkey_url: str, tmp_path: Path) -> Settings:
    """A database of its own, on the tests' server; nothing listens."""
    settings = Settings(
        database_url=SecretStr(database_url), redis_url=SecretStr(valkey_url), data_dir=tmp_path, port=free_port()
    )
    remember_base_url(settings, settings.port)
    return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def in_database(settings: Settings, statement: str) -> None:
    assert settings.database_url is not None
    run_sql(settings.database_url.get_secret_value(), statement)


class TestAHealthyHouse:
    def test_the_running_product_has_no_bad_line_and_every_topic_is_asked(self, product: Product) -> None:
        done = guanjia("doctor", "--json", GUANJIA_DATA_DIR=str(product.data_dir))

        lines = {line["name"]: line for line in json.loads(done.stdout)}
        assert [line for line in lines.values() if line["state"] == "bad"] == []
        assert done.returncode == 0
        asked = {"versions", "clock", "disk", "data folder", "port", "backup", "postgresql", "durability", "clock skew"}
        assert lines.keys() >= asked | {"schema", "keys", "secret key", "relay", "timers", "audit log", "valkey"}
        assert lines["port"]["state"] == lines["durability"]["state"] == lines["secret key"]["state"] == "ok"
        assert all(line["advice"] for line in lines.values() if line["state"] != "ok")

    def test_before_the_first_start_it_says_what_to_do(self, tmp_path: Path) -> None:
        done = guanjia("doctor", GUANJIA_DATA_DIR=str(tmp_path / "none"))

        assert done.returncode == 0
        assert "Start it: `guanjia run`" in done.stdout
        assert not (tmp_path / "none").exists()


class TestWhatCanBeWrong:
    def test_a_server_that_forgets(self, here: Settings) -> None:
        """The tests' own server is not durable, on purpose."""
        line = lines_of(here)["durability"]

        assert line.state is State.BAD
        assert "fsync off" in line.found
        assert "fsync" in line.advice

    def test_the_command_ends_with_1_where_something_is_bad(self, here: Settings) -> None:
        assert here.database_url is not None
        done = guanjia("doctor", GUANJIA_DATABASE_URL=here.database_url.get_secret_value(), GUANJIA_DATA_DIR="/none")

        assert done.returncode == 1
        assert "bad  durability" in done.stdout

    def test_migrations_that_are_pending(self, here: Settings, empty_database_url: str) -> None:
        line = lines_of(here.model_copy(update={"database_url": SecretStr(empty_database_url)}))["schema"]

        assert line.state is State.BAD
        assert "migrations are pending" in line.found

    def test_a_schema_of_a_newer_version(self, here: Settings) -> None:
        in_database(here, "UPDATE alembic_version SET version_num = '9999'")

        assert "unknown to this version" in lines_of(here)["schema"].found

    def test_a_relay_and_a_timer_that_do_not_keep_up(self, here: Settings) -> None:
        in_database(here, "INSERT INTO outbox VALUES (0, 1, now() - interval '1 hour', '[]')")
        timers = (
            "INSERT INTO timers (kind, ref, due_at, retry_at, generation, payload, attempts) "
            "VALUES ('a', 'b', now() - interval '3 seconds', now(), 1, '{}', 0)"
        )
        in_database(here, timers)

        lines = lines_of(here)

        assert lines["relay"].state is State.BAD
        assert "3600" in lines["relay"].found
        assert lines["timers"].state is State.WARN

    def test_a_secret_key_that_does_not_open_the_keys(self, here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        assert here.database_url is not None
        self.make_keys(here.database_url.get_secret_value(), days_ago=0)
        assert lines_of(here)["secret key"].state is State.OK

        monkeypatch.setattr("kernel.sealing.secret_key", lambda: "another-secret-key-of-some-other-house")

        assert lines_of(here)["secret key"].state is State.BAD

    @pytest.mark.parametrize(
        ("days_ago", "state", "words"),
        [(0, State.OK, "89 days"), (85, State.WARN, "4 days"), (100, State.WARN, "ended")],
    )
    def test_keys_that_grow_old(self, here: Settings, days_ago: int, state: State, words: str) -> None:
        assert here.database_url is not None
        self.make_keys(here.database_url.get_secret_value(), days_ago=days_ago)

        line = lines_of(here)["keys"]

        assert line.state is state
        assert words in line.found

    @staticmethod
    def make_keys(url: str, *, days_ago: int) -> None:
        """As the first pay code of a region makes them."""

        async def make() -> None:
            db = Database(url)
            with clock.travelled(timedelta(days=-days_ago)):
                async with db.session() as session:
                    await ensure_signing_key(session, uuid4())
                    await trust_list(session)
            await db.close()

        asyncio.run(make())

    def test_a_valkey_that_does_not_answer(self, here: Settings) -> None:
        away = here.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})

        assert lines_of(away)["valkey"].state is State.BAD

    def test_a_database_that_does_not_answer(self, here: Settings) -> None:
        away = here.model_copy(update={"database_url": SecretStr(f"postgresql://a@127.0.0.1:{free_port()}/a")})

        assert lines_of(away)["postgresql"].state is State.BAD

    def test_a_port_that_somebody_else_uses(self, here: Settings, stranger: int) -> None:
        settings = here.model_copy(update={"port": stranger})
        remember_base_url(settings, stranger)

        line = lines_of(settings)["port"]

        assert (line.state, str(stranger) in line.found) == (State.BAD, True)

    @pytest.fixture
    def stranger(self) -> Iterator[int]:
        """A port that is listened to and never answered at."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            yield listener.getsockname()[1]

    def test_secrets_that_others_may_read(self, here: Settings) -> None:
        (here.data_dir / "secret_key").write_text("x")
        (here.data_dir / "secret_key").chmod(0o644)

        assert lines_of(here)["data folder"].state is State.BAD

    def test_a_backup_that_is_two_days_old(self, here: Settings) -> None:
        at = clock.rfc3339(clock.now() - timedelta(days=2))
        (here.data_dir / "last_backup").write_text(f"{at} /mnt/noon.guanjia\n")

        assert lines_of(here)["backup"].state is State.WARN

    def test_production_without_a_secret_of_its_own(self, here: Settings) -> None:
        assert lines_of(here.model_copy(update={"production": True}))["settings"].state is State.BAD

    def test_the_thresholds(self) -> None:
        gib = 1024**3
        assert machine_checks.disk_finding(2 * gib // 3, 100 * gib).state is State.BAD
        assert machine_checks.disk_finding(3 * gib, 100 * gib).state is State.WARN
        assert machine_checks.disk_finding(30 * gib, 100 * gib).state is State.OK
        assert [database_checks.skew_finding(s).state.value for s in (0.1, -0.7, 9.0)] == ["ok", "warn", "bad"]
        assert [database_checks.connections_finding(n, 100).state.value for n in (70, 80, 95)] == ["ok", "warn", "bad"]
