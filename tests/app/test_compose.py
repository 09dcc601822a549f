"""docker-compose.yml starts what it says: each process of ours is started here with its command, its environment and its health
check from that file; only the names of other containers and the ports are this machine's."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.embedded.postgres import INITDB_ARGUMENTS, SERVER_SETTINGS
from app.processes import PROCESSES, Kind
from tests.app.copies import wait_until

ROOT = Path(__file__).resolve().parents[2]
OURS = [row for row in PROCESSES if row.kind in (Kind.ONCE, Kind.SERVICE)]
SERVICES = [row.name for row in OURS if row.kind is Kind.SERVICE]

# What an operator writes into .env.
ENV_FILE = {
    "GUANJIA_DOMAIN": "card.example",
    "GUANJIA_SUPERUSER_PASSWORD": "superuser0",
    "GUANJIA_DATABASE_PASSWORD": "database0",
    "GUANJIA_VALKEY_PASSWORD": "valkey0",
    "GUANJIA_SECRET_KEY": "d2f1c0b9a8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file as it stands in the tree."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def filled_in(text: str, environment: dict[str, str]) -> str:
    """`${NAME:?complaint}` and `${NAME:-default}`, as compose reads them."""

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if environment.get(name):
            return environment[name]
        if kind == ":?":
            raise LookupError(f"{name}: {rest}")
        return rest

    return re.sub(r"\$\{(\w+)(:\?|:-)([^}]*)\}", fill, text)


class OnThisMachine:
    """A service of the file, started here."""

    def __init__(self, service: dict[str, Any], database_url: str, valkey_url: str) -> None:
        self.service = service
        self.environment = {name: filled_in(value, ENV_FILE) for name, value in service["environment"].items()}
        assert self.environment["GUANJIA_DATABASE_URL"] == "postgresql://guanjia:database0@postgres:5432/guanjia"
        assert self.environment["GUANJIA_REDIS_URL"] == "redis://:valkey0@valkey:6379/0"
        self.environment |= {"GUANJIA_DATABASE_URL": database_url, "GUANJIA_REDIS_URL": valkey_url}
        self.ports = {"8000": str(free_port()), "8001": str(free_port())}
        if "GUANJIA_PORT" in self.environment:
            self.environment["GUANJIA_PORT"] = self.ports[self.environment["GUANJIA_PORT"]]
        # As in the image: the project's folder is on the PATH, and nothing else of this shell comes along.
        self.environment |= {"PATH": f"{ROOT}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}

    def here(self, command: list[str]) -> list[str]:
        """The same command with this machine's ports."""
        return [re.sub(r"\b800[01]\b", lambda port: self.ports[port.group(0)], part) for part in command]

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """Until the end of the block."""
        with subprocess.Popen(
            self.here(self.service["command"]),
            env=self.environment,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                self.said, _ = process.communicate(timeout=20)

    def is_healthy(self) -> bool:
        """What Docker would find."""
        kind, *command = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(self.here(command), env=self.environment, capture_output=True, check=False)
        return done.returncode == 0


def free_port() -> int:
    """Of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class TestOurServices:
    @pytest.mark.parametrize("name", SERVICES)
    def test_it_starts_becomes_healthy_and_ends_when_told(
        self, name: str, compose: dict[str, Any], database_url: str, valkey_url: str
    ) -> None:
        service = OnThisMachine(compose["services"][name], database_url, valkey_url)
        assert not service.is_healthy()

        with service.running() as process:
            wait_until(lambda: service.is_healthy() or process.poll() is not None, 40, lambda: f"{name} is not healthy")
        assert process.returncode == 0, service.said
        assert not service.is_healthy()

    def test_migrate_brings_an_empty_database_up_to_date(
        self, compose: dict[str, Any], empty_database_url: str, valkey_url: str
    ) -> None:
        service = OnThisMachine(compose["services"]["migrate"], empty_database_url, valkey_url)

        for expected in ("Bringing the database from schema none", ""):  # The second time there is nothing to do.
            done = subprocess.run(
                service.here(service.service["command"]),
                env=service.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert expected in done.stdout
            assert bool(done.stdout) is bool(expected)


class TestTheFile:
    def test_it_has_the_processes_of_the_table_and_no_others(self, compose: dict[str, Any]) -> None:
        assert list(compose["services"]) == [row.name for row in PROCESSES if row.kind is not Kind.SIMULATOR]

    @pytest.mark.parametrize("name", sorted(ENV_FILE))
    def test_no_secret_has_a_default(self, name: str) -> None:
        text = (ROOT / "docker-compose.yml").read_text()
        without = {key: value for key, value in ENV_FILE.items() if key != name}

        filled_in(text, ENV_FILE)
        with pytest.raises(LookupError, match=name):
            filled_in(text, without)

    def test_the_example_names_everything_that_must_be_set(self) -> None:
        example = (ROOT / "deploy" / "example.env").read_text()
        required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))

        assert required == set(ENV_FILE)
        assert {name for name in required if re.search(rf"^{name}=$", example, re.MULTILINE)} == required

    @pytest.mark.parametrize("row", OURS, ids=lambda row: row.name)
    def test_ours_run_in_production_mode_and_confined(self, row: Any, compose: dict[str, Any]) -> None:
        service = compose["services"][row.name]

        assert service["environment"]["GUANJIA_PRODUCTION"] == "true"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service  # Only the proxy has a door to the outside.

    def test_the_database_is_made_and_tuned_as_the_embedded_one(self, compose: dict[str, Any]) -> None:
        postgres = compose["services"]["postgres"]

        assert postgres["environment"]["POSTGRES_INITDB_ARGS"].split() == list(INITDB_ARGUMENTS)
        given = dict(part.split("=", 1) for part in postgres["command"] if "=" in part)
        assert given.items() >= SERVER_SETTINGS.items()

    def test_everything_waits_for_what_it_needs(self, compose: dict[str, Any]) -> None:
        for row in (row for row in PROCESSES if row.kind is not Kind.SIMULATOR):
            waits = compose["services"][row.name].get("depends_on", {})
            assert tuple(waits) == row.needs
            for name, condition in waits.items():
                once = next(needed for needed in PROCESSES if needed.name == name).kind is Kind.ONCE
                assert condition["condition"] == ("service_completed_successfully" if once else "service_healthy")

    def test_the_image_holds_every_package(self) -> None:
        dockerfile = (ROOT / "Dockerfile").read_text()
        packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}

        assert packages <= set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))


class TestTheRelayForVoices:
    def test_without_a_secret_it_does_not_start_and_says_what_to_set(self, compose: dict[str, Any]) -> None:
        done = self.started(compose, {}, "true")

        assert done.returncode == 1
        assert "GUANJIA_TURN_SECRET" in done.stderr

    def test_it_shares_its_secret_with_the_web_processes_and_not_with_the_command_line(
        self, compose: dict[str, Any], tmp_path: Path
    ) -> None:
        secret = {"GUANJIA_TURN_SECRET": "celadon"}
        told = 'echo "$@"; cat "$2"'

        done = self.started(compose, secret, told, tmp_path)

        arguments, _, settings = done.stdout.partition("\n")
        assert "celadon" not in arguments
        assert {"use-auth-secret", "static-auth-secret=celadon"} <= set(settings.splitlines())
        web = compose["services"]["web"]["environment"]
        assert filled_in(web["GUANJIA_TURN_SECRET"], ENV_FILE | secret) == "celadon"

    def test_it_is_started_only_where_it_is_asked_for(self, compose: dict[str, Any]) -> None:
        assert [name for name, service in compose["services"].items() if "profiles" in service] == ["coturn"]

    @staticmethod
    def started(
        compose: dict[str, Any], env_file: dict[str, str], turnserver: str, folder: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """The container's start, with a turnserver that only says how it was called."""
        service = compose["services"]["coturn"]
        path = "/usr/bin:/bin"
        if folder is not None:
            (folder / "turnserver").write_text(f"#!/bin/sh\n{turnserver}\n")
            (folder / "turnserver").chmod(0o755)
            path = f"{folder}:{path}"
        environment = {name: filled_in(value, ENV_FILE | env_file) for name, value in service["environment"].items()}
        mounts = dict(volume.split(":")[1::-1] for volume in service["volumes"])
        command = [str(ROOT / mounts.get(part, part)) if part in mounts else part for part in service["entrypoint"]]
        return subprocess.run(
            command, env={"PATH": path, **environment}, capture_output=True, text=True, check=False, timeout=20
        )
