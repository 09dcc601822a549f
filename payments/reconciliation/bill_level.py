"""L3: what was asked of a gateway and paid, against the gateway's bill of the day, order by order.

Ranked: is it there at all, is it there once, is it of this day, is the amount right, is the fee right; refunds by their own. A
payment that we heard of on this day and that stands in a neighbour's bill is compared there: clocks differ around midnight.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.settings import get_settings
from payments.channels.alipay_bill import CHINA
from payments.gateways.channel_orders import parse_order_name
from payments.reconciliation.found import Comparison, Found, Kind

# Where a gateway's day begins and ends.
ZONES: Final = {"alipay": CHINA}
# From when on a bill that is not there is a difference: at noon of the day after.
LATE_AFTER: Final = timedelta(hours=12)
# How close to midnight a payment may stand in the next day's bill.
_NEAR_MIDNIGHT: Final = timedelta(minutes=15)
_PAID: Final = frozenset({"succeeded", "disputed", "decided"})


@dataclass(frozen=True, slots=True)
class OurOrder:
    """An order as our books know it."""

    name: str
    channel: str
    region_id: UUID
    state: str
    amount_fen: int
    paid_at: datetime | None
    refunded_fen: int
    refunding_fen: int

    @property
    def is_paid(self) -> bool:
        return self.state in _PAID


@dataclass(slots=True)
class BilledOrder:
    """What bills say of one order."""

    trades: list[Any] = field(default_factory=list)
    refunds: list[Any] = field(default_factory=list)


_PURPOSES: Final = "CASE o.purpose WHEN 'top_up' THEN 'top_' ELSE 'gst_' END"
_ORDERS: Final = f"""
    SELECT {_PURPOSES} || replace(o.id::text, '-', '') AS name, o.channel, o.region_id, o.state,
           coalesce(o.confirmed_fen, o.amount_fen) AS amount_fen, paid.at AS paid_at,
           coalesce(back.done_fen, 0)::bigint AS refunded_fen, coalesce(back.open_fen, 0)::bigint AS refunding_fen
      FROM channel_orders o
      LEFT JOIN LATERAL (SELECT min(s.recorded_at) AS at FROM channel_steps s
                          WHERE s.bucket = o.bucket AND s.order_id = o.id AND s.word IN ('pay', 'differ')) AS paid ON true
      LEFT JOIN LATERAL (SELECT sum(r.amount_fen) FILTER (WHERE r.status = 'succeeded') AS done_fen,
                                sum(r.amount_fen) FILTER (WHERE r.status = 'pending') AS open_fen
                           FROM channel_refunds r WHERE r.order_id = o.id) AS back ON true
     WHERE o.purpose IN ('top_up', 'guest_payment')
"""  # noqa: S608  of constants only
_ORDERS_OF_DAY: Final = text(f"{_ORDERS} AND paid.at >= :since AND paid.at < :until AND o.changed_at >= :since")
_ORDERS_BY_ID: Final = text(f"{_ORDERS} AND o.id = ANY(CAST(:ids AS uuid[]))")
_ROWS: Final = text("""
    SELECT r.*, b.bill_date, b.channel FROM channel_bills b JOIN channel_bill_rows r ON r.bill_id = b.id
     WHERE b.replaced_at IS NULL AND b.channel = :channel AND b.bill_date = :day ORDER BY r.ordinal
""")
_ROWS_BY_NAME: Final = text("""
    SELECT r.*, b.bill_date, b.channel FROM channel_bill_rows r JOIN channel_bills b ON r.bill_id = b.id
     WHERE b.replaced_at IS NULL AND b.channel = :channel AND r.order_name = ANY(CAST(:names AS text[]))
