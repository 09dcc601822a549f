"""What a gateway and our books say differently: a person looks into it, and a second one decides with them.

A case ends by itself when the gateway says after all what became of an order. By hand it ends in one of two ways, each with
a written reason and by two people of finance: closed, or the money given back through the gateway. What a gateway has
confirmed and nobody was credited with is booked as `psp_unclaimed` with either, so the books always hold it. Whoever
looks into a case may also have the gateway asked once more.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import (
    EVERYWHERE,
    Cover,
    Place,
    Principal,
    Role,
    decider_of,
    pending_approvals,
    register_executor,
    request_approval,
)
from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound, StateConflict
from kernel.ids import public_id
from kernel.settings import get_settings
from payments import queries
from payments.channel_refunds import service as channel_refunds
from payments.crossing import BookAccount, crossing_lines
from payments.gateways import accounts, channel_orders, settling
from payments.gateways.hearing import lock_with_holder
from payments.ledger import open_period, post_lines
from payments.lines import Booking
from payments.models import ChannelOrder, DifferenceCase

APPROVAL_KIND: Final = "difference_case"
TOP_UP_APPROVAL_KIND: Final = "top_up_refund"
_ASKABLE: Final = frozenset({"written", "unknown", "waiting", "cancelling"})
# Money that leaves, and the kind of its lines.
_LEAVING: Final = {"refund": "channel_refund", "withdrawal": "withdrawal"}


async def list_cases(
    session: AsyncSession, cover: Cover | None, limit: int, before: UUID | None, *, only_open: bool = False
) -> list[dict[str, Any]]:
    """Newest first, one more than the limit, within the regions of `cover`; None is everywhere, and only there stand those
    whose order is none of ours."""
    query = (
        select(DifferenceCase, ChannelOrder)
        .outerjoin(ChannelOrder, ChannelOrder.id == DifferenceCase.order_id)
        .order_by(DifferenceCase.id.desc())
        .limit(limit + 1)
    )
    if cover is not None:
        query = query.where(ChannelOrder.region_id.in_(cover.regions))
    if only_open:
        query = query.where(DifferenceCase.resolved_at.is_(None))
    if before is not None:
        query = query.where(DifferenceCase.id < before)
    rows = (await session.execute(query)).all()
    waiting = await pending_approvals(session, [public_id("dif", case.id) for case, _ in rows])
    return [case_view(case, order, waiting.get(public_id("dif", case.id))) for case, order in rows]


def case_view(case: DifferenceCase, order: ChannelOrder | None, approval_id: UUID | None) -> dict[str, Any]:
    """The wire form. While a second person is asked, nothing else is to be asked for."""
    return {
        "id": public_id("dif", case.id),
        "channel": case.channel,
        "order": case.order_name,
        "kind": case.kind,
        "expected_fen": case.expected_fen,
        "confirmed_fen": case.confirmed_fen,
        "opened_at": clock.rfc3339(case.opened_at),
        "resolved_at": clock.rfc3339(case.resolved_at) if case.resolved_at else None,
        "resolution": case.resolution,
        "reason": case.reason,
        "approval": public_id("apr", approval_id) if approval_id else None,
        "allowed": [] if approval_id else allowed_of(case, order),
    }


def allowed_of(case: DifferenceCase, order: ChannelOrder | None) -> list[str]:
    """What may be done about a case."""
    if case.resolved_at is not None:
        return []
    actions = ["close"]
    if order is not None:
        unclaimed_fen = (order.confirmed_fen or 0) - order.refunded_fen
        if order.purpose not in _LEAVING and order.state in ("disputed", "decided") and unclaimed_fen > 0:
            actions.append("refund")
        if order.state in _ASKABLE:
            actions.append("ask_again")
    return actions


async def _lock_case(session: AsyncSession, case_id: UUID) -> tuple[DifferenceCase, ChannelOrder | None]:
    """The case, and before it the order (and its holder) that it is about."""
    seen = await session.get(DifferenceCase, case_id)
    if seen is None:
        raise NotFound(what="dif")
    order = (await lock_with_holder(session, seen.order_id))[0] if seen.order_id is not None else None
    case = await session.get_one(DifferenceCase, case_id, with_for_update=True, populate_existing=True)
    return case, order


def _require(actor: Principal, order: ChannelOrder | None) -> Place:
    """Of finance where the order's money is; for what is none of ours, everywhere."""
    place = Place(region_id=order.region_id) if order is not None else EVERYWHERE
    actor.require(Role.FINANCE, region_id=place.region_id)
    return place


async def ask_to_settle(
    session: AsyncSession, actor: Principal, case_id: UUID, action: str, reason: str
) -> dict[str, Any]:
    """Ask a second person of finance to close a case, or to give its money back."""
    case, order = await _lock_case(session, case_id)
    place = _require(actor, order)
    subject = public_id("dif", case.id)
    waiting = (await pending_approvals(session, [subject])).get(subject)
    possible = [] if waiting else allowed_of(case, order)
    if action not in possible:
        raise StateConflict(state="pending" if waiting else "open", trigger=action, allowed=possible)
    approval_id = await request_approval(
        session,
        kind=APPROVAL_KIND,
        subject=subject,
        payload={
            "case": str(case.id),
            "action": action,
            "reason": reason,
            "order": case.order_name,
            "kind": case.kind,
            "expected_fen": case.expected_fen,
            "confirmed_fen": case.confirmed_fen,
        },
        requested_by=actor.person_id,
        deciding_roles=[Role.FINANCE],
        reason=reason,
        place=place,
        beneficiary_id=await _owner_of(session, order),
    )
    return case_view(case, order, approval_id)


