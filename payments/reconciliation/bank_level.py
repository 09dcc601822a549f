"""L4: the gateways' bills net of fee, and the payments that the bank was told to make, against the lines of its statements.

First what fits to the fen is matched, and a payout is booked (an instruction is told to settlement after it, `instructions.py`). What is left of a day differs: a bill or an instruction without its
line, a line of another amount, and a line that nobody can explain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import public_id
from kernel.settings import get_settings
from payments.banking.models import BankLine, BankStatement
from payments.reconciliation.found import Comparison, Found, Kind
from payments.reconciliation.models import ChannelBill
from payments.reconciliation.payouts import PAID_WITHIN, confirm_payouts, names_bill, unpaid_bills

LEVEL: Final = 4
# After so many days without its line, what was late is missing.
_MISSING_AFTER: Final = timedelta(days=4)
_PREFUND_WITHIN: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class ExpectedMovement:
    """A payment that a bank was told to make: - goes out of the region's account, + comes in."""

    reference: str
    region_id: UUID
    amount_fen: int
    due_on: date


# What settlement has told the banks. An issue that the bank has turned down is nobody's expectation any more.
_INSTRUCTED: Final = text("""
    SELECT end_to_end_id AS reference, debtor_id AS region_id, -amount_fen AS amount_fen,
           (issued_at AT TIME ZONE :zone)::date AS due_on
      FROM bank_instructions
     WHERE debtor_kind = 'region' AND state <> 'failed' AND (issued_at AT TIME ZONE :zone)::date BETWEEN :since AND :until
    UNION ALL
    SELECT end_to_end_id, creditor_id, amount_fen, (issued_at AT TIME ZONE :zone)::date
      FROM bank_instructions
     WHERE creditor_kind = 'region' AND state <> 'failed' AND (issued_at AT TIME ZONE :zone)::date BETWEEN :since AND :until
     ORDER BY reference, amount_fen
""")


async def _movements_between(session: AsyncSession, since: date, until: date) -> list[ExpectedMovement]:
    asked = {"since": since, "until": until, "zone": str(get_settings().zone)}
    return [ExpectedMovement(**row._mapping) for row in await session.execute(_INSTRUCTED, asked)]  # noqa: SLF001  a row's public way to a dict


async def compare(session: AsyncSession, day: date) -> Comparison:
    """Bills of this day, instructions due on it, and lines booked on it."""
    since, until = day - PAID_WITHIN, day + PAID_WITHIN
    lines = await _lines_between(session, since, until)
    bills = await unpaid_bills(session, since, until)
    await confirm_payouts(session, bills, lines)
    movements = await _movements_between(session, since, until)
    _match_movements(movements, lines)
    await _match_prefunds(session, lines)
    await session.flush()
    unpaid = [bill for bill in bills if bill.paid_at is None]
    seen_until = await _seen_until(session)
    found = [each for bill in unpaid if bill.bill_date == day for each in _judge_bill(bill, lines, seen_until)]
    due = [each for each in movements if each.due_on == day]
    found += [each for movement in due for each in _judge_movement(movement, lines, seen_until)]
    of_day = [line for line in lines if line.booked_on == day]
    found += [_stray(line) for line in of_day if not _is_spoken_for(line, unpaid, movements)]
    return Comparison(
        found,
        len(of_day) + len(due) + sum(1 for bill in bills if bill.bill_date == day),
        {"lines": len(of_day), "matched": sum(1 for line in of_day if line.matched_to), "instructions": len(due)},
    )


