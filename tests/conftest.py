"""What every test may ask for: a database of its own on a real PostgreSQL, a real Valkey, and the right time.

`database_url` is a fresh database, cloned from a migrated template for each test; `db` opens it. `module_database_url` is
one for a whole file, for read-only tests over data that is dear to make. `durable_postgres` is a server of its own with
everything durable, for tests that kill it.
"""

import asyncio
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey
from kernel import clock
from kernel.db import Database
from tests.chromium import find_chromium
from tests.product import Product, end_product, shared_product
from tests.servers import RUN_FOLDER_VARIABLE, TEMPLATE, SharedPostgres, end_keeper, shared_postgres

# ---- one run, one folder, one database server


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # A process of pytest-xdist: the run was begun by its parent.
    folder = Path(tempfile.mkdtemp(prefix="guanjia-tests-"))
    (folder / "run.pid").write_text(str(os.getpid()))
    os.environ[RUN_FOLDER_VARIABLE] = str(folder)
    # A setting of the developer's shell must not decide whether a test passes.
    for name in [name for name in os.environ if name.startswith("GUANJIA_") and name != RUN_FOLDER_VARIABLE]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first starts the product, and a busy machine takes its time to fill the demo province."""
    for item in items:
        if "product" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300))


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or RUN_FOLDER_VARIABLE not in os.environ:
        return
    folder = Path(os.environ.pop(RUN_FOLDER_VARIABLE))
    end_product(folder)
    end_keeper(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> SharedPostgres:
    """The shared PostgreSQL of this run; its cluster is thrown away afterwards and therefore not durable."""
    return shared_postgres()


# ---- the whole product, from outside


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """The running product with the demo province in it, shared by this run's processes."""
    product = shared_product()
    yield product
    product.close()


# ---- databases


async def _run_as_superuser(server: SharedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.superuser_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _fresh_database(server: SharedPostgres, template: str = TEMPLATE) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:16]}"
    create = f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY OWNER guanjia'
    _run_apart(_run_as_superuser(server, create))
    try:
        yield server.database_url(name)
    finally:
        _run_apart(_run_as_superuser(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


def _run_apart(coroutine: Any) -> None:
    """In a loop of its own, so that a synchronous fixture serves tests of both kinds."""
    with asyncio.Runner() as runner:
        runner.run(coroutine)


@pytest.fixture
def database_url(postgres_server: SharedPostgres) -> Iterator[str]:
    """A fresh, migrated database for this test alone."""
    with _fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(postgres_server: SharedPostgres) -> Iterator[str]:
    """A fresh, migrated database for this file's tests together."""
    with _fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: SharedPostgres) -> Iterator[str]:
    """A database without any table: for tests of the migrations themselves."""
    with _fresh_database(postgres_server, "template1") as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The test's own database, opened."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def durable_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own with fsync on, started, its database empty: for tests that kill it."""
    postgres = EmbeddedPostgres(tmp_path / "durable")
    postgres.start()
    yield postgres
    postgres.stop()


# ---- Valkey


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One for each process of the run, because messages of one test must not reach another's subscribers."""
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
def valkey_url(valkey_server: EmbeddedValkey) -> str:
    """A running Valkey, emptied."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of its own, started: for tests that kill it."""
    valkey = EmbeddedValkey(tmp_path / "own")
    valkey.start()
    yield valkey
    valkey.stop()


# ---- a browser


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The system's Chromium. Without one the test is skipped by name; with REQUIRE_BROWSER=1, as in .ci/run, it fails."""
    path = find_chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER is set, and there is no Chromium here (apt-get install chromium)")
        pytest.skip("no Chromium here (apt-get install chromium)")
    return path


# ---- the world outside


@pytest.fixture(autouse=True)
def _real_time() -> Iterator[None]:
    """However a test moves the clock, the next one starts at the real time."""
    clock.reset()
    yield
    clock.reset()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test speaks with the world: a socket to anywhere but this machine fails, in words."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def checked(address: Any) -> None:
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            raise AssertionError(f"A test tried to reach {address[0]}:{address[1]}; tests stay on this machine.")

    def connect_here(self: socket.socket, address: Any) -> None:
        checked(address)
        connect(self, address)

    def connect_ex_here(self: socket.socket, address: Any) -> int:
        checked(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex_here)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
