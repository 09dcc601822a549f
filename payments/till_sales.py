"""What one till sold in a span of the journal: for the shifts of those who run the counter.

A span lies between two positions of the journal, {lane: n}. Within a lane commits are in order, so a payment is in
exactly one of two spans that meet, however late it was committed; and the sums of a span never change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import and_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import HOUSE_BUCKET, bucket_of, first_id_at
from payments import queries
from payments.models import ChannelOrder, ChannelRefund, GuestPayment, LedgerLine, Payment, Reversal

# How far a batch's instant may lie from its commit, and the clocks of two processes apart.
_SLACK: Final = timedelta(minutes=1)
# A guest's payment may be booked minutes after the till has asked for it.
_GUEST_TAKES: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Span:
    """A till's time: after one position of the journal and until another, or until now."""

    terminal_id: UUID
    opened_at: datetime
    after: Mapping[int, int]
    ended_at: datetime | None
    until: Mapping[int, int]

    def holds(self, lane: int, n: int) -> bool:
        return self.after.get(lane, 0) < n <= self.until.get(lane, 0)


@dataclass(frozen=True, slots=True)
class TillSale:
    """A payment as the counter sees it: nobody's name."""

    id: UUID
    site_id: UUID
    terminal_id: UUID | None
    amount_fen: int
    refunded_fen: int
    status: str
    # By purse; what a guest paid stands under the name of its channel.
    legs: tuple[tuple[str, int], ...]
    context: Mapping[str, Any]
    business_date: str
    recorded_at: datetime
    lane: int
    n: int
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """A void or refund with the purses that it went back to."""

    id: UUID
    payment_id: UUID
    kind: str
    amount_fen: int
    legs: tuple[tuple[str, int], ...]


async def journal_position(session: AsyncSession) -> dict[int, int]:
    """The last commit of each lane. What is read after this in the same transaction contains all of them."""
    rows = await session.execute(
        text("""
            SELECT l.lane, coalesce((SELECT max(b.n) FROM ledger_batches b WHERE b.lane = l.lane), 0) AS n FROM lanes l
        """)
    )
    return {row.lane: row.n for row in rows}


async def sales_of_till(session: AsyncSession, span: Span) -> list[TillSale]:
    """The payments of a span, the oldest first."""
    asked = await _request_ids(session, span)
    rows = await queries.payments_by_id(session, [*asked, *await _wall_payment_ids(session, span)])
    found = {row.id: _sale_of(row) for row in rows} | await _guests_of(session, asked)
    return sorted((sale for sale in found.values() if span.holds(sale.lane, sale.n)), key=lambda sale: sale.id)


_REQUESTS: Final = text("""
    SELECT payment_id FROM terminal_requests
     WHERE terminal_id = :terminal AND recorded_at >= :since AND recorded_at <= coalesce(:until, 'infinity'::timestamptz)
""")


async def _request_ids(session: AsyncSession, span: Span) -> list[UUID]:
    until = span.ended_at + _SLACK if span.ended_at else None
    asked = {"terminal": span.terminal_id, "since": span.opened_at - _GUEST_TAKES, "until": until}
    return list(await session.scalars(_REQUESTS, asked))


_HAS_WALL_CODE: Final = text("SELECT EXISTS (SELECT 1 FROM place_codes WHERE terminal_id = :terminal)")


async def _wall_payment_ids(session: AsyncSession, span: Span) -> list[UUID]:
    if not await session.scalar(_HAS_WALL_CODE, {"terminal": span.terminal_id}):
        return []
    first, last = first_id_at(span.opened_at - _SLACK), first_id_at((span.ended_at or clock.now()) + _SLACK)
    return await queries.wall_payment_ids(session, span.terminal_id, first, last)


async def _guests_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, TillSale]:
    """What guests have paid: when the gateway's word was booked decides in which span they are."""
    houses = [identifier for identifier in ids if bucket_of(identifier) == HOUSE_BUCKET]
    booked = select(LedgerLine.transfer_id, LedgerLine.lane, LedgerLine.n).where(
        LedgerLine.bucket == HOUSE_BUCKET, LedgerLine.transfer_id.in_(houses), LedgerLine.kind == "guest_payment"
    )
    places = {row.transfer_id: (row.lane, row.n) for row in await session.execute(booked)}
    if not places:
        return {}
    rows = await session.execute(
        select(GuestPayment, ChannelOrder.refunded_fen)
        .join(ChannelOrder, and_(ChannelOrder.bucket == GuestPayment.bucket, ChannelOrder.id == GuestPayment.id))
        .where(GuestPayment.bucket == HOUSE_BUCKET, GuestPayment.id.in_(places))
    )
    return {guest.id: _guest_sale(guest, refunded_fen, *places[guest.id]) for guest, refunded_fen in rows}


