"""A unit gives lots to its people (E2 of docs/books.md), all of them or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.errors import CannotReceive, OtherBook
from payments.events import SubsidyGranted
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, single_line
from payments.models import Grant, Holder, SubsidyLot
from payments.subsidies.carry_over import CarryOver
from payments.subsidies.unit_money import UnitAccount, lock_to_grant

Scope = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Allotment:
    """What one person gets from a grant."""

    person_id: UUID
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that was made, with the lot of each person."""

    id: UUID
    lots: Mapping[UUID, UUID]


async def grant_subsidies(
    session: AsyncSession,
    unit_id: UUID,
    allotments: Sequence[Allotment],
    *,
    expires_on: date,
    scope: Scope | None = None,
    actor: str,
) -> UUID:
    """A unit gives each person a lot, all or none; returns the grant's id.

    `scope` limits where and when lots may be spent: {"sites": [...], "meals": [...], "days": [...]}; each dimension that
    is named must hold one of the sale's tags. Everything is refused where the unit's account does not cover the sum, an
    account is closed, or somebody has none in the book of the unit's region: what is granted in one book could not be
    spent from another.
    """
    return (await make_grant(session, unit_id, allotments, expires_on=expires_on, scope=scope, actor=actor)).id


async def make_grant(
    session: AsyncSession,
    unit_id: UUID,
    allotments: Sequence[Allotment],
    *,
    expires_on: date,
    scope: Scope | None = None,
    carry_over: CarryOver | None = None,
    grant_id: UUID | None = None,
    actor: str,
) -> Granted:
    """The same, with what is carried over at the end, and the lots by person."""
    people = {allotment.person_id for allotment in allotments}
    keys = await queries.holder_keys(session, list(people))
    if len(keys) != len(people):
        raise NotFound(what="holder")
    holders = await queries.lock_holders(session, list(keys.values()))
    total_fen = sum(allotment.amount_fen for allotment in allotments)
    source = await lock_to_grant(session, unit_id, total_fen)
    _refuse_who_cannot_receive(holders, source.region_id)
    source.take(total_fen, entries=len(allotments))
    grant = Grant(
        id=grant_id or uuid7(),
        unit_id=unit_id,
        region_id=source.region_id,
        amount_fen=total_fen,
        lot_count=len(allotments),
        expires_on=expires_on,
        actor=actor,
        recorded_at=clock.now(),
        funded_by=source.account.kind,
        scope=dict(scope or {}),
        carry_over=carry_over.stored() if carry_over else None,
    )
    session.add(grant)
    await record(
        session,
        actor=actor,
        action="subsidy.grant",
        subject=public_id("org", unit_id),
        data={"grant": str(grant.id), "amount_fen": total_fen, "lots": len(allotments)},
    )
    return Granted(grant.id, await _open_lots(session, grant, source, allotments, {h.person_id: h for h in holders}))


def _refuse_who_cannot_receive(holders: Sequence[Holder], region_id: UUID) -> None:
    strangers = [holder.person_id for holder in holders if holder.region_id != region_id]
    if strangers:
        raise OtherBook(people=[public_id("per", person_id) for person_id in strangers])
    closed = [holder.person_id for holder in holders if holder.state == "closed"]
    if closed:
        raise CannotReceive(people=[public_id("per", person_id) for person_id in closed])


async def _open_lots(
    session: AsyncSession,
    grant: Grant,
    source: UnitAccount,
    allotments: Sequence[Allotment],
    holders: Mapping[UUID, Holder],
) -> dict[UUID, UUID]:
    on, at = clock.business_date(clock.now(), get_settings().zone), clock.rfc3339(clock.now())
    period = await open_period(session, grant.region_id, on)
    rows: list[dict[str, object]] = []
    lines: list[Line] = []
    lots: dict[UUID, UUID] = {}
    for allotment in allotments:
        holder = holders[allotment.person_id]
        lot_id = lots[allotment.person_id] = uuid7(holder.bucket)
        rows.append(_lot_row(grant, holder, lot_id, allotment.amount_fen, on))
        booking = Booking(holder.bucket, lot_id, "grant", on, period)
        purse = Account("subsidy", holder.id)
        lines.append(single_line(booking, grant.region_id, source.account, purse, allotment.amount_fen, lot_id))
        publish(
            session,
            SubsidyGranted(
                happened_at=at,
                lot=public_id("lot", lot_id),
                person=public_id("per", holder.person_id),
                amount_fen=allotment.amount_fen,
                expires_on=grant.expires_on.isoformat(),
            ),
        )
    await session.execute(insert(SubsidyLot), rows)
    await post_lines(session, lines)
    return lots


def _lot_row(grant: Grant, holder: Holder, lot_id: UUID, amount_fen: int, on: date) -> dict[str, object]:
    return {
        "bucket": holder.bucket,
        "id": lot_id,
        "holder_id": holder.id,
        "unit_id": grant.unit_id,
        "region_id": grant.region_id,
        "granted_fen": amount_fen,
        "balance_fen": amount_fen,
        "held_fen": 0,
        "granted_on": on,
        "expires_on": grant.expires_on,
        "scope": grant.scope,
        "version": 1,
        "funded_by": grant.funded_by,
        "grant_id": grant.id,
    }


async def was_reversed(session: AsyncSession, lot: SubsidyLot) -> bool:
    """Whether the grant that a lot came from was taken back as a whole: then nothing of it comes back to a person."""
    grant = await session.get(Grant, lot.grant_id) if lot.grant_id is not None else None
    return grant is not None and grant.reversed_at is not None
