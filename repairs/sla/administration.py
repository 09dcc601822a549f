"""What administrators keep: targets with the days on which they count, and the hours of places. Each change is in the audit log."""

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role, place_names, place_summary, regions_up
from kernel import audit_log, clock
from kernel.calendar import OutOfReach, WorkCalendar
from kernel.configuration import bump_configuration
from kernel.errors import Malformed, NotFound
from kernel.ids import parse_public_id, public_id, uuid7
from repairs.sla import queries
from repairs.sla.errors import HoursUnsound, PromiseOutOfReach, TargetNotAhead
from repairs.sla.models import SlaHours, SlaTarget
from repairs.sla.promises import HOUSE_TARGETS, OFFICE, Book, Hours, day_types, fresh_book, shifts_of
from repairs.sla.schemas import HoursBody, TargetBody

KEEPER_ROLES: Final = (Role.DISPATCHER, Role.SYSTEM_ADMIN)
# What is due later than in two years is no promise.
DUE_WITHIN: Final = timedelta(days=730)


async def open_target(session: AsyncSession, person: Principal, body: TargetBody) -> SlaTarget:
    """A promise from a day on; the one that counted until then ends, one that begins later follows."""
    region_id = parse_public_id("reg", body.region)
    person.require(*KEEPER_ROLES, region_id=region_id)
    if not body.response_s <= body.arrival_s <= body.resolution_s:
        raise Malformed(reason="first an answer, then somebody there, then done", field="resolution_s")
    today = await _today(session, region_id)
    if body.effective_from < today:
        raise TargetNotAhead(today=today.isoformat())
    category_id = parse_public_id(queries.CATEGORY, body.category) if body.category is not None else None
    # Two who write the same promise at once queue here.
    await bump_configuration(session)
    if body.hours == "place":
        book = await fresh_book(session)
        near = await _regions_beside(session, region_id, (region for region, _ in book.hours))
        for hours in (OFFICE, *(own for (region, _), own in book.hours.items() if region in near)):
            _refuse_out_of_reach(book, hours, body.resolution_s)
    target = SlaTarget(
        id=uuid7(),
        region_id=region_id,
        category_id=category_id,
        urgency=body.urgency,
        response_s=body.response_s,
        arrival_s=body.arrival_s,
        resolution_s=body.resolution_s,
        warn_percent=body.warn_percent,
        hours=body.hours,
        effective_from=body.effective_from,
        effective_until=await _make_room(session, region_id, category_id, body),
        created_by=person.actor,
        created_at=clock.now(),
    )
    session.add(target)
    await session.flush()
    await _note(session, person, "target.open", public_id(queries.TARGET, target.id), body.model_dump(mode="json"))
    return target


async def _make_room(session: AsyncSession, region_id: UUID, category_id: UUID | None, body: TargetBody) -> date | None:
    """End the target that counts on the first day; the day before which the new one ends, where a later one is there."""
    begins = body.effective_from
    until: date | None = None
    for row in await session.scalars(queries.targets_like(region_id, category_id, body.urgency, begins)):
        if row.effective_from <= begins:
            row.effective_until = begins
        else:
            until = row.effective_from if until is None else min(until, row.effective_from)
    return until


async def retire_target(session: AsyncSession, person: Principal, target_id: UUID, until: date | None) -> SlaTarget:
    """It does not count any more from a day on; orders that carry it keep it."""
    target = await queries.get_target(session, target_id)
    person.require(*KEEPER_ROLES, region_id=target.region_id)
    today = await _today(session, target.region_id)
    ends = until or today
    if ends < today:
        raise TargetNotAhead(today=today.isoformat())
    await bump_configuration(session)
    await session.refresh(target)
    ends = max(ends, target.effective_from)
    target.effective_until = ends if target.effective_until is None else min(ends, target.effective_until)
    data = {"effective_until": target.effective_until.isoformat()}
    await _note(session, person, "target.retire", public_id(queries.TARGET, target.id), data)
    return target


