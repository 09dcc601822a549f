"""Charge a unit for a service, and give back what it need not have paid. Both join the caller's transaction."""

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import payers_of, serving_site
from kernel import clock
from kernel.audit_log import record
from kernel.errors import Malformed, NotFound
from kernel.ids import HOUSE_BUCKET, public_id, uuid7
from kernel.settings import get_settings
from payments.charges.errors import ChargeDiffers, NothingServes
from payments.charges.models import KINDS, ChargeRefund, ServiceCharge
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line, reversed_lines, single_line
from payments.subsidies.unit_money import lock_account, lock_to_charge

PREFIX: Final = "chg"
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtext('charge:' || :reference))")


async def charge_unit(
    session: AsyncSession,
    *,
    kind: str,
    reference: UUID,
    payer_id: UUID,
    payee_id: UUID,
    amount_fen: int,
    business_date: date,
    note: str,
    actor: str = "system",
) -> UUID:
    """Charge the unit of `payer_id` for one act; the id of the charge. Charged again for the same act, it is the same.

    Args:
        kind: "repair", "booking" or "meeting".
        reference: the work order, booking or meeting; charged once.
        payer_id: an organisation; its unit pays, out of what it has paid in ahead, or on its bill.
        payee_id: the site that served (a workshop, a venue), or the organisation that runs it.
        amount_fen: above 0.
        business_date: the day of the service. It is booked on that day, or today where it is yet to come, in the first
            period from there on that is open.
        note: a few words for the statement.

    Raises:
        NotFound, NothingServes: nobody to pay, or to be paid.
        ChargeDiffers: the act was charged otherwise before.
    """
    if kind not in KINDS or amount_fen <= 0:
        raise Malformed
    # Two who charge the same act at once: the second finds the first's row.
    await session.execute(_ONE_AT_A_TIME, {"reference": str(reference)})
    unit_id = (await payers_of(session, [payer_id]))[payer_id].unit_id or payer_id
    site = await serving_site(session, payee_id)
    if site is None:
        raise NothingServes(organisation=public_id("org", payee_id))
    known = await session.scalar(select(ServiceCharge).where(ServiceCharge.reference == reference))
    if known is not None:
        if (known.kind, known.unit_id, known.site_id, known.amount_fen) != (kind, unit_id, site.id, amount_fen):
            raise ChargeDiffers(charge=public_id(PREFIX, known.id), amount_fen=known.amount_fen)
        return known.id
    account = await lock_to_charge(session, unit_id, amount_fen)
    charge = ServiceCharge(
        id=uuid7(HOUSE_BUCKET),
        kind=kind,
        reference=reference,
        unit_id=unit_id,
        funded_by=account.account.kind,
        home_region_id=account.region_id,
        site_id=site.id,
        host_region_id=site.region_id,
        amount_fen=amount_fen,
        refunded_fen=0,
        business_date=business_date,
        note=note,
        recorded_at=clock.now(),
    )
    session.add(charge)
    account.take(amount_fen)
    await record(
        session,
        actor=actor,
        action="unit.charge",
        subject=public_id("org", unit_id),
        data={"charge": public_id(PREFIX, charge.id), "kind": kind, "amount_fen": amount_fen},
    )
    booking = await _booking(session, charge, charge.id, "charge")
    await session.flush()
    await post_lines(session, _lines(booking, charge, amount_fen))
    return charge.id


async def refund_charge(session: AsyncSession, *, reference: UUID, amount_fen: int, actor: str = "system") -> UUID:
    """Give back so much of the charge for an act that `amount_fen` of it is given back in all; the id of the charge.

    Said again it changes nothing, and what was given back once is not taken again. It goes to the account it came from.

    Raises:
        NotFound: nothing was charged for this act.
        ChargeDiffers: more than was charged.
    """
    charge = await session.scalar(
        select(ServiceCharge)
        .where(ServiceCharge.reference == reference)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if charge is None:
        raise NotFound(what="charge", id=str(reference))
    if not 0 <= amount_fen <= charge.amount_fen:
        raise ChargeDiffers(charge=public_id(PREFIX, charge.id), amount_fen=charge.amount_fen)
    back_fen = amount_fen - charge.refunded_fen
    if back_fen <= 0:
        return charge.id
    refund = ChargeRefund(
        id=uuid7(HOUSE_BUCKET),
        charge_id=charge.id,
        amount_fen=back_fen,
        business_date=charge.business_date,
        recorded_at=clock.now(),
    )
    session.add(refund)
    charge.refunded_fen = amount_fen
    account = await lock_account(session, charge.unit_id, charge.funded_by)
    account.give_back(back_fen)
    await record(
        session,
        actor=actor,
        action="unit.charge_refund",
        subject=public_id("org", charge.unit_id),
        data={"charge": public_id(PREFIX, charge.id), "amount_fen": back_fen},
    )
    booking = await _booking(session, charge, refund.id, "charge_refund")
    await session.flush()
    await post_lines(session, reversed_lines(_lines(booking, charge, back_fen)))
    return charge.id


async def _booking(session: AsyncSession, charge: ServiceCharge, transfer_id: UUID, kind: str) -> Booking:
    # A close looks for its lines among the transfers of its month: none is booked ahead of the day on which it is made.
    on = min(charge.business_date, clock.business_date(clock.now(), get_settings().zone))
    period = await open_period(session, charge.home_region_id, on, charge.host_region_id)
    return Booking(HOUSE_BUCKET, transfer_id, kind, on, period)


def _lines(booking: Booking, charge: ServiceCharge, amount_fen: int) -> list[Line]:
    """At home one line; between regions, one in each book."""
    unit, payable = Account(charge.funded_by, charge.unit_id), Account("payable", charge.site_id)
    home, host = charge.home_region_id, charge.host_region_id
    if home == host:
        return [single_line(booking, home, unit, payable, amount_fen)]
    there = single_line(booking, host, Account("due_from", home), payable, amount_fen)._replace(ordinal=1)
    return [single_line(booking, home, unit, Account("due_to", host), amount_fen), there]
