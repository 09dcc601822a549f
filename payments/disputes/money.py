"""What comes back when a dispute is right, and out of whose pocket.

Six reasons come back as a refund: the payment's own legs the other way round, cash first, in the books of both regions.

A missing subsidy is no gift of the canteen: the meal was sold and eaten, and the unit should have borne a part of it. So
the lot that should have paid pays now, the canteen gets from it what it gives back in cash, and ends where it was. The
subsidy never becomes cash: what the person gets is their own money that should not have been taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.calendar import WEEKDAYS, day_type_of
from kernel.ids import public_id, uuid7
from kernel.settings import get_settings
from payments import queries, reversals
from payments.disputes import queries as dispute_queries
from payments.disputes.errors import NoSubsidyLeft, SubsidyUsed
from payments.disputes.models import Dispute
from payments.errors import RefundExceeds
from payments.ledger import open_period, post_lines
from payments.lines import Booking, Leg, sale_lines
from payments.models import Holder, Payment, SubsidyLot, UsageCounter
from payments.settlement.api import put_in_suspense, take_from_suspense


class GivenBack(NamedTuple):
    """The refund, and what a lot was charged with instead."""

    refund_id: UUID
    charge_id: UUID | None


async def give_back(
    session: AsyncSession,
    dispute: Dispute,
    amount_fen: int,
    *,
    actor: str,
    site_label: Callable[[UUID], str],
    by_voucher: bool = False,
) -> GivenBack:
    """Return what was granted, now; raises where the payment does not have that much left.

    Of a locked month only by a voucher that two people have approved.
    """
    charge_id = None
    is_subsidy = dispute.reason == "missing_subsidy"
    if is_subsidy:
        charge_id = await _charge_lots(session, dispute, amount_fen)
    because = f"dispute {public_id('dis', dispute.id)}: {dispute.reason}"
    refund = await reversals.refund_payment(
        session, dispute.payment_id, amount_fen, because, actor=actor, site_label=site_label, by_voucher=by_voucher
    )
    if is_subsidy:
        await _count_again(session, dispute.payment_id)
    return GivenBack(refund.id, charge_id)


async def refuse_uncovered(session: AsyncSession, dispute: Dispute, amount_fen: int) -> None:
    """What posting a missing subsidy would refuse, said before two people are asked to approve it."""
    payment, holder = await _lock_cash(session, dispute, amount_fen)
    lots = await _fitting_lots(session, holder, payment)
    available_fen = sum(lot.balance_fen - lot.held_fen for lot in lots)
    if available_fen < amount_fen:
        raise NoSubsidyLeft(available_fen=available_fen)


async def suspend(session: AsyncSession, dispute: Dispute, payment: Payment) -> None:
    """What is disputed is set aside out of the canteen's account, so that the rest can settle.

    Not for a missing subsidy: whoever is right about it, the canteen is owed the same.
    """
    if dispute.reason == "missing_subsidy":
        return
    free_fen = left_fen(payment) - await dispute_queries.suspended_fen_of(session, payment.id)
    dispute.suspended_fen = max(0, min(dispute.claimed_fen or free_fen, free_fen))
    if dispute.suspended_fen:
        await put_in_suspense(session, **_of_suspense(dispute))


async def release(session: AsyncSession, dispute: Dispute) -> None:
    """The canteen's account has again what was set aside."""
    if dispute.suspended_fen:
        await take_from_suspense(session, **_of_suspense(dispute))
    dispute.suspended_fen = 0


def _of_suspense(dispute: Dispute) -> dict[str, Any]:
    return {
        "region_id": dispute.host_region_id,
        "site_id": dispute.site_id,
        "amount_fen": dispute.suspended_fen,
        "dispute_id": dispute.id,
        "business_date": clock.business_date(clock.now(), get_settings().zone),
    }


def left_fen(payment: Payment) -> int:
    """What has not been given back of a payment."""
    return 0 if payment.status == "voided" else payment.amount_fen - payment.refunded_fen


def suggested_fen(dispute: Dispute, payment: Payment) -> int:
    """What a yes gives back if it names no sum: what was claimed, else all that is left; of a missing subsidy, the cash."""
    left = cash_left_fen(payment) if dispute.reason == "missing_subsidy" else left_fen(payment)
    return min(dispute.claimed_fen, left) if dispute.claimed_fen is not None else left


def cash_left_fen(payment: Payment) -> int:
    """What is left of a payment's cash leg; a refund takes from it first."""
    cash_fen: int = sum(leg["amount_fen"] for leg in payment.legs if leg["purse"] == "cash")
    return min(left_fen(payment), max(0, cash_fen - payment.refunded_fen))


