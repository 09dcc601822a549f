"""From a statement's line down to the payments under it: what was eaten where, and not by whom.

Ids carry their instant and begin with their bucket, so a day's payments are a thousand short look-ups by key, however many
payments there are beside them.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names
from kernel import clock
from kernel.ids import BUCKETS, first_id_at, instant_of, public_id
from payments.models import AccountingPeriod
from payments.settlement import schemas
from payments.settlement.models import SettlementStatement
from payments.settlement.periods import is_late
from payments.settlement.views import place

_OF_PARTY: Final = {
    "canteen": "p.site_id = :party AND p.host_region_id = :region",
    "unit": "p.unit_id = :party AND p.home_region_id = :region AND p.legs::text LIKE '%subsidy%'",
    "region_pair": "((p.home_region_id = :region AND p.host_region_id = :party)"
    " OR (p.home_region_id = :party AND p.host_region_id = :region))",
    "operator": "false",
}
# Nobody ate so long ago, and no id of ours carries such an instant.
_FARTHEST: Final = timedelta(days=3_700)
_MEALS: Final = """
SELECT p.id, p.site_id, p.business_date, p.amount_fen, p.refunded_fen, p.legs, p.context ->> 'meal' AS meal
  FROM generate_series(0, :buckets) AS b(bucket)
 CROSS JOIN LATERAL (
       SELECT * FROM payments p
        WHERE p.bucket = b.bucket AND p.id >= :since AND p.id < :until
          AND p.business_date = :day AND p.accounting_period = :period AND {of_party}
       OFFSET 0) AS p
 ORDER BY p.id DESC LIMIT :limit
"""


async def meals_under_line(
    session: AsyncSession,
    row: AccountingPeriod,
    statement: SettlementStatement,
    day: date,
    *,
    after: UUID | None,
    limit: int,
) -> list[schemas.MealView]:
    """Payments of one day that a statement counts, newest first; one more than the limit."""
    if not timedelta(0) <= date(int(row.period[:4]) + 1, 12, 31) - day <= _FARTHEST:
        return []
    since, until = _span(row, day)
    if after is not None and instant_of(after) < until:
        until_id = after
    else:
        until_id = first_id_at(until)
    found = await session.execute(
        text(_MEALS.format(of_party=_OF_PARTY[statement.kind])),
        {
            "buckets": BUCKETS - 1,
            "since": first_id_at(since),
            "until": until_id,
            "day": day,
            "period": row.period,
            "party": statement.party_id,
            "region": row.region_id,
            "limit": limit + 1,
        },
    )
    rows = found.all()
    names = await place_names(session, {each.site_id for each in rows})
    return [
        schemas.MealView(
            payment=public_id("pay", each.id),
            canteen=place(names, "can", each.site_id),
            business_date=each.business_date.isoformat(),
            happened_at=clock.rfc3339(instant_of(each.id)),
            amount_fen=each.amount_fen,
            subsidy_fen=_subsidy_fen(each.legs),
            refunded_fen=each.refunded_fen,
            meal=each.meal,
        )
        for each in rows
    ]


def _span(row: AccountingPeriod, day: date) -> tuple[datetime, datetime]:
    """When payments of a business day were booked: within two days, and a late one until its period was cut off."""
    begins = datetime.combine(day, time(), UTC) - timedelta(days=1)
    if is_late(day, row.period) and row.cut_off_at is not None:
        return begins, row.cut_off_at + timedelta(days=1)
    return begins, begins + timedelta(days=4)


def _subsidy_fen(legs: list[dict[str, Any]]) -> int:
    return sum(int(leg["amount_fen"]) for leg in legs if leg["purse"] == "subsidy")
