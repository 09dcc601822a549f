"""The world of a bench: real servers with their real, durable settings, a canteen with 14 tills, 10,000 holders.

Everything is made through the services. Nothing is left behind: servers end with the bench, the folder goes.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil
from sqlalchemy.dialects.postgresql import insert

from app.demo_data.kitchens import open_kitchens
from app.demo_data.places import open_places
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.valkey import EmbeddedValkey
from app.migrate import upgrade
from identity.models import Person
from identity.people import NewPerson, open_people
from identity.sign_in import open_session
from identity.terminals import enrol_terminal, open_terminal
from kernel import clock
from kernel.calendar import seed_calendar
from kernel.db import Database
from kernel.ids import uuid7
from payments import api

ROOT: Final = Path(__file__).resolve().parent.parent
TILLS: Final = 14
HOLDERS: Final = 10_000
SIGNED_IN: Final = 1_000
CASH_FEN: Final = 2_000_000
_ACTOR: Final = "bench"
_ISSUED_AT_ONCE: Final = 2000


@dataclass
class Rig:
    """Servers and people, ready to pay."""

    folder: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    database: Database
    canteen: UUID
    unit: UUID
    region: UUID
    tokens: list[str] = field(default_factory=list)
    terminals: list[UUID] = field(default_factory=list)
    holders: list[tuple[int, UUID]] = field(default_factory=list)
    people: list[UUID] = field(default_factory=list)
    _seq: int = 0

    def next_seq(self) -> int:
        """A number that no till has used."""
        self._seq += 1
        return self._seq

    def environment(self, port: int) -> dict[str, str]:
        """What a process of the product is started with."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("GUANJIA_")}
        return own | {
            "GUANJIA_PORT": str(port),
            "GUANJIA_DATABASE_URL": self.postgres.url,
            "GUANJIA_REDIS_URL": self.valkey.url,
            "GUANJIA_DATA_DIR": str(self.folder),
        }

    async def open_sessions(self, count: int) -> list[str]:
        """Signed-in people: the first `count` account holders."""
        if count > SIGNED_IN:
            await self._name_holders(self.people[SIGNED_IN:count])
        async with self.database.session() as session:
            return [(await open_session(session, person)).token for person in self.people[:count]]

    async def _name_holders(self, people: list[UUID]) -> None:
        """Accounts whose owner was nobody so far get one. Not by the service: its events would open the accounts anew."""
        rows = [
            {"id": person, "name": "王小明", "pinyin": "wangxiaoming", "initials": "wxm", "status": "active"}
            | {"language": "zh", "created_at": clock.now()}
            for person in people
        ]
        async with self.database.session() as session:
            await session.execute(insert(Person).on_conflict_do_nothing(), rows)

    async def issue_codes(self, count: int, *, first_holders: int = 0) -> tuple[list[api.IssuedCode], float]:
        """Fresh codes, spread over all holders (or the first of them), in random order; and codes issued a second."""
        holders = self.holders[:first_holders] if first_holders else self.holders
        order = [holders[number % len(holders)] for number in range(count)]
        issued: list[api.IssuedCode] = []
        started = time.perf_counter()
        for at in range(0, count, _ISSUED_AT_ONCE):
            async with self.database.session() as session:
                issued += await api.issue_pay_codes(session, order[at : at + _ISSUED_AT_ONCE])
        rate = count / (time.perf_counter() - started)
        random.shuffle(issued)
        return issued, rate

    async def reset_statistics(self) -> None:
        """Begin counting statements anew."""
        connection = await self.database.raw_connection()
        await connection.execute("SELECT pg_stat_statements_reset()")
        await connection.close()

    async def fetch(self, statement: str) -> list[Any]:
        """Rows of a question to the database."""
        connection = await self.database.raw_connection()
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    def postgres_cpu_s(self) -> float:
        """CPU seconds that Postgres has used so far, the ended backends' not counted."""
        assert self.postgres.pid is not None
        server = psutil.Process(self.postgres.pid)
        return sum(sum(process.cpu_times()[:2]) for process in [server, *server.children(recursive=True)])


