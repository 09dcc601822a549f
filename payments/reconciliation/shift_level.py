"""L1: what a till's shift was handed over with, against the ledger's own lines.

The counter is not ours: it says through `ShiftTotals` what its cashiers have signed, and which span of the journal that was.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Role
from payments.reconciliation.found import Comparison, Found, Kind
from payments.till_sales import Span, ledger_sums, sales_of_till


@dataclass(frozen=True, slots=True)
class ShiftTotal:
    """A shift as its cashier handed it over."""

    reference: str
    region_id: UUID
    site_id: UUID
    sales_fen: int
    returned_fen: int
    span: Span
    return_ids: Sequence[UUID]


# Whoever runs the counters: the shifts of a business date that were handed over.
ShiftTotals = Callable[[AsyncSession, date], Awaitable[Sequence[ShiftTotal]]]
_counters: list[ShiftTotals] = []


def register_shift_totals(totals: ShiftTotals) -> None:
    """Called once, by app/wiring.py."""
    if totals not in _counters:
        _counters.append(totals)


async def compare(session: AsyncSession, day: date) -> Comparison:
    """Every shift that was handed over, counted again."""
    shifts = [shift for totals in _counters for shift in await totals(session, day)]
    found: list[Found] = []
    for shift in shifts:
        found += await _compare_shift(session, shift)
    return Comparison(found, len(shifts), {"shifts": len(shifts)})


async def _compare_shift(session: AsyncSession, shift: ShiftTotal) -> list[Found]:
    sales = await sales_of_till(session, shift.span)
    sold = await ledger_sums(session, [sale.id for sale in sales])
    returned = await ledger_sums(session, list(shift.return_ids))
    sides = (
        ("sales", shift.sales_fen, sum(fen for (_, credit), fen in sold.items() if credit == "payable")),
        ("returns", shift.returned_fen, sum(fen for (debit, _), fen in returned.items() if debit == "payable")),
    )
    return [
        Found(
            key=f"{what}:{shift.reference}",
            kind=Kind.AMOUNT,
            reference=shift.reference,
            expected_fen=booked_fen,
            found_fen=signed_fen,
            owner_role=Role.CANTEEN_MANAGER,
            region_id=shift.region_id,
            site_id=shift.site_id,
            detail={"what": what, "count": len(sales)},
        )
        for what, signed_fen, booked_fen in sides
        if signed_fen != booked_fen
    ]
