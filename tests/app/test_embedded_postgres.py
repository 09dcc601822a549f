"""The embedded PostgreSQL: durable, private, and gone when its parent is."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.embedded.postgres import EmbeddedPostgres
from app.problems import EmbeddedServerError
from tests.processes import children_of, is_gone

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def run_sql(url: str, statement: str) -> object:
    """One statement, one value."""

    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(ask())


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A cluster that is cheap to make: nothing here but the tests of durability needs fsync."""
    server = EmbeddedPostgres(tmp_path, throw_away=True)
    yield server
    server.stop()


class TestDurability:
    def test_what_is_acknowledged_is_on_disk(self, durable_postgres: EmbeddedPostgres) -> None:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert run_sql(durable_postgres.url, f"SHOW {setting}") == "on"

    def test_a_killed_server_recovers_what_was_committed(self, durable_postgres: EmbeddedPostgres) -> None:
        run_sql(durable_postgres.url, "CREATE TABLE meals (name text)")
        run_sql(durable_postgres.url, "INSERT INTO meals VALUES ('红烧肉')")

        durable_postgres.kill()
        durable_postgres.start()

        assert run_sql(durable_postgres.url, "SELECT name FROM meals") == "红烧肉"
        log = durable_postgres.log_file.read_text()
        assert "database system was not properly shut down; automatic recovery in progress" in log

    def test_it_keeps_its_address_over_a_restart(self, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
        postgres.start()
        url = postgres.url
        postgres.stop()

        again = EmbeddedPostgres(tmp_path, throw_away=True)
        again.prepare()

        assert again.url == url


class TestPrivacy:
    def test_only_its_owner_can_read_its_password_and_enter_its_socket_folder(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()

        assert stat.S_IMODE((postgres.folder / "password").stat().st_mode) == 0o600
        assert stat.S_IMODE(postgres.socket_folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(postgres.folder.stat().st_mode) == 0o700

    def test_nobody_comes_in_without_the_password(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()

        with pytest.raises(asyncpg.InvalidPasswordError):
            run_sql(postgres.url.replace(postgres.password, "guessed"), "SELECT 1")

    def test_our_role_is_no_superuser(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()

        assert run_sql(postgres.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert run_sql(postgres.url, "SELECT count(*) > 0 FROM pg_stat_statements") is True

    def test_it_listens_on_this_machine_only(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()

        assert run_sql(postgres.url, "SHOW listen_addresses") == "127.0.0.1"

    def test_a_data_folder_may_lie_deep(self, tmp_path: Path) -> None:
        deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 5)
        server = EmbeddedPostgres(deep, throw_away=True)

        server.start()
        try:
            assert len(f"{server.socket_folder}/.s.PGSQL.{server.port}") <= 107
            assert run_sql(server.url, "SELECT 1") == 1
        finally:
            server.stop()

    def test_chinese_sorts_the_same_everywhere(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()

        query = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'guanjia'"
        assert run_sql(postgres.url, query) == "bC.UTF-8"


class TestWhatAnEarlierLifeLeftBehind:
    def test_a_lock_file_whose_number_now_belongs_to_somebody_else(self, postgres: EmbeddedPostgres) -> None:
        postgres.start()
        lock = postgres.cluster / "postmaster.pid"
        text = lock.read_text()
        postgres.kill()
        with subprocess.Popen(["sleep", "60"]) as somebody:
            lock.write_text(text.replace(text.split("\n", maxsplit=1)[0], str(somebody.pid), 1))
            try:
                postgres.start()
            finally:
                somebody.kill()

        assert run_sql(postgres.url, "SELECT 1") == 1

    def test_a_first_start_that_was_interrupted(self, postgres: EmbeddedPostgres) -> None:
        unfinished = postgres.folder / "cluster.unfinished"
        unfinished.mkdir(parents=True)
        (unfinished / "PG_VERSION").write_text("18")

        postgres.start()

        assert run_sql(postgres.url, "SELECT 1") == 1

    def test_a_port_that_is_taken_meanwhile(self, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
        postgres.start()
        port = postgres.port
        postgres.stop()
        again = EmbeddedPostgres(tmp_path, throw_away=True)

        with socket.create_server(("127.0.0.1", port)):
            again.prepare()

        assert again.port != port

    def test_a_cluster_of_another_major_version_is_refused_in_words(self, tmp_path: Path) -> None:
        server = EmbeddedPostgres(tmp_path)
        server.cluster.mkdir(parents=True)
        (server.cluster / "PG_VERSION").write_text("17\n")

        with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 17"):
            server.prepare()

    def test_a_second_server_on_the_same_folder_is_refused(
        self, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        postgres.start()
        monkeypatch.setattr("app.embedded.postgres.STALE_TIMEOUT_S", 0.2)

        with pytest.raises(EmbeddedServerError, match="Another copy of Guanjia"):
            EmbeddedPostgres(tmp_path, throw_away=True).prepare()

        assert run_sql(postgres.url, "SELECT 1") == 1

    def test_a_running_server_can_be_found_by_its_folder(self, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
        other = EmbeddedPostgres(tmp_path, throw_away=True)
        assert other.attach() is False

        postgres.start()

        assert other.attach() is True
        assert other.url == postgres.url


class TestItsEnd:
    def test_it_dies_with_its_parent(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from pathlib import Path; from app.embedded.postgres import EmbeddedPostgres as P;"
            "p = P(Path(sys.argv[1]), throw_away=True); p.start(); print('up', flush=True); time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "up\n"
            servers = children_of(parent.pid)
            assert servers

            parent.send_signal(signal.SIGKILL)

        deadline = time.monotonic() + 10
        while not all(is_gone(pid) for pid in servers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [pid for pid in servers if not is_gone(pid)] == []

    def test_a_taken_port_that_was_asked_for_is_an_error_in_words(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(EmbeddedServerError, match=f"Port {port}, wanted for PostgreSQL, is already taken"):
                EmbeddedPostgres(tmp_path, port=port, throw_away=True).start()


class TestAsRoot:
    @as_root
    def test_under_a_folder_that_only_root_may_enter(self, tmp_path: Path) -> None:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o700)
        server = EmbeddedPostgres(locked / "data", throw_away=True)

        server.start()
        try:
            assert stat.S_IMODE(locked.stat().st_mode) == 0o700
            assert server.cluster.stat().st_uid == 0
        finally:
            server.stop()

    @as_root
    def test_where_user_namespaces_are_refused_it_becomes_another_user_and_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And the data goes with it, both ways. In /tmp itself, because pytest's folders are locked to others."""
        folder = Path(f"/tmp/guanjia-identity-{os.getpid()}")
        identities = EmbeddedPostgres._identities
        try:
            with monkeypatch.context() as refused:
                refused.setattr(EmbeddedPostgres, "_identities", lambda self: identities(self)[1:])
                server = EmbeddedPostgres(folder, throw_away=True)
                server.start()
                run_sql(server.url, "CREATE TABLE stays ()")
                assert server.cluster.stat().st_uid != 0
                server.stop()
            server = EmbeddedPostgres(folder, throw_away=True)
            server.start()
            assert server.cluster.stat().st_uid == 0
            assert run_sql(server.url, "SELECT to_regclass('stays') IS NOT NULL") is True
            server.stop()
        finally:
            subprocess.run(["rm", "-rf", str(folder)], check=True)

    @as_root
    def test_where_nothing_helps_it_says_what_was_tried(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o700)
        identities = EmbeddedPostgres._identities
        monkeypatch.setattr(EmbeddedPostgres, "_identities", lambda self: identities(self)[1:])

        with pytest.raises(EmbeddedServerError, match=r"(?s)as the user \w+: .*GUANJIA_DATABASE_URL"):
            EmbeddedPostgres(locked / "data", throw_away=True).prepare()