async def _lines_between(session: AsyncSession, since: date, until: date) -> list[BankLine]:
    rows = await session.scalars(
        select(BankLine)
        .where(BankLine.booked_on >= since, BankLine.booked_on <= until)
        .order_by(BankLine.booked_on, BankLine.statement_id, BankLine.ordinal)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def _seen_until(session: AsyncSession) -> dict[UUID, date]:
    """The last day that a region's statements tell of."""
    rows = await session.execute(
        select(BankStatement.region_id, func.max(BankStatement.last_day)).group_by(BankStatement.region_id)
    )
    return {row[0]: row[1] for row in rows}


def _match_movements(movements: Sequence[ExpectedMovement], lines: Sequence[BankLine]) -> None:
    for movement in movements:
        if any(_is_matched(line, movement) for line in lines):
            continue
        for line in lines:
            if line.matched_to is None and _speaks_of(line, movement) and line.amount_fen == movement.amount_fen:
                line.matched_to = f"instruction:{movement.reference}"
                break


def _is_matched(line: BankLine, movement: ExpectedMovement) -> bool:
    return line.matched_to == f"instruction:{movement.reference}" and line.region_id == movement.region_id


def _speaks_of(line: BankLine, movement: ExpectedMovement) -> bool:
    return line.region_id == movement.region_id and (
        line.end_to_end_id == movement.reference or movement.reference in line.remittance.split()
    )


_PREFUNDS: Final = text("""
    SELECT l.transfer_id, l.region_id, l.amount_fen, l.business_date FROM ledger_lines l
     WHERE l.kind IN ('prefund', 'bill_payment') AND l.debit_kind = 'bank' AND l.business_date BETWEEN :since AND :until
       AND NOT EXISTS (SELECT FROM bank_lines b WHERE b.matched_to = 'prefund:' || l.transfer_id)
     ORDER BY l.transfer_id
""")


async def _match_prefunds(session: AsyncSession, lines: Sequence[BankLine]) -> None:
    """What units have paid in, ahead or on a bill, was entered by the office; the bank's line is its proof."""
    free = [line for line in lines if line.matched_to is None and line.amount_fen > 0]
    if not free:
        return
    window = {
        "since": min(line.booked_on for line in free) - _PREFUND_WITHIN,
        "until": max(line.booked_on for line in free) + _PREFUND_WITHIN,
    }
    for row in (await session.execute(_PREFUNDS, window)).all():
        for line in free:
            if (
                line.matched_to is None
                and (line.region_id, line.amount_fen) == (row.region_id, row.amount_fen)
                and abs(line.booked_on - row.business_date) <= _PREFUND_WITHIN
            ):
                line.matched_to = f"prefund:{row.transfer_id}"
                break


def _judge_bill(bill: ChannelBill, lines: Sequence[BankLine], seen_until: dict[UUID, date]) -> list[Found]:
    key, reference = f"bill:{bill.channel}:{bill.bill_date}", f"{bill.channel} {bill.bill_date}"
    line = next((each for each in lines if each.matched_to is None and names_bill(each, bill)), None)
    if line is not None:
        return [_amount(key, reference, bill.net_fen, line)]
    # Which region's account it should come to is not known before it has.
    return _absent(key, reference, bill.net_fen, bill.bill_date, max(seen_until.values(), default=None), None)


def _judge_movement(movement: ExpectedMovement, lines: Sequence[BankLine], seen_until: dict[UUID, date]) -> list[Found]:
    if any(_is_matched(line, movement) for line in lines):
        return []
    key = f"instruction:{movement.reference}:{movement.region_id}"
    line = next((each for each in lines if each.matched_to is None and _speaks_of(each, movement)), None)
    if line is not None:
        return [_amount(key, movement.reference, movement.amount_fen, line)]
    seen = seen_until.get(movement.region_id)
    return _absent(key, movement.reference, movement.amount_fen, movement.due_on, seen, movement.region_id)


def _amount(key: str, reference: str, expected_fen: int, line: BankLine) -> Found:
    return Found(
        key,
        Kind.AMOUNT,
        reference,
        expected_fen,
        line.amount_fen,
        region_id=line.region_id,
        detail={"line": line.bank_reference, "booked_on": line.booked_on.isoformat()},
    )


def _absent(
    key: str, reference: str, expected_fen: int, day: date, seen: date | None, region_id: UUID | None
) -> list[Found]:
    """Nothing is said before a statement reaches the days in which it should have come."""
    if seen is None or seen <= day:
        return []
    kind = Kind.MISSING_THERE if seen >= day + _MISSING_AFTER else Kind.LATE
    return [
        Found(key, kind, reference, expected_fen, None, region_id=region_id, detail={"seen_until": seen.isoformat()})
    ]


def _is_spoken_for(line: BankLine, unpaid: Sequence[ChannelBill], movements: Sequence[ExpectedMovement]) -> bool:
    """Matched, or already told of as the wrong amount of something that was expected."""
    return (
        line.matched_to is not None
        or any(names_bill(line, bill) for bill in unpaid)
        or any(_speaks_of(line, movement) for movement in movements)
    )


def _stray(line: BankLine) -> Found:
    return Found(
        f"line:{line.id}",
        Kind.MISSING_HERE,
        line.bank_reference or public_id("bkl", line.id),
        None,
        line.amount_fen,
        region_id=line.region_id,
        detail={"counterparty": line.counterparty, "remittance": line.remittance},
    )
