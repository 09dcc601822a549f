"""`make run` from its start to its end, with everything in between that can go wrong."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.app.copies import Copy, end, running_copy, wait_until
from tests.app.test_embedded_postgres import run_sql
from tests.processes import children_of, is_gone


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """One running copy for the tests that break a part of it and see it mended."""
    with running_copy(tmp_path_factory.mktemp("copy") / "data") as copy:
        yield copy


@pytest.fixture(autouse=True)
def _fresh_ears(request: pytest.FixtureRequest) -> None:
    if "copy" in request.fixturenames:
        request.getfixturevalue("copy").forget()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Copy]]:
    """Starts copies that may fail; ends what is left of them."""
    copies: list[Copy] = []

    def start(data_dir: Path = tmp_path, **environment: str) -> Copy:
        copies.append(Copy(data_dir, environment))
        return copies[-1]

    yield start
    for copy in copies:
        end(copy)


class TestCrashes:
    def test_all_parts_are_ready_and_named(self, copy: Copy) -> None:
        assert copy.ready()["database"] == "ok"
        assert copy.ready()["valkey"] == "ok"

    def test_its_database_keeps_what_it_acknowledges(self, copy: Copy) -> None:
        """Asked on a session of the product's own role, whose settings might differ from the server's."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert run_sql(copy.database_url, f"SHOW {setting}") == "on"

    def test_a_killed_web_process_is_replaced_and_nobody_is_refused(self, copy: Copy) -> None:
        copy.kill("web")

        # Asked at once: the socket belongs to the supervisor, so the question waits for the next process.
        assert httpx.get(f"{copy.url}/healthz", timeout=20).json() == {"status": "ok"}
        copy.hears("! web was ended by SIGKILL; starting it again").hears("web is running again")

    def test_a_killed_worker_is_replaced(self, copy: Copy) -> None:
        before = copy.pid_of("worker")
        copy.kill("worker")

        copy.hears("! worker was ended by SIGKILL").hears("worker is running again")
        assert copy.pid_of("worker") != before

    def test_a_killed_valkey_comes_back_at_the_same_address(self, copy: Copy) -> None:
        copy.kill("valkey")

        copy.hears("! valkey was ended by SIGKILL").hears("valkey is running again")
        assert copy.ready()["valkey"] == "ok"

    def test_a_killed_database_recovers_and_has_lost_nothing(self, copy: Copy) -> None:
        run_sql(copy.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")

        copy.kill("postgres")

        copy.hears("! postgres was ended by SIGKILL").hears("postgres is running again")
        assert run_sql(copy.database_url, "SELECT answer FROM kept") == 42
        wait_until(lambda: copy.ready()["database"] == "ok", 15, lambda: copy.said)
        assert "automatic recovery in progress" in (copy.data_dir / "logs" / "postgres.log").read_text()


class TestTheEnd:
    def test_ctrl_c_ends_everything_in_order_and_the_next_start_finds_it_all(self, tmp_path: Path) -> None:
        with running_copy(tmp_path) as copy:
            run_sql(copy.database_url, "CREATE TABLE kept ()")
            children = children_of(copy.process.pid)

            assert copy.interrupt() == 0

            assert [pid for pid in children if not is_gone(pid)] == []
            assert copy.lines[-1] == "Everything has stopped."
            # Orderly: the database was told, not cut off.
            assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()

        with running_copy(tmp_path) as copy:
            assert run_sql(copy.database_url, "SELECT to_regclass('kept') IS NOT NULL") is True

    def test_killing_the_supervisor_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with running_copy(tmp_path) as copy:
            children = children_of(copy.process.pid)
            assert len(children) >= 4

            os.kill(copy.process.pid, signal.SIGKILL)
            copy.wait()

            wait_until(lambda: all(is_gone(pid) for pid in children), 15, lambda: f"left behind of {children}")

    def test_ctrl_c_during_the_start_ends_it(self, start: Callable[..., Copy]) -> None:
        copy = start().hears("Making the database")

        assert copy.interrupt() == 0
        assert copy.lines[-1] == "Everything has stopped."


class TestNeighbours:
    def test_two_copies_run_side_by_side(self, copy: Copy, tmp_path: Path) -> None:
        with running_copy(tmp_path, {"GUANJIA_WORKERS": "2"}) as other:
            assert other.url != copy.url
            assert other.database_url != copy.database_url
            assert other.ready()["database"] == "ok"
        assert copy.ready()["database"] == "ok"

    def test_a_taken_port_is_said_in_words(self, copy: Copy, start: Callable[..., Copy]) -> None:
        port = copy.url.rpartition(":")[2]
        second = start(GUANJIA_PORT=port)

        assert second.wait() == 1
        assert f"Port {port} is already taken on 127.0.0.1" in second.said
        assert "Traceback" not in second.said

    def test_a_data_folder_in_use_is_said_in_words(self, copy: Copy, start: Callable[..., Copy]) -> None:
        second = start(copy.data_dir)

        assert second.wait() == 1
        assert f"Another copy of Guanjia is running on {copy.data_dir}" in second.said
        assert copy.ready()["database"] == "ok"


class TestStartsThatCannotWork:
    def test_a_database_of_a_newer_version_is_left_alone(self, start: Callable[..., Copy], tmp_path: Path) -> None:
        with running_copy(tmp_path) as copy:
            run_sql(copy.database_url, "UPDATE alembic_version SET version_num = '9999'")

        second = start()

        assert second.wait() == 1
        assert "It was written by a newer version" in second.said
        assert "Traceback" not in second.said

    def test_a_data_folder_that_cannot_be_written_is_said_in_words(
        self, start: Callable[..., Copy], tmp_path: Path
    ) -> None:
        (tmp_path / "a file").touch()

        copy = start(tmp_path / "a file" / "data")

        assert copy.wait() == 1
        assert "cannot be written" in copy.said
        assert "Traceback" not in copy.said
