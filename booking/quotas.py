"""Quotas: so many hours of a kind in a week or a month, for a unit or for each of its people.

Counted are bookings that stand, were used, or were missed; what was cancelled in time is free again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import QuotaExceeded
from booking.models import Bookable, Booking, BookingQuota
from booking.schemas import NewQuota
from booking.spans import Span
from booking.states import OPEN
from identity.api import Principal, place_names
from kernel import audit_log, clock
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id, uuid7

_COUNTED: Final = tuple(state for state in (*OPEN, "completed", "no_show") if state != "waitlisted")
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")


@dataclass(frozen=True, slots=True)
class Left:
    """A quota with what is used of it in one of its periods."""

    quota: BookingQuota
    period: Span
    used: timedelta

    @property
    def left(self) -> timedelta:
        return max(timedelta(hours=self.quota.hours_max) - self.used, timedelta(0))


async def require_within(
    session: AsyncSession,
    bookable: Bookable,
    unit_id: UUID | None,
    person_id: UUID,
    span: Span,
    moved: UUID | None = None,
    quotas: Sequence[BookingQuota] | None = None,
) -> None:
    """QuotaExceeded where a booking would be too much; `moved` is one that stands already and is not counted twice. `quotas`:
    those that count, where the caller knows them."""
    if quotas is None:
        quotas = await counting(session, bookable, unit_id)
    if not quotas:
        return
    # Two requests at once would both count before either is written.
    await session.execute(_ONE_AT_A_TIME, {"key": f"booking quotas of {unit_id or person_id}"})
    for quota in quotas:
        left = await _left(session, quota, unit_id, person_id, period_of(quota, span.start, bookable.zone), moved)
        if left.left < span.end - span.start:
            raise QuotaExceeded(
                hours_max=quota.hours_max,
                left_minutes=left.left // timedelta(minutes=1),
                period=quota.period,
                per=quota.per,
            )


async def counting(session: AsyncSession, bookable: Bookable, unit_id: UUID | None) -> Sequence[BookingQuota]:
    """Those under which a unit and its people have what is like this."""
    return await _quotas_for(session, bookable.region_id, bookable.kind, unit_id)


async def left_for(session: AsyncSession, reader: Principal, kind: str | None) -> list[Left]:
    """What somebody may still have, of each quota that counts for them now."""
    if reader.region_id is None:
        return []
    zone = (await place_names(session, [reader.region_id]))[reader.region_id].timezone
    kinds = [kind] if kind else ["venue", "hotel_room", "car"]
    found = []
    for each in kinds:
        for quota in await _quotas_for(session, reader.region_id, each, reader.unit_id):
            period = period_of(quota, clock.now(), zone)
            found.append(await _left(session, quota, reader.unit_id, reader.person_id, period, None))
    return found


def period_of(quota: BookingQuota, at: datetime, zone: str) -> Span:
    """The week (from Monday) or the month in which an instant lies, on the clock of the place."""
    here = ZoneInfo(zone)
    day = at.astimezone(here).date()
    if quota.period == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    midnights = (datetime.combine(date, time(0), here).astimezone(UTC) for date in (first, after))
    return Span(*midnights)


async def _quotas_for(session: AsyncSession, region_id: UUID, kind: str, unit_id: UUID | None) -> list[BookingQuota]:
    """Of the same sort the unit's own counts, and not the one for all."""
    rows = await session.scalars(
        select(BookingQuota)
        .where(
            BookingQuota.region_id == region_id,
            BookingQuota.kind == kind,
            BookingQuota.ended_at.is_(None),
            or_(BookingQuota.unit_id.is_(None), BookingQuota.unit_id == unit_id),
        )
        .order_by(BookingQuota.unit_id.nulls_first())
    )
    return list({(row.per, row.period): row for row in rows}.values())


