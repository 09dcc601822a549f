"""What a meeting costs: the estimate before, what was had after, one charge for each who is paid, and what is given back.

A line is paid to the site where its hall or room stands, or to whom its car or canteen belongs; what has neither is nobody's
to charge. A meeting is charged when the office settles it, or when it is cancelled too late; each charge has a reference of its
own, so that no second click charges again.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import queries
from booking.meetings.lines import Place, kind_of
from booking.meetings.models import Meeting, MeetingCharge, MeetingLineRow, MeetingPolicy
from booking.meetings.queries import LINE, Rules
from booking.meetings.schemas import HadQuantity, NewMeetingPolicy
from identity.api import Principal, place_names, place_summary
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound
from kernel.ids import parse_public_id, public_id
from kernel.money import split_by_largest_remainder
from payments.api import charge_unit, refund_charge

_KIND: Final = "meeting"


async def asks_office(
    session: AsyncSession, region_id: UUID, rows: Sequence[MeetingLineRow], estimate_fen: int
) -> bool:
    """Whether the office decides: a hall that it always decides on, or a sum above the region's."""
    limit_fen = (await queries.policy_of(session, region_id)).approval_above_fen
    is_dear = limit_fen is not None and estimate_fen > limit_fen
    return is_dear or any(row.needs_approval for row in rows if row.state != "released")


