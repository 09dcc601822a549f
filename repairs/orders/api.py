"""The front door of work orders: what the other folders of repairs and the wiring may call.

Who may read the pictures of an order: `may_read_files`. An order for who keeps parts or figures: `order_summary`,
`may_work_on`, `may_see_order`, `lock_for_work`. A call becomes an order by `RepairOfCall`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Terminal, site_summary
from kernel.errors import Forbidden, NotFound
from repairs.orders import queries
from repairs.orders.channels import DESK_OF_REPAIRS
from repairs.orders.hand_over import RepairOfCall
from repairs.orders.models import WorkOrder
from repairs.orders.parties import actor_of, is_staff, standing_of
from repairs.orders.raising import Report, Spot, raise_order
from repairs.orders.service import pull

__all__ = [
    "DESK_OF_REPAIRS",
    "OrderSummary",
    "RepairOfCall",
    "Report",
    "Spot",
    "category_names",
    "lock_for_work",
    "may_read_files",
    "may_see_order",
    "may_work_on",
    "order_summary",
    "pull",
    "raise_order",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSummary:
    """An order as its neighbours need it."""

    id: UUID
    region_id: UUID
    site_id: UUID | None
    category_id: UUID
    urgency: str
    state: str
    version: int
    place_id: UUID | None
    place_path: tuple[UUID, ...]
    place_text: str
    words: str
    assignee_id: UUID | None
    # The unit of the person served bears the cost; the operator of the place's site is paid.
    payer_unit_id: UUID | None
    site_operator_id: UUID | None
    raised_at: datetime
    finished_at: datetime | None


async def order_summary(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, OrderSummary]:
    """Some orders; unknown ids are absent."""
    rows = await queries.orders_by_id(session, ids)
    sites = await site_summary(session, [row.site_id for row in rows if row.site_id is not None])
    return {
        row.id: OrderSummary(
            id=row.id,
            region_id=row.region_id,
            site_id=row.site_id,
            category_id=row.category_id,
            urgency=row.urgency,
            state=row.state,
            version=row.version,
            place_id=row.place_id,
            place_path=tuple(row.place_path),
            place_text=row.place_text,
            words=row.words,
            assignee_id=row.assignee_id,
            payer_unit_id=row.unit_id,
            site_operator_id=sites[row.site_id].operator_id if row.site_id in sites else None,
            raised_at=row.raised_at,
            finished_at=row.finished_at,
        )
        for row in rows
    }


async def may_work_on(session: AsyncSession, person: Principal, order_id: UUID) -> bool:
    """Whoever has it, and who leads them."""
    order = await queries.get_order(session, order_id)
    return _works(order, person)


def _works(order: WorkOrder, person: Principal) -> bool:
    is_lead = person.may(*queries.LEAD_ROLES, region_id=order.region_id, site_id=order.site_id)
    return is_lead or order.assignee_id == person.person_id


async def lock_for_work(session: AsyncSession, person: Principal, order_id: UUID) -> WorkOrder:
    """The order's row, locked, for whoever works on it; Forbidden for others."""
    order = await queries.lock_order(session, order_id)
    if not _works(order, person):
        raise Forbidden
    return order


async def may_see_order(session: AsyncSession, person: Principal, order_id: UUID) -> bool:
    """Whose it is, who has it, and those at its region's desk."""
    try:
        await standing_of(session, await queries.get_order(session, order_id), actor_of(person))
    except Forbidden:
        return False
    return True


async def category_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, tuple[str, str]]:
    """The Chinese and English names of some categories."""
    rows = await queries.categories_by_id(session, ids)
    return {identifier: (row.name_zh, row.name_en) for identifier, row in rows.items()}


async def may_read_files(session: AsyncSession, reader: Principal | Terminal, owner: str) -> bool:
    """Whoever may see an order may see its pictures, and those of its public notes; the staff those of all notes. Who was
    merged into another order's parties sees that one's, and those at its desk see both."""
    if not isinstance(reader, Principal):
        return False
    note = await queries.note_of_files(session, owner) if owner.startswith(queries.NOTE) else None
    order_id = note.order_id if note is not None else await queries.order_of_files(session, owner)
    if order_id is None:
        return False
    try:
        order = await queries.get_order(session, order_id)
        standing = await standing_of(session, order, actor_of(reader))
    except (Forbidden, NotFound):
        return False
    return note is None or note.is_public or is_staff(standing.sides)
