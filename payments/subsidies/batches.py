"""A batch: prepared from a file or a rule, approved by a second person, posted as one grant, and reversed as a whole.

Posting and reversing are the work of an approval (identity/approvals.py) and happen in its transaction, under the lock of
the batch's row: whoever comes second finds another state. So nothing is paid twice, however often something is tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Place, Principal, Role, payers_of, pending_approvals, register_executor, request_approval
from kernel import clock
from kernel.audit_log import record
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from payments import queries as payment_queries
from payments.events import SubsidyTakenBack
from payments.ledger import post_lines
from payments.lines import Line
from payments.models import Grant, Holder, SubsidyLot
from payments.states import next_state
from payments.subsidies import queries
from payments.subsidies.carry_over import CarryOver, read_carry_over
from payments.subsidies.errors import AwaitsApproval, BatchHasChanged, BatchIsOver, NothingToGrant
from payments.subsidies.expiry import take_back, today
from payments.subsidies.grants import Allotment, Scope, make_grant
from payments.subsidies.models import SubsidyBatch, SubsidyBatchRow
from payments.subsidies.states import SUBSIDY_BATCH
from payments.subsidies.unit_money import lock_accounts_of

POST: Final = "subsidy_batch"
REVERSE: Final = "subsidy_reversal"
DECIDING: Final = (Role.FINANCE, Role.SYSTEM_ADMIN)


@dataclass(frozen=True, slots=True)
class NewRow:
    """What one person is to get, and how it came about."""

    person_id: UUID
    amount_fen: int
    note: str = ""
    day_fen: int = 0
    day_halves: int = 0
    field_halves: int = 0
    leave_halves: int = 0
    deducted_fen: int = 0
    still_to_deduct_fen: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A batch before it is prepared."""

    unit_id: UUID
    name: str
    rows: Sequence[NewRow]
    expires_on: date
    scope: Scope = field(default_factory=dict)
    carry_over: CarryOver | None = None
    rule_id: UUID | None = None
    month: str | None = None
    skipped: Sequence[dict[str, str]] = ()


async def prepare_batch(session: AsyncSession, wanted: Wanted, *, actor: str) -> SubsidyBatch:
    """Write a batch down, to be looked at; NothingToGrant where it would be empty."""
    amount_fen = sum(row.amount_fen for row in wanted.rows)
    if not amount_fen:
        raise NothingToGrant(skipped=list(wanted.skipped)[:200])
    batch = SubsidyBatch(
        id=uuid7(),
        unit_id=wanted.unit_id,
        region_id=(await payers_of(session, [wanted.unit_id]))[wanted.unit_id].region_id,
        name=wanted.name,
        rule_id=wanted.rule_id,
        month=wanted.month,
        state="prepared",
        amount_fen=amount_fen,
        row_count=len(wanted.rows),
        expires_on=wanted.expires_on,
        scope=dict(wanted.scope),
        carry_over=wanted.carry_over.stored() if wanted.carry_over else None,
        skipped=list(wanted.skipped),
        prepared_by=actor,
        prepared_at=clock.now(),
    )
    session.add(batch)
    await session.flush()
    await session.execute(
        insert(SubsidyBatchRow),
        [_row_values(batch.id, ordinal, row) for ordinal, row in enumerate(wanted.rows, start=1)],
    )
    await _note(session, batch, "prepare", actor)
    return batch


def _row_values(batch_id: UUID, ordinal: int, row: NewRow) -> dict[str, object]:
    return {
        "batch_id": batch_id,
        "person_id": row.person_id,
        "ordinal": ordinal,
        "amount_fen": row.amount_fen,
        "day_fen": row.day_fen,
        "day_halves": row.day_halves,
        "field_halves": row.field_halves,
        "leave_halves": row.leave_halves,
        "deducted_fen": row.deducted_fen,
        "still_to_deduct_fen": row.still_to_deduct_fen,
        "note": row.note,
    }


async def discard_batch(session: AsyncSession, batch_id: UUID, *, actor: str) -> SubsidyBatch:
    """A batch that was prepared in error: it is kept, and never posted."""
    batch = await queries.lock_batch(session, batch_id)
    await _refuse_waiting(session, batch)
    batch.state = next_state(SUBSIDY_BATCH, batch.state, "discard")
    await _note(session, batch, "discard", actor)
    return batch


# ---- two people


async def ask_to_post(session: AsyncSession, person: Principal, batch_id: UUID, reason: str) -> UUID:
    """The first of two people; the id of the approval."""
    _refuse_over(await queries.get_batch(session, batch_id))
    return await _ask(session, person, batch_id, POST, "post", reason)


async def ask_to_reverse(session: AsyncSession, person: Principal, batch_id: UUID, reason: str) -> UUID:
    """The first of two people; the id of the approval."""
    return await _ask(session, person, batch_id, REVERSE, "reverse", reason)