async def _owner_of(session: AsyncSession, order: ChannelOrder | None) -> UUID | None:
    """Whose money it would be: they decide on it as little as who asked."""
    if order is None or order.holder_id is None:
        return None
    return (await queries.lock_holder(session, order.bucket, order.holder_id)).person_id


async def ask_again(session: AsyncSession, actor: Principal, case_id: UUID) -> dict[str, Any]:
    """Have the gateway asked once more what became of the order; the worker's next look does it."""
    case, order = await _lock_case(session, case_id)
    _require(actor, order)
    if order is None or "ask_again" not in allowed_of(case, order):
        raise StateConflict(state="open", trigger="ask_again", allowed=allowed_of(case, order))
    order.look_due_at = clock.now()
    await record(
        session, actor=actor.actor, action="difference_case.ask_again", subject=public_id("dif", case.id), data={}
    )
    return case_view(case, order, None)


async def _settle(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does."""
    case, order = await _lock_case(session, UUID(payload["case"]))
    action, reason = str(payload["action"]), str(payload["reason"])
    if action not in allowed_of(case, order):
        raise StateConflict(state=case.resolution or "open", trigger=action, allowed=allowed_of(case, order))
    decided_by = public_id("per", await decider_of(session, APPROVAL_KIND, public_id("dif", case.id)))
    if order is not None:
        await _end_order(session, order)
        if action == "refund":
            await channel_refunds.refund_unclaimed(session, order, reason, actor=decided_by, case_id=case.id)
    case.resolved_at, case.resolved_by, case.reason = clock.now(), decided_by, reason
    case.resolution = "refunded" if action == "refund" else "closed"
    await session.flush()
    data = {"action": action, "reason": reason, "order": case.order_name, "kind": case.kind}
    await record(
        session, actor=decided_by, action="difference_case.settle", subject=public_id("dif", case.id), data=data
    )


async def _end_order(session: AsyncSession, order: ChannelOrder) -> None:
    """What nobody tells us is taken as not paid, until somebody does; what came in for nobody is booked as that."""
    if order.purpose in ("top_up", "guest_payment") and order.state in ("written", "unknown", "waiting"):
        await channel_orders.move(session, order, "close", "us")
        await settling.settle(session, order, await _holder_of(session, order))
    elif order.state == "disputed":
        await channel_orders.move(session, order, "decide", "us")
        await settling.settle(session, order, await _holder_of(session, order))
        await _book_unclaimed(session, order)


async def _holder_of(session: AsyncSession, order: ChannelOrder) -> Any:
    if order.holder_id is None:
        return None
    return await queries.lock_holder(session, order.bucket, order.holder_id)


async def _book_unclaimed(session: AsyncSession, order: ChannelOrder) -> None:
    """What came in; or what has left without anybody's account having paid for it."""
    on = clock.business_date(clock.now(), get_settings().zone)
    period = await open_period(session, order.region_id, on)
    booking = Booking(order.bucket, order.id, _LEAVING.get(order.purpose, "unclaimed"), on, period)
    clearing = BookAccount(order.region_id, accounts.clearing(order.channel))
    unclaimed = BookAccount(order.region_id, accounts.unclaimed(order.channel))
    debit, credit = (unclaimed, clearing) if order.purpose in _LEAVING else (clearing, unclaimed)
    before = len(await queries.lines_of(session, order.id))
    await session.flush()
    lines = crossing_lines(booking, debit, credit, order.confirmed_fen or 0, first_ordinal=before)
    await post_lines(session, lines)


async def ask_to_refund_top_up(
    session: AsyncSession, actor: Principal, top_up_id: UUID, amount_fen: int, reason: str
) -> dict[str, Any]:
    """A top-up that should not stand: ask a second person of finance to give it back through its gateway."""
    order, holder = await lock_with_holder(session, top_up_id)
    if order.purpose != "top_up" or holder is None:
        raise NotFound(what="top")
    actor.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    await channel_refunds.refuse_top_up_refund(session, order, holder, amount_fen)
    subject = public_id("top", top_up_id)
    if subject in await pending_approvals(session, [subject]):
        raise StateConflict(state="pending", trigger="refund", allowed=[])
    approval_id = await request_approval(
        session,
        kind=TOP_UP_APPROVAL_KIND,
        subject=subject,
        payload={"top_up": str(top_up_id), "amount_fen": amount_fen, "reason": reason},
        requested_by=actor.person_id,
        deciding_roles=[Role.FINANCE],
        reason=reason,
        place=Place(region_id=holder.region_id),
        beneficiary_id=holder.person_id,
    )
    return {"top_up": subject, "approval": public_id("apr", approval_id), "amount_fen": amount_fen, "status": "asked"}


async def _refund_top_up(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does; what was spent meanwhile is refused now."""
    top_up_id = UUID(payload["top_up"])
    decided_by = await decider_of(session, TOP_UP_APPROVAL_KIND, public_id("top", top_up_id))
    await channel_refunds.refund_top_up(
        session, top_up_id, int(payload["amount_fen"]), str(payload["reason"]), actor=public_id("per", decided_by)
    )


register_executor(APPROVAL_KIND, _settle)
register_executor(TOP_UP_APPROVAL_KIND, _refund_top_up)
