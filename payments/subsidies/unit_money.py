"""The account of a unit that its subsidies come from and go back to.

A unit pays in ahead (`unit_prefund`: what is left of it), or it is billed (`unit_receivable`: what it owes). Which of the
two, and up to what, is a setting with a history. A lot remembers the account it was paid from, so what comes back finds
the way also after the setting has changed.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import payers_of
from payments import queries
from payments.errors import BillingLimit, PrefundTooLow
from payments.lines import Account
from payments.models import FundingTerms, SubsidyLot, UnitPrefund, UnitReceivable

PREFUND: Final = "unit_prefund"
RECEIVABLE: Final = "unit_receivable"


@dataclass(frozen=True, slots=True)
class Terms:
    """How a unit pays; `limit_fen` is the most that a billed unit may owe."""

    funded_by: str = PREFUND
    limit_fen: int = 0


@dataclass(frozen=True, slots=True)
class UnitAccount:
    """A unit's locked account. Its version counts the ledger's entries, so each change says how many it makes."""

    row: UnitPrefund | UnitReceivable

    @property
    def region_id(self) -> UUID:
        return self.row.region_id

    @property
    def account(self) -> Account:
        return Account(PREFUND if isinstance(self.row, UnitPrefund) else RECEIVABLE, self.row.unit_id)

    def take(self, amount_fen: int, entries: int = 1) -> None:
        """For a grant."""
        self.row.balance_fen += amount_fen if isinstance(self.row, UnitReceivable) else -amount_fen
        self.row.version += entries

    def give_back(self, amount_fen: int, entries: int = 1) -> None:
        """From a lot."""
        self.take(-amount_fen, entries)

    def pass_through(self) -> None:
        """In and out within one transfer: the balance stays, its count of entries does not."""
        self.row.version += 2


async def terms_of(session: AsyncSession, unit_id: UUID) -> Terms:
    """How a unit pays now; without a word on it, ahead."""
    latest = await session.scalar(
        select(FundingTerms).where(FundingTerms.unit_id == unit_id).order_by(FundingTerms.id.desc()).limit(1)
    )
    return Terms(latest.funded_by, latest.limit_fen) if latest is not None else Terms()


async def lock_to_grant(session: AsyncSession, unit_id: UUID, needed_fen: int) -> UnitAccount:
    """The account that a grant is paid from, with enough in it, or enough left of what may be owed."""
    terms = await terms_of(session, unit_id)
    if terms.funded_by == PREFUND:
        prefund = await queries.lock_prefund(session, unit_id)
        available_fen = prefund.balance_fen if prefund else 0
        if prefund is None or available_fen < needed_fen:
            raise PrefundTooLow(available_fen=available_fen, needed_fen=needed_fen)
        return UnitAccount(prefund)
    account = await _lock_receivable(session, unit_id)
    owed_fen = account.row.balance_fen
    if owed_fen + needed_fen > terms.limit_fen:
        raise BillingLimit(limit_fen=terms.limit_fen, owed_fen=owed_fen, needed_fen=needed_fen)
    return account


async def lock_to_charge(session: AsyncSession, unit_id: UUID, needed_fen: int) -> UnitAccount:
    """The account that pays for what was already had: the prefund where the unit pays ahead and it suffices, else its bill.

    What was done is owed, so no limit refuses it.
    """
    if (await terms_of(session, unit_id)).funded_by == PREFUND:
        prefund = await queries.lock_prefund(session, unit_id)
        if prefund is not None and prefund.balance_fen >= needed_fen:
            return UnitAccount(prefund)
    return await _lock_receivable(session, unit_id)


async def lock_account_of(session: AsyncSession, lot: SubsidyLot) -> UnitAccount:
    """The account that a lot was paid from."""
    return await lock_account(session, lot.unit_id, lot.funded_by)


async def lock_account(session: AsyncSession, unit_id: UUID, funded_by: str) -> UnitAccount:
    """One of a unit's two accounts."""
    if funded_by == RECEIVABLE:
        return await _lock_receivable(session, unit_id)
    prefund = await queries.lock_prefund(session, unit_id)
    assert prefund is not None, "a lot was granted from a prefund"
    return UnitAccount(prefund)


async def _lock_receivable(session: AsyncSession, unit_id: UUID) -> UnitAccount:
    region_id = (await payers_of(session, [unit_id]))[unit_id].region_id
    await session.execute(
        upsert(UnitReceivable)
        .values(unit_id=unit_id, region_id=region_id, balance_fen=0, version=0)
        .on_conflict_do_nothing()
    )
    row = await session.scalar(
        select(UnitReceivable)
        .where(UnitReceivable.unit_id == unit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert row is not None, "it was just made sure of"
    return UnitAccount(row)


async def lock_accounts_of(session: AsyncSession, lots: list[SubsidyLot]) -> dict[tuple[UUID, str], UnitAccount]:
    """The accounts of many lots by (unit, account), locked in one order for everybody."""
    wanted = sorted({(lot.unit_id, lot.funded_by) for lot in lots}, key=lambda key: (key[0].int, key[1]))
    return {key: await lock_account(session, *key) for key in wanted}
