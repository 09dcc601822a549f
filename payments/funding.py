"""Money into the house: units pay in ahead or pay their bills, people top up at the counter.

Bookings are E1, E2' and E3 of the worked example (docs/books.md). What units give their people stands in `subsidies/`.
"""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound, StateConflict
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.errors import OwnAccount
from payments.events import TopUpSucceeded
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, single_line
from payments.models import Holder, Purse, TopUp, UnitPrefund
from payments.subsidies.unit_money import RECEIVABLE, lock_account


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


async def pay_bill(session: AsyncSession, unit_id: UUID, amount_fen: int, *, actor: str) -> int:
    """A billed unit pays what it owes, or ahead of it (bank to unit_receivable); returns what is still open."""
    transfer, on = uuid7(HOUSE_BUCKET), _today()
    owed = await lock_account(session, unit_id, RECEIVABLE)
    owed.give_back(amount_fen)
    await record(
        session, actor=actor, action="unit.pay_bill", subject=public_id("org", unit_id), data={"amount_fen": amount_fen}
    )
    period = await open_period(session, owed.region_id, on)
    booking = Booking(HOUSE_BUCKET, transfer, "bill_payment", on, period)
    line = single_line(booking, owed.region_id, Account("bank", owed.region_id), owed.account, amount_fen)
    await post_lines(session, [line])
    return owed.row.balance_fen


async def top_up_at_counter(session: AsyncSession, person_id: UUID, amount_fen: int, *, actor: str) -> UUID:
    """Cash taken at the service counter (bank to cash); returns the top-up's id."""
    return (await top_up_many_at_counter(session, {person_id: amount_fen}, actor=actor))[person_id]


async def top_up_many_at_counter(session: AsyncSession, amounts: Mapping[UUID, int], *, actor: str) -> dict[UUID, UUID]:
    """The same for many people in one transaction, as a counter's list at the end of a day; ids by person.

    Nobody takes cash from themselves: `actor` is somebody else than each of these people, else OwnAccount.
    """
    if actor in {public_id("per", person_id) for person_id in amounts}:
        raise OwnAccount
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


def _today() -> date:
    return clock.business_date(clock.now(), get_settings().zone)
