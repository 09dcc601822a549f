"""The audit log: who did what to which thing. Append-only, and sealed so that a change to it is found.

`record` joins the caller's transaction. The worker seals what has been committed, one row after the other: each seal
is `sha256(previous seal || row)`, so a row that is later deleted, altered or slipped in breaks the chain at that row.
Triggers refuse UPDATE, DELETE and TRUNCATE; the seals are for whoever can switch triggers off.

A row waits in `audit_unsealed` (put there by a trigger) until its seal, and the worker seals every second or so: what
is changed within that second is not found. Whoever could rewrite the whole chain is found by an anchor: the head that
`guanjia audit --log` prints, kept elsewhere, and handed back to `verify` later.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import BigInteger, DateTime, Identity, LargeBinary, Text, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.db import Base, Database

_FIRST_HASH: Final = bytes(32)
_SEAL_ONE_AT_A_TIME: Final = 4_204_205
_VERIFY_CHUNK_ROWS: Final = 5_000
_SEAL_EVERY_S: Final = 1.0


class AuditRow(Base):
    """One act."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    # JSON as text: the seal is over these very characters.
    data: Mapped[str] = mapped_column(Text)


class AuditSeal(Base):
    """The n-th link of the chain."""

    __tablename__ = "audit_seals"

    n: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    audit_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class UnsealedAudit(Base):
    """Rows that wait for their seal; filled by a trigger."""

    __tablename__ = "audit_unsealed"

    audit_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


_SEALED_COLUMNS: Final = (
    AuditRow.id,
    AuditRow.recorded_at,
    AuditRow.actor,
    AuditRow.action,
    AuditRow.subject,
    AuditRow.data,
)


class BadRow(NamedTuple):
    """The first place where log and seals disagree."""

    what: Literal["altered", "deleted", "inserted", "seal_lost", "anchor_differs"]
    audit_id: int | None
    n: int | None

    def __str__(self) -> str:
        return f"audit_log row {self.audit_id}, seal {self.n}: {self.what}"


class Anchor(NamedTuple):
    """The head of the chain at some moment."""

    n: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.n}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text_form: str) -> "Anchor":
        n, _, digits = text_form.partition(":")
        return cls(int(n), bytes.fromhex(digits))


class Act(NamedTuple):
    """What is written down. `actor` and `subject` are public ids, `action` a dotted verb."""

    actor: str
    action: str
    subject: str
    data: dict[str, Any]


async def record(session: AsyncSession, *, actor: str, action: str, subject: str, data: dict[str, Any]) -> None:
    """Write down an act in the transaction that does it. `actor` and `subject` are public ids, `action` a dotted verb."""
    await session.execute(
        insert(AuditRow).values(
            recorded_at=clock.now(), actor=actor, action=action, subject=subject, data=_canonical(data)
        )
    )


_RECORD_MANY: Final = text("""
    INSERT INTO audit_log (recorded_at, actor, action, subject, data)
    SELECT :now, a.actor, a.action, a.subject, a.data
      FROM unnest(CAST(:actors AS text[]), CAST(:actions AS text[]), CAST(:subjects AS text[]), CAST(:data AS text[]))
           WITH ORDINALITY AS a (actor, action, subject, data, ordinal)
     ORDER BY a.ordinal
""")


async def record_many(session: AsyncSession, acts: Sequence[Act]) -> None:
    """The same for several acts of one transaction, in one statement."""
    if not acts:
        return
    await session.execute(
        _RECORD_MANY,
        {
            "now": clock.now(),
            "actors": [act.actor for act in acts],
            "actions": [act.action for act in acts],
            "subjects": [act.subject for act in acts],
            "data": [_canonical(act.data) for act in acts],
        },
    )


