"""The end of a lot: a part of what is left may be carried over into a new one, the rest goes back to its unit (E9).

What is carried over is there from the next morning on. The rest waits 72 hours, so that a late sale of the last day
still finds it.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.crossing import BookAccount, crossing_lines
from payments.events import SubsidyCarriedOver, SubsidyExpired
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line
from payments.models import Grant, SubsidyLot
from payments.subsidies.carry_over import carried_fen, carried_until, read_carry_over
from payments.subsidies.unit_money import UnitAccount, lock_accounts_of

# A lot's money goes back this long after its last day, so that a late sale of that day still finds it.
EXPIRY_DELAY: Final = timedelta(hours=72)


class LotKey(NamedTuple):
    """Which lot, and whose."""

    bucket: int
    id: UUID
    holder_id: UUID


async def expire_lots(session: AsyncSession, limit: int = 500) -> int:
    """Give what is unspent of lots past their last day and 72 h back to their units; returns how many ended."""
    before = clock.business_date(clock.now() - EXPIRY_DELAY, get_settings().zone)
    due = await session.execute(
        select(SubsidyLot.bucket, SubsidyLot.id, SubsidyLot.holder_id)
        .where(SubsidyLot.expired_at.is_(None), SubsidyLot.expires_on < before)
        .limit(limit)
    )
    lots, people = await _lock_lots(session, [LotKey(*row) for row in due])
    # Read again under the lock: a payment may have emptied it, a hold may still be open on it.
    ending = [lot for lot in lots if lot.expired_at is None and not lot.held_fen]
    sources = await lock_accounts_of(session, [lot for lot in ending if lot.balance_fen])
    lines: list[Line] = []
    for lot in ending:
        lot.expired_at = clock.now()
        if lot.balance_fen:
            source = sources[lot.unit_id, lot.funded_by]
            if lot.grant_id is not None:
                _tell_expired(session, lot, people[lot.holder_id])
            lines += await take_back(session, lot, source, lot.balance_fen, "expiry")
    await session.flush()
    await post_lines(session, lines)
    return len(ending)


async def take_back(
    session: AsyncSession, lot: SubsidyLot, source: UnitAccount, amount_fen: int, kind: str
) -> list[Line]:
    """From a locked lot to the locked account that it was paid from; the lines are the caller's to post. Between two books
    where the holder has moved since."""
    on = today()
    source.give_back(amount_fen)
    lot.balance_fen -= amount_fen
    lot.version += 1
    period = await open_period(session, lot.region_id, on, source.region_id)
    booking = Booking(lot.bucket, uuid7(lot.bucket), kind, on, period)
    purse = BookAccount(lot.region_id, Account("subsidy", lot.holder_id))
    return crossing_lines(booking, purse, BookAccount(source.region_id, source.account), amount_fen, lot.id)


_TO_CARRY_OVER: Final = text("""
    SELECT l.bucket, l.id, l.holder_id
      FROM subsidy_lots l JOIN grants g ON g.id = l.grant_id JOIN holders h ON h.bucket = l.bucket AND h.id = l.holder_id
     WHERE l.expired_at IS NULL AND l.expires_on < :today AND l.carried_from IS NULL AND l.carried_to IS NULL
       AND l.balance_fen > l.held_fen AND h.state <> 'closed' AND g.reversed_at IS NULL
       AND l.expires_on + CAST(g.carry_over ->> 'days' AS integer) >= :today
       AND (l.balance_fen - l.held_fen) * coalesce(CAST(g.carry_over ->> 'percent' AS integer), 100) >= 100
     LIMIT :limit
