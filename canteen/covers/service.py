"""Covers held for meetings, and how many a kitchen makes.

`MeetingMeals` is a `MeetingLine` of booking's: it looks like one, and is registered by app/wiring.py. The two domains do not
know each other, so what it takes and gives is described here once more, as far as it is needed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import func, insert, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries as canteens
from canteen.covers import queries
from canteen.covers.errors import CoversFull, MealNotServed
from canteen.covers.events import CoversChanged
from canteen.covers.models import CoverCapacity, CoverDay, Covers
from canteen.covers.queries import DayKey
from canteen.covers.schemas import Capacities, MealsWish
from canteen.covers.states import COVERS
from canteen.meals import GUEST_CLASS, Meal, OrderState
from canteen.opening import instant, windows_on
from canteen.queries import CanteenSite
from canteen.work_days import DayTypes
from identity.api import Principal
from kernel import audit_log, clock
from kernel.errors import GuanjiaError, Malformed
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish

PREFIX: Final = "cov"
_DAYS_AHEAD: Final = 7
_DAYS_MAX, _CANTEENS_MAX, _CANTEENS_SEEN = 2, 3, 50
# Where the matrix has no price for visitors: the tariff of official meals, by share of a day's hundred yuan.
_TARIFF_FEN: Final = {Meal.BREAKFAST: 2_000, Meal.LUNCH: 4_000, Meal.DINNER: 4_000, Meal.NIGHT: 2_000}
_TRIGGERS: Final = {
    "confirm": "confirm",
    "approve": "approve",
    "cancel": "release",
    "expire": "release",
    "reject": "release",
    "replace": "release",
    "finish": "release",
}


class WishedMeal(Protocol):
    """What is read of a meeting's wish."""

    @property
    def line_id(self) -> UUID: ...
    @property
    def wanted(self) -> Mapping[str, Any]: ...
    @property
    def title(self) -> str: ...
    @property
    def organiser(self) -> Principal: ...
    @property
    def region_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class HeldMeal:
    """What holding some covers has come to."""

    refs: Sequence[UUID]
    starts_at: datetime
    ends_at: datetime
    quantity: int
    estimate_fen: int
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class MealPlace:
    """A canteen as guests look for it, with what is cooked."""

    id: str
    name_zh: str
    name_en: str
    payee_id: UUID
    cost_fen: int
    menu: Sequence[tuple[str, str]]
    place_id: None = None
    driver_id: None = None
    plate: None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class _Served:
    """A meal of a day that a canteen serves."""

    key: DayKey
    starts_at: datetime
    ends_at: datetime
    price_fen: int