async def seal_pending(db: Database, *, limit_rows: int = 1000) -> int:
    """Seal what has been committed since the last time; returns how many rows. Run by the worker."""
    async with db.session() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SEAL_ONE_AT_A_TIME})
        waiting = await session.execute(
            select(*_SEALED_COLUMNS)
            .join(UnsealedAudit, UnsealedAudit.audit_id == AuditRow.id)
            .order_by(AuditRow.id)
            .limit(limit_rows)
        )
        n, previous = await head(session)
        sealed_at = clock.now()
        seals: list[dict[str, Any]] = []
        for row in waiting:
            n, previous = n + 1, _seal_hash(previous, row)
            seals.append({"n": n, "audit_id": row.id, "hash": previous, "sealed_at": sealed_at})
        if seals:
            await session.execute(insert(AuditSeal), seals)
            done = [seal["audit_id"] for seal in seals]
            await session.execute(delete(UnsealedAudit).where(UnsealedAudit.audit_id.in_(done)))
        return len(seals)


async def seal_for_ever(db: Database) -> None:
    """The worker's loop."""
    while True:
        if not await seal_pending(db):
            await asyncio.sleep(_SEAL_EVERY_S)


async def head(session: AsyncSession) -> Anchor:
    """The end of the chain: what to write down elsewhere."""
    last = await session.scalar(select(AuditSeal).order_by(AuditSeal.n.desc()).limit(1))
    return Anchor(last.n, last.hash) if last is not None else Anchor(0, _FIRST_HASH)


async def verify(session: AsyncSession, anchor: Anchor | None = None) -> BadRow | None:
    """Walk the whole chain; the first row that is not as it was sealed, or None."""
    bad = await _verify_chain(session, anchor)
    return bad or await _verify_unsealed(session)


async def _verify_chain(session: AsyncSession, anchor: Anchor | None) -> BadRow | None:
    n, previous = 0, _FIRST_HASH
    while True:
        links = await session.execute(
            select(AuditSeal.n, AuditSeal.audit_id, AuditSeal.hash, *_SEALED_COLUMNS)
            .outerjoin(AuditRow, AuditRow.id == AuditSeal.audit_id)
            .where(AuditSeal.n > n)
            .order_by(AuditSeal.n)
            .limit(_VERIFY_CHUNK_ROWS)
        )
        found = links.all()
        for link in found:
            bad = _check_link(link, n, previous) or _check_anchor(link, anchor)
            if bad is not None:
                return bad
            n, previous = link.n, link.hash
        if len(found) < _VERIFY_CHUNK_ROWS:
            break
    if anchor is not None and anchor.n > n:
        return BadRow("seal_lost", None, n + 1)
    return None


def _check_link(link: Any, n: int, previous: bytes) -> BadRow | None:
    if link.n != n + 1:
        return BadRow("seal_lost", None, n + 1)
    if link.id is None:
        return BadRow("deleted", link.audit_id, link.n)
    if _seal_hash(previous, link) != link.hash:
        return BadRow("altered", link.audit_id, link.n)
    return None


def _check_anchor(link: Any, anchor: Anchor | None) -> BadRow | None:
    if anchor is not None and link.n == anchor.n and link.hash != anchor.hash:
        return BadRow("anchor_differs", link.audit_id, link.n)
    return None


async def _verify_unsealed(session: AsyncSession) -> BadRow | None:
    """Rows without a seal must be waiting for one, and what waits must be there."""
    strayed = await session.execute(
        text("""
            SELECT a.id AS audit_id, 'inserted' AS what FROM audit_log a
            WHERE NOT EXISTS (SELECT FROM audit_seals s WHERE s.audit_id = a.id)
              AND NOT EXISTS (SELECT FROM audit_unsealed u WHERE u.audit_id = a.id)
            UNION ALL
            SELECT u.audit_id, 'deleted' FROM audit_unsealed u
            WHERE NOT EXISTS (SELECT FROM audit_log a WHERE a.id = u.audit_id)
            ORDER BY audit_id LIMIT 1
        """)
    )
    row = strayed.first()
    return BadRow(row.what, row.audit_id, None) if row is not None else None


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)


def _seal_hash(previous: bytes, row: Any) -> bytes:
    content = [row.id, row.recorded_at.isoformat(), row.actor, row.action, row.subject, row.data]
    return hashlib.sha256(previous + json.dumps(content, separators=(",", ":")).encode()).digest()
