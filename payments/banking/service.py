"""Statements of banks, brought in by a person: whole or not at all, once, and each after the one before."""

import asyncio
import hashlib
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.db import Database
from kernel.ids import public_id, uuid7
from payments.banking.camt import read_camt
from payments.banking.errors import AccountElsewhere, StatementNotNext, StatementTaken
from payments.banking.models import BankLine, BankStatement
from payments.banking.statement import Statement
from payments.banking.table import read_table

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('bank ' || :account))")


def read_statement(content: bytes) -> Statement:
    """Either form: XML is a camt.053, anything else the table."""
    head = content[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    return read_camt(content) if head.startswith(b"<") else read_table(content)


async def take_statement(db: Database, content: bytes, region_id: UUID, *, actor: str) -> UUID:
    """Read a file and keep it, with its lines; returns the statement's id."""
    statement = await asyncio.to_thread(read_statement, content)
    async with db.session() as session:
        return await keep_statement(session, statement, content, region_id, actor=actor)


async def keep_statement(
    session: AsyncSession, statement: Statement, content: bytes, region_id: UUID, *, actor: str
) -> UUID:
    """Refused where it is there already, belongs elsewhere, or does not begin where the one before ended."""
    await session.execute(_ONE_AT_A_TIME, {"account": statement.account})
    digest = hashlib.sha256(content).digest()
    await _refuse_twice(session, statement, digest)
    await _refuse_elsewhere(session, statement, region_id)
    await _refuse_gap(session, statement)
    row = BankStatement(
        id=uuid7(),
        account=statement.account,
        region_id=region_id,
        reference=statement.reference,
        form=statement.form,
        first_day=statement.first_day,
        last_day=statement.last_day,
        opening_fen=statement.opening_fen,
        closing_fen=statement.closing_fen,
        line_count=len(statement.lines),
        sha256=digest,
        content=content,
        taken_by=actor,
        taken_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    if statement.lines:
        await session.execute(insert(BankLine), _rows_of(row.id, region_id, statement))
    told = {"account": statement.account, "lines": len(statement.lines), "closing_fen": statement.closing_fen}
    await record(session, actor=actor, action="bank_statement.take", subject=public_id("bst", row.id), data=told)
    return row.id


def _rows_of(statement_id: UUID, region_id: UUID, statement: Statement) -> list[dict[str, Any]]:
    return [
        {
            "id": uuid7(),
            "statement_id": statement_id,
            "ordinal": ordinal,
            "region_id": region_id,
            "booked_on": line.booked_on,
            "amount_fen": line.amount_fen,
            "counterparty": line.counterparty,
            "end_to_end_id": line.end_to_end_id,
            "remittance": line.remittance,
            "bank_reference": line.bank_reference,
        }
        for ordinal, line in enumerate(statement.lines)
    ]


async def _refuse_twice(session: AsyncSession, statement: Statement, digest: bytes) -> None:
    there = await session.scalar(
        select(BankStatement.id).where(
            (BankStatement.sha256 == digest)
            | ((BankStatement.account == statement.account) & (BankStatement.reference == statement.reference))
        )
    )
    if there is not None:
        raise StatementTaken(statement=public_id("bst", there))


async def _refuse_elsewhere(session: AsyncSession, statement: Statement, region_id: UUID) -> None:
    """The first statement of an account says whose it is."""
    first = await session.scalar(
        select(BankStatement.region_id).where(BankStatement.account == statement.account).limit(1)
    )
    if first not in (None, region_id):
        raise AccountElsewhere(account=statement.account)


async def _refuse_gap(session: AsyncSession, statement: Statement) -> None:
    before = await session.scalar(
        select(BankStatement)
        .where(BankStatement.account == statement.account)
        .order_by(BankStatement.last_day.desc())
        .limit(1)
    )
    if before is None:
        return
    if before.closing_fen != statement.opening_fen or statement.first_day <= before.last_day:
        raise StatementNotNext(
            opening_fen=statement.opening_fen, closing_fen=before.closing_fen, last_day=before.last_day.isoformat()
        )