class MeetingMeals:
    """Meals as a kind of line: so many covers at a canteen, at one meal of one day."""

    kind: ClassVar[str] = "meals"
    counts_guests: ClassVar[bool] = True

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        try:
            wish = MealsWish.model_validate(dict(wanted))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["line", *(str(part) for part in first["loc"])])
            raise Malformed(reason=f"{where}: {first['msg']}", field=where) from None
        return {**wish.model_dump(mode="json"), "canteen": public_id("can", _canteen_of(wish.canteen))}

    def moved(self, wanted: Mapping[str, Any], days: int, _zone: str) -> dict[str, Any]:
        later = date.fromisoformat(wanted["business_date"]) + timedelta(days=days)
        return {**wanted, "business_date": later.isoformat()}

    def locks_of(self, wanted: Mapping[str, Any], _region_id: UUID) -> Sequence[str]:
        return [f"{wanted['canteen']}:{wanted['business_date']}:{wanted['meal']}"]

    async def hold(
        self, session: AsyncSession, wishes: Sequence[WishedMeal], state: str
    ) -> Mapping[UUID, HeldMeal | GuanjiaError]:
        """In order of canteen, day and meal. What is left is looked at under the day's lock; the database would refuse the
        rest too."""
        served = {wish.line_id: await _served(session, wish.wanted, wish.organiser) for wish in wishes}
        days = await _open_days(session, {each.key for each in served.values() if each is not None})
        found: dict[UUID, HeldMeal | GuanjiaError] = {}
        rows: list[Covers] = []
        left = {key: day.capacity - day.taken for key, day in days.items()}
        for wish in wishes:
            meal = served[wish.line_id]
            if meal is None:
                found[wish.line_id] = MealNotServed(canteen=wish.wanted["canteen"])
            elif left[meal.key] < wish.wanted["covers"]:
                found[wish.line_id] = CoversFull(left=left[meal.key])
            else:
                left[meal.key] -= wish.wanted["covers"]
                row = _row(wish, meal, "confirmed" if state == "confirmed" else "held")
                rows.append(row)
                found[wish.line_id] = _held(row, meal)
        await _write(session, sorted(rows, key=_key_of))
        return found

    async def suggest(self, session: AsyncSession, wish: WishedMeal) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Other canteens for the same meal, the same one on other days, or as many covers as there are."""
        others = await canteens.list_canteens(session, limit=_CANTEENS_SEEN, region_id=wish.region_id)
        similar = [("similar", {**wish.wanted, "canteen": public_id("can", other.id)}) for other in others]
        days = [("day", self.moved(wish.wanted, number, "")) for number in range(1, _DAYS_AHEAD + 1)]
        left = await _left(session, wish.wanted, wish.organiser)
        fewer = [("fewer", {**wish.wanted, "covers": left})] if 0 < left < wish.wanted["covers"] else []
        return [
            *await _first(session, wish, similar, _CANTEENS_MAX),
            *await _first(session, wish, days, _DAYS_MAX),
            *fewer,
        ]

    async def move(self, session: AsyncSession, refs: Collection[UUID], trigger: str, _actor: str, _words: str) -> None:
        """Follow the meeting; a meal that was served already stays served."""
        pulled = _TRIGGERS.get(trigger)
        if pulled is None or not refs:
            return
        rows = await queries.covers_by_id(session, refs)
        await queries.lock_days(session, {_key_of(row) for row in rows.values()})
        for row in sorted(rows.values(), key=_key_of):
            after = COVERS.get((row.state, pulled))
            if after is None or (trigger == "finish" and not await _is_to_come(session, row)):
                continue
            row.state, row.changed_at = after, clock.now()
            publish(session, _changed(row))
        await session.flush()

    async def places_of(self, session: AsyncSession, refs: Collection[UUID]) -> Mapping[UUID, MealPlace]:
        rows = await queries.covers_by_id(session, refs)
        found: dict[UUID, MealPlace] = {}
        for row in rows.values():
            canteen = await canteens.get_canteen(session, row.canteen_id)
            found[row.id] = MealPlace(
                id=public_id("can", canteen.id),
                name_zh=canteen.name_zh,
                name_en=canteen.name_en,
                payee_id=canteen.id,
                cost_fen=row.price_fen * row.covers,
                menu=await _menu_of(session, row),
            )
        return found

    async def note_needs(self, session: AsyncSession, refs: Collection[UUID], needs: Mapping[str, int]) -> None:
        """The kitchen hears how many eat otherwise."""
        rows = await queries.covers_by_id(session, refs)
        for row in sorted(rows.values(), key=_key_of):
            if row.needs != needs:
                row.needs, row.changed_at = dict(needs), clock.now()
                publish(session, _changed(row))
        await session.flush()


def _canteen_of(text: str) -> UUID:
    return parse_public_id("sit" if text.startswith("sit_") else "can", text)


def _key_of(row: Covers) -> DayKey:
    return row.canteen_id, row.business_date, row.meal


def _row(wish: WishedMeal, meal: _Served, state: str) -> Covers:
    canteen_id, business_date, name = meal.key
    now = clock.now()
    return Covers(
        id=uuid7(),
        canteen_id=canteen_id,
        business_date=business_date,
        meal=name,
        title=wish.title,
        covers=wish.wanted["covers"],
        price_fen=meal.price_fen,
        needs={},
        state=state,
        created_at=now,
        changed_at=now,
    )


def _held(row: Covers, meal: _Served) -> HeldMeal:
    return HeldMeal((row.id,), meal.starts_at, meal.ends_at, row.covers, row.covers * row.price_fen)


async def _write(session: AsyncSession, rows: Sequence[Covers]) -> None:
    if not rows:
        return
    names = [column.key for column in Covers.__table__.columns]
    await session.execute(insert(Covers), [{name: getattr(row, name) for name in names} for row in rows])
    publish(session, *(_changed(row) for row in rows))


def _changed(row: Covers) -> CoversChanged:
    return CoversChanged(
        happened_at=clock.rfc3339(row.changed_at),
        canteen=public_id("can", row.canteen_id),
        covers=public_id(PREFIX, row.id),
        business_date=row.business_date.isoformat(),
        meal=row.meal,
        count=row.covers,
        state=row.state,
    )


# ---- what is served, and what is left


async def _served(session: AsyncSession, wanted: Mapping[str, Any], organiser: Principal) -> _Served | None:
    """The meal that is wanted, if the canteen serves it to this unit and it is still to come."""
    canteen = await canteens.get_canteen(session, _canteen_of(wanted["canteen"]))
    day, meal = date.fromisoformat(wanted["business_date"]), Meal(wanted["meal"])
    if not canteen.is_open or not canteen.serves_unit(organiser.unit_id):
        return None
    times = await _times_of(session, canteen, day, meal)
    if times is None or times[0] <= clock.now():
        return None
    return _Served((canteen.id, day, meal.value), *times, await _price_fen(session, canteen.id, day, meal))


async def _times_of(
    session: AsyncSession, canteen: CanteenSite, day: date, meal: Meal
) -> tuple[datetime, datetime] | None:
    windows = (await canteens.windows_of(session, [canteen.id]))[canteen.id]
    kind = (await DayTypes.load(session, instant(day, 0, canteen.zone))).of(day)
    window = next((each for each in windows_on(windows, day, kind) if each.meal == meal), None)
    if window is None:
        return None
    return instant(day, window.starts_minute, canteen.zone), instant(day, window.ends_minute, canteen.zone)


async def _price_fen(session: AsyncSession, canteen_id: UUID, day: date, meal: Meal) -> int:
    """What a visitor pays: the canteen's own price, else the general one, else the tariff."""
    for owner in (canteen_id, None):
        for row in await canteens.prices_of(session, owner, day):
            if (row.person_class, row.meal, row.order_state, row.serving) == (GUEST_CLASS, meal, OrderState.WALK_IN, 1):
                return row.price_fen
    return _TARIFF_FEN[meal]


