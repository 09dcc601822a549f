"""SELECTs of withdrawals."""

from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover
from kernel.errors import NotFound
from kernel.ids import bucket_of, public_id
from payments.withdrawals.models import Withdrawal
from payments.withdrawals.states import UNDER_WAY


async def get_withdrawal(session: AsyncSession, withdrawal_id: UUID) -> Withdrawal:
    """As it is now; NotFound where there is none."""
    found = await session.get(Withdrawal, (bucket_of(withdrawal_id), withdrawal_id), populate_existing=True)
    if found is None:
        raise NotFound(what="wdr", id=public_id("wdr", withdrawal_id))
    return found


async def lock_withdrawal(session: AsyncSession, withdrawal_id: UUID) -> Withdrawal:
    """The row, locked; its holder's lock is taken before."""
    found = await session.get(
        Withdrawal, (bucket_of(withdrawal_id), withdrawal_id), populate_existing=True, with_for_update=True
    )
    if found is None:
        raise NotFound(what="wdr", id=public_id("wdr", withdrawal_id))
    return found


async def find_under_way(session: AsyncSession, bucket: int, holder_id: UUID) -> UUID | None:
    """The one that money of this account is held for."""
    return await session.scalar(
        select(Withdrawal.id).where(
            Withdrawal.bucket == bucket, Withdrawal.holder_id == holder_id, Withdrawal.state.in_(UNDER_WAY)
        )
    )


async def list_of_person(session: AsyncSession, person_id: UUID, limit: int, before: UUID | None) -> list[Withdrawal]:
    """Somebody's, newest first, one more than the limit."""
    query = select(Withdrawal).where(Withdrawal.person_id == person_id)
    return await _page(session, query, limit, before)


async def list_within(session: AsyncSession, cover: Cover | None, limit: int, before: UUID | None) -> list[Withdrawal]:
    """Those of the regions of `cover` (None: all), newest first, one more than the limit."""
    query = select(Withdrawal)
    if cover is not None:
        query = query.where(Withdrawal.region_id.in_(cover.regions))
    return await _page(session, query, limit, before)


async def _page(session: AsyncSession, query: Select[Withdrawal], limit: int, before: UUID | None) -> list[Withdrawal]:
    query = query.order_by(Withdrawal.opened_at.desc(), Withdrawal.id.desc()).limit(limit + 1)
    if before is not None:
        last = await get_withdrawal(session, before)
        query = query.where(tuple_(Withdrawal.opened_at, Withdrawal.id) < (last.opened_at, last.id))
    return list(await session.scalars(query.execution_options(populate_existing=True)))