""")
_BILL_DAYS: Final = text(
    "SELECT channel, bill_date FROM channel_bills WHERE replaced_at IS NULL AND bill_date IN (:day, :after)"
)


async def compare(session: AsyncSession, day: date) -> Comparison:
    """Every gateway that has a bill of the day, or should have one."""
    since = {channel: datetime.combine(day, time(0), zone) for channel, zone in ZONES.items()}
    there = {(row.channel, row.bill_date) for row in await session.execute(_BILL_DAYS, {"day": day, "after": day + timedelta(days=1)})}  # fmt: skip  # one question
    found: list[Found] = []
    figures: dict[str, int] = defaultdict(int)
    for channel, starts in since.items():
        ours = await _orders_of_day(session, channel, starts)
        if (channel, day) in there:
            has_next = (channel, day + timedelta(days=1)) in there
            found += await _compare_channel(session, channel, day, ours, figures, has_next=has_next)
        elif ours and clock.now() > starts + timedelta(days=1) + LATE_AFTER:
            total_fen = sum(order.amount_fen for order in ours)
            found.append(Found(f"bill:{channel}:{day}", Kind.LATE, f"{channel} {day}", total_fen, None))
        else:
            figures["waiting"] += len(ours)
    return Comparison(found, figures["orders"] + figures["rows"], dict(figures))


async def _orders_of_day(session: AsyncSession, channel: str, starts: datetime) -> list[OurOrder]:
    window = {"since": starts, "until": starts + timedelta(days=1)}
    rows = await session.execute(_ORDERS_OF_DAY, window)
    return [order for order in (OurOrder(**row._mapping) for row in rows) if order.channel == channel]  # noqa: SLF001  a row's public way to a dict


async def _compare_channel(
    session: AsyncSession,
    channel: str,
    day: date,
    ours: Sequence[OurOrder],
    figures: dict[str, int],
    *,
    has_next: bool,
) -> list[Found]:
    billed = _by_order(await session.execute(_ROWS, {"channel": channel, "day": day}))
    names = sorted({*billed, *(order.name for order in ours)})
    asked = {"channel": channel, "names": names}
    anywhere = _by_order(await session.execute(_ROWS_BY_NAME, asked))
    known = await _orders_by_name(session, names)
    figures["orders"] += len(ours)
    figures["rows"] += sum(len(each.trades) + len(each.refunds) for each in billed.values())
    found: list[Found] = []
    for name in names:
        order = known.get(name)
        if name not in billed:
            assert order is not None, "it is one of ours"
            if not anywhere.get(name) and not (_is_near_midnight(order, day) and not has_next):
                found.append(_found(f"{channel}:{name}", Kind.MISSING_THERE, order, order.amount_fen, None))
            continue
        found += _judge(channel, day, name, order, billed[name], anywhere[name])
    return found


def _judge(
    channel: str, day: date, name: str, order: OurOrder | None, billed: BilledOrder, anywhere: BilledOrder
) -> list[Found]:
    """What is wrong with one order of a bill: the first of the ranked questions, and its refunds."""
    found = [each for each in [_judge_trade(channel, day, name, order, billed, anywhere)] if each is not None]
    refunded_fen = sum(row.amount_fen for row in anywhere.refunds)
    if order is not None and order.is_paid and billed.refunds and not _may_be_refunded(order, refunded_fen):
        found.append(_found(f"{channel}:{name}:refund", Kind.REFUND, order, order.refunded_fen, refunded_fen))
    return found


def _may_be_refunded(order: OurOrder, billed_fen: int) -> bool:
    """What is on its way back may be billed already."""
    return order.refunded_fen <= billed_fen <= order.refunded_fen + order.refunding_fen


def _judge_trade(
    channel: str, day: date, name: str, order: OurOrder | None, billed: BilledOrder, anywhere: BilledOrder
) -> Found | None:
    if not billed.trades:
        return None
    key, said_fen = f"{channel}:{name}", sum(each.amount_fen for each in anywhere.trades)
    if order is None or not order.is_paid:
        left_fen = said_fen - sum(each.amount_fen for each in anywhere.refunds)
        # Taken back: it came and went.
        came_and_went = order is not None and left_fen == 0
        return None if came_and_went else _found(key, Kind.MISSING_HERE, order, None, left_fen, name)
    row, fee_fen = billed.trades[0], fee_of(order.amount_fen)
    wrong: Kind | None = None
    if len(anywhere.trades) > 1:
        return _found(key, Kind.DUPLICATE, order, order.amount_fen, said_fen)
    if row.amount_fen != order.amount_fen:
        wrong = Kind.AMOUNT
    elif _day_of(row.completed_at, channel) != day:
        wrong = Kind.LATE
    elif row.fee_fen != fee_fen:
        return _found(key, Kind.FEE, order, fee_fen, row.fee_fen)
    completed = {"completed": clock.rfc3339(row.completed_at)}
    return _found(key, wrong, order, order.amount_fen, row.amount_fen, detail=completed) if wrong else None


def fee_of(amount_fen: int) -> int:
    """What the gateway may keep: its rate, half a fen counts as one."""
    return (amount_fen * get_settings().alipay_fee_bp + 5000) // 10000


def _found(
    key: str,
    kind: Kind,
    order: OurOrder | None,
    expected_fen: int | None,
    found_fen: int | None,
    name: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Found:
    return Found(
        key,
        kind,
        order.name if order is not None else name,
        expected_fen,
        found_fen,
        region_id=order.region_id if order is not None else None,
        detail={"state": order.state if order is not None else "unknown", **(detail or {})},
    )


def _by_order(rows: Iterable[Any]) -> dict[str, BilledOrder]:
    found: dict[str, BilledOrder] = defaultdict(BilledOrder)
    for row in rows:
        (found[row.order_name].trades if row.kind == "trade" else found[row.order_name].refunds).append(row)
    return dict(found)


async def _orders_by_name(session: AsyncSession, names: Sequence[str]) -> dict[str, OurOrder]:
    ids = [identifier for name in names if (identifier := parse_order_name(name)) is not None]
    rows = await session.execute(_ORDERS_BY_ID, {"ids": ids})
    return {row.name: OurOrder(**row._mapping) for row in rows}  # noqa: SLF001  as above


def _day_of(at: datetime, channel: str) -> date:
    return at.astimezone(ZONES[channel]).date()


def _is_near_midnight(order: OurOrder, day: date) -> bool:
    ends = datetime.combine(day + timedelta(days=1), time(0), ZONES[order.channel])
    return order.paid_at is not None and order.paid_at > ends - _NEAR_MIDNIGHT