@asynccontextmanager
async def open_rig() -> AsyncIterator[Rig]:
    """Start the servers, open the canteen, fill the purses."""
    folder = Path(tempfile.mkdtemp(prefix="guanjia-bench-"))
    postgres, valkey = EmbeddedPostgres(folder / "postgres"), EmbeddedValkey(folder / "valkey")
    try:
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(valkey.start)
        await asyncio.to_thread(upgrade, postgres.url)
        database = Database(postgres.url)
        try:
            yield await _furnish(folder, postgres, valkey, database)
        finally:
            await database.close()
    finally:
        valkey.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _furnish(folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey, database: Database) -> Rig:
    async with database.session() as session:
        await seed_calendar(session)
        await api.create_partitions_around(session, clock.now())
    places = await open_places(database)
    await open_kitchens(database, places)
    unit = places.organisations["U1"]
    region = await _region_of(database, unit)
    rig = Rig(folder, postgres, valkey, database, places.canteens["C1"], unit, region)
    await _open_tills(rig)
    await _open_holders(rig)
    connection = await database.raw_connection()
    await connection.execute("ANALYZE")
    await connection.close()
    return rig


async def _region_of(database: Database, unit: UUID) -> UUID:
    from identity.api import payers_of

    async with database.session() as session:
        return (await payers_of(session, [unit]))[unit].region_id


async def _open_tills(rig: Rig) -> None:
    for number in range(TILLS):
        async with rig.database.session() as session:
            till, pairing = await open_terminal(
                session, site_id=rig.canteen, name=f"{number + 1}", modes=("keyed", "fixed"), actor=_ACTOR
            )
        enrolled = await enrol_terminal(rig.database, pairing.code, "127.0.0.1")
        rig.terminals.append(till)
        rig.tokens.append(enrolled["token"])


async def _open_people(rig: Rig) -> list[UUID]:
    """Those who will sign in are people of the unit; the other accounts need nobody to hold a phone."""
    everybody = [
        NewPerson("王小明", rig.unit, "staff", valid_from=clock.now().date(), staff_number=f"B{number:05d}")
        for number in range(SIGNED_IN)
    ]
    async with rig.database.session() as session:
        return await open_people(session, everybody, actor=_ACTOR)


async def _open_holders(rig: Rig) -> None:
    rig.people = await _open_people(rig) + [uuid7() for _ in range(HOLDERS - SIGNED_IN)]
    month_end = (clock.now() + timedelta(days=20)).date()
    async with rig.database.session() as session:
        await api.prefund_unit(session, rig.unit, rig.region, 10**11, actor=_ACTOR)
    for at in range(0, HOLDERS, _ISSUED_AT_ONCE):
        people = rig.people[at : at + _ISSUED_AT_ONCE]
        async with rig.database.session() as session:
            found = await api.open_holders(
                session, [api.NewHolder(person, rig.unit, rig.region, "staff", "王*") for person in people]
            )
        rig.holders += [found[person] for person in people]
        allotments = [api.Allotment(person, 35_200) for person in people]
        async with rig.database.session() as session:
            await api.grant_subsidies(session, rig.unit, allotments, expires_on=month_end, actor=_ACTOR)
        async with rig.database.session() as session:
            await api.top_up_many_at_counter(session, dict.fromkeys(people, CASH_FEN), actor=_ACTOR)


def amount_of(number: int) -> int:
    """Distinct amounts, so that no two payments of a run look like a double tap: 0.01 to 600.00 yuan."""
    return 1 + number % 60_000


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(command: Sequence[str], environment: dict[str, str], port: int) -> AsyncIterator[int]:
    """A process of the product (or a baseline) that answers on a port; ended afterwards. Yields its pid."""
    process = subprocess.Popen(  # noqa: ASYNC220  our own command; starting takes no time
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.to_thread(_wait_for, port, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        if process.poll() is None:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the process ended with {process.returncode}")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            if json.load(answer)["status"] == "ok":
                return
        time.sleep(0.1)
    raise TimeoutError("the server did not answer within a minute")
