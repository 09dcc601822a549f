"""Canteens: opened at a site, shared with units, closed for a while; and their timetables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.errors import AlreadyThere, DateIsPast, PeriodsOverlap
from canteen.meals import DayType, Meal
from canteen.models import Canteen, CanteenUnit, MealPeriod
from canteen.opening import Closed, Serving, Window, opening_at, overlapping
from canteen.queries import CanteenSite
from canteen.work_days import DayTypes
from identity.api import SiteKind, site_summary
from kernel import audit_log, clock
from kernel.configuration import bump_configuration
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id, uuid7


async def open_canteen(
    session: AsyncSession,
    site_id: UUID,
    *,
    open_to_all: bool,
    unit_ids: Sequence[UUID] = (),
    seats: int | None = None,
    actor: str,
) -> UUID:
    """Serve meals at a site of kind `canteen`. It is open, but has no hours and serves nobody until prices say so."""
    site = (await site_summary(session, [site_id])).get(site_id)
    if site is None:
        raise NotFound(what="sit", id=public_id("sit", site_id))
    if site.kind != SiteKind.CANTEEN:
        raise Malformed(reason="site: not of kind canteen", field="site")
    version = await bump_configuration(session)
    if await session.get(Canteen, site_id) is not None:
        raise AlreadyThere(id=public_id("can", site_id))
    session.add(
        Canteen(
            id=site_id,
            is_open=True,
            open_to_all=open_to_all,
            seats=seats,
            configuration_version=version,
            created_at=clock.now(),
        )
    )
    await session.flush()
    await _write_units(session, site_id, unit_ids)
    await _audit(session, site_id, "open", {"open_to_all": open_to_all, "units": _unit_names(unit_ids)}, actor)
    return site_id


async def edit_canteen(
    session: AsyncSession,
    canteen_id: UUID,
    changes: dict[str, Any],
    *,
    unit_ids: Sequence[UUID] | None = None,
    actor: str,
) -> None:
    """Close or open it, share it or not, change its seats; only what is in `changes`."""
    version = await bump_configuration(session)
    row = await queries.get_row(session, canteen_id)
    for name, value in changes.items():
        setattr(row, name, value)
    row.configuration_version = version
    told = dict(changes)
    if unit_ids is not None:
        await session.execute(delete(CanteenUnit).where(CanteenUnit.canteen_id == canteen_id))
        await _write_units(session, canteen_id, unit_ids)
        told["units"] = _unit_names(unit_ids)
    await session.flush()
    await _audit(session, canteen_id, "edit", told, actor)


async def _write_units(session: AsyncSession, canteen_id: UUID, unit_ids: Sequence[UUID]) -> None:
    rows = [{"canteen_id": canteen_id, "unit_id": unit_id} for unit_id in dict.fromkeys(unit_ids)]
    if not rows:
        return
    try:
        async with session.begin_nested():
            await session.execute(insert(CanteenUnit), rows)
    except IntegrityError:
        raise NotFound(what="org", id="units") from None


def _unit_names(unit_ids: Sequence[UUID]) -> list[str]:
    return [public_id("org", unit_id) for unit_id in unit_ids]


# ---- the timetable


@dataclass(frozen=True, slots=True)
class NewWindow:
    """One line of a timetable. `ends_minute` beyond 1440 lies on the next day."""

    meal: Meal
    day_type: DayType
    starts_minute: int
    ends_minute: int


async def set_timetable(
    session: AsyncSession,
    canteen_id: UUID,
    windows: Sequence[NewWindow],
    *,
    effective_from: date | None = None,
    actor: str,
) -> date:
    """All windows of a canteen from a business date on; what was planned for later goes. Returns that date."""
    version = await bump_configuration(session)
    today = await queries.today_of(session, canteen_id)
    since = effective_from or today
    refuse_past(since, today)
    _refuse_overlap(windows, since)
    for row in await queries.periods_of(session, canteen_id, since):
        # A window that would only have begun later never counts: its span becomes empty.
        row.effective_to = max(since, row.effective_from)
        row.configuration_version = version
    await session.flush()
    if windows:
        await session.execute(
            insert(MealPeriod),
            [
                {
                    "id": uuid7(),
                    "canteen_id": canteen_id,
                    "meal": window.meal.value,
                    "day_type": window.day_type.value,
                    "starts_minute": window.starts_minute,
                    "ends_minute": window.ends_minute,
                    "effective_from": since,
                    "effective_to": None,
                    "configuration_version": version,
                }
                for window in windows
            ],
        )
    told = [[w.meal, w.day_type, w.starts_minute, w.ends_minute] for w in windows]
    await _audit(session, canteen_id, "set_timetable", {"effective_from": since.isoformat(), "windows": told}, actor)
    return since


def refuse_past(since: date, today: date) -> None:
    """What was in force until yesterday stays as it was: sales were priced by it."""
    if since < today:
        raise DateIsPast(earliest=today.isoformat())


def _refuse_overlap(windows: Sequence[NewWindow], since: date) -> None:
    keys = [(window.meal, window.day_type) for window in windows]
    twice = next((meal for meal, day_type in keys if keys.count((meal, day_type)) > 1), None)
    if twice is not None:
        raise PeriodsOverlap(meals=[twice, twice])
    plain = [Window(w.meal, w.day_type, w.starts_minute, w.ends_minute, since, None) for w in windows]
    pair = overlapping(plain)
    if pair is not None:
        raise PeriodsOverlap(meals=[pair[0].meal, pair[1].meal])


async def _audit(session: AsyncSession, canteen_id: UUID, verb: str, data: dict[str, Any], actor: str) -> None:
    await audit_log.record(
        session, actor=actor, action=f"canteen.{verb}", subject=public_id("can", canteen_id), data=data
    )


# ---- now


async def served_now(
    session: AsyncSession, canteens: Sequence[CanteenSite], at: datetime | None = None
) -> dict[UUID, Serving | Closed]:
    """What each of some canteens serves at this moment, or when it opens next."""
    moment = at or clock.now()
    windows = await queries.windows_of(session, [canteen.id for canteen in canteens])
    day_types = await DayTypes.load(session, moment)
    found: dict[UUID, Serving | Closed] = {}
    for canteen in canteens:
        if canteen.is_open:
            found[canteen.id] = opening_at(windows[canteen.id], moment, day_types.of, canteen.zone)
        else:
            found[canteen.id] = Closed(moment, moment, None)
    return found


async def units_of(session: AsyncSession, canteen_id: UUID) -> list[UUID]:
    """The units that a canteen is shared with."""
    rows = await session.scalars(select(CanteenUnit.unit_id).where(CanteenUnit.canteen_id == canteen_id))
    return sorted(rows)