async def _left(
    session: AsyncSession,
    quota: BookingQuota,
    unit_id: UUID | None,
    person_id: UUID,
    period: Span,
    moved: UUID | None,
) -> Left:
    length = func.upper(Booking.during) - func.lower(Booking.during)
    chosen = (
        select(func.coalesce(func.sum(length), timedelta(0)))
        .join(Bookable, Bookable.id == Booking.bookable_id)
        .where(
            Bookable.region_id == quota.region_id,
            Bookable.kind == quota.kind,
            Booking.state.in_(_COUNTED),
            func.lower(Booking.during) >= period.start,
            func.lower(Booking.during) < period.end,
        )
    )
    if quota.per == "unit":
        chosen = chosen.where(Booking.unit_id == unit_id)
    else:
        chosen = chosen.where(func.coalesce(Booking.served_id, Booking.organiser_id) == person_id)
    if moved is not None:
        chosen = chosen.where(Booking.id != moved)
    used: timedelta | None = await session.scalar(chosen)
    return Left(quota, period, used or timedelta(0))


# ---- kept by the office


async def open_quota(session: AsyncSession, actor: Principal, new: NewQuota) -> BookingQuota:
    """It counts from now on, for what stands already too; one of the same sort before it ends."""
    region_id = parse_public_id("reg", new.region)
    quota = BookingQuota(
        id=uuid7(),
        region_id=region_id,
        unit_id=parse_public_id("org", new.unit) if new.unit else None,
        version=1,
        created_at=clock.now(),
        ended_at=None,
        **new.model_dump(include={"kind", "per", "period", "hours_max"}),
    )
    before = await session.scalar(
        select(BookingQuota)
        .where(
            BookingQuota.region_id == region_id,
            BookingQuota.kind == quota.kind,
            BookingQuota.unit_id.is_not_distinct_from(quota.unit_id),
            BookingQuota.per == quota.per,
            BookingQuota.period == quota.period,
            BookingQuota.ended_at.is_(None),
        )
        .with_for_update()
    )
    if before is not None:
        return await change_quota(session, actor, before, new.hours_max)
    session.add(quota)
    await session.flush()
    await _note(session, actor, quota, "open")
    return quota


async def get_quota(session: AsyncSession, quota_id: UUID) -> BookingQuota:
    found = await session.get(BookingQuota, quota_id, with_for_update=True)
    if found is None:
        raise NotFound(what="quota")
    return found


async def change_quota(session: AsyncSession, actor: Principal, quota: BookingQuota, hours_max: int) -> BookingQuota:
    """More or fewer hours from now on; nobody loses what stands."""
    if quota.hours_max != hours_max:
        quota.hours_max, quota.version = hours_max, quota.version + 1
        await _note(session, actor, quota, "change")
    return quota


async def end_quota(session: AsyncSession, actor: Principal, quota: BookingQuota) -> BookingQuota:
    """It counts no more."""
    if quota.ended_at is None:
        quota.ended_at, quota.version = clock.now(), quota.version + 1
        await _note(session, actor, quota, "end")
    return quota


async def list_quotas(
    session: AsyncSession, region_id: UUID | None, limit: int, before: UUID | None
) -> Sequence[BookingQuota]:
    """Newest first; one more than the limit."""
    chosen = select(BookingQuota)
    if region_id is not None:
        chosen = chosen.where(BookingQuota.region_id == region_id)
    if before is not None:
        chosen = chosen.where(BookingQuota.id < before)
    return (await session.scalars(chosen.order_by(BookingQuota.id.desc()).limit(limit + 1))).all()


async def _note(session: AsyncSession, actor: Principal, quota: BookingQuota, verb: str) -> None:
    await session.flush()
    data = {"kind": quota.kind, "per": quota.per, "period": quota.period, "hours_max": quota.hours_max}
    subject = public_id("bkq", quota.id)
    await audit_log.record(session, actor=actor.actor, action=f"booking_quota.{verb}", subject=subject, data=data)
