"""SELECTs of payments. Functions named `lock_*` take row locks, always the holder's first."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.errors import NotFound
from kernel.ids import BUCKETS, bucket_of, first_id_at, instant_of
from payments.models import (
    Hold,
    Holder,
    HolderDirectory,
    LedgerLine,
    Payment,
    PlaceCode,
    Purse,
    Reversal,
    SubsidyLot,
    TerminalRequest,
    UnitPrefund,
    UnitReceivable,
    UsageCounter,
)


async def find_holder_key(session: AsyncSession, person_id: UUID) -> tuple[int, UUID]:
    """(bucket, id) of a person's holder; NotFound for someone without an account."""
    row = (
        await session.execute(
            select(HolderDirectory.bucket, HolderDirectory.holder_id).where(HolderDirectory.person_id == person_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(what="holder")
    return row.bucket, row.holder_id


async def holder_keys(session: AsyncSession, person_ids: Sequence[UUID]) -> dict[UUID, tuple[int, UUID]]:
    """(bucket, id) by person, for those who have an account."""
    rows = await session.execute(
        select(HolderDirectory.person_id, HolderDirectory.bucket, HolderDirectory.holder_id).where(
            HolderDirectory.person_id.in_(person_ids)
        )
    )
    return {row.person_id: (row.bucket, row.holder_id) for row in rows}


async def lock_holder(session: AsyncSession, bucket: int, holder_id: UUID) -> Holder:
    """The holder, locked: whoever changes its purses, lots, counters, codes or holds begins here."""
    return (await lock_holders(session, [(bucket, holder_id)]))[0]


async def lock_holders(session: AsyncSession, keys: Sequence[tuple[int, UUID]]) -> list[Holder]:
    """Several holders, locked in (bucket, id) order, as posting does; NotFound where one is missing."""
    wanted = sorted(set(keys), key=lambda key: (key[0], key[1].int))
    holders = (
        await session.scalars(
            select(Holder)
            .where(tuple_(Holder.bucket, Holder.id).in_(wanted))
            .order_by(Holder.bucket, Holder.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).all()
    if len(holders) != len(wanted):
        raise NotFound(what="holder")
    return list(holders)


async def lock_person(session: AsyncSession, person_id: UUID) -> Holder:
    """A person's holder, locked."""
    return await lock_holder(session, *await find_holder_key(session, person_id))


async def purses_of(session: AsyncSession, bucket: int, holder_id: UUID) -> dict[str, Purse]:
    """Cash and official purse by kind, as they are now (callers that change them hold the lock)."""
    rows = await session.scalars(
        select(Purse)
        .where(Purse.bucket == bucket, Purse.holder_id == holder_id)
        .execution_options(populate_existing=True)
    )
    return {purse.kind: purse for purse in rows}


async def lots_of(session: AsyncSession, bucket: int, holder_id: UUID, on: date | None = None) -> list[SubsidyLot]:
    """Lots with money, the first to expire first; with `on`, only those that can still be spent that day."""
    query = (
        select(SubsidyLot)
        .where(SubsidyLot.bucket == bucket, SubsidyLot.holder_id == holder_id, SubsidyLot.expired_at.is_(None))
        .order_by(SubsidyLot.expires_on, SubsidyLot.balance_fen, SubsidyLot.id)
        .execution_options(populate_existing=True)
    )
    if on is not None:
        query = query.where(SubsidyLot.expires_on >= on, SubsidyLot.balance_fen > 0)
    return list((await session.scalars(query)).all())


async def granting_regions(session: AsyncSession, bucket: int, lot_ids: Sequence[UUID]) -> set[UUID]:
    """The regions in whose books the units have their accounts that some lots came from."""
    if not lot_ids:
        return set()
    units = select(SubsidyLot.unit_id).where(SubsidyLot.bucket == bucket, SubsidyLot.id.in_(lot_ids))
    found: set[UUID] = set()
    for table in (UnitPrefund, UnitReceivable):
        found |= set(await session.scalars(select(table.region_id).where(table.unit_id.in_(units))))
    return found


async def usage_of(session: AsyncSession, bucket: int, holder_id: UUID, keys: Sequence[str]) -> Sequence[UsageCounter]:
    """Usage counters by their keys, unlocked: for showing a price, never for deciding one."""
    rows = await session.scalars(
        select(UsageCounter).where(
            UsageCounter.bucket == bucket, UsageCounter.holder_id == holder_id, UsageCounter.key.in_(keys)
        )
    )
    return rows.all()


async def sums_of(session: AsyncSession, bucket: int, holder_id: UUID, on: date) -> dict[str, int]:
    """What is left in each purse on a business date."""
    purses = await purses_of(session, bucket, holder_id)
    lots = await lots_of(session, bucket, holder_id, on)
    cash, official = purses.get("cash"), purses.get("official")
    return {
        "cash_fen": cash.balance_fen if cash else 0,
        "subsidy_fen": sum(lot.balance_fen for lot in lots),
        "official_fen": official.balance_fen if official else 0,
    }


async def get_payment(session: AsyncSession, payment_id: UUID) -> Payment:
    """A payment by its id, which names its bucket."""
    payment = await session.get(Payment, (bucket_of(payment_id), payment_id), populate_existing=True)
    if payment is None:
        raise NotFound(what="pay")
    return payment


async def list_payments(
    session: AsyncSession, bucket: int, holder_id: UUID, limit: int, before: UUID | None
) -> list[Payment]:
    """A holder's payments, newest first, one more than the limit."""
    query = (
        select(Payment)
        .where(Payment.bucket == bucket, Payment.holder_id == holder_id)
        .order_by(Payment.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(Payment.id < before)
    return list((await session.scalars(query)).all())


async def list_terminal_payments(
    session: AsyncSession, terminal_id: UUID, limit: int, before: UUID | None
) -> list[Payment]:
    """A terminal's payments and those of phones at its printed code, newest first, one more than the limit."""
    own = await _payments_by_number(session, terminal_id, limit, before)
    since = await _first_wall_code_at(session, terminal_id)
    if since is None:
        return own
    # Beyond the oldest one of a full page nothing has to be looked for.
    first = max(first_id_at(since), own[-1].id) if len(own) > limit else first_id_at(since)
    last = before or first_id_at(clock.now() + timedelta(minutes=1))
    scanned = await payments_by_id(session, await _last_wall_payments(session, terminal_id, first, last, limit))
    return sorted([*own, *scanned], key=lambda payment: payment.id, reverse=True)[: limit + 1]


async def _payments_by_number(
    session: AsyncSession, terminal_id: UUID, limit: int, before: UUID | None
) -> list[Payment]:
    numbers = (
        select(TerminalRequest.payment_id)
        .where(TerminalRequest.terminal_id == terminal_id)
        .order_by(TerminalRequest.epoch.desc(), TerminalRequest.seq.desc())
        # Refusals took numbers too: look a little further back than the page is long.
        .limit(limit * 4 + 40)
    )
    if before is not None:
        numbers = numbers.where(TerminalRequest.payment_id < before)
    keys = [(bucket_of(identifier), identifier) for identifier in (await session.scalars(numbers)).all()]
    rows = await session.scalars(
        select(Payment).where(tuple_(Payment.bucket, Payment.id).in_(keys)).order_by(Payment.id.desc()).limit(limit + 1)
    )
    return list(rows)


async def _first_wall_code_at(session: AsyncSession, terminal_id: UUID) -> datetime | None:
    """Since when phones can have paid at a terminal's own code; None where it never had one."""
    return await session.scalar(select(func.min(PlaceCode.issued_at)).where(PlaceCode.terminal_id == terminal_id))


async def _last_wall_payments(
    session: AsyncSession, terminal_id: UUID, first: UUID, last: UUID, limit: int
) -> list[UUID]:
    """The newest of a span, looked for a day at a time first: most pages end there."""
    reach = timedelta(days=1)
    while True:
        since = max(first, first_id_at(instant_of(last) - reach))
        found = await wall_payment_ids(session, terminal_id, since, last)
        if len(found) > limit or since == first:
            return sorted(found, reverse=True)[: limit + 1]
        reach *= 7


# Paid by phone at the terminal's printed code: no number of the terminal was taken. Looked up bucket by bucket, by the
# instant in their ids.
_WALL_PAYMENTS: Final = text("""
    SELECT p.id FROM payments p
     WHERE p.bucket = ANY(CAST(:buckets AS smallint[])) AND p.id >= :first AND p.id < :last
       AND p.terminal_id = :terminal AND p.seq IS NULL
""")


async def wall_payment_ids(session: AsyncSession, terminal_id: UUID, first: UUID, last: UUID) -> list[UUID]:
    """What phones have paid at a terminal's printed code, from one id on and before another."""
    asked = {"terminal": terminal_id, "buckets": list(range(BUCKETS)), "first": first, "last": last}
    return list(await session.scalars(_WALL_PAYMENTS, asked))


# Arrays, because a busy terminal's day is more than a statement takes parameters.
_PAYMENTS: Final = text("""
    SELECT p.* FROM unnest(CAST(:buckets AS smallint[]), CAST(:ids AS uuid[])) AS k (bucket, id)
      JOIN payments p ON p.bucket = k.bucket AND p.id = k.id
""")


async def payments_by_id(session: AsyncSession, ids: Sequence[UUID]) -> list[Payment]:
    """Payments by their ids, in no order."""
    asked = {"buckets": [bucket_of(identifier) for identifier in ids], "ids": list(ids)}
    return list(await session.scalars(select(Payment).from_statement(_PAYMENTS), asked))


async def next_seq(session: AsyncSession, terminal_id: UUID, epoch: int) -> int:
    """The first number of this epoch that the terminal has certainly not used."""
    last = await session.scalar(
        select(TerminalRequest.seq)
        .where(TerminalRequest.terminal_id == terminal_id, TerminalRequest.epoch == epoch)
        .order_by(TerminalRequest.seq.desc())
        .limit(1)
    )
    return (last or 0) + 1


async def reversals_of(session: AsyncSession, payment_id: UUID) -> list[Reversal]:
    """Voids and refunds of a payment, the oldest first."""
    rows = await session.scalars(
        select(Reversal)
        .where(Reversal.bucket == bucket_of(payment_id), Reversal.payment_id == payment_id)
        .order_by(Reversal.id)
    )
    return list(rows)


async def lines_of(session: AsyncSession, transfer_id: UUID) -> list[LedgerLine]:
    """The ledger lines of a transfer, in order."""
    rows = await session.scalars(
        select(LedgerLine)
        .where(LedgerLine.bucket == bucket_of(transfer_id), LedgerLine.transfer_id == transfer_id)
        .order_by(LedgerLine.ordinal)
    )
    return list(rows)


async def lock_prefund(session: AsyncSession, unit_id: UUID) -> UnitPrefund | None:
    """A unit's prefund, locked: it is limit-checked where it is spent from."""
    return await session.scalar(
        select(UnitPrefund)
        .where(UnitPrefund.unit_id == unit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def open_holds(session: AsyncSession, bucket: int, holder_id: UUID) -> list[Hold]:
    """Holds that are still open."""
    rows = await session.scalars(
        select(Hold).where(Hold.bucket == bucket, Hold.holder_id == holder_id, Hold.state == "open")
    )
    return list(rows)


def legs_from_wire(column: list[dict[str, Any]]) -> list[tuple[str, UUID | None, int]]:
    """(purse, lot, amount) of a stored `legs` column."""
    return [(leg["purse"], UUID(leg["lot"]) if leg["lot"] else None, leg["amount_fen"]) for leg in column]
