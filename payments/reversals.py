"""Voids and refunds: new objects in reverse deduction order, never an edit of what was paid.

A void takes back the whole payment at its till within five minutes. A refund gives back a part or the rest, cash
first. Either way the ledger lines are the payment's own the other way round. A full return gives the meal counter
back, a part does not. Subsidy never turns into cash: where the lot has ended, a new one opens for seven days; where
the account is closed, or the whole grant was reversed, the unit gets it back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal, site_summary
from kernel import clock
from kernel.audit_log import record
from kernel.errors import Forbidden, StateConflict
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments import queries
from payments.answers import wire_legs
from payments.crossing import BookAccount, crossing_lines
from payments.errors import PeriodLocked, RefundExceeds
from payments.events import PaymentRefunded, PaymentVoided
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Leg, Line, reversed_lines, sale_lines
from payments.models import AccountingPeriod, Holder, Payment, Reversal, SubsidyLot, UsageCounter
from payments.states import PAYMENT, allowed, next_state
from payments.subsidies.grants import was_reversed
from payments.subsidies.unit_money import lock_account_of

VOID_WINDOW: Final = timedelta(minutes=5)
REOPENED_LOT_LIFE: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reversed:
    """A void or refund as callers see it."""

    id: UUID
    kind: str
    payment_id: UUID
    amount_fen: int
    legs: list[dict[str, Any]]

    def body(self) -> dict[str, Any]:
        """The 201 of a void or a refund."""
        prefix = "void" if self.kind == "void" else "ref"
        return {
            "id": public_id(prefix, self.id),
            "payment": public_id("pay", self.payment_id),
            "amount_fen": self.amount_fen,
            "legs": self.legs,
        }


async def void_payment(
    session: AsyncSession, payment_id: UUID, terminal: Terminal, *, site_label: Callable[[UUID], str]
) -> Reversed:
    """Take a payment back whole, at a till of its canteen, within five minutes of it."""
    payment, holder = await _lock_payment(session, payment_id)
    if payment.site_id != terminal.site_id:
        raise Forbidden()
    status = next_state(PAYMENT, payment.status, "void")
    if clock.now() - payment.recorded_at > VOID_WINDOW:
        triggers = [trigger for trigger in allowed(PAYMENT, payment.status) if trigger != "void"]
        raise StateConflict(state=payment.status, trigger="void", allowed=triggers)
    legs = [Leg(*leg) for leg in queries.legs_from_wire(payment.legs)]
    actor = public_id("ter", terminal.id)
    return await _reverse(session, payment, holder, legs, status, "void", "void", actor, site_label)


async def refund_payment(
    session: AsyncSession,
    payment_id: UUID,
    amount_fen: int,
    reason: str,
    *,
    actor: str,
    site_label: Callable[[UUID], str],
    by_voucher: bool = False,
) -> Reversed:
    """Give back a part or the rest, in reverse deduction order: cash first.

    A locked period refuses it, unless two people have approved a voucher for it (payments/settlement/adjustments.py).
    """
    payment, holder = await _lock_payment(session, payment_id, by_voucher=by_voucher)
    left_fen = payment.amount_fen - payment.refunded_fen
    if payment.status in ("voided", "refunded") and not allowed(PAYMENT, payment.status):
        if payment.status == "refunded":
            raise RefundExceeds(left_fen=0)
        raise StateConflict(state=payment.status, trigger="refund", allowed=[])
    if amount_fen > left_fen:
        raise RefundExceeds(left_fen=left_fen)
    status = next_state(PAYMENT, payment.status, "refund_rest" if amount_fen == left_fen else "refund_part")
    legs = refund_legs([Leg(*leg) for leg in queries.legs_from_wire(payment.legs)], payment.refunded_fen, amount_fen)
    return await _reverse(session, payment, holder, legs, status, "refund", reason, actor, site_label)


def refund_legs(legs: Sequence[Leg], refunded_fen: int, amount_fen: int) -> list[Leg]:
    """The part of each leg that a refund gives back, after what was refunded before; the last leg paid comes first."""
    found: list[Leg] = []
    skip, rest = refunded_fen, amount_fen
    for leg in reversed(legs):
        skipped = min(skip, leg.amount_fen)
        skip -= skipped
        taken = min(rest, leg.amount_fen - skipped)
        rest -= taken
        if taken:
            found.append(leg._replace(amount_fen=taken))
    assert rest == 0, "a refund may not exceed what is left of the legs"
    return found


async def _lock_payment(session: AsyncSession, payment_id: UUID, *, by_voucher: bool = False) -> tuple[Payment, Holder]:
    """The payment and its holder; the holder's lock comes first and the payment is read under it."""
    seen = await queries.get_payment(session, payment_id)
    holder = await queries.lock_holder(session, seen.bucket, seen.holder_id)
    payment = await queries.get_payment(session, payment_id)
    # A meal in another region stands in two books; either one may be closed.
    for region_id in {payment.home_region_id, payment.host_region_id}:
        period = await session.get(AccountingPeriod, (region_id, payment.accounting_period))
        if period is not None and period.state == "locked" and not by_voucher:
            raise PeriodLocked(period=payment.accounting_period)
    return payment, holder


