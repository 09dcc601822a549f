"""`./guanjia`, as a person meets it."""

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from app.demo_logins import write_demo_logins
from kernel.db import Database

ROOT = Path(__file__).resolve().parents[2]
LOGINS = {
    "root_public_key": "AAAA",
    "employees": [{"username": "lin", "password": "celadon", "name": "林小满", "class": "staff"}],
    "terminals": [{"id": "ter_1", "token": "gjt_1", "canteen": "can_1", "modes": ["keyed"]}],
    "staff": [{"username": "cashier", "password": "celadon", "roles": ["cashier"]}],
}


def guanjia(
    *arguments: str, launcher: Path = ROOT / "guanjia", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run it from elsewhere, with nothing of ours on the PATH."""
    variables = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")} | environment
    command = [str(launcher), *arguments]
    return subprocess.run(command, cwd="/", env=variables, capture_output=True, text=True, check=False)


class TestLauncher:
    def test_help_names_the_commands(self) -> None:
        done = guanjia("--help")

        assert done.returncode == 0
        for command in ("run", "demo", "migrate", "worker"):
            assert command in done.stdout

    def test_it_works_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "steward").symlink_to(ROOT / "guanjia")

        assert guanjia("--help", launcher=tmp_path / "steward").returncode == 0

    def test_without_an_environment_it_says_what_to_do_and_makes_nothing(self, tmp_path: Path) -> None:
        shutil.copy(ROOT / "guanjia", tmp_path)

        done = guanjia("run", launcher=tmp_path / "guanjia")

        assert done.returncode == 1
        assert "make setup" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["guanjia"]


class TestDemo:
    def test_logins_are_told_with_the_server_stopped(self, tmp_path: Path) -> None:
        write_demo_logins(tmp_path, LOGINS)
        (tmp_path / "base_url").write_text("http://127.0.0.1:8123\n")

        done = guanjia("demo", "--json", GUANJIA_DATA_DIR=str(tmp_path))

        assert json.loads(done.stdout) == {"base_url": "http://127.0.0.1:8123", **LOGINS}
        assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600

    def test_for_people_it_is_a_list(self, tmp_path: Path) -> None:
        write_demo_logins(tmp_path, LOGINS)

        done = guanjia("demo", GUANJIA_DATA_DIR=str(tmp_path), GUANJIA_PORT="8124")

        assert "http://127.0.0.1:8124" in done.stdout
        assert "林小满" in done.stdout

    def test_the_data_that_make_run_made_is_found_from_any_folder(self, tmp_path: Path) -> None:
        place = "from kernel.settings import Settings; print(Settings().data_dir)"

        def data_dir(**environment: str) -> str:
            command = [str(ROOT / ".venv/bin/python"), "-c", place]
            variables = {"PYTHONPATH": str(ROOT), **environment}
            done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        assert data_dir() == str(ROOT / ".data")
        assert data_dir(GUANJIA_DATA_DIR="mine") == "mine"

    def test_without_a_demo_it_says_so(self, tmp_path: Path) -> None:
        done = guanjia("demo", "--json", GUANJIA_DATA_DIR=str(tmp_path))

        assert done.returncode == 1
        assert "no demo" in done.stderr


class TestMigrate:
    def test_production_refuses_a_demo_database_in_one_sentence(self, database_url: str) -> None:
        done = guanjia(
            "migrate",
            GUANJIA_DATABASE_URL=self.with_demo(database_url),
            GUANJIA_PRODUCTION="true",
            GUANJIA_SECRET_KEY="d2f1c0b9a8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9",
        )

        assert done.returncode == 1
        assert "holds the demo's people" in done.stderr
        assert "Traceback" not in done.stderr

    @staticmethod
    def with_demo(url: str) -> str:
        """As seeding marks it."""

        async def mark() -> None:
            db = Database(url)
            async with db.session() as session:
                await session.execute(text("CREATE TABLE demo_seed (started_at timestamptz, completed_at timestamptz)"))
            await db.close()

        with asyncio.Runner() as runner:
            runner.run(mark())
        return url

    @pytest.mark.parametrize("url", ["postgresql://guanjia@127.0.0.1:1/guanjia"])
    def test_a_database_that_does_not_answer_is_said_in_words(self, url: str) -> None:
        done = guanjia("migrate", GUANJIA_DATABASE_URL=url)

        assert done.returncode == 1
        assert "could not be brought to schema" in done.stderr
        assert "Traceback" not in done.stderr
