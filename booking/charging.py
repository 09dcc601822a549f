"""A booking's cost on its unit's account: charged when it is confirmed, given back when it comes to nothing.

A line of a meeting is charged by the meeting. Who cancels late gets what the rules leave; what the office takes away comes
back whole; who does not come pays.
"""

from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import NotBookable
from booking.models import Bookable, Booking
from booking.pricing import refund_of
from booking.queries import span_of
from identity.api import place_summary
from kernel import clock
from payments.api import charge_unit, refund_charge

# Nobody's own decision: the clock's, or the office's.
_ALL_BACK: Final = frozenset({"supersede", "expire", "reject"})


async def charge(session: AsyncSession, booking: Booking, bookable: Bookable, actor: str) -> None:
    """What it costs as it stands now; a booking that has become dearer or cheaper is charged anew, and the old comes back."""
    if booking.meeting_id is not None or booking.charged_fen == booking.cost_fen:
        return
    await give_back(session, booking, booking.charged_fen, actor)
    booking.charged_fen = booking.refunded_fen = 0
    if booking.cost_fen == 0:
        return
    if booking.unit_id is None:
        raise NotBookable(rule="payer")
    is_first = booking.charge_reference is None
    booking.charge_reference = booking.id if is_first else uuid5(booking.id, f"charge {booking.version}")
    booking.charged_fen = booking.cost_fen
    await charge_unit(
        session,
        kind="booking",
        reference=booking.charge_reference,
        payer_id=booking.unit_id,
        payee_id=await _payee(session, bookable),
        amount_fen=booking.cost_fen,
        business_date=clock.business_date(span_of(booking.during).start, ZoneInfo(bookable.zone)),
        note=f"{bookable.name_zh} · {booking.title}",
        actor=actor,
    )
    await session.flush()


async def _payee(session: AsyncSession, bookable: Bookable) -> UUID:
    """The site where it stands, or else whose it is."""
    if bookable.place_id is not None:
        return (await place_summary(session, [bookable.place_id]))[bookable.place_id].site_id
    assert bookable.unit_id is not None, "what has a rate has a place or a unit (catalogue)"
    return bookable.unit_id


async def refund_after(
    session: AsyncSession, booking: Booking, bookable: Bookable, trigger: str, actor: str, *, is_office: bool
) -> None:
    """What comes back after a step."""
    if booking.charged_fen == 0:
        return
    if trigger in _ALL_BACK or (trigger == "cancel" and is_office):
        await give_back(session, booking, booking.charged_fen, actor)
    elif trigger == "cancel":
        back_fen = refund_of(bookable, span_of(booking.during), booking.charged_fen, clock.now())
        await give_back(session, booking, back_fen, actor)


async def give_back(session: AsyncSession, booking: Booking, amount_fen: int, actor: str) -> None:
    """So much in all of what was charged."""
    if booking.charge_reference is None or amount_fen <= booking.refunded_fen:
        return
    await refund_charge(session, reference=booking.charge_reference, amount_fen=amount_fen, actor=actor)
    booking.refunded_fen = amount_fen
    await session.flush()
