"""The watchdog that watches the watcher: clocks of calls strike in time, and no open call is without one.

It asks PostgreSQL, not the loop that fires timers: that loop may be what is broken. The worker runs it every second, sets what
it can right (a missing timer, a clock that was stepped back and would let a call wait too long), shows figures, and tells the
desks. The web processes ask the same for `/readyz`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.db import Database
from kernel.ids import public_id
from kernel.outbox import publish
from realtime.calls import queries, ringing
from realtime.calls.events import DeskAlarmChanged
from realtime.calls.states import WAITING

LATE_AFTER_S: Final = 5.0
# Beyond what was asked for: a due time so far ahead was set by a clock that has been stepped back since.
_AHEAD_S: Final = 2
_HEALED_AT_ONCE: Final = 200

log = structlog.get_logger(__name__)
_late = Gauge(
    "guanjia_watchdog_late_seconds",
    "For how long the oldest due timer has waited, as the watchdog sees it",
    multiprocess_mode="livemax",
)
_untimed = Gauge(
    "guanjia_calls_without_timer", "Open calls that no timer stands for; always 0", multiprocess_mode="livemax"
)
_waiting = Gauge("guanjia_calls_waiting", "Calls that nobody has taken", multiprocess_mode="livemax")

_FIND: Final = text("""
    SELECT count(*) FILTER (WHERE t.id IS NULL) AS untimed,
           count(*) FILTER (WHERE c.due_at > CAST(:now AS timestamptz) + make_interval(secs => c.wait_s + :ahead)) AS ahead,
           count(*) FILTER (WHERE c.state = ANY(:waiting) AND c.handed_to IS NULL) AS waiting
      FROM calls c
      LEFT JOIN timers t ON t.kind = :kind AND t.ref = 'call_' || replace(c.id::text, '-', '')
     WHERE c.due_at IS NOT NULL
""")
_TO_HEAL: Final = text("""
    SELECT c.id FROM calls c
      LEFT JOIN timers t ON t.kind = :kind AND t.ref = 'call_' || replace(c.id::text, '-', '')
     WHERE c.due_at IS NOT NULL
       AND (t.id IS NULL OR c.due_at > CAST(:now AS timestamptz) + make_interval(secs => c.wait_s + :ahead))
     ORDER BY c.id LIMIT :at_once
""")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that must not be."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the watchdog saw at one moment."""

    late_s: float
    untimed: int
    ahead: int
    waiting: int

    @property
    def alarms(self) -> list[Alarm]:
        found = []
        if self.late_s > LATE_AFTER_S:
            found.append(Alarm("timers_late", f"{self.late_s:.0f} s"))
        if self.untimed:
            found.append(Alarm("calls_without_timer", str(self.untimed)))
        if self.ahead:
            found.append(Alarm("clock_stepped_back", str(self.ahead)))
        return found


async def look(session: AsyncSession) -> Found:
    """How the clocks are."""
    row = (await session.execute(_FIND, _asked(waiting=list(WAITING)))).one()
    return Found(await timers.oldest_overdue_s(session), row.untimed, row.ahead, row.waiting)


def _asked(**more: object) -> dict[str, object]:
    return {"kind": ringing.TIMER_KIND, "now": clock.now(), "ahead": _AHEAD_S, **more}


class Watchdog:
    """The worker's: remembers what it has told."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    async def step(self, db: Database) -> Found:
        """Look, show, tell what is new, set right what can be."""
        async with db.session() as session:
            found = await look(session)
            await self._tell(session, found)
        _late.set(found.late_s)
        _untimed.set(found.untimed)
        _waiting.set(found.waiting)
        if found.untimed or found.ahead:
            await heal(db)
        return found

    async def _tell(self, session: AsyncSession, found: Found) -> None:
        alarms = {alarm.name: alarm.detail for alarm in found.alarms}
        regions = sorted(await queries.regions_in_use(session, clock.now())) if alarms or self._told else []
        for name in alarms.keys() ^ self._told.keys():
            is_on = name in alarms
            log.error("calls_alarm", alarm=name, is_on=is_on, detail=alarms.get(name))
            publish(
                session,
                DeskAlarmChanged(
                    happened_at=clock.rfc3339(clock.now()),
                    name=name,
                    is_on=is_on,
                    detail=alarms.get(name, ""),
                    regions=[public_id("reg", region) for region in regions],
                ),
            )
        self._told = alarms


async def heal(db: Database) -> int:
    """Give a timer to each open call that has none, and pull in what a stepped clock has put too far ahead."""
    async with db.session() as session:
        ids = (await session.scalars(_TO_HEAL, _asked(at_once=_HEALED_AT_ONCE))).all()
    for call_id in ids:
        async with db.session() as session:
            call = await queries.lock_call(session, call_id)
            if call.due_at is None:
                continue
            call.due_at = min(call.due_at, clock.now() + timedelta(seconds=call.wait_s))
            await session.flush()
            await timers.schedule(session, ringing.TIMER_KIND, public_id(queries.PREFIX, call.id), call.due_at)
    return len(ids)
