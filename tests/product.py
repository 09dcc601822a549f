"""One whole product with the demo province, shared by all processes of a test run, for tests that stand outside of it.

The first test that needs it starts a keeper process, which starts `guanjia run` and ends it when the pytest process that
began the run is gone, however it went. Tests share it and therefore take people, tills and numbers of their own.
"""

import asyncio
import fcntl
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx

from app.embedded.postgres import EmbeddedPostgres
from tests.processes import is_gone
from tests.servers import RUN_FOLDER_VARIABLE

ROOT: Final = Path(__file__).resolve().parent.parent
START_TIMEOUT_S: Final = 240
Json = dict[str, Any]


@dataclass(frozen=True)
class Till:
    """A till with its token, as the product of one till would know it."""

    product: "Product"
    card: Json

    @property
    def id(self) -> str:
        identifier: str = self.card["id"]
        return identifier

    @property
    def canteen(self) -> str:
        canteen: str = self.card["canteen"]
        return canteen

    @cached_property
    def http(self) -> httpx.Client:
        return self.product.client(self.card["token"])

    def pay(self, body: Json, key: str | None = None, **headers: str) -> httpx.Response:
        """`POST /v1/payments` with a key and a number of its own, unless the test says which."""
        sent = {"Idempotency-Key": key or f"test-{uuid4()}", **headers}
        return self.http.post("/v1/payments", json={"seq": fresh_seq(), **body}, headers=sent)


@dataclass(frozen=True)
class Diner:
    """A demo employee who is signed in."""

    http: httpx.Client
    token: str
    username: str

    def code(self) -> Json:
        """A fresh pay code."""
        answer = self.http.post("/v1/me/pay_codes")
        assert answer.status_code == 201, answer.text
        issued: Json = answer.json()
        return issued

    def purses(self) -> Json:
        found: Json = self.http.get("/v1/me/purses").json()
        return found


# Far above what tills count, and apart from the other processes of this run.
_numbers = itertools.count(random.SystemRandom().randrange(10**9, 10**15))
_amounts = itertools.cycle(random.SystemRandom().sample(range(1, 301), 300))


def fresh_seq() -> int:
    """A number that no till has used."""
    return next(_numbers)


def fresh_amount_fen() -> int:
    """1 to 300, and not the same again for long: a double tap is asked about."""
    return next(_amounts)