async def _reverse(
    session: AsyncSession,
    payment: Payment,
    holder: Holder,
    legs: list[Leg],
    status: str,
    kind: str,
    reason: str,
    actor: str,
    site_label: Callable[[UUID], str],
) -> Reversed:
    on, reversal_id = clock.business_date(clock.now(), get_settings().zone), uuid7(payment.bucket)
    amount_fen = sum(leg.amount_fen for leg in legs)
    lot_ids = [leg.lot_id for leg in legs if leg.lot_id is not None]
    books = await queries.granting_regions(session, payment.bucket, lot_ids)
    books |= {payment.host_region_id, holder.region_id}
    period = await open_period(session, payment.home_region_id, payment.business_date, *books)
    booking = Booking(payment.bucket, reversal_id, kind, on, period)
    lines = reversed_lines(
        sale_lines(booking, holder.id, legs, payment.home_region_id, payment.host_region_id, payment.site_id)
    )
    lines += await _give_back(session, payment, holder, legs, lines, booking)
    payment.status = status
    payment.refunded_fen += amount_fen
    assert payment.refunded_fen <= payment.amount_fen, "more would be given back than was paid"
    if status in ("voided", "refunded"):
        await _give_counters_back(session, payment)
    session.add(
        Reversal(
            bucket=payment.bucket,
            id=reversal_id,
            payment_id=payment.id,
            holder_id=holder.id,
            kind=kind,
            amount_fen=amount_fen,
            legs=[
                {"purse": leg.purse, "lot": str(leg.lot_id) if leg.lot_id else None, "amount_fen": leg.amount_fen}
                for leg in legs
            ],
            reason=reason,
            actor=actor,
            business_date=on,
            accounting_period=period,
            recorded_at=clock.now(),
        )
    )
    await session.flush()
    result = Reversed(reversal_id, kind, payment.id, amount_fen, wire_legs(legs))
    await _tell(session, payment, holder, result, reason, actor, site_label(payment.site_id))
    await post_lines(session, lines)
    return result


