"""Parts go in and out. Each move has a name of its own: sent twice, it is one; a part is never lent to two.

What is taken for an order, and what comes back from it, is done under the lock of its cost sheet, so that a charge is of all of it
or of nothing of it.
"""

from datetime import date
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, place_names, place_summary
from kernel import audit_log, clock
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import savepoint
from repairs.orders.models import WorkOrder
from repairs.orders.parties import actor_of, standing_of
from repairs.orders.queries import PREFIX as ORDER
from repairs.orders.queries import get_order
from repairs.orders.states import TAKEN
from repairs.stock import queries
from repairs.stock.errors import MoreThanTaken, PartCodeTaken, PartShort, RateNotAhead, SheetCharged
from repairs.stock.models import LabourRate, Part, PartMove, PartStore
from repairs.stock.schemas import CountBody, NewPartBody, OrderPartBody, RateBody, ReceiveBody, StoreBody

KEEPER_ROLES: Final = (Role.DISPATCHER, Role.SYSTEM_ADMIN)
USER_ROLES: Final = (Role.TECHNICIAN, *KEEPER_ROLES)
# While somebody has it, and while what they did is looked at.
_AT_WORK: Final = (*TAKEN, "done", "disputed")


# ---- stores


async def open_store(session: AsyncSession, person: Principal, body: StoreBody) -> PartStore:
    """A cupboard of a region, perhaps at a place of it."""
    region_id = parse_public_id("reg", body.region)
    person.require(*KEEPER_ROLES, region_id=region_id)
    place_id = parse_public_id("pla", body.place) if body.place is not None else None
    if place_id is not None:
        place = (await place_summary(session, [place_id])).get(place_id)
        if place is None or place.region_id != region_id:
            raise NotFound(what="pla", id=body.place)
    store = PartStore(id=uuid7(), region_id=region_id, place_id=place_id, name=body.name, created_at=clock.now())
    session.add(store)
    subject = public_id(queries.STORE, store.id)
    await audit_log.record(
        session, actor=person.actor, action="stock.open_store", subject=subject, data={"name": body.name}
    )
    return store


async def close_store(session: AsyncSession, person: Principal, store_id: UUID) -> PartStore:
    """Nothing goes in or out any more; what was stays to be read."""
    store = await store_for(session, person, store_id, KEEPER_ROLES)
    if store.closed_at is None:
        store.closed_at = clock.now()
        subject = public_id(queries.STORE, store.id)
        await audit_log.record(session, actor=person.actor, action="stock.close_store", subject=subject, data={})
    return store


async def store_for(
    session: AsyncSession, person: Principal, store_id: UUID, roles: tuple[Role, ...] = USER_ROLES
) -> PartStore:
    """A store that somebody may use, or keep; Forbidden, NotFound."""
    store = await queries.get_store(session, store_id)
    person.require(*roles, region_id=store.region_id)
    return store


async def _open_store_for(
    session: AsyncSession, person: Principal, store_id: UUID, roles: tuple[Role, ...] = USER_ROLES
) -> PartStore:
    store = await store_for(session, person, store_id, roles)
    if store.closed_at is not None:
        raise StateConflict(state="closed", trigger="move", allowed=[])
    return store


# ---- in


async def open_part(session: AsyncSession, person: Principal, store_id: UUID, body: NewPartBody) -> Part:
    """A kind of part, with what lies there already as its first move."""
    store = await _open_store_for(session, person, store_id, KEEPER_ROLES)
    part = Part(
        id=uuid7(),
        store_id=store.id,
        code=body.code,
        name=body.name,
        unit=body.unit,
        unit_cost_fen=body.unit_cost_fen,
        quantity=0,
        minimum=body.minimum,
        created_at=clock.now(),
    )
    try:
        async with savepoint(session):
            session.add(part)
            await session.flush()
    except IntegrityError as error:
        raise PartCodeTaken from error
    if body.quantity:
        first = ReceiveBody(client_id=body.client_id, quantity=body.quantity, unit_cost_fen=body.unit_cost_fen)
        await receive(session, person, store_id, part.id, first)
    subject, data = public_id(queries.PART, part.id), body.model_dump(mode="json")
    await audit_log.record(session, actor=person.actor, action="stock.open_part", subject=subject, data=data)
    return part