async def _open_days(session: AsyncSession, keys: Collection[DayKey]) -> dict[DayKey, CoverDay]:
    """The days, locked; one that nobody has wanted yet begins with what the kitchen makes."""
    if not keys:
        return {}
    made = await _capacities(session, {canteen_id for canteen_id, _, _ in keys})
    rows = [
        {"canteen_id": key[0], "business_date": key[1], "meal": key[2], "capacity": made(key), "taken": 0}
        for key in sorted(keys)
    ]
    await session.execute(upsert(CoverDay).values(rows).on_conflict_do_nothing())
    return await queries.lock_days(session, keys)


async def _capacities(session: AsyncSession, ids: Collection[UUID]) -> Any:
    """What each kitchen makes at a meal: what it has said, else as many as it has seats, else nothing."""
    said = await queries.capacities_of(session, ids)
    seats = {identifier: (await canteens.get_canteen(session, identifier)).seats or 0 for identifier in ids}

    def made(key: DayKey) -> int:
        return said.get((key[0], key[2]), seats[key[0]])

    return made


async def _left(session: AsyncSession, wanted: Mapping[str, Any], organiser: Principal) -> int:
    """How many covers could be had; 0 where the meal is not served."""
    meal = await _served(session, wanted, organiser)
    if meal is None:
        return 0
    day = (await queries.days_of(session, [meal.key])).get(meal.key)
    if day is not None:
        return day.capacity - day.taken
    made: int = (await _capacities(session, [meal.key[0]]))(meal.key)
    return made


async def _first(
    session: AsyncSession, wish: WishedMeal, ways: Iterable[tuple[str, dict[str, Any]]], most: int
) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for way in ways:
        if len(found) == most:
            break
        if way[1] != wish.wanted and await _left(session, way[1], wish.organiser) >= wish.wanted["covers"]:
            found.append(way)
    return found


async def _is_to_come(session: AsyncSession, row: Covers) -> bool:
    canteen = await canteens.get_canteen(session, row.canteen_id)
    times = await _times_of(session, canteen, row.business_date, Meal(row.meal))
    return times is not None and times[0] > clock.now()


async def _menu_of(session: AsyncSession, row: Covers) -> list[tuple[str, str]]:
    menu = await canteens.find_menu(session, row.canteen_id, row.business_date, row.meal)
    if menu is None or menu.state != "published":
        return []
    items = await canteens.items_of(session, [menu.id])
    return [(dish.name_zh, dish.name_en) for _, dish in items[menu.id]]


# ---- the kitchen's say


async def set_capacities(session: AsyncSession, canteen_id: UUID, new: Capacities, *, actor: str) -> Capacities:
    """How many covers it makes, from now on. Of a day that more have been promised for already, these stay promised."""
    values: dict[str, int] = new.model_dump(exclude_none=True)
    canteen = await canteens.get_canteen(session, canteen_id)
    for meal, covers_max in sorted(values.items()):
        row = {"covers_max": covers_max, "changed_by": actor, "changed_at": clock.now()}
        await session.execute(
            upsert(CoverCapacity)
            .values(canteen_id=canteen_id, meal=meal, **row)
            .on_conflict_do_update(index_elements=[CoverCapacity.canteen_id, CoverCapacity.meal], set_=row)
        )
        await session.execute(
            update(CoverDay)
            .where(CoverDay.canteen_id == canteen_id, CoverDay.meal == meal, CoverDay.business_date >= canteen.today())
            .values(capacity=func.greatest(covers_max, CoverDay.taken))
        )
    await audit_log.record(
        session, actor=actor, action="canteen.set_covers", subject=public_id("can", canteen_id), data=dict(values)
    )
    return await capacities_of(session, canteen_id)


async def capacities_of(session: AsyncSession, canteen_id: UUID) -> Capacities:
    """What the kitchen has said."""
    said = await queries.capacities_of(session, [canteen_id])
    return Capacities.model_validate({meal: covers_max for (_, meal), covers_max in said.items()})
