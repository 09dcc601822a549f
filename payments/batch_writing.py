"""Writing a decided batch: set-based, in a fixed order, the books last. It never commits.

All of it is one call of `write_batch`: what grows is one INSERT of rows each, what changes (codes, purses, lots,
counters) one UPDATE each.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.events import encode_events
from kernel.ids import first_id_at
from payments.batch import CODE_LOOK_BACK, LOOK_AHEAD, Decided, LaneHead, Prepared, Written
from payments.lines import chain_hash, house_deltas


async def write(prepared: Prepared, written: Written, head: LaneHead, at: datetime) -> LaneHead:
    """Write what was decided; returns where the lane will stand once this is committed."""
    if written.given_back:
        await prepared["GIVE_BACK_REQUESTS"].fetch(
            [item.terminal.id for item in written.given_back],
            [item.request.payment_id for item in written.given_back],
        )
    if written.guesses:
        await prepared["RECORD_GUESSES"].fetch(
            [item.terminal.id for item in written.guesses],
            [at] * len(written.guesses),
            [item.request.payment_id for item in written.guesses],
        )
    if not written.answers:
        return head
    following = _next_head(head, written)
    await prepared["WRITE_BATCH"].fetch(
        written.answers,
        [
            (decided.holder.bucket, decided.code.id, decided.item.request.payment_id)
            for decided in written.accepted
            if decided.code is not None
        ],
        *_changed_holders(written),
        house_deltas(written.lines),
        *(following.lane, following.n, len(written.lines), following.hash, at),
        *(first_id_at(at - CODE_LOOK_BACK), first_id_at(at + LOOK_AHEAD)),
        *(following.outbox_n, encode_events(written.events)),
        [_payment_row(decided) for decided in written.accepted],
        [line.row() for line in written.lines],
    )
    return following


def _next_head(head: LaneHead, written: Written) -> LaneHead:
    """Refusals alone are no link of the chain: only what moves money is."""
    if not written.accepted:
        return head
    return LaneHead(head.lane, head.n + 1, chain_hash(head.hash, written.lines), head.outbox_n + 1)


def _changed_holders(written: Written) -> tuple[list[tuple[Any, ...]], ...]:
    """Each purse, lot and counter once, with what the last payment of the batch left in it."""
    purses: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    lots: dict[UUID, tuple[Any, ...]] = {}
    usage: dict[tuple[UUID, str], tuple[Any, ...]] = {}
    for decided in written.accepted:
        holder = decided.holder
        for leg in decided.accepted.legs:
            if leg.lot_id is None:
                purse = holder.purses[leg.purse]
                purses[holder.id, leg.purse] = (holder.bucket, holder.id, leg.purse, purse.balance_fen, purse.version)
            else:
                lot = holder.lots[leg.lot_id]
                lots[leg.lot_id] = (holder.bucket, leg.lot_id, lot.balance_fen, lot.version)
        for key in decided.accepted.quote.counters:
            used = holder.usage[key]
            usage[holder.id, key] = (holder.bucket, holder.id, key, used.count, used.amount_fen)
    return list(purses.values()), list(lots.values()), list(usage.values())


_encode: Final = msgspec.json.Encoder().encode


def _payment_row(decided: Decided) -> tuple[Any, ...]:
    """One row of `payments`, in the order of `new_payment` in hot_statements.py; what a batch has in common is not repeated."""
    item, accepted, holder = decided.item, decided.accepted, decided.holder
    request, quote, payer = item.request, accepted.quote, holder.payer
    # A phone at a wall code counts nothing: its number stands in the table of requests only.
    is_till = not item.is_from_phone
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
        item.terminal.epoch if is_till else None,
        item.seq if is_till else None,
        decided.code.id if decided.code is not None else None,
        quote.amount_fen,
        _encode(legs).decode(),
        _encode(quote.counters).decode(),
        _encode(quote.context).decode(),
        decided.trace.decode(),
        quote.business_date,
        quote.accounting_period,
        request.happened_at,
    )
