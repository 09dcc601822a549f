"""Charges as they go out, with the names of who pays and who is paid."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names
from kernel import clock
from kernel.ids import public_id
from payments.charges.models import ServiceCharge
from payments.charges.schemas import ChargeView

_PREFIXES = {"repair": "wo", "booking": "bkg", "meeting": "mtg"}


async def views_of(session: AsyncSession, charges: Sequence[ServiceCharge]) -> list[ChargeView]:
    """In the order given."""
    names = await place_names(session, {each for charge in charges for each in (charge.unit_id, charge.site_id)})
    return [
        ChargeView(
            id=public_id("chg", charge.id),
            kind=charge.kind,
            reference=public_id(_PREFIXES[charge.kind], charge.reference),
            unit=public_id("org", charge.unit_id),
            unit_name_zh=names[charge.unit_id].name_zh,
            unit_name_en=names[charge.unit_id].name_en,
            site=public_id("sit", charge.site_id),
            site_name_zh=names[charge.site_id].name_zh,
            site_name_en=names[charge.site_id].name_en,
            funded_by=charge.funded_by,
            amount_fen=charge.amount_fen,
            refunded_fen=charge.refunded_fen,
            business_date=charge.business_date,
            note=charge.note,
            recorded_at=clock.rfc3339(charge.recorded_at),
        )
        for charge in charges
    ]
