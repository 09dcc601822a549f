"""Money into purses: units prefund and grant subsidies, people top up at the counter, lots expire back to their unit.

Bookings are E1, E2, E3 and E9 of the worked example (docs/books.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound, StateConflict
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.errors import OtherBook, PrefundTooLow
from payments.events import SubsidyGranted, TopUpSucceeded
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, single_line
from payments.models import Grant, Holder, Purse, SubsidyLot, TopUp, UnitPrefund

# A lot's money goes back this long after its last day, so that a late sale of that day still finds it.
EXPIRY_DELAY: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Allotment:
    """What one person gets from a grant."""

    person_id: UUID
    amount_fen: int


async def prefund_unit(session: AsyncSession, unit_id: UUID, region_id: UUID, amount_fen: int, *, actor: str) -> int:
    """A unit pays in ahead (E1: bank to unit_prefund); returns its new balance."""
    transfer, on = uuid7(HOUSE_BUCKET), _today()
    await session.execute(
        upsert(UnitPrefund)
        .values(unit_id=unit_id, region_id=region_id, balance_fen=0, version=0)
        .on_conflict_do_nothing()
    )
    prefund = await queries.lock_prefund(session, unit_id)
    assert prefund is not None, "it was just made sure of"
    prefund.balance_fen += amount_fen
    prefund.version += 1
    await record(
        session, actor=actor, action="unit.prefund", subject=public_id("org", unit_id), data={"amount_fen": amount_fen}
    )
    period = await open_period(session, prefund.region_id, on)
    booking = Booking(HOUSE_BUCKET, transfer, "prefund", on, period)
    bank, account = Account("bank", prefund.region_id), Account("unit_prefund", unit_id)
    await post_lines(session, [single_line(booking, prefund.region_id, bank, account, amount_fen)])
    return prefund.balance_fen


async def grant_subsidies(
    session: AsyncSession,
    unit_id: UUID,
    allotments: Sequence[Allotment],
    *,
    expires_on: date,
    scope: Mapping[str, list[str]] | None = None,
    actor: str,
) -> UUID:
    """A unit gives each person a lot (E2: unit_prefund to subsidy), all or none; returns the grant's id.

    `scope` limits where lots may be spent: {"sites": [...], "meals": [...]}; each dimension that is named must hold
    one of the sale's tags. Everything is refused where the prefund does not cover the sum, or somebody has no account
    in the book of the unit's region: what is granted in one book could not be spent from another.
    """
    people = {allotment.person_id for allotment in allotments}
    keys = await queries.holder_keys(session, list(people))
    if len(keys) != len(people):
        raise NotFound(what="holder")
    holders = await queries.lock_holders(session, list(keys.values()))
    prefund = await queries.lock_prefund(session, unit_id)
    total_fen = sum(allotment.amount_fen for allotment in allotments)
    available_fen = prefund.balance_fen if prefund else 0
    if prefund is None or available_fen < total_fen:
        raise PrefundTooLow(available_fen=available_fen, needed_fen=total_fen)
    strangers = [holder.person_id for holder in holders if holder.region_id != prefund.region_id]
    if strangers:
        raise OtherBook(people=[public_id("per", person_id) for person_id in strangers])
    prefund.balance_fen -= total_fen
    prefund.version += len(allotments)
    grant_id = uuid7()
    session.add(
        Grant(
            id=grant_id,
            unit_id=unit_id,
            region_id=prefund.region_id,
            amount_fen=total_fen,
            lot_count=len(allotments),
            expires_on=expires_on,
            actor=actor,
            recorded_at=clock.now(),
        )
    )
    await record(
        session,
        actor=actor,
        action="subsidy.grant",
        subject=public_id("org", unit_id),
        data={"grant": str(grant_id), "amount_fen": total_fen, "lots": len(allotments)},
    )
    await _open_lots(session, prefund, allotments, {h.person_id: h for h in holders}, expires_on, scope or {})
    return grant_id


async def _open_lots(
    session: AsyncSession,
    prefund: UnitPrefund,
    allotments: Sequence[Allotment],
    holders: Mapping[UUID, Holder],
    expires_on: date,
    scope: Mapping[str, list[str]],
) -> None:
    on, at = _today(), clock.rfc3339(clock.now())
    period = await open_period(session, prefund.region_id, on)
    rows: list[dict[str, object]] = []
    lines: list[Line] = []
    for allotment in allotments:
        holder = holders[allotment.person_id]
        lot_id = uuid7(holder.bucket)
        rows.append(
            {
                "bucket": holder.bucket,
                "id": lot_id,
                "holder_id": holder.id,
                "unit_id": prefund.unit_id,
                "region_id": prefund.region_id,
                "granted_fen": allotment.amount_fen,
                "balance_fen": allotment.amount_fen,
                "held_fen": 0,
                "granted_on": on,
                "expires_on": expires_on,
                "scope": dict(scope),
                "version": 1,
            }
        )
        booking = Booking(holder.bucket, lot_id, "grant", on, period)
        unit, purse = Account("unit_prefund", prefund.unit_id), Account("subsidy", holder.id)
        lines.append(single_line(booking, prefund.region_id, unit, purse, allotment.amount_fen, lot_id))
        publish(
            session,
            SubsidyGranted(
                happened_at=at,
                lot=public_id("lot", lot_id),
                person=public_id("per", holder.person_id),
                amount_fen=allotment.amount_fen,
                expires_on=expires_on.isoformat(),
            ),
        )
    await session.execute(insert(SubsidyLot), rows)
    await post_lines(session, lines)


async def top_up_at_counter(session: AsyncSession, person_id: UUID, amount_fen: int, *, actor: str) -> UUID:
    """Cash taken at the service counter (bank to cash); returns the top-up's id."""
    return (await top_up_many_at_counter(session, {person_id: amount_fen}, actor=actor))[person_id]