""")


async def carry_over_lots(session: AsyncSession, limit: int = 500) -> int:
    """Open new lots for what may be kept of those whose last day is over; returns how many were carried over."""
    due = await session.execute(_TO_CARRY_OVER, {"today": today(), "limit": limit})
    lots, people = await _lock_lots(session, [LotKey(*row) for row in due])
    # Read again under the lock: a late sale may have emptied it.
    ending = [lot for lot in lots if lot.carried_to is None and lot.balance_fen > lot.held_fen]
    sources = await lock_accounts_of(session, ending)
    grants = await _grants_of(session, ending)
    lines: list[Line] = []
    carried = 0
    for lot in ending:
        rule = read_carry_over(grants[lot.grant_id].carry_over) if lot.grant_id else None
        kept_fen = carried_fen(lot.balance_fen - lot.held_fen, rule) if rule else 0
        if rule is None or not kept_fen:
            continue
        carried += 1
        fresh = _successor(lot, kept_fen, carried_until(lot.expires_on, rule))
        session.add(fresh)
        lines += await _carry(session, lot, fresh, sources[lot.unit_id, lot.funded_by])
        _tell_carried_over(session, lot, fresh, people[lot.holder_id])
    await session.flush()
    await post_lines(session, lines)
    return carried


async def _grants_of(session: AsyncSession, lots: Sequence[SubsidyLot]) -> dict[UUID, Grant]:
    ids = {lot.grant_id for lot in lots if lot.grant_id is not None}
    return {grant.id: grant for grant in await session.scalars(select(Grant).where(Grant.id.in_(ids)))}


async def _carry(session: AsyncSession, lot: SubsidyLot, fresh: SubsidyLot, source: UnitAccount) -> list[Line]:
    """Out of one lot and into the other, by way of the unit's account: a line has two accounts."""
    on, amount_fen = today(), fresh.granted_fen
    source.pass_through()
    lot.balance_fen -= amount_fen
    lot.version += 1
    lot.carried_to = fresh.id
    period = await open_period(session, lot.region_id, on, source.region_id)
    booking = Booking(lot.bucket, uuid7(lot.bucket), "carry_over", on, period)
    purse = BookAccount(lot.region_id, Account("subsidy", lot.holder_id))
    unit = BookAccount(source.region_id, source.account)
    out = crossing_lines(booking, purse, unit, amount_fen, lot.id)
    return out + crossing_lines(booking, unit, purse, amount_fen, fresh.id, first_ordinal=len(out))


def _successor(lot: SubsidyLot, amount_fen: int, expires_on: date) -> SubsidyLot:
    return SubsidyLot(
        bucket=lot.bucket,
        id=uuid7(lot.bucket),
        holder_id=lot.holder_id,
        unit_id=lot.unit_id,
        region_id=lot.region_id,
        granted_fen=amount_fen,
        balance_fen=amount_fen,
        held_fen=0,
        granted_on=today(),
        expires_on=expires_on,
        scope=lot.scope,
        version=1,
        funded_by=lot.funded_by,
        grant_id=lot.grant_id,
        carried_from=lot.id,
    )


async def _lock_lots(session: AsyncSession, keys: Sequence[LotKey]) -> tuple[list[SubsidyLot], dict[UUID, UUID]]:
    """The lots under their holders' locks, in order of id, and the person of each holder."""
    if not keys:
        return [], {}
    holders = await queries.lock_holders(session, [(key.bucket, key.holder_id) for key in keys])
    found = [
        await session.get(SubsidyLot, (key.bucket, key.id), populate_existing=True)
        for key in sorted(keys, key=lambda key: key.id.int)
    ]
    return [lot for lot in found if lot is not None], {holder.id: holder.person_id for holder in holders}


def _tell_expired(session: AsyncSession, lot: SubsidyLot, person_id: UUID) -> None:
    publish(
        session,
        SubsidyExpired(
            happened_at=clock.rfc3339(clock.now()),
            lot=public_id("lot", lot.id),
            person=public_id("per", person_id),
            amount_fen=lot.balance_fen,
            expires_on=lot.expires_on.isoformat(),
        ),
    )


def _tell_carried_over(session: AsyncSession, lot: SubsidyLot, fresh: SubsidyLot, person_id: UUID) -> None:
    publish(
        session,
        SubsidyCarriedOver(
            happened_at=clock.rfc3339(clock.now()),
            lot=public_id("lot", fresh.id),
            from_lot=public_id("lot", lot.id),
            person=public_id("per", person_id),
            amount_fen=fresh.granted_fen,
            expires_on=fresh.expires_on.isoformat(),
        ),
    )


def today() -> date:
    """The business date of the house."""
    return clock.business_date(clock.now(), get_settings().zone)
