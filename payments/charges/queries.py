"""Charges, read."""

from uuid import UUID

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover
from kernel.errors import NotFound
from kernel.ids import public_id
from payments.charges.models import ServiceCharge


async def get_charge(session: AsyncSession, charge_id: UUID) -> ServiceCharge:
    """One; NotFound where there is none."""
    found = await session.get(ServiceCharge, charge_id)
    if found is None:
        raise NotFound(what="charge", id=public_id("chg", charge_id))
    return found


async def list_charges(
    session: AsyncSession,
    cover: Cover | None,
    limit: int,
    *,
    unit_id: UUID | None = None,
    before: UUID | None = None,
) -> list[ServiceCharge]:
    """Those whose payer or payee lies within `cover` (None: all), newest first, one more than the limit."""
    query = select(ServiceCharge)
    if cover is not None:
        regions, units = list(cover.regions), list(cover.organisations)
        query = query.where(
            or_(
                ServiceCharge.home_region_id.in_(regions),
                ServiceCharge.host_region_id.in_(regions),
                ServiceCharge.unit_id.in_(units),
            )
        )
    if unit_id is not None:
        query = query.where(ServiceCharge.unit_id == unit_id)
    if before is not None:
        last = await get_charge(session, before)
        query = query.where(
            tuple_(ServiceCharge.recorded_at, ServiceCharge.id) < (last.recorded_at, last.id),
        )
    query = query.order_by(ServiceCharge.recorded_at.desc(), ServiceCharge.id.desc()).limit(limit + 1)
    return list(await session.scalars(query))
