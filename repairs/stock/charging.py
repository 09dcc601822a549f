"""Who pays for an order: its cost is charged to the unit served once the order is confirmed, and given back when that is undone.

All of it happens under the lock of the order's cost sheet: of two who charge at once, the second finds the first's charge. What
payments is told is the charge's own id, so that an order that was given back can be charged anew after its next round.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import place_names, regions_up, site_summary
from kernel import clock
from kernel.clock import business_date
from kernel.errors import GuanjiaError, StateConflict
from kernel.ids import uuid7
from kernel.outbox import savepoint
from payments.api import charge_unit, refund_charge
from repairs.orders.models import WorkOrder
from repairs.orders.queries import get_order, labour_of
from repairs.orders.states import CONFIRMED
from repairs.stock import queries
from repairs.stock.costs import CostLine, Costs, labour_amount_fen, rate_on
from repairs.stock.errors import NobodyPays
from repairs.stock.models import RepairCharge

# The office may charge what is done before it is confirmed; an objection gives it back.
CHARGEABLE: Final = (*CONFIRMED, "done")


@dataclass(frozen=True, slots=True)
class Payers:
    """Who bears the cost and whose account is credited: a unit, and the site that served."""

    payer_id: UUID | None
    payee_id: UUID | None


async def costs_of(session: AsyncSession, order: WorkOrder) -> Costs:
    """What an order costs by now."""
    parts = [
        CostLine(
            "part",
            part.name,
            -move.quantity,
            part.unit,
            move.unit_cost_fen,
            -move.quantity * move.unit_cost_fen,
            move.actor_id,
            move.recorded_at,
        )
        for move, part in await queries.moves_of(session, [order.id])
    ]
    return Costs([*parts, *await _labour_lines(session, order)])


async def _labour_lines(session: AsyncSession, order: WorkOrder) -> list[CostLine]:
    worked = await labour_of(session, order.id)
    if not worked:
        return []
    rates, zone = await _rates_for(session, order.region_id), await _zone_of(session, order.region_id)
    lines: list[CostLine] = []
    for row in worked:
        hour_fen = rate_on(rates, row.started_at.astimezone(zone).date())
        amount_fen = labour_amount_fen(row.minutes, hour_fen)
        line = CostLine("labour", row.words, row.minutes, "min", hour_fen, amount_fen, row.person_id, row.started_at)
        lines.append(line)
    return lines


async def _rates_for(session: AsyncSession, region_id: UUID) -> Sequence[tuple[date, int]]:
    return await queries.rates_of(session, await regions_up(session, region_id))


async def _zone_of(session: AsyncSession, region_id: UUID) -> ZoneInfo:
    return ZoneInfo((await place_names(session, [region_id]))[region_id].timezone)


async def payers_for(session: AsyncSession, order: WorkOrder) -> Payers:
    """The unit served; and the organisation that runs the site of the place."""
    if order.site_id is None:
        return Payers(order.unit_id, None)
    site = (await site_summary(session, [order.site_id])).get(order.site_id)
    return Payers(order.unit_id, site.id if site is not None else None)


async def charge_order(session: AsyncSession, order_id: UUID, *, actor: str) -> RepairCharge | None:
    """Charge the unit served, once; None where nothing costs anything.

    Raises:
        StateConflict: it is neither done nor confirmed.
        NobodyPays: there is no unit, or no site.
        What `payments.api.charge_unit` raises.
    """
    sheet = await queries.lock_sheet(session, order_id)
    order = await get_order(session, order_id)
    standing = await queries.standing_charge(session, order_id)
    if standing is not None:
        return standing
    if order.state not in CHARGEABLE:
        raise StateConflict(state=order.state, trigger="charge", allowed=[])
    costs = await costs_of(session, order)
    if costs.total_fen <= 0:
        return None
    payers = await payers_for(session, order)
    if payers.payer_id is None or payers.payee_id is None:
        raise NobodyPays
    charge = await _charge(session, order, costs, payers.payer_id, payers.payee_id, actor)
    sheet.refused_code = sheet.refused_at = None
    return charge


async def _charge(
    session: AsyncSession, order: WorkOrder, costs: Costs, payer_id: UUID, payee_id: UUID, actor: str
) -> RepairCharge:
    act_id, now = uuid7(), clock.now()
    charge_id = await charge_unit(
        session,
        kind="repair",
        reference=act_id,
        payer_id=payer_id,
        payee_id=payee_id,
        amount_fen=costs.total_fen,
        business_date=business_date(now, await _zone_of(session, order.region_id)),
        note=order.place_text,
        actor=actor,
    )
    charge = RepairCharge(
        id=act_id,
        order_id=order.id,
        parts_fen=costs.parts_fen,
        labour_fen=costs.labour_fen,
        amount_fen=costs.total_fen,
        payer_id=payer_id,
        payee_id=payee_id,
        charge_id=charge_id,
        charged_by=actor,
        charged_at=now,
        refunded_at=None,
    )
    session.add(charge)
    await session.flush()
    return charge


async def refund_order(session: AsyncSession, order_id: UUID, *, actor: str) -> RepairCharge | None:
    """Give the whole charge back, once; None where none stands."""
    await queries.lock_sheet(session, order_id)
    charge = await queries.standing_charge(session, order_id)
    if charge is None:
        return None
    await refund_charge(session, reference=charge.id, amount_fen=charge.amount_fen, actor=actor)
    charge.refunded_at = clock.now()
    await session.flush()
    return charge


async def charge_or_note(session: AsyncSession, order_id: UUID) -> None:
    """For the worker: what cannot be charged is written on the sheet, where the office sees it and can try again."""
    try:
        async with savepoint(session):
            await charge_order(session, order_id, actor="system")
    except GuanjiaError as refusal:
        sheet = await queries.lock_sheet(session, order_id)
        sheet.refused_code, sheet.refused_at = refusal.code, clock.now()
        await session.flush()
