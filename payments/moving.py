"""Somebody's money follows them into the book of another region, and a unit's money follows the unit.

Cash, official money and every lot that has not ended go from the account in the one book to the same account in the
other: the old region owes it to the new one (`due_to`, `due_from`) until the two settle. A lot stays its unit's: what is
left of it at its end goes back over the same bridge. Called under the lock of whoever moves; the lines are given back,
because posting them holds up the office and so comes last.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.settings import get_settings
from payments import queries
from payments.crossing import BookAccount, crossing_lines
from payments.ledger import open_period
from payments.lines import Account, Booking, Line
from payments.models import Holder, UnitReceivable
from payments.subsidies.unit_money import UnitAccount

KIND: Final = "move"


async def move_holder(session: AsyncSession, holder: Holder, region_id: UUID) -> list[Line]:
    """Everything that a locked holder has, into another region's book. Nothing where it stands there already."""
    before = holder.region_id
    if before == region_id:
        return []
    booking = await _booking(session, holder.bucket, before, region_id)
    lines: list[Line] = []

    def carry(account: Account, amount_fen: int, lot_id: UUID | None = None) -> None:
        old, new = BookAccount(before, account), BookAccount(region_id, account)
        lines.extend(crossing_lines(booking, old, new, amount_fen, lot_id, first_ordinal=len(lines)))

    for kind, purse in sorted((await queries.purses_of(session, holder.bucket, holder.id)).items()):
        if purse.balance_fen:
            carry(Account(kind, holder.id), purse.balance_fen)
            purse.version += 2
    for lot in await queries.lots_of(session, holder.bucket, holder.id):
        lot.region_id = region_id
        if lot.balance_fen:
            carry(Account("subsidy", holder.id), lot.balance_fen, lot.id)
            lot.version += 2
    holder.region_id = region_id
    await session.flush()
    await _note(session, public_id("hol", holder.id), before, region_id, lines)
    return lines


async def move_unit(session: AsyncSession, unit_id: UUID, region_id: UUID) -> list[Line]:
    """A unit's prefund and what it owes, into another region's book."""
    lines: list[Line] = []
    owed = await session.scalar(
        select(UnitReceivable)
        .where(UnitReceivable.unit_id == unit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in (await queries.lock_prefund(session, unit_id), owed):
        if row is not None and row.region_id != region_id:
            lines += await _move_unit_account(session, UnitAccount(row), region_id)
    return lines


async def _move_unit_account(session: AsyncSession, unit: UnitAccount, region_id: UUID) -> list[Line]:
    before, row = unit.region_id, unit.row
    booking = await _booking(session, HOUSE_BUCKET, before, region_id)
    old, new = BookAccount(before, unit.account), BookAccount(region_id, unit.account)
    # What is left of a prefund is the house's debt to the unit; a receivable is the unit's to the house.
    owed_fen = -row.balance_fen if isinstance(row, UnitReceivable) else row.balance_fen
    debit, credit = (old, new) if owed_fen > 0 else (new, old)
    lines = crossing_lines(booking, debit, credit, abs(owed_fen)) if owed_fen else []
    row.region_id = region_id
    row.version += len(lines)
    await session.flush()
    await _note(session, public_id("org", row.unit_id), before, region_id, lines)
    return lines


async def _booking(session: AsyncSession, bucket: int, before: UUID, after: UUID) -> Booking:
    on = clock.business_date(clock.now(), get_settings().zone)
    return Booking(bucket, uuid7(bucket), KIND, on, await open_period(session, before, on, after))


async def _note(session: AsyncSession, subject: str, before: UUID, after: UUID, lines: list[Line]) -> None:
    moved_fen = sum(line.amount_fen for line in lines if line.region_id == after)
    await record(
        session,
        actor="system",
        action="book.change",
        subject=subject,
        data={"from": public_id("reg", before), "to": public_id("reg", after), "amount_fen": moved_fen},
    )