async def _ask(session: AsyncSession, person: Principal, batch_id: UUID, kind: str, trigger: str, reason: str) -> UUID:
    batch = await queries.lock_batch(session, batch_id)
    next_state(SUBSIDY_BATCH, batch.state, trigger)
    await _refuse_waiting(session, batch)
    return await request_approval(
        session,
        kind=kind,
        subject=public_id("sbt", batch.id),
        payload={
            "batch": str(batch.id),
            "name": batch.name,
            "unit": public_id("org", batch.unit_id),
            "amount_fen": batch.amount_fen,
            "people": batch.row_count,
            "expires_on": batch.expires_on.isoformat(),
            "asked_by": person.actor,
        },
        requested_by=person.person_id,
        deciding_roles=DECIDING,
        reason=reason,
        place=Place(organisation_id=batch.unit_id),
    )


async def _refuse_waiting(session: AsyncSession, batch: SubsidyBatch) -> None:
    subject = public_id("sbt", batch.id)
    waiting = (await pending_approvals(session, [subject])).get(subject)
    if waiting is not None:
        raise AwaitsApproval(approval=public_id("apr", waiting))


async def _post(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does: every lot of the batch, or none."""
    batch = await queries.lock_batch(session, UUID(payload["batch"]))
    batch.state = next_state(SUBSIDY_BATCH, batch.state, "post")
    if (batch.amount_fen, batch.row_count) != (payload["amount_fen"], payload["people"]):
        raise BatchHasChanged
    _refuse_over(batch)
    rows = await queries.rows_of(session, batch.id)
    granted = await make_grant(
        session,
        batch.unit_id,
        [Allotment(row.person_id, row.amount_fen) for row in rows if row.amount_fen],
        expires_on=batch.expires_on,
        scope=batch.scope,
        carry_over=read_carry_over(batch.carry_over),
        grant_id=batch.id,
        actor=payload["asked_by"],
    )
    for row in rows:
        row.lot_id = granted.lots.get(row.person_id)
    batch.posted_at = clock.now()


def _refuse_over(batch: SubsidyBatch) -> None:
    if batch.expires_on < today():
        raise BatchIsOver(expires_on=batch.expires_on.isoformat())


async def _reverse(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does: what is unspent of every lot of the batch goes back to the unit's account."""
    batch = await queries.lock_batch(session, UUID(payload["batch"]))
    batch.state = next_state(SUBSIDY_BATCH, batch.state, "reverse")
    rows = {row.person_id: row for row in await queries.rows_of(session, batch.id)}
    keys = await payment_queries.holder_keys(session, list(rows))
    holders = {each.id: each for each in await payment_queries.lock_holders(session, list(keys.values()))}
    grant = await session.get(Grant, batch.id, populate_existing=True)
    assert grant is not None, "a batch that was posted is a grant"
    grant.reversed_at = batch.reversed_at = clock.now()
    for row in rows.values():
        row.returned_fen = 0
    lines: list[Line] = []
    for lot, amount_fen, taken in await _empty_lots(session, batch.id, list(holders.values())):
        holder = holders[lot.holder_id]
        row = rows[holder.person_id]
        row.returned_fen = (row.returned_fen or 0) + amount_fen
        lines += taken
        _tell_taken_back(session, lot, holder, amount_fen)
    await _note(session, batch, "reverse", payload["asked_by"])
    await session.flush()
    await post_lines(session, lines)


async def _empty_lots(
    session: AsyncSession, grant_id: UUID, holders: Sequence[Holder]
) -> list[tuple[SubsidyLot, int, list[Line]]]:
    """End each lot of a grant that lives; what an open hold has set aside follows when the lot's own end is posted."""
    alive = [lot for lot in await queries.lots_of_grant(session, grant_id, holders) if lot.expired_at is None]
    sources = await lock_accounts_of(session, alive)
    found = []
    for lot in alive:
        amount_fen = lot.balance_fen - lot.held_fen
        if amount_fen:
            source = sources[lot.unit_id, lot.funded_by]
            found.append((lot, amount_fen, await take_back(session, lot, source, amount_fen, "grant_reversal")))
        if lot.held_fen:
            lot.expires_on = min(lot.expires_on, today() - timedelta(days=1))
        else:
            lot.expired_at = clock.now()
    return found


def _tell_taken_back(session: AsyncSession, lot: SubsidyLot, holder: Holder, amount_fen: int) -> None:
    publish(
        session,
        SubsidyTakenBack(
            happened_at=clock.rfc3339(clock.now()),
            lot=public_id("lot", lot.id),
            person=public_id("per", holder.person_id),
            amount_fen=amount_fen,
        ),
    )


async def _note(session: AsyncSession, batch: SubsidyBatch, action: str, actor: str) -> None:
    await record(
        session,
        actor=actor,
        action=f"subsidy_batch.{action}",
        subject=public_id("sbt", batch.id),
        data={"name": batch.name, "amount_fen": batch.amount_fen, "people": batch.row_count, "month": batch.month},
    )


register_executor(POST, _post)
register_executor(REVERSE, _reverse)