async def receive(session: AsyncSession, person: Principal, store_id: UUID, part_id: UUID, body: ReceiveBody) -> Part:
    """More of a part; from now on one costs what was paid for these, where that is said."""
    await _open_store_for(session, person, store_id, KEEPER_ROLES)
    part = await queries.lock_part(session, store_id, part_id)
    if await queries.find_move(session, person.person_id, body.client_id) is not None:
        return part
    part.quantity += body.quantity
    if body.unit_cost_fen is not None:
        part.unit_cost_fen = body.unit_cost_fen
    _move(session, person, part, "received", body.quantity, body.client_id, note=body.note)
    await session.flush()
    return part


async def count(session: AsyncSession, person: Principal, store_id: UUID, part_id: UUID, body: CountBody) -> Part:
    """Somebody has counted: that is what there is, and the difference is written down."""
    await _open_store_for(session, person, store_id, KEEPER_ROLES)
    part = await queries.lock_part(session, store_id, part_id)
    if await queries.find_move(session, person.person_id, body.client_id) is not None:
        return part
    difference, part.quantity = body.quantity - part.quantity, body.quantity
    _move(session, person, part, "counted", difference, body.client_id, note=body.note)
    await session.flush()
    subject = public_id(queries.PART, part.id)
    data = {"quantity": body.quantity, "difference": difference, "note": body.note}
    await audit_log.record(session, actor=person.actor, action="stock.count", subject=subject, data=data)
    return part


# ---- out, and back


async def take_for_order(session: AsyncSession, person: Principal, order_id: UUID, body: OrderPartBody) -> WorkOrder:
    """Parts for an order. Of two who take the last one at once, one gets it; the other is told what is left."""
    order = await order_at_work(session, person, order_id, "take_part")
    store_id, part_id = parse_public_id(queries.STORE, body.store), parse_public_id(queries.PART, body.part)
    await _open_store_for(session, person, store_id)
    await _require_uncharged(session, order_id)
    part = await queries.get_part(session, store_id, part_id)
    if await queries.find_move(session, person.person_id, body.client_id) is not None:
        return order
    taken = await queries.take_out(session, part_id, body.quantity)
    if taken is None:
        left = (await queries.get_part(session, store_id, part_id)).quantity
        raise PartShort(part=public_id(queries.PART, part_id), left=left)
    await session.refresh(part)
    _move(session, person, part, "taken", -body.quantity, body.client_id, order_id=order_id, note=body.note)
    await session.flush()
    return order


async def return_from_order(session: AsyncSession, person: Principal, order_id: UUID, body: OrderPartBody) -> WorkOrder:
    """What was not needed comes back, at what it cost when it was taken; never more than was taken."""
    order = await order_at_work(session, person, order_id, "return_part", also_over=True)
    store_id, part_id = parse_public_id(queries.STORE, body.store), parse_public_id(queries.PART, body.part)
    await _open_store_for(session, person, store_id)
    await _require_uncharged(session, order_id)
    part = await queries.lock_part(session, store_id, part_id)
    if await queries.find_move(session, person.person_id, body.client_id) is not None:
        return order
    own = [move for move, _ in await queries.moves_of(session, [order_id]) if move.part_id == part_id]
    kept = _kept(own)
    if body.quantity > sum(quantity for quantity, _ in kept):
        raise MoreThanTaken(taken=sum(quantity for quantity, _ in kept))
    await _bring_back(session, person, part, order_id, kept, body)
    return order


