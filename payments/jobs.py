"""Payments' background steps, run by the worker: partitions ahead, checkpoints, expiry, old answers away, the audit."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.invariants import Finding, Invariant, audit
from kernel.partitions import drop_expired_partitions
from kernel.settings import get_settings
from kernel.timers import TimerHandler
from payments import handlers, holds, ledger, metrics, tables
from payments.disputes import deadlines
from payments.disputes.service import strike
from payments.gateways import channel_orders, looks
from payments.invariants import INVARIANTS
from payments.subsidies import expiry, schedule

log = structlog.get_logger(__name__)

GUESSES_KEPT: Final = timedelta(hours=1)
IDEMPOTENT_REQUESTS_KEPT: Final = timedelta(days=8)
TIMERS: Final[Mapping[str, TimerHandler]] = {
    holds.TIMER_KIND: holds.expire_hold,
    handlers.TIMER_KIND: handlers.begin_membership,
    handlers.ORGANISATION_MOVED: handlers.follow_organisation,
    channel_orders.TIMER_KIND: looks.note_look,
    deadlines.TIMER_KIND: strike,
    schedule.TIMER_KIND: schedule.run_rule,
}
# After the business day has ended, before anybody comes for breakfast.
AUDIT_AT: Final = time(3)


async def keep_partitions(db: Database) -> None:
    """Make the partitions of the days and months to come; drop those whose time is over."""
    async with db.session() as session:
        await tables.create_partitions_around(session, clock.now())
    async with db.session() as session:
        await drop_expired_partitions(session, tables.PARTITIONED, clock.now())


async def fold_account_deltas(db: Database) -> int:
    """Fold what the commits did to house accounts into checkpoints; returns how many accounts moved."""
    async with db.session() as session:
        return await ledger.fold_deltas(session)


async def expire_due_lots(db: Database) -> int:
    """Carry over what may be kept of lots that ended, then give the rest back to their units, in short transactions."""
    while True:
        async with db.session() as session:
            if not await expiry.carry_over_lots(session):
                break
    total = 0
    while True:
        async with db.session() as session:
            ended = await expiry.expire_lots(session)
        total += ended
        if not ended:
            return total


async def forget_old_requests(db: Database) -> None:
    """Drop what is kept for a while only: guesses of an hour, stored answers of the office of eight days."""
    async with db.session() as session:
        await session.execute(
            text("DELETE FROM terminal_guesses WHERE guessed_at < :before"), {"before": clock.now() - GUESSES_KEPT}
        )
        await session.execute(
            text("DELETE FROM idempotent_requests WHERE recorded_at < :before"),
            {"before": clock.now() - IDEMPOTENT_REQUESTS_KEPT},
        )


async def audit_every_night(db: Database, invariants: Sequence[Invariant]) -> None:
    """Check these invariants each night at three; what breaks one is logged by name and counted for the operator."""
    while True:
        await asyncio.sleep((next_audit_at(clock.now(), get_settings().zone) - clock.now()).total_seconds())
        await audit_books(db, invariants)


def next_audit_at(after: datetime, zone: ZoneInfo) -> datetime:
    """The first three o'clock of a zone after an instant."""
    local = after.astimezone(zone)
    today = datetime.combine(local.date(), AUDIT_AT, zone)
    return today if today > local else datetime.combine(local.date() + timedelta(days=1), AUDIT_AT, zone)


async def audit_books(db: Database, invariants: Sequence[Invariant] = INVARIANTS) -> list[Finding]:
    """Check every invariant once; returns what was found."""
    async with db.session() as session:
        findings = await audit(session, invariants)
    for finding in findings:
        metrics.OFFENDERS.labels(finding.invariant.name).set(finding.offender_count)
        for offender in finding.offenders:
            log.error(
                "audit.broken",
                invariant=finding.invariant.name,
                what=offender.what,
                subject=offender.subject,
                detail=offender.detail,
            )
    broken = [finding.invariant.name for finding in findings if not finding.holds]
    log.info("audit.done", invariants=len(findings), broken=broken)
    metrics.AUDITED_AT.set(clock.now().timestamp())
    return findings
