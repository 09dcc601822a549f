"""What the shifts of a day were handed over with, for the reconciliation of tills with the ledger (L1)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.models import Shift, ShiftReturn
from canteen.shifts import span_of
from identity.api import site_summary
from kernel.ids import public_id
from payments.api import ShiftTotal


async def handed_over_totals(session: AsyncSession, day: date) -> Sequence[ShiftTotal]:
    """As their cashiers have signed them."""
    shifts = (
        await session.scalars(
            select(Shift).where(Shift.business_date == day, Shift.state == "handed_over").order_by(Shift.id)
        )
    ).all()
    returns: dict[UUID, list[UUID]] = defaultdict(list)
    for row in await session.scalars(select(ShiftReturn).where(ShiftReturn.shift_id.in_([each.id for each in shifts]))):
        returns[row.shift_id].append(row.reversal_id)
    sites = await site_summary(session, list({each.canteen_id for each in shifts}))
    return [
        ShiftTotal(
            reference=public_id("shf", each.id),
            region_id=sites[each.canteen_id].region_id,
            site_id=each.canteen_id,
            sales_fen=each.sheet["sales_fen"],
            returned_fen=each.sheet["returned_fen"],
            span=await span_of(session, each),
            return_ids=returns[each.id],
        )
        for each in shifts
        if each.sheet is not None
    ]
