"""Stores, parts and cost sheets as people see them."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import person_summary, place_names
from kernel import clock
from kernel.ids import public_id
from repairs.orders.models import WorkOrder
from repairs.stock import queries
from repairs.stock.charging import CHARGEABLE, costs_of, payers_for
from repairs.stock.models import CostSheet, LabourRate, Part, PartMove, PartStore
from repairs.stock.schemas import CostLineView, CostSheetView, MoveView, PartView, RateView, StoreView
from repairs.stock.service import order_name


def store_view(store: PartStore) -> StoreView:
    """A cupboard."""
    return StoreView(
        id=public_id(queries.STORE, store.id),
        region=public_id("reg", store.region_id),
        place=public_id("pla", store.place_id) if store.place_id else None,
        name=store.name,
        is_closed=store.closed_at is not None,
    )


def part_view(part: Part) -> PartView:
    """A kind of part."""
    return PartView(
        id=public_id(queries.PART, part.id),
        store=public_id(queries.STORE, part.store_id),
        code=part.code,
        name=part.name,
        unit=part.unit,
        unit_cost_fen=part.unit_cost_fen,
        quantity=part.quantity,
        minimum=part.minimum,
        is_low=part.quantity < part.minimum,
    )


def rate_view(rate: LabourRate) -> RateView:
    """What an hour costs."""
    return RateView(
        id=public_id(queries.RATE, rate.id),
        region=public_id("reg", rate.region_id),
        hour_fen=rate.hour_fen,
        effective_from=rate.effective_from,
        created_by=rate.created_by,
    )


async def move_views(session: AsyncSession, rows: Sequence[tuple[PartMove, Part]]) -> list[MoveView]:
    """Moves with the names of who made them."""
    names = await _names(session, {move.actor_id for move, _ in rows})
    return [
        MoveView.model_validate(
            {
                "id": public_id(queries.MOVE, move.id),
                "kind": move.kind,
                "part": public_id(queries.PART, part.id),
                "part_name": part.name,
                "quantity": move.quantity,
                "after": move.after,
                "unit_cost_fen": move.unit_cost_fen,
                "order": order_name(move.order_id) if move.order_id else None,
                "who": names.get(move.actor_id, ""),
                "note": move.note,
                "at": clock.rfc3339(move.recorded_at),
            }
        )
        for move, part in rows
    ]


async def cost_sheet(session: AsyncSession, order: WorkOrder, *, may_charge: bool) -> CostSheetView:
    """What an order costs and what became of it."""
    costs, payers = await costs_of(session, order), await payers_for(session, order)
    names = await _names(session, {line.actor_id for line in costs.lines})
    charges = await queries.charges_of(session, order.id)
    standing = next((charge for charge in charges if charge.refunded_at is None), None)
    sheet = await session.get(CostSheet, order.id)
    payer = (await place_names(session, [payers.payer_id])).get(payers.payer_id) if payers.payer_id else None
    return CostSheetView(
        order=order_name(order.id),
        lines=[
            CostLineView(
                kind=line.kind,
                name=line.name,
                quantity=line.quantity,
                unit=line.unit,
                unit_cost_fen=line.unit_cost_fen,
                amount_fen=line.amount_fen,
                who=names.get(line.actor_id, ""),
                at=clock.rfc3339(line.at),
            )
            for line in costs.lines
        ],
        parts_fen=costs.parts_fen,
        labour_fen=costs.labour_fen,
        total_fen=costs.total_fen,
        payer=public_id("org", payers.payer_id) if payers.payer_id else None,
        payer_name=payer.name_zh if payer is not None else None,
        charge=public_id(queries.CHARGE, standing.id) if standing is not None else None,
        charged_fen=standing.amount_fen if standing is not None else 0,
        charged_at=clock.rfc3339(standing.charged_at) if standing is not None else None,
        refunded_fen=sum(charge.amount_fen for charge in charges if charge.refunded_at is not None),
        refused_code=sheet.refused_code if sheet is not None else None,
        can_charge=may_charge and standing is None and order.state in CHARGEABLE and costs.total_fen > 0,
    )


async def _names(session: AsyncSession, people: Collection[UUID]) -> Mapping[UUID, str]:
    found = await person_summary(session, list(people)) if people else {}
    return {person_id: person.name for person_id, person in found.items()}