def _kept(moves: list[PartMove]) -> list[tuple[int, int]]:
    """(how many, at what cost) an order still has of a part, the first taken first."""
    kept: dict[int, int] = {}
    for move in moves:
        kept[move.unit_cost_fen] = kept.get(move.unit_cost_fen, 0) - move.quantity
    return [(quantity, cost_fen) for cost_fen, quantity in kept.items() if quantity > 0]


async def _bring_back(
    session: AsyncSession,
    person: Principal,
    part: Part,
    order_id: UUID,
    kept: list[tuple[int, int]],
    body: OrderPartBody,
) -> None:
    """The last taken first; one move for each price, the first of them under the name that was sent."""
    left, name = body.quantity, body.client_id
    for quantity, cost_fen in reversed(kept):
        back = min(left, quantity)
        if not back:
            break
        part.quantity += back
        _move(session, person, part, "returned", back, name, order_id=order_id, note=body.note, cost_fen=cost_fen)
        left, name = left - back, uuid7()
    await session.flush()


async def order_at_work(
    session: AsyncSession, person: Principal, order_id: UUID, trigger: str, *, also_over: bool = False
) -> WorkOrder:
    """An order that somebody works on: its assignee, or who leads; StateConflict where it is not at work."""
    order = await get_order(session, order_id)
    standing = await standing_of(session, order, actor_of(person))
    if not standing.sides & {"assignee", "lead"}:
        raise Forbidden
    if order.state not in _AT_WORK and not (also_over and order.state in ("cancelled", "merged")):
        raise StateConflict(state=order.state, trigger=trigger, allowed=[])
    return order


async def _require_uncharged(session: AsyncSession, order_id: UUID) -> None:
    await queries.lock_sheet(session, order_id)
    charge = await queries.standing_charge(session, order_id)
    if charge is not None:
        raise SheetCharged(charge=public_id(queries.CHARGE, charge.id), amount_fen=charge.amount_fen)


def _move(
    session: AsyncSession,
    person: Principal,
    part: Part,
    kind: str,
    quantity: int,
    client_id: UUID,
    *,
    note: str,
    order_id: UUID | None = None,
    cost_fen: int | None = None,
) -> None:
    session.add(
        PartMove(
            id=uuid7(),
            part_id=part.id,
            kind=kind,
            quantity=quantity,
            after=part.quantity,
            unit_cost_fen=part.unit_cost_fen if cost_fen is None else cost_fen,
            order_id=order_id,
            actor_id=person.person_id,
            client_id=client_id,
            note=note,
            recorded_at=clock.now(),
        )
    )


# ---- labour


async def set_rate(session: AsyncSession, person: Principal, body: RateBody) -> LabourRate:
    """What an hour costs in a region from a day on, today or later; said again for the same day, it is that."""
    region_id = parse_public_id("reg", body.region)
    person.require(*KEEPER_ROLES, region_id=region_id)
    today = await _today(session, region_id)
    if body.effective_from < today:
        raise RateNotAhead(today=today.isoformat())
    row = await session.scalar(
        queries.list_rates(region_id).where(LabourRate.effective_from == body.effective_from).with_for_update()
    )
    if row is None:
        row = LabourRate(id=uuid7(), region_id=region_id, effective_from=body.effective_from)
        session.add(row)
    row.hour_fen, row.created_by, row.created_at = body.hour_fen, person.actor, clock.now()
    try:
        async with savepoint(session):
            await session.flush()
    except IntegrityError as error:
        raise Malformed(reason="somebody has just written one for this day", field="effective_from") from error
    subject, data = public_id(queries.RATE, row.id), body.model_dump(mode="json")
    await audit_log.record(session, actor=person.actor, action="stock.set_rate", subject=subject, data=data)
    return row


async def _today(session: AsyncSession, region_id: UUID) -> date:
    region = (await place_names(session, [region_id])).get(region_id)
    if region is None:
        raise NotFound(what="reg", id=public_id("reg", region_id))
    return clock.now().astimezone(ZoneInfo(region.timezone)).date()


def order_name(order_id: UUID) -> str:
    """The public id of an order."""
    return public_id(ORDER, order_id)
