"""What a gateway pays out for a day, found in the bank's statement and booked (E3').

A payout is booked once, when the bank's line confirms its bill to the fen: bank and fee against the clearing account, each
region's part in its own book. The account at the bank is one region's; the others' parts stand between the two books.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from payments.banking.models import BankLine
from payments.gateways.accounts import clearing
from payments.gateways.channel_orders import parse_order_name
from payments.ledger import open_period, post_lines
from payments.lines import Account, Line
from payments.reconciliation.models import ChannelBill, ChannelBillRow

log = structlog.get_logger(__name__)

# By what words in a bank's line a gateway is known.
WORDS: Final = {"alipay": re.compile(r"支付宝|alipay", re.IGNORECASE)}
# How long after its day a payout is looked for.
PAID_WITHIN: Final = timedelta(days=10)
_DAY: Final = re.compile(r"(?<!\d)(20\d{2})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Share:
    """One region's part of a payout."""

    region_id: UUID
    gross_fen: int
    fee_fen: int

    @property
    def net_fen(self) -> int:
        return self.gross_fen - self.fee_fen


def channel_of(line: BankLine) -> str | None:
    """Which gateway a bank's line names."""
    said = f"{line.counterparty} {line.remittance}"
    return next((channel for channel, words in WORDS.items() if words.search(said)), None)


def day_named(line: BankLine) -> date | None:
    """The day of the bill that a payout's text names, where it does."""
    for found in _DAY.finditer(line.remittance):
        try:
            return date(*(int(part) for part in found.groups()))
        except ValueError:
            continue
    return None


def names_bill(line: BankLine, bill: ChannelBill) -> bool:
    """Whether a line speaks of this bill, whatever its amount: by its day, else by coming soon after and being as much."""
    if channel_of(line) != bill.channel:
        return False
    named = day_named(line)
    if named is not None:
        return named == bill.bill_date
    return bill.bill_date < line.booked_on <= bill.bill_date + PAID_WITHIN and line.amount_fen == bill.net_fen


async def unpaid_bills(session: AsyncSession, since: date, until: date) -> list[ChannelBill]:
    """Bills of some days whose payout the bank has not confirmed, the oldest first."""
    rows = await session.scalars(
        select(ChannelBill)
        .where(
            ChannelBill.replaced_at.is_(None),
            ChannelBill.paid_at.is_(None),
            ChannelBill.bill_date >= since,
            ChannelBill.bill_date <= until,
        )
        .order_by(ChannelBill.bill_date)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [bill for bill in rows if bill.net_fen]


async def confirm_payouts(session: AsyncSession, bills: Sequence[ChannelBill], lines: Sequence[BankLine]) -> int:
    """Book every bill that one of these lines pays to the fen; returns how many."""
    free = [line for line in lines if line.matched_to is None]
    count = 0
    for bill in bills:
        line = next((each for each in free if names_bill(each, bill) and each.amount_fen == bill.net_fen), None)
        if line is None:
            continue
        free.remove(line)
        await _book(session, bill, line)
        count += 1
    return count


async def _book(session: AsyncSession, bill: ChannelBill, line: BankLine) -> None:
    shares = await shares_of(session, bill, line.region_id)
    transfer_id = uuid7(HOUSE_BUCKET)
    regions = sorted({line.region_id, *(share.region_id for share in shares)})
    period = await open_period(session, regions[0], line.booked_on, *regions[1:])
    lines = payout_lines(transfer_id, bill.channel, shares, line.region_id, line.booked_on, period)
    bill.paid_at, bill.paid_line_id, bill.transfer_id = clock.now(), line.id, transfer_id
    line.matched_to = f"payout:{bill.channel}:{bill.bill_date}"
    await session.flush()
    await post_lines(session, lines)
    log.info("payout.booked", channel=bill.channel, day=bill.bill_date.isoformat(), net_fen=bill.net_fen)


async def shares_of(session: AsyncSession, bill: ChannelBill, bank_region_id: UUID) -> list[Share]:
    """By the region of each order. What no order of ours explains lies with the region whose account it came to."""
    rows = (await session.scalars(select(ChannelBillRow).where(ChannelBillRow.bill_id == bill.id))).all()
    ids = [identifier for row in rows if (identifier := parse_order_name(row.order_name)) is not None]
    found = await session.execute(_REGIONS, {"ids": ids})
    region_of = {row.id: row.region_id for row in found}
    sums: dict[UUID, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        region_id = region_of.get(parse_order_name(row.order_name), bank_region_id)
        sums[region_id][0] += row.amount_fen if row.kind == "trade" else -row.amount_fen
        sums[region_id][1] += row.fee_fen
    return [Share(region_id, gross, fee) for region_id, (gross, fee) in sorted(sums.items())]


_REGIONS: Final = text("SELECT id, region_id FROM channel_orders WHERE id = ANY(CAST(:ids AS uuid[]))")


def payout_lines(
    transfer_id: UUID, channel: str, shares: Sequence[Share], bank_region_id: UUID, on: date, period: str
) -> list[Line]:
    """E3': bank +9,962; psp_fee +38; psp_clearing -10,000. Pure."""
    moves: list[tuple[UUID, Account, Account, int]] = []
    cleared, bank = clearing(channel), Account("bank", bank_region_id)
    fee = Account("psp_fee", cleared.owner)
    for share in shares:
        moves.append((share.region_id, fee, cleared, share.fee_fen))
        if share.region_id == bank_region_id:
            moves.append((share.region_id, bank, cleared, share.net_fen))
        else:
            moves.append((share.region_id, Account("due_from", bank_region_id), cleared, share.net_fen))
            moves.append((bank_region_id, bank, Account("due_to", share.region_id), share.net_fen))
    return [
        _line(transfer_id, ordinal, move, on, period) for ordinal, move in enumerate(move for move in moves if move[3])
    ]


def _line(transfer_id: UUID, ordinal: int, move: tuple[UUID, Account, Account, int], on: date, period: str) -> Line:
    region_id, debit, credit, amount_fen = move
    if amount_fen < 0:
        debit, credit = credit, debit
    return Line(HOUSE_BUCKET, transfer_id, ordinal, "payout", region_id, debit, credit, None, abs(amount_fen), on, period)  # fmt: skip  # one line


def payout_view(bill: ChannelBill) -> dict[str, Any]:
    """The wire form of a bill."""
    return {
        "id": public_id("bil", bill.id),
        "channel": bill.channel,
        "day": bill.bill_date,
        "trade_count": bill.trade_count,
        "trade_fen": bill.trade_fen,
        "refund_count": bill.refund_count,
        "refund_fen": bill.refund_fen,
        "fee_fen": bill.fee_fen,
        "net_fen": bill.net_fen,
        "sha256": bill.sha256.hex(),
        "fetched_at": clock.rfc3339(bill.fetched_at),
        "paid_at": clock.rfc3339(bill.paid_at) if bill.paid_at else None,
    }