async def set_policy(session: AsyncSession, actor: Principal, region_id: UUID, new: NewMeetingPolicy) -> Rules:
    """A region's rules, from now on; what stands keeps its estimate."""
    named = (await place_names(session, [region_id])).get(region_id)
    if named is None or named.region_id != region_id:
        raise NotFound(what="region")
    row = await session.get(MeetingPolicy, region_id, with_for_update=True)
    values = new.model_dump()
    if row is None:
        session.add(MeetingPolicy(region_id=region_id, version=1, changed_at=clock.now(), **values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
        row.version, row.changed_at = row.version + 1, clock.now()
    await session.flush()
    await audit_log.record(
        session, actor=actor.actor, action="meeting_policy.set", subject=public_id("reg", region_id), data=values
    )
    return await queries.policy_of(session, region_id)


# ---- what is owed


async def places_of_lines(session: AsyncSession, rows: Sequence[MeetingLineRow]) -> dict[UUID, list[Place]]:
    """What each line holds, in the order in which it was held."""
    found: dict[UUID, Place] = {}
    for kind in sorted({row.kind for row in rows}):
        refs = [ref for row in rows if row.kind == kind for ref in row.refs]
        found.update(await kind_of(kind).places_of(session, refs))
    return {row.id: [found[ref] for ref in row.refs if ref in found] for row in rows}


def cancel_fee_fen(meeting: Meeting, rules: Rules) -> int:
    """What it would cost to cancel it now: nothing until shortly before, then so much of the estimate."""
    is_late = clock.now() > meeting.starts_at - timedelta(hours=rules.free_cancel_hours)
    if meeting.state != "confirmed" or not is_late:
        return 0
    return meeting.estimate_fen * rules.late_fee_percent // 100


async def charge_late_cancel(session: AsyncSession, meeting: Meeting, actor: str) -> None:
    """The fee, to those who kept something free for it, each by its share."""
    fee_fen = cancel_fee_fen(meeting, await queries.policy_of(session, meeting.region_id))
    if not fee_fen:
        return
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    shares = await _by_payee(session, {row.id: row.estimate_fen for row in rows if row.state != "released"}, rows)
    parts = split_by_largest_remainder(fee_fen, [*shares.values(), meeting.estimate_fen - sum(shares.values())])
    meeting.fee_fen = sum(parts[: len(shares)])
    on = clock.business_date(clock.now(), ZoneInfo(meeting.zone))
    await _charge(session, meeting, dict(zip(shares, parts, strict=False)), on, f"会议取消费 {meeting.title}", actor)


async def settle(session: AsyncSession, meeting: Meeting, had: Sequence[HadQuantity], actor: str) -> None:
    """Count what was had, and charge the unit for it."""
    rows = [row for row in (await queries.lines_of(session, [meeting.id]))[meeting.id] if row.state != "released"]
    told = {parse_public_id(LINE, each.line): each.quantity for each in had}
    if not set(told) <= {row.id for row in rows}:
        raise Malformed(reason="had: lines of this meeting", field="had")
    scanned = await queries.counted_by_line(session, [row.id for row in rows])
    places = await places_of_lines(session, rows)
    for row in rows:
        row.had_quantity = _had_quantity(row, told, scanned, places[row.id])
        row.had_fen = row.estimate_fen * row.had_quantity // row.quantity
    await session.flush()
    owed = await _by_payee(session, {row.id: row.had_fen or 0 for row in rows}, rows)
    on = clock.business_date(meeting.ends_at, ZoneInfo(meeting.zone))
    await _charge(session, meeting, owed, on, f"会议 {meeting.title}", actor)


def _had_quantity(
    row: MeetingLineRow, told: Mapping[UUID, int], scanned: Mapping[UUID, int], places: Sequence[Place]
) -> int:
    """What the office says; else, where guests are what is counted, those who were scanned, if anybody was; else what was
    asked for, without what was taken away."""
    if row.id in told:
        return told[row.id]
    if kind_of(row.kind).counts_guests and row.id in scanned:
        return scanned[row.id]
    lost = sum(place.is_lost for place in places)
    return row.quantity * (len(places) - lost) // len(places) if lost else row.quantity


async def _by_payee(
    session: AsyncSession, amounts: Mapping[UUID, int], rows: Sequence[MeetingLineRow]
) -> dict[UUID, int]:
    """What each is owed, from what each line comes to; in a fixed order. A line's parts weigh what each was estimated at."""
    live = [row for row in rows if amounts.get(row.id)]
    places = await places_of_lines(session, live)
    sites = await _sites_of(session, [place for each in places.values() for place in each])
    owed: dict[UUID, int] = {}
    for row in live:
        paid = [place for place in places[row.id] if not place.is_lost and place.cost_fen]
        if not paid:
            continue
        for place, part_fen in zip(
            paid, split_by_largest_remainder(amounts[row.id], [place.cost_fen for place in paid]), strict=True
        ):
            payee_id = sites.get(place.place_id) or place.payee_id
            if payee_id is not None and part_fen:
                owed[payee_id] = owed.get(payee_id, 0) + part_fen
    return dict(sorted(owed.items()))


async def _sites_of(session: AsyncSession, places: Sequence[Place]) -> dict[UUID | None, UUID]:
    known = await place_summary(session, {place.place_id for place in places if place.place_id is not None})
    return {place.id: place.site_id for place in known.values()}


async def _charge(
    session: AsyncSession, meeting: Meeting, owed: Mapping[UUID, int], on: date, note: str, actor: str
) -> None:
    if meeting.unit_id is None:
        return
    for payee_id, amount_fen in owed.items():
        # Nobody pays themselves.
        if not amount_fen or payee_id == meeting.unit_id:
            continue
        reference = uuid5(meeting.id, payee_id.hex)
        await charge_unit(
            session,
            kind=_KIND,
            reference=reference,
            payer_id=meeting.unit_id,
            payee_id=payee_id,
            amount_fen=amount_fen,
            business_date=on,
            note=note,
            actor=actor,
        )
        session.add(
            MeetingCharge(
                meeting_id=meeting.id,
                payee_id=payee_id,
                reference=reference,
                amount_fen=amount_fen,
                refunded_fen=0,
                recorded_at=clock.now(),
            )
        )
    await session.flush()


async def refund(session: AsyncSession, meeting: Meeting, actor: str) -> None:
    """Give back all that was charged for it."""
    for charge in (await queries.charges_of(session, [meeting.id]))[meeting.id]:
        await refund_charge(session, reference=charge.reference, amount_fen=charge.amount_fen, actor=actor)
        charge.refunded_fen = charge.amount_fen
    await session.flush()
