"""SELECTs of disputes."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel.errors import NotFound
from kernel.ids import bucket_of, public_id
from payments.disputes.models import Dispute, DisputeStep
from payments.disputes.states import UNDER_WAY
from payments.models import Payment
from payments.settlement.api import refunds_of_vouchers


async def get_dispute(session: AsyncSession, dispute_id: UUID) -> Dispute:
    """As it is now, unlocked."""
    dispute = await session.get(Dispute, dispute_id, populate_existing=True)
    if dispute is None:
        raise NotFound(what="dis", id=public_id("dis", dispute_id))
    return dispute


async def lock_dispute(session: AsyncSession, dispute_id: UUID) -> Dispute:
    """The row, locked; the holder's lock comes after it."""
    dispute = await session.get(Dispute, dispute_id, populate_existing=True, with_for_update=True)
    if dispute is None:
        raise NotFound(what="dis", id=public_id("dis", dispute_id))
    return dispute


async def find_under_way(session: AsyncSession, payment_id: UUID, reason: str) -> UUID | None:
    """The dispute of a payment for a reason, that is not over yet."""
    return await session.scalar(
        select(Dispute.id).where(
            Dispute.payment_id == payment_id, Dispute.reason == reason, Dispute.state.in_(UNDER_WAY)
        )
    )


async def find_by_voucher(session: AsyncSession, voucher_id: UUID) -> UUID | None:
    """The dispute that a voucher was asked for."""
    return await session.scalar(select(Dispute.id).where(Dispute.voucher_id == voucher_id))


async def suspended_fen_of(session: AsyncSession, payment_id: UUID) -> int:
    """What other disputes of a payment have set aside already."""
    total = await session.scalar(
        select(func.coalesce(func.sum(Dispute.suspended_fen), 0)).where(Dispute.payment_id == payment_id)
    )
    return int(total or 0)


async def steps_of(session: AsyncSession, disputes: Sequence[UUID]) -> dict[UUID, list[DisputeStep]]:
    """Steps by dispute, in order."""
    rows = await session.scalars(
        select(DisputeStep)
        .where(DisputeStep.dispute_id.in_(disputes))
        .order_by(DisputeStep.dispute_id, DisputeStep.ordinal)
    )
    found: dict[UUID, list[DisputeStep]] = {identifier: [] for identifier in disputes}
    for step in rows:
        found[step.dispute_id].append(step)
    return found


async def refunds_of(session: AsyncSession, disputes: Sequence[Dispute]) -> dict[UUID, UUID]:
    """The refund by which each came back that did: its own, or its voucher's."""
    by_voucher = {each.voucher_id: each.id for each in disputes if each.voucher_id and each.state == "returned"}
    booked = await refunds_of_vouchers(session, list(by_voucher))
    own = {each.id: each.refund_id for each in disputes if each.refund_id is not None}
    return own | {by_voucher[voucher]: refund for voucher, refund in booked.items()}


async def payments_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """The disputed payments by their ids, which name their buckets."""
    keys = [(bucket_of(identifier), identifier) for identifier in ids]
    rows = await session.scalars(
        select(Payment).where(tuple_(Payment.bucket, Payment.id).in_(keys)).execution_options(populate_existing=True)
    )
    return {payment.id: payment for payment in rows}


async def list_own(
    session: AsyncSession, person_id: UUID, limit: int, before: UUID | None, payment_id: UUID | None
) -> list[Dispute]:
    """A person's own, newest first, one more than the limit."""
    query = select(Dispute).where(Dispute.person_id == person_id).order_by(Dispute.id.desc()).limit(limit + 1)
    if payment_id is not None:
        query = query.where(Dispute.payment_id == payment_id)
    if before is not None:
        query = query.where(Dispute.id < before)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def list_for_staff(
    session: AsyncSession, actor: Principal, limit: int, before: UUID | None, states: Sequence[str]
) -> list[Dispute]:
    """Those of the canteens that somebody manages and of the regions whose finance they are, newest first."""
    query = (
        select(Dispute)
        .where(_within(actor), Dispute.state.in_(states))
        .order_by(Dispute.id.desc())
        .limit(limit + 1)
        .execution_options(populate_existing=True)
    )
    if before is not None:
        query = query.where(Dispute.id < before)
    return list(await session.scalars(query))


def _within(actor: Principal) -> ColumnElement[bool]:
    covers: list[ColumnElement[bool]] = []
    for role in (Role.CANTEEN_MANAGER, Role.FINANCE):
        cover = actor.cover_of(role)
        if cover is None:
            return Dispute.id.is_not(None)
        covers.append(or_(Dispute.site_id.in_(cover.sites), Dispute.host_region_id.in_(cover.regions)))
    return or_(false(), *covers)