async def _give_back(
    session: AsyncSession, payment: Payment, holder: Holder, legs: list[Leg], lines: list[Line], booking: Booking
) -> list[Line]:
    """Raise purses and lots by the legs; returns further lines where the money goes on: its holder has moved into another
    book since, or a lot had ended."""
    more: list[Line] = []
    on = booking.business_date

    def go_on(debit: BookAccount, credit: BookAccount, amount_fen: int, lot_id: UUID | None = None) -> int:
        crossed = crossing_lines(booking, debit, credit, amount_fen, lot_id, first_ordinal=len(lines) + len(more))
        more.extend(crossed)
        return len(crossed)

    purses = await queries.purses_of(session, holder.bucket, holder.id)
    for leg in legs:
        # The payment's own lines bring it back to where it was paid from.
        paid_from = BookAccount(payment.home_region_id, Account(leg.purse, holder.id))
        now = paid_from._replace(region_id=holder.region_id)
        has_moved = holder.region_id != payment.home_region_id
        if leg.lot_id is None:
            purse = purses[leg.purse]
            purse.balance_fen += leg.amount_fen
            purse.version += 1 + (go_on(paid_from, now, leg.amount_fen) if has_moved else 0)
            continue
        lot = await session.get(SubsidyLot, (payment.bucket, leg.lot_id), populate_existing=True)
        assert lot is not None, "a leg names a lot that exists"
        if lot.expired_at is None and lot.expires_on >= on and holder.state != "closed":
            lot.balance_fen += leg.amount_fen
            lot.version += 1 + (go_on(paid_from, now, leg.amount_fen, lot.id) if has_moved else 0)
            continue
        # The money passes through the old lot so that each lot's entries fold to its balance.
        lot.version += 2
        source = await lock_account_of(session, lot)
        unit = BookAccount(source.region_id, source.account)
        go_on(paid_from, unit, leg.amount_fen, lot.id)
        if holder.state == "closed" or await was_reversed(session, lot):
            source.give_back(leg.amount_fen)
        else:
            source.pass_through()
            reopened = _reopen_lot(session, lot, leg.amount_fen, on, holder.region_id)
            go_on(unit, now, leg.amount_fen, reopened)
    return more


def _reopen_lot(session: AsyncSession, ended: SubsidyLot, amount_fen: int, on: date, region_id: UUID) -> UUID:
    lot = SubsidyLot(
        bucket=ended.bucket,
        id=uuid7(ended.bucket),
        holder_id=ended.holder_id,
        unit_id=ended.unit_id,
        region_id=region_id,
        granted_fen=amount_fen,
        balance_fen=amount_fen,
        held_fen=0,
        granted_on=on,
        expires_on=on + REOPENED_LOT_LIFE,
        scope=ended.scope,
        version=1,
        funded_by=ended.funded_by,
        grant_id=ended.grant_id,
        carried_from=ended.id,
    )
    session.add(lot)
    return lot.id


async def _give_counters_back(session: AsyncSession, payment: Payment) -> None:
    for key in payment.counters:
        counter = await session.scalar(
            select(UsageCounter)
            .where(
                UsageCounter.bucket == payment.bucket,
                UsageCounter.holder_id == payment.holder_id,
                UsageCounter.key == key,
            )
            .execution_options(populate_existing=True)
        )
        if counter is not None:
            counter.count -= 1
            counter.amount_fen -= payment.amount_fen


async def _tell(
    session: AsyncSession, payment: Payment, holder: Holder, result: Reversed, reason: str, actor: str, site_label: str
) -> None:
    on = clock.business_date(clock.now(), get_settings().zone)
    shared: dict[str, Any] = {
        "happened_at": clock.rfc3339(clock.now()),
        "payment": public_id("pay", payment.id),
        "person": public_id("per", payment.person_id),
        "payer_label": holder.label,
        "canteen": public_id("can", payment.site_id),
        "canteen_name": site_label,
        "canteen_name_en": (await site_summary(session, [payment.site_id]))[payment.site_id].name_en,
        "terminal": public_id("ter", payment.terminal_id) if payment.terminal_id else None,
        "amount_fen": result.amount_fen,
        "legs": result.legs,
        "business_date": payment.business_date.isoformat(),
        "paid_at": clock.rfc3339(payment.happened_at),
        "purses": await queries.sums_of(session, holder.bucket, holder.id, on),
    }
    if result.kind == "void":
        publish(session, PaymentVoided(void=public_id("void", result.id), **shared))
    else:
        publish(session, PaymentRefunded(refund=public_id("ref", result.id), **shared))
    await record(
        session,
        actor=actor,
        action=f"payment.{result.kind}",
        subject=public_id("pay", payment.id),
        data={"amount_fen": result.amount_fen, "reason": reason},
    )
