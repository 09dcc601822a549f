"""What a gateway and our books say differently, for the person who looks into it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover
from kernel import clock
from kernel.ids import public_id
from payments.models import ChannelOrder, DifferenceCase


async def list_cases(
    session: AsyncSession, cover: Cover | None, limit: int, before: UUID | None
) -> list[dict[str, Any]]:
    """Newest first, one more than the limit, within the regions of `cover`; None is everywhere, and only there stand those
    whose order is none of ours."""
    query = (
        select(DifferenceCase)
        .outerjoin(ChannelOrder, ChannelOrder.id == DifferenceCase.order_id)
        .order_by(DifferenceCase.id.desc())
        .limit(limit + 1)
    )
    if cover is not None:
        query = query.where(ChannelOrder.region_id.in_(cover.regions))
    if before is not None:
        query = query.where(DifferenceCase.id < before)
    return [case_view(case) for case in await session.scalars(query)]


def case_view(case: DifferenceCase) -> dict[str, Any]:
    """The wire form."""
    return {
        "id": public_id("dif", case.id),
        "channel": case.channel,
        "order": case.order_name,
        "kind": case.kind,
        "expected_fen": case.expected_fen,
        "confirmed_fen": case.confirmed_fen,
        "opened_at": clock.rfc3339(case.opened_at),
        "resolved_at": clock.rfc3339(case.resolved_at) if case.resolved_at else None,
    }