async def _charge_lots(session: AsyncSession, dispute: Dispute, amount_fen: int) -> UUID:
    """The lots that should have paid pay now: the lines of a sale, out of subsidy."""
    payment, holder = await _lock_cash(session, dispute, amount_fen)
    legs = await _take_from_lots(session, holder, payment, amount_fen)
    on = clock.business_date(clock.now(), get_settings().zone)
    period = await open_period(session, payment.home_region_id, payment.business_date, payment.host_region_id)
    charge_id = uuid7(payment.bucket)
    booking = Booking(payment.bucket, charge_id, "subsidy_correction", on, period)
    await session.flush()
    await post_lines(
        session, sale_lines(booking, holder.id, legs, payment.home_region_id, payment.host_region_id, payment.site_id)
    )
    return charge_id


async def _lock_cash(session: AsyncSession, dispute: Dispute, amount_fen: int) -> tuple[Payment, Holder]:
    """The payment and its holder, locked, where that much cash is left of it that no subsidy has borne."""
    seen = await queries.get_payment(session, dispute.payment_id)
    holder = await queries.lock_holder(session, seen.bucket, seen.holder_id)
    payment = await queries.get_payment(session, dispute.payment_id)
    if amount_fen > cash_left_fen(payment):
        raise RefundExceeds(left_fen=cash_left_fen(payment))
    await _refuse_second_subsidy(session, payment)
    return payment, holder


async def _take_from_lots(session: AsyncSession, holder: Holder, payment: Payment, amount_fen: int) -> list[Leg]:
    """As a sale takes: the lot that ends first, among those that could have paid on the day of the meal."""
    legs: list[Leg] = []
    rest = amount_fen
    for lot in await _fitting_lots(session, holder, payment):
        taken = min(rest, lot.balance_fen - lot.held_fen)
        if taken:
            lot.balance_fen -= taken
            lot.version += 1
            rest -= taken
            legs.append(Leg("subsidy", lot.id, taken))
    if rest:
        raise NoSubsidyLeft(available_fen=amount_fen - rest)
    return legs


async def _fitting_lots(session: AsyncSession, holder: Holder, payment: Payment) -> list[SubsidyLot]:
    tags = await _tags_of(session, payment)
    lots = await queries.lots_of(session, holder.bucket, holder.id)
    return [lot for lot in lots if _could_have_paid(lot, payment, tags)]


async def _tags_of(session: AsyncSession, payment: Payment) -> set[str]:
    """What a lot's scope is matched against: where, which meal, which kind of day, as posting was told then."""
    site, day = payment.site_id, payment.business_date
    where = {str(site), site.hex, public_id("can", site)}
    return where | {str(payment.context.get("meal")), await day_type_of(session, day), WEEKDAYS[day.weekday()]}


def _could_have_paid(lot: SubsidyLot, payment: Payment, tags: set[str]) -> bool:
    """Also one that was granted after the meal: a grant that came late is why a subsidy was missing."""
    # Where its holder has moved into another book since, the lot went along, and pays nothing in the old one.
    stands_there = lot.region_id == payment.home_region_id
    in_time = lot.expires_on >= payment.business_date
    return stands_there and in_time and all(tags & set(values) for values in lot.scope.values())


async def _refuse_second_subsidy(session: AsyncSession, payment: Payment) -> None:
    """One subsidised meal for each person, meal and day (I13), also by this way."""
    others = await session.scalars(
        select(Payment).where(
            Payment.bucket == payment.bucket,
            Payment.holder_id == payment.holder_id,
            Payment.business_date == payment.business_date,
            Payment.id != payment.id,
            Payment.status != "voided",
        )
    )
    same_meal = [other for other in others if other.context.get("meal") == payment.context.get("meal")]
    corrected = await _corrected(session, [other.id for other in same_meal])
    for other in same_meal:
        # One whose cash came back whole was borne by a lot all the same, if a lot was charged for it.
        paid_by_lot = other.status != "refunded" and any(leg["purse"] == "subsidy" for leg in other.legs)
        if other.id in corrected or paid_by_lot:
            raise SubsidyUsed(payment=public_id("pay", other.id))


async def _corrected(session: AsyncSession, payment_ids: list[UUID]) -> set[UUID]:
    rows = await session.scalars(
        select(Dispute.payment_id).where(Dispute.payment_id.in_(payment_ids), Dispute.charge_id.is_not(None))
    )
    return set(rows)


async def _count_again(session: AsyncSession, payment_id: UUID) -> None:
    """A refund of all of it gave the meal's counters back. This meal was eaten, and borne by the unit: it counts."""
    payment = await queries.get_payment(session, payment_id)
    if payment.status != "refunded":
        return
    for key in payment.counters:
        counter = await session.get(UsageCounter, (payment.bucket, payment.holder_id, key), populate_existing=True)
        if counter is not None:
            counter.count += 1
            counter.amount_fen += payment.amount_fen
    await session.flush()