class Product:
    """The running product, seen from outside."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.card: Json = json.loads(self.command("demo", "--json"))
        self.url: str = self.card["base_url"]
        self._clients: list[httpx.Client] = []
        self._tokens: dict[str, str] = {}

    def command(self, *arguments: str) -> str:
        """`./guanjia ...` against this product's data folder."""
        environment = os.environ | {"GUANJIA_DATA_DIR": str(self.data_dir)}
        return subprocess.run(
            [str(ROOT / "guanjia"), *arguments], env=environment, cwd="/", check=True, capture_output=True, text=True
        ).stdout

    def client(self, token: str | None = None) -> httpx.Client:
        """Whoever holds this token; nobody without one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def token_of(self, username: str) -> str:
        """Signed in once."""
        if username not in self._tokens:
            everybody = [*self.card["employees"], *self.card["staff"]]
            login = next(person for person in everybody if person["username"] == username)
            sent = {"username": username, "password": login["password"]}
            answer = httpx.post(f"{self.url}/v1/sessions", json=sent, timeout=30)
            assert answer.status_code == 201, answer.text
            self._tokens[username] = answer.json()["token"]
        return self._tokens[username]

    def diner(self, number: int) -> Diner:
        """One of the demo's employees; each file of tests takes its own numbers."""
        username = self.card["employees"][number]["username"]
        token = self.token_of(username)
        return Diner(self.client(token), token, username)

    def staff(self, role: str) -> httpx.Client:
        """Whoever holds this role."""
        login = next(person for person in self.card["staff"] if role in person["roles"])
        return self.client(self.token_of(login["username"]))

    def till(self, number: int = 0) -> Till:
        """A till of the demo; the first four stand in the first canteen."""
        return Till(self, self.card["terminals"][number])

    def new_till(self) -> Till:
        """A till of the first canteen that no other test knows, enrolled as a newcomer's would be."""
        office, site = self.staff("system_admin"), self.till().http.get("/v1/terminals/me").json()["site"]["id"]
        new = {"site": site, "name": f"T-{uuid4().hex[:8]}", "modes": ["keyed", "fixed", "menu", "count"]}
        made = office.post("/v1/terminals", json=new)
        assert made.status_code == 201, made.text
        enrolled = self.client().post("/v1/terminals/enrol", json={"pairing_code": made.json()["pairing"]["code"]})
        assert enrolled.status_code == 201, enrolled.text
        return Till(self, {**enrolled.json(), "id": made.json()["terminal"]["id"], "canteen": self.till().canteen})

    def age_code(self, identifier: str, seconds: int, *, block: bool = True) -> None:
        """Make a pay code that much older, P2 with it. The clock of a running product is never moved; its rows may be."""
        self._age("pay_codes", ("expires_at", *(["block_expires_at"] if block else [])), identifier, seconds)

    def age_payment(self, identifier: str, seconds: int) -> None:
        """The same for a payment."""
        self._age("payments", ("recorded_at",), identifier, seconds)

    def _age(self, table: str, columns: tuple[str, ...], identifier: str, seconds: int) -> None:
        postgres = EmbeddedPostgres(self.data_dir)
        assert postgres.attach()
        changes = ", ".join(f"{column} = {column} - $2::interval" for column in columns)

        async def age() -> str:
            connection = await asyncpg.connect(postgres.url)
            try:
                statement = f"UPDATE {table} SET {changes} WHERE id = $1"
                return await connection.execute(statement, UUID(identifier[4:]), timedelta(seconds=seconds))
            finally:
                await connection.close()

        # In a loop and a thread of its own, because a browser test has a loop already.
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(asyncio.run, age()).result() == "UPDATE 1"

    @property
    def socket_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/v1/realtime"


# ---- one for the run

# Held so that nobody believes the child was forgotten.
_keepers: dict[int, "subprocess.Popen[bytes]"] = {}


def shared_product() -> Product:
    """The product of this run, started now if this is the first call in any of its processes."""
    folder = Path(os.environ[RUN_FOLDER_VARIABLE])
    with (folder / "product.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "product.ready").exists():
            _start_keeper(folder)
    return Product(folder / "product")


def _start_keeper(folder: Path) -> None:
    run_pid = int((folder / "run.pid").read_text())
    with (folder / "product.log").open("ab") as log:
        keeper = _keepers[run_pid] = subprocess.Popen(
            [sys.executable, "-m", "tests.product", str(folder), str(run_pid)],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "product.pid").write_text(str(keeper.pid))
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (folder / "product.ready").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise RuntimeError(f"The product did not start:\n{(folder / 'product.log').read_text()}")
        time.sleep(0.1)


def end_product(folder: Path) -> None:
    """At the end of the run: ask the keeper to end the product, and wait for it."""
    pid_file = folder / "product.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    keeper = _keepers.pop(os.getpid(), None)
    if keeper is not None:
        keeper.wait(60)
        return
    done = folder / "product.done"
    deadline = time.monotonic() + 60
    while not done.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _keep(folder: Path, run_pid: int) -> None:
    """The keeper process: start it, say so, then wait for the end of the run."""
    ended: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    settings = {"GUANJIA_DATA_DIR": str(folder / "product"), "GUANJIA_PORT": "0"}
    product = subprocess.Popen([str(ROOT / "guanjia"), "run", "--no-frontend"], env=os.environ | settings, cwd="/")
    log, ready = folder / "product.log", folder / "product.ready"
    try:
        while not ended and product.poll() is None and not is_gone(run_pid):
            if not ready.exists() and "Ctrl-C stops everything" in log.read_text():
                ready.touch()
            time.sleep(0.1)
    finally:
        product.send_signal(signal.SIGINT)
        product.wait(60)
        if folder.exists():
            (folder / "product.done").touch()


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