async def set_hours(session: AsyncSession, person: Principal, body: HoursBody) -> SlaHours:
    """The hours of a region or place, for orders from now on; those before it are retired."""
    region_id = parse_public_id("reg", body.region)
    person.require(*KEEPER_ROLES, region_id=region_id)
    today = await _today(session, region_id)
    place_id = parse_public_id("pla", body.place) if body.place is not None else None
    if place_id is not None:
        await _refuse_foreign_place(session, place_id, region_id)
    shifts = [[_wall(start), _wall(end)] for start, end in body.shifts]
    try:
        WorkCalendar(ZoneInfo("UTC"), shifts_of(shifts))
    except ValueError as error:
        raise HoursUnsound from error
    await bump_configuration(session)
    await _refuse_too_few(session, region_id, Hours("own", day_types(body.days), shifts_of(shifts)), today)
    await _retire_like(session, region_id, place_id)
    hours = SlaHours(
        id=uuid7(),
        region_id=region_id,
        place_id=place_id,
        days=list(dict.fromkeys(body.days)),
        shifts=shifts,
        created_by=person.actor,
        created_at=clock.now(),
        retired_at=None,
    )
    session.add(hours)
    await session.flush()
    await _note(session, person, "hours.set", public_id(queries.HOURS, hours.id), body.model_dump(mode="json"))
    return hours


async def retire_hours(session: AsyncSession, person: Principal, hours_id: UUID) -> SlaHours:
    """From now on the hours of the place or region above count."""
    hours = await queries.get_hours(session, hours_id)
    person.require(*KEEPER_ROLES, region_id=hours.region_id)
    await bump_configuration(session)
    await session.refresh(hours)
    if hours.retired_at is None:
        hours.retired_at = clock.now()
        await _note(session, person, "hours.retire", public_id(queries.HOURS, hours.id), {})
    return hours


async def _refuse_too_few(session: AsyncSession, region_id: UUID, hours: Hours, today: date) -> None:
    """Everything that is promised, now or from a later day on, to whom these hours may count, and the house's own promises."""
    book = await fresh_book(session)
    standing = [row for row in book.targets if row.effective_until is None or row.effective_until > today]
    near = await _regions_beside(session, region_id, (row.region_id for row in standing))
    written = [row.resolution_s for row in standing if row.hours == "place" and row.region_id in near]
    house = [target.seconds["resolution"] for target in HOUSE_TARGETS.values() if target.hours == "place"]
    _refuse_out_of_reach(book, hours, max(*written, *house))


async def _regions_beside(session: AsyncSession, region_id: UUID, others: Iterable[UUID]) -> set[UUID]:
    """Those of the others that lie above the region or below it, and itself."""
    above = set(await regions_up(session, region_id))
    return {region for region in set(others) if region in above or region_id in await regions_up(session, region)}


def _refuse_out_of_reach(book: Book, hours: Hours, resolution_s: int) -> None:
    """In any zone of the house an hour is as long: the days' own is near enough."""
    now = clock.now()
    try:
        due_at = book.calendar(ZoneInfo("UTC"), hours).add(now, resolution_s)
    except OutOfReach as error:
        due_at = error.searched_until
    if due_at - now > DUE_WITHIN:
        raise PromiseOutOfReach(hours=-(-resolution_s // 3600), days_max=DUE_WITHIN.days)


async def _retire_like(session: AsyncSession, region_id: UUID, place_id: UUID | None) -> None:
    former = await session.scalar(
        select(SlaHours).where(
            SlaHours.region_id == region_id,
            SlaHours.place_id.is_not_distinct_from(place_id),
            SlaHours.retired_at.is_(None),
        )
    )
    if former is not None:
        former.retired_at = clock.now()
        await session.flush()


async def _refuse_foreign_place(session: AsyncSession, place_id: UUID, region_id: UUID) -> None:
    place = (await place_summary(session, [place_id])).get(place_id)
    if place is None or place.region_id != region_id:
        raise NotFound(what="pla", id=public_id("pla", place_id))


async def _today(session: AsyncSession, region_id: UUID) -> date:
    region = (await place_names(session, [region_id])).get(region_id)
    if region is None:
        raise NotFound(what="reg", id=public_id("reg", region_id))
    return clock.now().astimezone(ZoneInfo(region.timezone)).date()


def _wall(value: time) -> str:
    if value.second or value.microsecond or value.tzinfo is not None:
        raise Malformed(reason="hours are local times in whole minutes", field="shifts")
    return f"{value:%H:%M}"


async def _note(session: AsyncSession, person: Principal, action: str, subject: str, data: dict[str, Any]) -> None:
    await audit_log.record(session, actor=person.actor, action=f"sla.{action}", subject=subject, data=data)
