"""What settlement has told the banks: as files for them, and confirmed by the lines of their statements.

An instruction is confirmed in a transaction of its own, through settlement's own way of being told that a bank has paid: its
period is locked before anything is booked, as everybody locks it.
"""

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.errors import StateConflict
from kernel.ids import public_id
from kernel.settings import get_settings
from payments.banking.errors import BankAccountMissing, NothingToPay
from payments.banking.instructions import BankInstruction, BankParty, write_batch_workbook, write_pain
from payments.models import AccountingPeriod
from payments.settlement import clearing, queries
from payments.settlement.documents import BankInstruction as Written
from payments.settlement.documents import Party

log = structlog.get_logger(__name__)

Form = Literal["pain.001", "xlsx"]


async def write_bank_file(session: AsyncSession, settlement: AccountingPeriod, form: Form) -> bytes:
    """What a region is to pay for a period and has not yet paid, as one file."""
    rows = [
        row
        for row in await queries.instructions_of(session, settlement, state="issued")
        if row.debtor_id == settlement.region_id
    ]
    if not rows:
        raise NothingToPay()
    written = await queries.instruction_documents(session, rows, settlement.period)
    _refuse_without_account(written)
    instructions = [_instruction(each) for each in written]
    if form == "xlsx":
        return write_batch_workbook(instructions)
    return write_pain(f"SET-{settlement.period}-{settlement.id.hex[-8:]}".upper(), clock.now(), instructions)


def _refuse_without_account(written: Sequence[Written]) -> None:
    parties = {party.id: party for each in written for party in (each.debtor, each.creditor)}
    missing = [party for party in parties.values() if not party.account_number]
    if missing:
        named = [{"id": _party_id(party), "name_zh": party.name_zh, "name_en": party.name_en} for party in missing]
        raise BankAccountMissing(parties=named)


_PREFIXES: Final = {"region": "reg", "site": "sit", "organisation": "org"}


def _party_id(party: Party) -> str:
    return public_id(_PREFIXES[party.kind], party.id)


def _instruction(written: Written) -> BankInstruction:
    on = clock.business_date(clock.now(), get_settings().zone)
    return BankInstruction(
        written.end_to_end_id,
        _party(written.debtor),
        _party(written.creditor),
        written.amount_fen,
        on,
        f"{written.period} {written.reference}".strip(),
    )


def _party(party: Party) -> BankParty:
    assert party.account_number is not None, "those without an account were refused"
    return BankParty(party.account_name or party.name_zh, party.account_number, party.bank_number or "")


# Between two regions the line of the one that pays confirms it; what a region receives is confirmed by its own line.
_CONFIRMED: Final = text("""
    SELECT i.id, i.settlement_id, b.bank_reference
      FROM bank_instructions i
      JOIN bank_lines b ON b.matched_to = 'instruction:' || i.end_to_end_id
       AND CASE WHEN i.debtor_kind = 'region' THEN b.region_id = i.debtor_id AND b.amount_fen < 0
                ELSE b.region_id = i.creditor_id AND b.amount_fen > 0 END
     WHERE i.state = 'issued' ORDER BY i.id
""")


async def confirm_instructions(db: Database) -> int:
    """Book every instruction that a bank's line has confirmed; returns how many."""
    async with db.session() as session:
        found = (await session.execute(_CONFIRMED)).all()
    return sum([await _confirm(db, row.settlement_id, row.id, row.bank_reference) for row in found])


async def _confirm(db: Database, settlement_id: UUID, instruction_id: UUID, bank_reference: str) -> bool:
    try:
        async with db.session() as session:
            await clearing.pay(session, settlement_id, [instruction_id], bank_reference, actor="bank statement")
    except StateConflict as conflict:
        # Told by a person meanwhile, or its period is not there yet: the next run looks again.
        log.warning("instruction.not_confirmed", instruction=str(instruction_id), state=conflict.data.get("state"))
        return False
    return True
