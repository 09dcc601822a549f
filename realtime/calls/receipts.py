"""What became of a ring on each device: sent, shown, acked. *Shown* is a page's own word, and a visible page's only."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.errors import Forbidden, Malformed
from kernel.ids import public_id
from kernel.outbox import publish
from realtime.calls import queries
from realtime.calls.events import CallReceiptNoted
from realtime.calls.models import Call, CallReceipt
from realtime.calls.schemas import ReceiptBody


async def note_receipt(session: AsyncSession, actor: Principal, call_id: UUID, body: ReceiptBody) -> Call:
    """A device of somebody who was rung, or of the desk, has the ring or shows it. Said twice, it counts once."""
    call = await queries.get_call(session, call_id)
    at_desk = actor.may(*queries.STAFF_ROLES, region_id=call.region_id)
    if not at_desk and not await queries.is_rung(session, call.id, actor.person_id):
        raise Forbidden
    if body.ring_round > call.ring_round:
        raise Malformed(reason="this round has not been rung yet", field="ring_round")
    if await _write(session, call, body.ring_round, actor.person_id, body.device, is_shown=body.status == "shown"):
        await _tell(session, call, body.ring_round, body.status)
    return call


async def note_acked(session: AsyncSession, call: Call, person_id: UUID, device: str | None) -> None:
    """The ring was answered on this device: so it has been shown there too."""
    if device is None:
        return
    await _write(session, call, call.ring_round, person_id, device, is_shown=True)
    receipt = await session.get_one(CallReceipt, (call.id, call.ring_round, person_id, device), populate_existing=True)
    receipt.acked_at = receipt.acked_at or clock.now()
    await session.flush()
    await _tell(session, call, call.ring_round, "acked")


async def _write(
    session: AsyncSession, call: Call, ring_round: int, person_id: UUID, device: str, *, is_shown: bool
) -> bool:
    """True if something was new. Devices that we had not known of are written down now."""
    now = clock.now()
    row = insert(CallReceipt).values(
        call_id=call.id,
        ring_round=ring_round,
        person_id=person_id,
        device=device,
        sent_at=now,
        shown_at=now if is_shown else None,
    )
    keys = ["call_id", "ring_round", "person_id", "device"]
    if is_shown:
        row = row.on_conflict_do_update(
            index_elements=keys, set_={"shown_at": now}, where=CallReceipt.shown_at.is_(None)
        )
    else:
        row = row.on_conflict_do_nothing(index_elements=keys)
    return await session.scalar(row.returning(CallReceipt.device)) is not None


async def _tell(session: AsyncSession, call: Call, ring_round: int, status: str) -> None:
    counts = (
        await session.execute(
            select(func.count(), func.count(CallReceipt.shown_at)).where(
                CallReceipt.call_id == call.id, CallReceipt.ring_round == ring_round
            )
        )
    ).one()
    publish(
        session,
        CallReceiptNoted(
            happened_at=clock.rfc3339(clock.now()),
            call=public_id(queries.PREFIX, call.id),
            region=public_id("reg", call.region_id),
            ring_round=ring_round,
            status=status,
            sent=counts[0],
            shown=counts[1],
            caller=call.caller_key,
        ),
    )