_REFUSALS: Final = text("""
    SELECT convert_from(a.body, 'UTF8') AS body
      FROM terminal_requests r JOIN stored_answers a ON a.id = r.payment_id
     WHERE r.terminal_id = :terminal AND a.status = 402
       AND r.recorded_at >= :since AND r.recorded_at <= coalesce(:until, 'infinity'::timestamptz)
""")


async def refusals_of_till(session: AsyncSession, span: Span) -> dict[str, int]:
    """How often a till said no in a span of time, by code; as long as its answers are kept."""
    asked = {"terminal": span.terminal_id, "since": span.opened_at, "until": span.ended_at}
    counted: dict[str, int] = {}
    for body in await session.scalars(_REFUSALS, asked):
        code = msgspec.json.decode(body)["code"]
        counted[code] = counted.get(code, 0) + 1
    return dict(sorted(counted.items()))


async def find_sale(session: AsyncSession, payment_id: UUID) -> TillSale:
    """One payment; NotFound where there is none."""
    return _sale_of(await queries.get_payment(session, payment_id))


async def returned_by_id(session: AsyncSession, reversal_ids: Sequence[UUID]) -> list[Returned]:
    """Voids and refunds by their ids, the oldest first."""
    if not reversal_ids:
        return []
    keys = [(bucket_of(identifier), identifier) for identifier in reversal_ids]
    rows = await session.scalars(
        select(Reversal).where(tuple_(Reversal.bucket, Reversal.id).in_(keys)).order_by(Reversal.id)
    )
    returned = [Returned(row.id, row.payment_id, row.kind, row.amount_fen, _legs(row.legs)) for row in rows]
    return sorted([*returned, *await _returned_to_guests(session, keys)], key=lambda each: each.id)


async def _returned_to_guests(session: AsyncSession, keys: Sequence[tuple[int, UUID]]) -> list[Returned]:
    """What goes back through a gateway; what that has refused is the canteen's again."""
    rows = await session.execute(
        select(ChannelRefund, ChannelOrder.channel)
        .join(ChannelOrder, and_(ChannelOrder.bucket == ChannelRefund.bucket, ChannelOrder.id == ChannelRefund.id))
        .where(tuple_(ChannelRefund.bucket, ChannelRefund.id).in_(keys), ChannelRefund.status != "failed")
    )
    return [
        Returned(row.id, row.order_id, row.kind, row.amount_fen, ((channel, row.amount_fen),)) for row, channel in rows
    ]


_LINES: Final = text("""
    SELECT l.debit_kind, l.credit_kind, sum(l.amount_fen)::bigint AS amount_fen
      FROM unnest(CAST(:buckets AS smallint[]), CAST(:ids AS uuid[])) AS k (bucket, id)
      JOIN ledger_lines l ON l.bucket = k.bucket AND l.transfer_id = k.id
     GROUP BY l.debit_kind, l.credit_kind
""")


async def ledger_sums(session: AsyncSession, transfer_ids: Sequence[UUID]) -> dict[tuple[str, str], int]:
    """What the ledger lines of some payments or returns move, by (debited, credited) kind of account."""
    asked = {"buckets": [bucket_of(identifier) for identifier in transfer_ids], "ids": list(transfer_ids)}
    rows = await session.execute(_LINES, asked)
    return {(row.debit_kind, row.credit_kind): row.amount_fen for row in rows}


def _sale_of(row: Payment) -> TillSale:
    return TillSale(
        row.id,
        row.site_id,
        row.terminal_id,
        row.amount_fen,
        row.refunded_fen,
        row.status,
        _legs(row.legs),
        row.context,
        row.business_date.isoformat(),
        row.recorded_at,
        row.lane,
        row.n,
    )


def _guest_sale(guest: GuestPayment, refunded_fen: int, lane: int, n: int) -> TillSale:
    return TillSale(
        guest.id,
        guest.site_id,
        guest.terminal_id,
        guest.amount_fen,
        refunded_fen,
        _status_of_guest(guest, refunded_fen),
        ((guest.channel, guest.amount_fen),),
        {},
        guest.business_date.isoformat(),
        guest.recorded_at,
        lane,
        n,
        is_guest=True,
    )


def _status_of_guest(guest: GuestPayment, refunded_fen: int) -> str:
    if not refunded_fen:
        return guest.status
    return "refunded" if refunded_fen == guest.amount_fen else "partially_refunded"


def _legs(column: list[dict[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((leg["purse"], leg["amount_fen"]) for leg in column)
