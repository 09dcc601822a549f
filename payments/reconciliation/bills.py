"""Bills of gateways: wanted for each day, fetched from nine the next morning, kept as the bytes they came as, taken apart.

Nobody outside is asked within a transaction: `fetch_due_bills` reads what is due, asks, and writes down what came of it. A bill
that is there is not asked for again; the same bytes twice are one bill; another file of the same day replaces the first, which
is kept, unless its payout is booked already.
"""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.ids import uuid7
from payments.channels.bill import Bill, BillAbsent, BillRefused
from payments.channels.channel import BillSource
from payments.models import ChannelOrder
from payments.reconciliation import metrics
from payments.reconciliation.errors import BillNotReady, BillPaid, BillUnavailable, BillUnreadable
from payments.reconciliation.models import BillFetch, ChannelBill, ChannelBillRow

log = structlog.get_logger(__name__)

READY_AT: Final = time(9, 5)
LOOK_BACK: Final = timedelta(days=7)
RETRIES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30))
RETRY_LATER: Final = timedelta(hours=1)
_AT_ONCE: Final = 10
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(4204261)")


def day_ends(source: BillSource, day: date) -> datetime:
    """When a bill's day is over, where the gateway is."""
    return datetime.combine(day + timedelta(days=1), time(0), source.zone)


async def want_bills(db: Database, sources: Mapping[str, BillSource]) -> None:
    """Write down which bills are wanted: every day since the first order, a week back at the most."""
    async with db.session() as session:
        for name, source in sources.items():
            today = clock.now().astimezone(source.zone).date()
            if await session.get(BillFetch, (name, today - timedelta(days=1))) is not None:
                continue
            first = await session.scalar(
                select(ChannelOrder.opened_at)
                .where(ChannelOrder.channel == name)
                .order_by(ChannelOrder.opened_at)
                .limit(1)
            )
            if first is None:
                continue
            day = max(first.astimezone(source.zone).date(), today - LOOK_BACK)
            while day < today:
                due_at = datetime.combine(day + timedelta(days=1), READY_AT, source.zone)
                wanted = upsert(BillFetch).values(channel=name, bill_date=day, due_at=due_at, attempts=0)
                await session.execute(wanted.on_conflict_do_nothing())
                day += timedelta(days=1)


async def fetch_due_bills(db: Database, sources: Mapping[str, BillSource]) -> list[tuple[str, date]]:
    """Ask for every bill that is due; returns those that came."""
    async with db.session() as session:
        due = (
            await session.scalars(
                select(BillFetch)
                .where(BillFetch.due_at <= clock.now(), BillFetch.channel.in_(list(sources)))
                .order_by(BillFetch.due_at)
                .limit(_AT_ONCE)
            )
        ).all()
    came: list[tuple[str, date]] = []
    for wanted in due:
        try:
            await fetch_bill(db, sources[wanted.channel], wanted.bill_date)
        except (BillNotReady, BillUnavailable, BillUnreadable, BillPaid) as error:
            log.warning("bill.not_taken", channel=wanted.channel, day=wanted.bill_date.isoformat(), code=error.code)
            continue
        came.append((wanted.channel, wanted.bill_date))
    return came


async def fetch_bill(db: Database, source: BillSource, day: date) -> UUID:
    """Ask for one bill now and take it; returns its id. What goes wrong is written down, and said."""
    try:
        content = await source.fetch_bill(day)
        bill = _read(source, content, day)
    except BillAbsent as absent:
        refusal = (BillNotReady if absent.not_ready else BillUnavailable)(channel=source.name, day=day.isoformat())
        await _note_failure(db, source.name, day, f"{refusal.code}: {absent}")
        raise refusal from absent
    except BillUnreadable as error:
        await _note_failure(db, source.name, day, f"{error.code}: {error.data['reason']}, line {error.data['line']}")
        raise
    try:
        async with db.session() as session:
            bill_id = await keep_bill(session, source.name, bill, content)
            await _note_success(session, source.name, day)
    except BillPaid as error:
        await _note_failure(db, source.name, day, f"{error.code}: another file came", ask_again=False)
        raise
    metrics.BILLS.labels(source.name, "taken").inc()
    return bill_id


