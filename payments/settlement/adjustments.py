"""What may still follow after the lock: an adjustment voucher. It names its original, says why, and two people approve it.

The one who asks decides on neither approval, and the second approver is not the first (identity/approvals). With the second
approval it is booked, in the same transaction, in the period that is open then; the locked period stays what it was.

A voucher moves a sum between two house accounts of the book, or it refunds a payment of the locked period: then what is
booked is a refund like any other, which knows purses, lots and both books. A third kind says that a subsidy should have
paid what was taken in cash; disputes know how that is booked, and register it here.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Place, Principal, Role, decider_of, register_executor, request_approval, site_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, StateConflict
from kernel.ids import HOUSE_BUCKET, parse_public_id, public_id, uuid7
from kernel.settings import get_settings
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, single_line
from payments.models import AccountingPeriod, Payment
from payments.queries import get_payment, reversals_of
from payments.reversals import refund_payment
from payments.settlement import queries
from payments.settlement.models import AdjustmentVoucher
from payments.settlement.states import ADJUSTMENT, pressable
from payments.states import next_state

FIRST_APPROVAL: Final = "settlement.adjust"
SECOND_APPROVAL: Final = "settlement.adjust_again"
# House accounts whose balance is the fold of their deltas; persons' and units' have a row of their own to be kept right.
ADJUSTABLE: Final = frozenset({"payable", "operator_payable", "suspense", "bank", "psp_fee", "psp_clearing"})

# Books an approved voucher; the id of what it booked, and the month that it is booked in.
Booker = Callable[[AsyncSession, AdjustmentVoucher], Awaitable[tuple[UUID, str]]]
# {kind of the account that is debited: who books it}, of what this file does not book itself.
_BOOKERS: Final[dict[str, Booker]] = {}


def register_booker(debit_kind: str, booker: Booker) -> None:
    """Who knows how a voucher that debits such an account is booked says so, once, as it is imported."""
    assert debit_kind not in _BOOKERS, f"{debit_kind} is booked by somebody"
    _BOOKERS[debit_kind] = booker


async def ask_for_adjustment(
    session: AsyncSession,
    principal: Principal,
    settlement_id: UUID,
    *,
    original: str,
    reason: str,
    debit: Account,
    credit: Account,
    amount_fen: int,
) -> AdjustmentVoucher:
    """Write a voucher to a locked period and ask the first of two."""
    row = await queries.lock_settlement(session, settlement_id)
    _refuse_unlocked(row)
    if debit == credit or not {debit.kind, credit.kind} <= ADJUSTABLE:
        raise Malformed(reason="two different house accounts", field="debit")
    if Account("bank", row.region_id) not in (debit, credit) and "bank" in (debit.kind, credit.kind):
        raise Malformed(reason="the bank of this book is its region's", field="debit")
    return await _write(session, principal, row, original, reason, debit, credit, amount_fen)


async def ask_for_refund(
    session: AsyncSession, principal: Principal, settlement_id: UUID, payment_id: UUID, *, reason: str, amount_fen: int
) -> AdjustmentVoucher:
    """The same for a payment of a locked period: with the second approval it is refunded, up to what is left of it."""
    row, payment = await _payment_of(session, settlement_id, payment_id)
    canteen, cash = Account("payable", payment.site_id), Account("cash", payment.holder_id)
    return await _write(session, principal, row, public_id("pay", payment.id), reason, canteen, cash, amount_fen)


async def ask_for_subsidy(
    session: AsyncSession, principal: Principal, settlement_id: UUID, payment_id: UUID, *, reason: str, amount_fen: int
) -> AdjustmentVoucher:
    """The same where a subsidy should have paid: with the second approval a lot does, and the cash comes back."""
    row, payment = await _payment_of(session, settlement_id, payment_id)
    lots, cash = Account("subsidy", payment.holder_id), Account("cash", payment.holder_id)
    return await _write(session, principal, row, public_id("pay", payment.id), reason, lots, cash, amount_fen)


async def _payment_of(session: AsyncSession, settlement_id: UUID, payment_id: UUID) -> tuple[AccountingPeriod, Payment]:
    row = await queries.lock_settlement(session, settlement_id)
    _refuse_unlocked(row)
    payment = await get_payment(session, payment_id)
    if payment.accounting_period != row.period or row.region_id not in (payment.home_region_id, payment.host_region_id):
        raise Malformed(reason="the payment is of another period", field="original")
    return row, payment


async def _write(
    session: AsyncSession,
    principal: Principal,
    row: AccountingPeriod,
    original: str,
    reason: str,
    debit: Account,
    credit: Account,
    amount_fen: int,
) -> AdjustmentVoucher:
    voucher = AdjustmentVoucher(
        id=uuid7(),
        settlement_id=row.id,
        original=original,
        reason=reason,
        debit_kind=debit.kind,
        debit_owner=debit.owner,
        credit_kind=credit.kind,
        credit_owner=credit.owner,
        amount_fen=amount_fen,
        state="asked",
        asked_by=principal.actor,
        asked_at=clock.now(),
    )
    session.add(voucher)
    await session.flush()
    await _ask(session, FIRST_APPROVAL, voucher, row, asked_by=principal.person_id, beneficiary_id=None)
    return voucher


def _refuse_unlocked(row: AccountingPeriod) -> None:
    if row.state != "locked":
        raise StateConflict(state=row.state, trigger="adjust", allowed=pressable(row.state))


async def _ask(
    session: AsyncSession,
    kind: str,
    voucher: AdjustmentVoucher,
    row: AccountingPeriod,
    *,
    asked_by: UUID,
    beneficiary_id: UUID | None,
) -> None:
    identifier = public_id("adj", voucher.id)
    await request_approval(
        session,
        kind=kind,
        subject=identifier,
        payload={"voucher": identifier, "amount_fen": voucher.amount_fen, "original": voucher.original},
        requested_by=asked_by,
        deciding_roles=[Role.FINANCE],
        reason=voucher.reason,
        place=Place(region_id=row.region_id),
        beneficiary_id=beneficiary_id,
    )


async def _approve_first(session: AsyncSession, payload: dict[str, Any]) -> None:
    """The first approval asks for the second, which neither the asker nor the first approver decides."""
    voucher = await queries.lock_voucher(session, parse_public_id("adj", payload["voucher"]))
    row = await queries.get_settlement(session, voucher.settlement_id)
    voucher.state = next_state(ADJUSTMENT, voucher.state, "approve")
    approver = await decider_of(session, FIRST_APPROVAL, payload["voucher"])
    voucher.first_approver = public_id("per", approver)
    asker = parse_public_id("per", voucher.asked_by)
    await _ask(session, SECOND_APPROVAL, voucher, row, asked_by=approver, beneficiary_id=asker)


async def _approve_second(session: AsyncSession, payload: dict[str, Any]) -> None:
    """The second approval books it."""
    voucher = await queries.lock_voucher(session, parse_public_id("adj", payload["voucher"]))
    state = next_state(ADJUSTMENT, voucher.state, "approve")
    approver = public_id("per", await decider_of(session, SECOND_APPROVAL, payload["voucher"]))
    otherwise = _refund if voucher.credit_kind == "cash" else _move
    transfer_id, period = await _BOOKERS.get(voucher.debit_kind, otherwise)(session, voucher)
    voucher.state, voucher.second_approver = state, approver
    voucher.transfer_id, voucher.booked_in, voucher.booked_at = transfer_id, period, clock.now()
    await session.flush()
    await audit_log.record(
        session,
        actor=approver,
        action="adjustment.book",
        subject=payload["voucher"],
        data={"amount_fen": voucher.amount_fen, "original": voucher.original, "booked_in": period},
    )


async def _move(session: AsyncSession, voucher: AdjustmentVoucher) -> tuple[UUID, str]:
    """One line between two house accounts; its id and the month it is booked in."""
    row = await queries.get_settlement(session, voucher.settlement_id)
    on = clock.business_date(clock.now(), get_settings().zone)
    period = await open_period(session, row.region_id, on)
    booking = Booking(HOUSE_BUCKET, uuid7(HOUSE_BUCKET), "adjustment", on, period)
    debit = Account(voucher.debit_kind, voucher.debit_owner)
    credit = Account(voucher.credit_kind, voucher.credit_owner)
    await post_lines(session, [single_line(booking, row.region_id, debit, credit, voucher.amount_fen)])
    return booking.transfer_id, period


async def _refund(session: AsyncSession, voucher: AdjustmentVoucher) -> tuple[UUID, str]:
    """The payment's refund; its id and the month it is booked in."""
    payment_id = parse_public_id("pay", voucher.original)
    payment = await get_payment(session, payment_id)
    site = (await site_summary(session, [payment.site_id])).get(payment.site_id)
    refunded = await refund_payment(
        session,
        payment_id,
        voucher.amount_fen,
        f"adjustment {public_id('adj', voucher.id)}: {voucher.reason}",
        actor=voucher.asked_by,
        site_label=lambda _site: site.name_zh if site else "",
        by_voucher=True,
    )
    reversal = next(each for each in await reversals_of(session, payment_id) if each.id == refunded.id)
    return refunded.id, reversal.accounting_period


async def reject_voucher(session: AsyncSession, voucher_id: UUID) -> None:
    """An approval was decided against, or ran out: the voucher is not booked."""
    voucher = await queries.lock_voucher(session, voucher_id)
    if (voucher.state, "reject") in ADJUSTMENT:
        voucher.state = next_state(ADJUSTMENT, voucher.state, "reject")
        await session.flush()


register_executor(FIRST_APPROVAL, _approve_first)
register_executor(SECOND_APPROVAL, _approve_second)
