"""Covers held for meetings, and how many a kitchen makes.

`MeetingMeals` is a `MeetingLine` of booking's: it looks like one, and is registered by app/wiring.py. The two domains do not
know each other, so what it takes and gives is described here once more, as far as it is needed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
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
from canteen.opening import Window, instant, windows_on
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
        kitchens = await _Kitchens.load(session, [wish.wanted for wish in wishes])
        served = {wish.line_id: await kitchens.served(session, wish.wanted, wish.organiser) for wish in wishes}
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
        similar = [{**wish.wanted, "canteen": public_id("can", other.id)} for other in others]
        days = [self.moved(wish.wanted, number, "") for number in range(1, _DAYS_AHEAD + 1)]
        ways = [each for each in (*similar, *days) if each != wish.wanted]
        kitchens = await _Kitchens.load(session, [wish.wanted, *ways], others)
        left = await _left(session, kitchens, [wish.wanted, *ways], wish.organiser)
        enough = [way for way, count in zip(ways, left[1:], strict=True) if count >= wish.wanted["covers"]]
        fewer = [("fewer", {**wish.wanted, "covers": left[0]})] if 0 < left[0] < wish.wanted["covers"] else []
        return [
            *[("similar", way) for way in enough if way["canteen"] != wish.wanted["canteen"]][:_CANTEENS_MAX],
            *[("day", way) for way in enough if way["canteen"] == wish.wanted["canteen"]][:_DAYS_MAX],
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


@dataclass(frozen=True, slots=True)
class _Kitchens:
    """Some canteens with their hours, and the kinds of the days in question."""

    sites: Mapping[UUID, CanteenSite]
    windows: Mapping[UUID, Sequence[Window]]
    day_types: DayTypes

    @classmethod
    async def load(
        cls, session: AsyncSession, wanted: Sequence[Mapping[str, Any]], known: Sequence[CanteenSite] = ()
    ) -> "_Kitchens":
        sites = {site.id: site for site in known}
        for canteen_id in sorted({_canteen_of(each["canteen"]) for each in wanted} - set(sites)):
            sites[canteen_id] = await canteens.get_canteen(session, canteen_id)
        first = min(date.fromisoformat(each["business_date"]) for each in wanted)
        around = datetime.combine(first, time(12), UTC)
        return cls(sites, await canteens.windows_of(session, list(sites)), await DayTypes.load(session, around))

    def times(self, canteen_id: UUID, day: date, meal: Meal) -> tuple[datetime, datetime] | None:
        """When a meal is served; None where it is not."""
        windows = windows_on(self.windows[canteen_id], day, self.day_types.of(day))
        window = next((each for each in windows if each.meal == meal), None)
        if window is None:
            return None
        zone = self.sites[canteen_id].zone
        return instant(day, window.starts_minute, zone), instant(day, window.ends_minute, zone)

    def times_wanted(self, wanted: Mapping[str, Any], organiser: Principal) -> tuple[datetime, datetime] | None:
        """The same for a wish, if that unit is served and the meal is still to come."""
        site = self.sites[_canteen_of(wanted["canteen"])]
        if not site.is_open or not site.serves_unit(organiser.unit_id):
            return None
        times = self.times(site.id, date.fromisoformat(wanted["business_date"]), Meal(wanted["meal"]))
        return times if times is not None and times[0] > clock.now() else None

    async def served(self, session: AsyncSession, wanted: Mapping[str, Any], organiser: Principal) -> _Served | None:
        """The meal that is wanted, with its price."""
        times = self.times_wanted(wanted, organiser)
        if times is None:
            return None
        key = _wanted_key(wanted)
        return _Served(key, *times, await _price_fen(session, key[0], key[1], Meal(key[2])))


def _wanted_key(wanted: Mapping[str, Any]) -> DayKey:
    return _canteen_of(wanted["canteen"]), date.fromisoformat(wanted["business_date"]), wanted["meal"]


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


async def _capacities(session: AsyncSession, ids: Collection[UUID]) -> Callable[[DayKey], int]:
    """What each kitchen makes at a meal: what it has said, else as many as it has seats, else nothing."""
    said = await queries.capacities_of(session, ids)
    seats = await queries.seats_of(session, ids)

    def made(key: DayKey) -> int:
        return said.get((key[0], key[2]), seats[key[0]])

    return made


async def _left(
    session: AsyncSession, kitchens: _Kitchens, wanted: Sequence[Mapping[str, Any]], organiser: Principal
) -> list[int]:
    """How many covers could be had, for each; 0 where the meal is not served."""
    keys = [_wanted_key(each) for each in wanted]
    days = await queries.days_of(session, set(keys))
    made = await _capacities(session, {key[0] for key in keys})
    left = []
    for key, each in zip(keys, wanted, strict=True):
        day = days.get(key)
        count = day.capacity - day.taken if day is not None else made(key)
        left.append(count if kitchens.times_wanted(each, organiser) is not None else 0)
    return left


async def _is_to_come(session: AsyncSession, row: Covers) -> bool:
    wanted = {"canteen": public_id("can", row.canteen_id), "business_date": row.business_date.isoformat()}
    kitchens = await _Kitchens.load(session, [wanted])
    times = kitchens.times(row.canteen_id, row.business_date, Meal(row.meal))
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
