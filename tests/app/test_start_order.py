"""What a start does beside one another, and what has to wait: nobody touches the database before it is ready."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app import frontend_build, supervisor
from app.gate import GATE_FD_VARIABLE, Gate
from app.kept_child import ChildPlan
from app.listening import open_listening_sockets
from app.processes import PROCESSES, Kind
from app.supervisor import Supervisor
from kernel.db import Database
from kernel.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
_CHILD = "from app.gate import wait_at_gate; wait_at_gate(); print('through', flush=True)"


def child_at(gate: Gate) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        cwd=ROOT,
        env={GATE_FD_VARIABLE: str(gate.fd), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        pass_fds=[gate.fd],
    )


class TestGate:
    async def test_a_child_holds_until_it_opens_and_a_later_one_walks_through(self) -> None:
        gate = Gate()
        with child_at(gate) as early:
            with pytest.raises(subprocess.TimeoutExpired):
                early.wait(0.8)
            gate.open()
            assert early.communicate(timeout=10)[0] == b"through\n"
        with child_at(gate) as late:
            assert late.communicate(timeout=10)[0] == b"through\n"
        gate.close()

    def test_without_a_supervisor_there_is_none(self) -> None:
        done = subprocess.run([sys.executable, "-c", _CHILD], cwd=ROOT, capture_output=True, timeout=10, check=True)
        assert done.stdout == b"through\n"


class TestFirstStart:
    async def test_front_end_and_database_are_made_side_by_side_and_services_wait_for_both(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        told: list[str] = []
        database_begun = threading.Event()
        starting = Supervisor(Settings(data_dir=tmp_path, port=0), say=told.append, with_demo=False)

        def build() -> bool:
            # One after the other, this would wait in vain.
            assert database_begun.wait(10)
            told.append("built")
            return True

        async def no_servers() -> list[ChildPlan]:
            return []

        async def migrate(*_arguments: str) -> None:
            database_begun.set()
            assert starting._gate is not None
            assert not starting._gate.opened.is_set()
            assert "services" in told, "they import their code meanwhile"

        monkeypatch.setattr(frontend_build, "build_if_stale", build)
        monkeypatch.setattr(starting, "_prepare_servers", no_servers)
        monkeypatch.setattr(starting, "_spawn_services", lambda: told.append("services"))
        monkeypatch.setattr(starting, "_run_once", migrate)
        await starting._start()
        try:
            assert told == ["services", "built"]
            assert starting._gate is not None
            assert starting._gate.opened.is_set()
        finally:
            await starting._stop()

    async def test_all_of_ours_wait_at_the_gate(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        kept: dict[str, Any] = {}

        class Kept:
            def __init__(self, plan: ChildPlan, **_: object) -> None:
                kept[plan.name] = plan

        monkeypatch.setattr(supervisor, "KeptChild", Kept)
        starting = Supervisor(Settings(data_dir=tmp_path, port=0), say=lambda _: None)
        starting._gate = Gate()
        starting._sockets = open_listening_sockets("127.0.0.1", 0, 1)
        starting._spawn_services()

        assert set(kept) == {row.name for row in PROCESSES if row.kind is Kind.SERVICE}
        assert all(plan.gate is starting._gate for plan in kept.values())
        starting._sockets[0].close()
        starting._gate.close()


class TestBytecode:
    @pytest.mark.parametrize("unwanted", ["", "1"])
    def test_who_wants_none_beside_the_sources_has_it_in_the_data_folder(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unwanted: str
    ) -> None:
        monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", unwanted)
        starting = Supervisor(Settings(data_dir=tmp_path), say=lambda _: None)
        starting._prepare_environment(port=8000)

        assert "PYTHONDONTWRITEBYTECODE" not in starting._environment
        prefix = starting._environment.get("PYTHONPYCACHEPREFIX")
        assert prefix == (str(tmp_path / "run" / "bytecode") if unwanted else None)


class TestSeeding:
    async def test_only_who_makes_up_data_does_without_the_disk(self, database_url: str) -> None:
        sources = []
        for commits_may_be_lost in (True, False):
            db = Database(database_url, commits_may_be_lost=commits_may_be_lost)
            async with db.session() as session:
                found = await session.execute(
                    text("SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'")
                )
                sources.append(tuple(found.one()))
            await db.close()

        assert sources[0] == ("off", "client")
        # Whatever the server's own file says.
        assert sources[1][1] != "client"
