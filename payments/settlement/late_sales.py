"""The exception queue: sales that were booked more than seven days after their business date."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import public_id
from payments.models import Payment
from payments.settlement.models import LateCase
from payments.settlement.periods import needs_a_look
from payments.settlement.states import LATE_CASE
from payments.states import next_state


async def note_late_sale(session: AsyncSession, payment: Payment) -> bool:
    """Put a sale that was just booked before a person, if it came more than seven days late; whether it did."""
    if not needs_a_look(payment.business_date, payment.recorded_at.date()):
        return False
    await session.execute(
        insert(LateCase)
        .values(
            transfer_id=payment.id,
            region_id=payment.host_region_id,
            period=payment.accounting_period,
            site_id=payment.site_id,
            business_date=payment.business_date,
            amount_fen=payment.amount_fen,
            state="open",
            opened_at=clock.now(),
        )
        .on_conflict_do_nothing()
    )
    return True


async def resolve(session: AsyncSession, person: Principal, payment_id: UUID, note: str) -> LateCase:
    """Say what was found out; the sale stays booked, what is wrong with it is disputed or refunded like any other."""
    case = await session.scalar(select(LateCase).where(LateCase.transfer_id == payment_id).with_for_update())
    if case is None:
        raise NotFound(what="late_sale", id=public_id("pay", payment_id))
    person.require(Role.FINANCE, region_id=case.region_id)
    case.state = next_state(LATE_CASE, case.state, "resolve")
    case.resolved_by, case.resolved_at, case.note = person.actor, clock.now(), note
    await session.flush()
    await audit_log.record(
        session,
        actor=person.actor,
        action="late_sale.resolve",
        subject=public_id("pay", payment_id),
        data={"note": note},
    )
    return case
