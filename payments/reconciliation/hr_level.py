"""L6: what a unit paid for its people in a month, against the list of its personnel office, person by person.

Only units that have brought a list are compared. Somebody on the list without a grant is missing here; somebody who was granted
a subsidy or ate on the unit's share and is not on the list is missing there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import person_summary
from kernel.ids import public_id
from payments.reconciliation.found import Comparison, Found, Kind
from payments.reconciliation.models import HrList, HrListRow

LEVEL: Final = 6

# What was granted is what the ledger says, reversals taken off; what was eaten counts only where nothing was granted.
_PAID_FOR: Final = text("""
    WITH granted AS (
        SELECT h.person_id, h.region_id,
               sum(CASE WHEN l.credit_kind = 'subsidy' THEN l.amount_fen ELSE -l.amount_fen END) AS fen
          FROM ledger_lines l
          JOIN subsidy_lots s ON s.bucket = l.bucket AND s.id = l.lot_id AND s.unit_id = :unit
          JOIN holders h ON h.bucket = s.bucket AND h.id = s.holder_id
         WHERE l.kind IN ('grant', 'grant_reversal') AND l.business_date >= :first AND l.business_date < :after
         GROUP BY h.person_id, h.region_id
    ), eaten AS (
        SELECT p.person_id, p.home_region_id AS region_id, sum((leg ->> 'amount_fen')::bigint) AS fen
          FROM payments p CROSS JOIN LATERAL json_array_elements(p.legs) AS leg
         WHERE p.unit_id = :unit AND p.business_date >= :first AND p.business_date < :after
           AND p.status <> 'voided' AND leg ->> 'purse' = 'subsidy'
         GROUP BY p.person_id, p.home_region_id
    )
    SELECT coalesce(g.person_id, e.person_id) AS person_id, coalesce(g.region_id, e.region_id) AS region_id,
           coalesce(g.fen, 0)::bigint AS granted_fen, coalesce(e.fen, 0)::bigint AS eaten_fen
      FROM granted g FULL JOIN eaten e ON e.person_id = g.person_id
     WHERE coalesce(g.fen, 0) <> 0 OR coalesce(e.fen, 0) <> 0
""")


@dataclass(frozen=True, slots=True)
class PaidFor:
    """What a unit has paid for somebody in a month."""

    person_id: UUID
    region_id: UUID
    granted_fen: int
    eaten_fen: int


async def compare(session: AsyncSession, day: date) -> Comparison:
    """Every unit that has brought a list of the month."""
    month = day.replace(day=1)
    lists = (await session.scalars(select(HrList).where(HrList.month == month, HrList.replaced_at.is_(None)))).all()
    found: list[Found] = []
    people = 0
    for each in lists:
        differences, count = await _compare_unit(session, each)
        found += differences
        people += count
    return Comparison(found, people, {"units": len(lists), "people": people})


async def _compare_unit(session: AsyncSession, listed: HrList) -> tuple[list[Found], int]:
    rows = await session.scalars(select(HrListRow).where(HrListRow.list_id == listed.id))
    on_list = {row.staff_number: row for row in rows}
    after = (listed.month + timedelta(days=32)).replace(day=1)
    asked = {"unit": listed.unit_id, "first": listed.month, "after": after}
    paid = [PaidFor(**row._mapping) for row in await session.execute(_PAID_FOR, asked)]  # noqa: SLF001  a row's public way to a dict
    names = await person_summary(session, [each.person_id for each in paid])
    by_number = {_number_of(each, names): each for each in paid}
    region_id = paid[0].region_id if paid else None
    found = [
        difference
        for number in sorted({*on_list, *by_number})
        if (difference := _judge(listed, number, on_list.get(number), by_number.get(number), region_id)) is not None
    ]
    return found, len({*on_list, *by_number})


def _number_of(paid: PaidFor, names: Mapping[UUID, Any]) -> str:
    """By staff number, as the list has it; who has none cannot be on it."""
    summary = names.get(paid.person_id)
    return (summary.staff_number if summary is not None else None) or public_id("per", paid.person_id)


def _judge(
    listed: HrList, number: str, row: HrListRow | None, paid: PaidFor | None, region_id: UUID | None
) -> Found | None:
    granted_fen = paid.granted_fen if paid is not None else 0
    if row is None:
        assert paid is not None, "it is on one of the sides"
        return _found(listed, number, Kind.MISSING_THERE, granted_fen or paid.eaten_fen, None, region_id, paid)
    if row.subsidy_fen is None and granted_fen == 0:
        return _found(listed, number, Kind.MISSING_HERE, None, None, region_id, paid)
    if row.subsidy_fen in (None, granted_fen):
        return None
    kind = Kind.AMOUNT if granted_fen else Kind.MISSING_HERE
    return _found(listed, number, kind, granted_fen or None, row.subsidy_fen, region_id, paid)


def _found(
    listed: HrList,
    number: str,
    kind: Kind,
    expected_fen: int | None,
    found_fen: int | None,
    region_id: UUID | None,
    paid: PaidFor | None,
) -> Found:
    return Found(
        f"{listed.unit_id}:{listed.month}:{number}",
        kind,
        number,
        expected_fen,
        found_fen,
        region_id=paid.region_id if paid is not None else region_id,
        unit_id=listed.unit_id,
        detail={"eaten_fen": paid.eaten_fen if paid is not None else 0, "month": f"{listed.month:%Y-%m}"},
    )
