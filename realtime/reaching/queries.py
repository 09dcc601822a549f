"""Reads of reaching."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import NotFound
from realtime.reaching.models import Delivery, PathProof, PushDevice, ReachChannel


async def lock_channel(session: AsyncSession, channel_id: UUID) -> ReachChannel:
    """The channel, locked; NotFound."""
    channel = await session.scalar(select(ReachChannel).where(ReachChannel.id == channel_id).with_for_update())
    if channel is None:
        raise NotFound
    return channel


async def list_channels(session: AsyncSession, regions: Collection[UUID] | None) -> list[ReachChannel]:
    """Those of these regions (None: of all), by name."""
    query = select(ReachChannel).order_by(ReachChannel.kind, ReachChannel.name, ReachChannel.id)
    if regions is not None:
        query = query.where(ReachChannel.region_id.in_(regions))
    return list(await session.scalars(query))


async def enabled_channels(
    session: AsyncSession, kinds: Sequence[str], *where: ColumnElement[bool]
) -> list[ReachChannel]:
    """Those of these kinds that are in use."""
    query = select(ReachChannel).where(ReachChannel.state == "enabled", ReachChannel.kind.in_(kinds), *where)
    return list(await session.scalars(query.order_by(ReachChannel.id)))


async def devices_of(session: AsyncSession, people: Collection[UUID]) -> list[PushDevice]:
    """The devices of these people, the newest first."""
    query = select(PushDevice).where(PushDevice.person_id.in_(people)).order_by(PushDevice.id.desc())
    return list(await session.scalars(query))


async def proofs_of(session: AsyncSession, paths: Collection[str]) -> dict[str, PathProof]:
    """What is known of these ways."""
    if not paths:
        return {}
    rows = await session.scalars(
        select(PathProof).where(PathProof.path.in_(paths)).execution_options(populate_existing=True)
    )
    return {proof.path: proof for proof in rows}


async def lock_delivery(session: AsyncSession, delivery_id: UUID) -> Delivery:
    """The delivery, locked; NotFound."""
    delivery = await session.scalar(select(Delivery).where(Delivery.id == delivery_id).with_for_update())
    if delivery is None:
        raise NotFound
    return delivery


async def list_deliveries(
    session: AsyncSession, *, limit: int, before: UUID | None, channel_id: UUID | None, person_id: UUID | None
) -> list[Delivery]:
    """Newest first, one more than the limit."""
    query = select(Delivery).order_by(Delivery.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Delivery.id < before)
    if channel_id is not None:
        query = query.where(Delivery.channel_id == channel_id)
    if person_id is not None:
        query = query.where(Delivery.person_id == person_id)
    return list(await session.scalars(query.execution_options(populate_existing=True)))
