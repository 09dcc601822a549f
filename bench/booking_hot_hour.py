"""Single bookings: everybody wants one hour, and how long the free times of a thousand halls take for a month.

The baseline of an attempt is the same row under the same exclusion constraint by the same number of clients, and nothing else:
no rules, no history, no timer, no event, and no word to the loser of what else would do.
"""

import asyncio
import os
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
from fastapi import FastAPI
from sqlalchemy import text

from bench.rig import Rig
from bench.rows import Row, at_most, compared, told
from booking import calendar_routes, service
from booking.catalogue import open_bookable
from booking.errors import BookingClash
from booking.schemas import NewBookable, NewBooking
from identity.api import Principal, principal_of
from kernel import clock
from kernel.db import Database
from kernel.ids import public_id

# Smaller for a first try: BENCH_BOOKINGS=1000.
ATTEMPTS: Final = int(os.environ.get("BENCH_BOOKINGS", "100000"))
CLIENTS: Final = 64
_HOURS: Final = 50
_HALLS, _ROUNDS = 1000, 9
_BARE: Final = """
    INSERT INTO bare_bookings (id, bookable_id, blocked, blocks) VALUES ($1, $2, tstzrange($3, $4), true)
"""
_FILL: Final = text("""
    INSERT INTO bookings (id, request_id, bookable_id, organiser_id, title, attendees, during, blocked, blocks, state, version,
                          created_at, changed_at)
    SELECT gen_random_uuid(), gen_random_uuid(), b.id, :person, '例会', 4, slot, slot, true, 'confirmed', 1, :now, :now
      FROM bookables b, generate_series(0, 29) AS day, generate_series(0, 1) AS part,
           LATERAL (SELECT tstzrange(CAST(:first AS timestamptz) + make_interval(days => day, hours => 1 + part * 3),
                                     CAST(:first AS timestamptz) + make_interval(days => day, hours => 3 + part * 3))) AS s (slot)
     WHERE b.name_zh LIKE '月历厅%'
""")


async def measure(rig: Rig, database: Database, office: Principal) -> list[Row]:
    """All rows of this file."""
    async with database.session() as session:
        people = [await principal_of(session, person, clock.now().date()) for person in rig.people[:CLIENTS]]
    return [
        *await _measure_attempts(rig, database, office, people),
        *await _measure_free_busy(rig, database, office, people[0]),
    ]


def _hall(rig: Rig, name: str) -> NewBookable:
    fields = {"kind": "venue", "name_zh": name, "region": public_id("reg", rig.region), "capacity": 40}
    return NewBookable.model_validate({**fields, "window_days": 730})


async def _measure_attempts(rig: Rig, database: Database, office: Principal, people: list[Principal]) -> list[Row]:
    async with database.session() as session:
        hall = (await open_bookable(session, office, _hall(rig, "抢手厅"))).id
    first = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(days=200)
    bare = await _bare_rate(rig, hall, first)
    waiting, outcomes = iter(range(ATTEMPTS)), Counter[str]()

    async def client(person: Principal) -> None:
        for number in waiting:
            outcomes[await _attempt(database, person, hall, _hour(first, number))] += 1

    started = time.perf_counter()
    await asyncio.gather(*(client(person) for person in people))
    rate = ATTEMPTS / (time.perf_counter() - started)
    overlapping = await rig.fetch("""
        SELECT count(*) AS n FROM bookings a JOIN bookings b USING (bookable_id)
         WHERE a.id < b.id AND a.blocks AND b.blocks AND a.blocked && b.blocked
    """)
    failed = sum(count for outcome, count in outcomes.items() if outcome not in ("held", "clash"))
    return [
        compared("booking attempts at one hot hour", rate, "attempts/s", "bare constraint", bare, 0.7),
        at_most(f"overlapping bookings after {ATTEMPTS:,} attempts", overlapping[0]["n"], "pairs", 0),
        at_most("attempts that failed otherwise", failed, "attempts", 0),
        told("hours that were had", outcomes["held"], "bookings"),
    ]


def _hour(first: datetime, number: int) -> datetime:
    """Each hour is hot in its turn."""
    return first + timedelta(hours=number * _HOURS // ATTEMPTS)


async def _attempt(database: Database, person: Principal, hall: UUID, start: datetime) -> str:
    new = NewBooking(
        bookable=public_id("bkb", hall),
        starts_at=start,
        ends_at=start + timedelta(hours=1),
        title="抢订",
        request_id=uuid4(),
    )
    try:
        async with database.session() as session:
            await service.hold(session, person, new)
    except BookingClash:
        return "clash"
    except Exception as error:  # noqa: BLE001  counted and told in a row
        return type(error).__name__
    return "held"


async def _bare_rate(rig: Rig, hall: UUID, first: datetime) -> float:
    """The same number of clients, each with a connection of its own."""
    pool = await asyncpg.create_pool(rig.postgres.url, min_size=CLIENTS, max_size=CLIENTS)
    await pool.execute("""
        CREATE TABLE bare_bookings (id uuid PRIMARY KEY, bookable_id uuid NOT NULL, blocked tstzrange NOT NULL,
            blocks boolean NOT NULL, EXCLUDE USING gist (bookable_id WITH =, blocked WITH &&) WHERE (blocks))
    """)
    waiting = iter(range(ATTEMPTS))

    async def client() -> None:
        async with pool.acquire() as connection:
            for number in waiting:
                start = _hour(first, number)
                try:
                    await connection.execute(_BARE, uuid4(), hall, start, start + timedelta(hours=1))
                except (asyncpg.ExclusionViolationError, asyncpg.DeadlockDetectedError):
                    # Of two who insert at the same instant each may wait for the other: one of them is thrown out.
                    continue

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    rate = ATTEMPTS / (time.perf_counter() - started)
    await pool.execute("DROP TABLE bare_bookings")
    await pool.close()
    return rate


async def _measure_free_busy(rig: Rig, database: Database, office: Principal, reader: Principal) -> list[Row]:
    """By HTTP without the wire: parsed, asked, written. Sixty bookings a hall."""
    first = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=300)
    async with database.session() as session:
        for number in range(_HALLS):
            await open_bookable(session, office, _hall(rig, f"月历厅{number}"))
    async with database.session() as session:
        await session.execute(_FILL, {"person": reader.person_id, "now": clock.now(), "first": first})
    await rig.fetch("ANALYZE bookings")
    app = FastAPI()
    app.include_router(calendar_routes.router)
    app.state.database = database
    (token,) = await rig.open_sessions(1)
    headers = {"Authorization": f"Bearer {token}"}
    query: dict[str, Any] = {
        "starts_at": clock.rfc3339(first),
        "ends_at": clock.rfc3339(first + timedelta(days=30)),
        "kind": "venue",
    }
    took_ms: list[float] = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://bench", headers=headers
    ) as http:
        # The first prepares, and is looked at instead of measured.
        told_of = (await http.get("/v1/free_busy", params=query)).json()["data"]
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            await http.get("/v1/free_busy", params=query)
            took_ms.append((time.perf_counter() - started) * 1000)
    if len(told_of) != _HALLS or sum(len(each["busy"]) for each in told_of) < _HALLS * 30:
        raise AssertionError("not the free times of a thousand halls")
    return [at_most("free/busy of 1,000 halls for a month", sorted(took_ms)[_ROUNDS // 2], "ms", 200)]