def _read(source: BillSource, content: bytes, day: date) -> Bill:
    try:
        return source.read_bill(content, day)
    except BillRefused as refused:
        raise BillUnreadable(reason=refused.reason, line=refused.line, said=refused.said) from refused


async def keep_bill(session: AsyncSession, channel: str, bill: Bill, content: bytes) -> UUID:
    """Write a bill and its rows, once; returns its id."""
    await session.execute(_ONE_AT_A_TIME)
    digest = hashlib.sha256(content).digest()
    before = await find_bill(session, channel, bill.day)
    if before is not None:
        if before.sha256 == digest or await _says_the_same(session, before, bill):
            return before.id
        if before.paid_at is not None:
            raise BillPaid(channel=channel, day=bill.day.isoformat())
        before.replaced_at = clock.now()
        await session.flush()
    row = ChannelBill(
        id=uuid7(),
        channel=channel,
        bill_date=bill.day,
        sha256=digest,
        content=content,
        trade_count=len(bill.of_kind("trade")),
        trade_fen=bill.trade_fen,
        refund_count=len(bill.of_kind("refund")),
        refund_fen=bill.refund_fen,
        fee_fen=bill.fee_fen,
        fetched_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    if bill.rows:
        await session.execute(insert(ChannelBillRow), _rows_of(row.id, bill))
    return row.id


def _rows_of(bill_id: UUID, bill: Bill) -> list[dict[str, object]]:
    return [
        {
            "bill_id": bill_id,
            "ordinal": ordinal,
            "kind": each.kind,
            "trade_no": each.trade_no,
            "order_name": each.order_name,
            "refund_name": each.refund_name,
            "amount_fen": each.amount_fen,
            "fee_fen": each.fee_fen,
            "completed_at": each.completed_at,
        }
        for ordinal, each in enumerate(bill.rows)
    ]


async def _says_the_same(session: AsyncSession, before: ChannelBill, bill: Bill) -> bool:
    """A file made anew differs in its time of export and in its packing; its rows are what counts."""
    rows = await session.scalars(
        select(ChannelBillRow).where(ChannelBillRow.bill_id == before.id).order_by(ChannelBillRow.ordinal)
    )
    kept = [(r.kind, r.trade_no, r.order_name, r.refund_name, r.amount_fen, r.fee_fen, r.completed_at) for r in rows]
    return kept == [
        (r.kind, r.trade_no, r.order_name, r.refund_name, r.amount_fen, r.fee_fen, r.completed_at) for r in bill.rows
    ]


async def find_bill(session: AsyncSession, channel: str, day: date) -> ChannelBill | None:
    """The bill of a day that counts."""
    return await session.scalar(
        select(ChannelBill).where(
            ChannelBill.channel == channel, ChannelBill.bill_date == day, ChannelBill.replaced_at.is_(None)
        )
    )


async def _note_failure(db: Database, channel: str, day: date, said: str, *, ask_again: bool = True) -> None:
    metrics.BILLS.labels(channel, "not_taken").inc()
    async with db.session() as session:
        fetch = await _lock_fetch(session, channel, day)
        pause = RETRIES[fetch.attempts] if fetch.attempts < len(RETRIES) else RETRY_LATER
        fetch.attempts += 1
        fetch.last_error, fetch.tried_at = said[:300], clock.now()
        # What is older than a week and still not there is a person's business; it stands in L3 as late.
        given_up = clock.now() - datetime.combine(day, time(0), clock.now().tzinfo) > LOOK_BACK + timedelta(days=1)
        is_over = given_up or fetch.fetched_at is not None or not ask_again
        fetch.due_at = None if is_over else clock.now() + pause


async def _note_success(session: AsyncSession, channel: str, day: date) -> None:
    fetch = await _lock_fetch(session, channel, day)
    fetch.attempts += 1
    fetch.fetched_at = fetch.tried_at = clock.now()
    fetch.due_at = fetch.last_error = None


async def _lock_fetch(session: AsyncSession, channel: str, day: date) -> BillFetch:
    await session.execute(upsert(BillFetch).values(channel=channel, bill_date=day, attempts=0).on_conflict_do_nothing())
    fetch = await session.get(BillFetch, (channel, day), with_for_update=True, populate_existing=True)
    assert fetch is not None, "it was just made sure of"
    return fetch
