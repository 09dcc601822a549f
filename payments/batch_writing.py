"""Writing a decided batch: set-based, in a fixed order, the books last. It never commits.

What only grows (payments, ledger lines, answers) is written by COPY, which costs half of an INSERT of arrays; what
changes (codes, purses, lots, counters) by one UPDATE each, joined on (bucket, id).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from kernel.events import encode_events
from payments import hot_statements as sql
from payments.batch import Decided, LaneHead, Prepared, Written
from payments.lines import chain_hash, house_deltas


async def write(
    connection: "asyncpg.Connection[asyncpg.Record]", prepared: Prepared, written: Written, head: LaneHead, at: datetime
) -> LaneHead:
    """Write what was decided; returns where the lane will stand once this is committed."""
    if written.given_back:
        await prepared["GIVE_BACK_REQUESTS"].fetch(
            [item.terminal.id for item in written.given_back],
            [item.request.payment_id for item in written.given_back],
        )
    if written.answers:
        await connection.copy_records_to_table("stored_answers", columns=sql.ANSWER_COLUMNS, records=written.answers)
    if written.guesses:
        await prepared["RECORD_GUESSES"].fetch(
            [item.terminal.id for item in written.guesses],
            [at] * len(written.guesses),
            [item.request.payment_id for item in written.guesses],
        )
    if not written.accepted:
        return head
    await _spend_codes(prepared, written)
    await _change_holders(prepared, written)
    rows = [_payment_row(decided, at, head.lane, head.n + 1) for decided in written.accepted]
    await connection.copy_records_to_table("payments", columns=sql.PAYMENT_COLUMNS, records=rows)
    return await _write_books(connection, prepared, written, head, at)


async def _spend_codes(prepared: Prepared, written: Written) -> None:
    spent = await prepared["SPEND_CODES"].fetch(
        [decided.holder.bucket for decided in written.accepted],
        [decided.code.id for decided in written.accepted],
        [decided.item.request.payment_id for decided in written.accepted],
    )
    # Held by the holder's lock already; held again by the code's own row.
    if len(spent) != len(written.accepted):
        raise AssertionError("a pay code would be spent twice")


async def _change_holders(prepared: Prepared, written: Written) -> None:
    """Each purse, lot and counter once, with what the last payment of the batch left in it."""
    purses: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    lots: dict[UUID, tuple[Any, ...]] = {}
    usage: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    for decided in written.accepted:
        holder = decided.holder
        for leg in decided.accepted.legs:
            if leg.lot_id is None:
                purse = holder.purses[leg.purse]
                purses[holder.id, leg.purse] = (
                    holder.bucket,
                    holder.id,
                    leg.purse,
                    purse.balance_fen,
                    purse.version,
                )
            else:
                lot = holder.lots[leg.lot_id]
                lots[lot.id] = (holder.bucket, lot.id, lot.balance_fen, lot.version)
        for key in decided.accepted.quote.counters:
            used = holder.usage[key]
            usage[holder.id, key] = (holder.bucket, holder.id, key, used.count, used.amount_fen)
    for statement, rows in (("UPDATE_PURSES", purses), ("UPDATE_LOTS", lots), ("RAISE_USAGE", usage)):
        if rows:
            await prepared[statement].fetch(*columns_of(list(rows.values())))


async def _write_books(
    connection: "asyncpg.Connection[asyncpg.Record]", prepared: Prepared, written: Written, head: LaneHead, at: datetime
) -> LaneHead:
    n, outbox_n = head.n + 1, head.outbox_n + 1
    rows = [line.row(head.lane, n) for line in written.lines]
    await connection.copy_records_to_table("ledger_lines", columns=sql.LINE_COLUMNS, records=rows)
    link = chain_hash(head.hash, written.lines)
    deltas = house_deltas(written.lines)
    await prepared["INSERT_BATCH"].fetch(
        head.lane,
        n,
        len(written.lines),
        link,
        at,
        [delta.region_id for delta in deltas],
        [delta.account.kind for delta in deltas],
        [delta.account.owner for delta in deltas],
        [delta.amount_fen for delta in deltas],
        [delta.entry_count for delta in deltas],
        outbox_n,
        encode_events(written.events),
    )
    return LaneHead(head.lane, n, link, outbox_n)


def columns_of(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows turned into columns, as the arrays of a set-based statement."""
    return [list(column) for column in zip(*rows, strict=True)]


_encode: Final = msgspec.json.Encoder().encode


def _payment_row(decided: Decided, at: datetime, lane: int, n: int) -> tuple[Any, ...]:
    """One row of `payments`, in the order of `sql.PAYMENT_COLUMNS`."""
    item, accepted, holder = decided.item, decided.accepted, decided.holder
    request, quote, payer = item.request, accepted.quote, holder.payer
    legs = [{"purse": leg.purse, "lot": leg.lot_id, "amount_fen": leg.amount_fen} for leg in accepted.legs]
    return (
        holder.bucket,
        request.payment_id,
        holder.id,
        holder.person_id,
        payer.unit_id,
        payer.region_id,
        quote.host_region_id,
        quote.site_id,
        request.sale.terminal_id,
        item.terminal.epoch,
        item.seq,
        decided.code.id,
        quote.amount_fen,
        0,
        "succeeded",
        _encode(legs).decode(),
        _encode(quote.counters).decode(),
        _encode(quote.context).decode(),
        _encode(accepted.trace).decode(),
        quote.business_date,
        quote.accounting_period,
        request.happened_at,
        at,
        lane,
        n,
    )