async def top_up_many_at_counter(session: AsyncSession, amounts: Mapping[UUID, int], *, actor: str) -> dict[UUID, UUID]:
    """The same for many people in one transaction, as a counter's list at the end of a day; ids by person."""
    keys = await queries.holder_keys(session, list(amounts))
    holders = await queries.lock_holders(session, list(keys.values()))
    if len(holders) != len(amounts):
        raise NotFound(what="holder")
    if any(holder.state == "closed" for holder in holders):
        # No way leads out of a closed account: the money would lie there for ever.
        raise StateConflict(state="closed", trigger="top_up", allowed=[])
    on = _today()
    top_ups = {holder.person_id: uuid7(holder.bucket) for holder in holders}
    lines: list[Line] = []
    for holder in holders:
        top_up_id, amount_fen = top_ups[holder.person_id], amounts[holder.person_id]
        cash = await session.get(Purse, (holder.bucket, holder.id, "cash"), populate_existing=True)
        assert cash is not None, "every holder has a cash purse"
        cash.balance_fen += amount_fen
        cash.version += 1
        session.add(_top_up_row(holder, top_up_id, amount_fen, actor))
        booking = Booking(holder.bucket, top_up_id, "top_up", on, await open_period(session, holder.region_id, on))
        bank, purse = Account("bank", holder.region_id), Account("cash", holder.id)
        lines.append(single_line(booking, holder.region_id, bank, purse, amount_fen))
    await session.flush()
    for holder in holders:
        publish(
            session,
            TopUpSucceeded(
                happened_at=clock.rfc3339(clock.now()),
                top_up=public_id("top", top_ups[holder.person_id]),
                person=public_id("per", holder.person_id),
                channel="counter",
                amount_fen=amounts[holder.person_id],
                purses=await queries.sums_of(session, holder.bucket, holder.id, on),
            ),
        )
    await post_lines(session, lines)
    return top_ups


def _top_up_row(holder: Holder, top_up_id: UUID, amount_fen: int, actor: str) -> TopUp:
    return TopUp(
        bucket=holder.bucket,
        id=top_up_id,
        holder_id=holder.id,
        channel="counter",
        amount_fen=amount_fen,
        state="succeeded",
        actor=actor,
        recorded_at=clock.now(),
    )


async def expire_lots(session: AsyncSession, limit: int = 500) -> int:
    """Give what is unspent of lots past their last day and 72 h back to their units (E9); returns how many ended."""
    before = clock.business_date(clock.now() - EXPIRY_DELAY, get_settings().zone)
    due = await session.execute(
        select(SubsidyLot.bucket, SubsidyLot.id, SubsidyLot.holder_id)
        .where(SubsidyLot.expired_at.is_(None), SubsidyLot.expires_on < before)
        .limit(limit)
    )
    keys = due.all()
    if not keys:
        return 0
    await queries.lock_holders(session, [(key.bucket, key.holder_id) for key in keys])
    lines: list[Line] = []
    ended = 0
    for key in sorted(keys, key=lambda key: key.id.int):
        lot = await session.get(SubsidyLot, (key.bucket, key.id), populate_existing=True)
        # Read again under the lock: a payment may have emptied it, a hold may still be open on it.
        if lot is None or lot.expired_at is not None or lot.held_fen:
            continue
        lot.expired_at = clock.now()
        ended += 1
        if lot.balance_fen:
            lines.append(await _take_back(session, lot))
    await session.flush()
    await post_lines(session, lines)
    return ended


async def _take_back(session: AsyncSession, lot: SubsidyLot) -> Line:
    prefund = await queries.lock_prefund(session, lot.unit_id)
    assert prefund is not None, "a lot was granted from a prefund"
    on, amount_fen = _today(), lot.balance_fen
    prefund.balance_fen += amount_fen
    prefund.version += 1
    lot.balance_fen = 0
    lot.version += 1
    booking = Booking(lot.bucket, uuid7(lot.bucket), "expiry", on, await open_period(session, lot.region_id, on))
    purse, unit = Account("subsidy", lot.holder_id), Account("unit_prefund", lot.unit_id)
    return single_line(booking, lot.region_id, purse, unit, amount_fen, lot.id)


def _today() -> date:
    return clock.business_date(clock.now(), get_settings().zone)
