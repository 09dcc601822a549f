"""What somebody may count, and the answer: each topic counted by one statement, then put into words and order."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceSummary, Principal, person_summary, place_names, place_summary, places_below, regions_up
from kernel import clock
from kernel.errors import Forbidden, Malformed, NotFound
from kernel.ids import parse_public_id, public_id
from repairs.orders import queries as orders
from repairs.orders.models import RepairCategory
from repairs.orders.states import WORK_ORDER, states_of
from repairs.sla.kinds import MILESTONES, URGENCIES
from repairs.statistics import queries
from repairs.statistics.figures import SCORES, TIME_BINS_S, Step, begin_of, mean, percent, steps_of
from repairs.statistics.queries import Chosen, Region
from repairs.statistics.schemas import (
    CostFigures,
    CostOf,
    FlowPoint,
    NamedFigures,
    OpenProblem,
    OrderCounts,
    OrderCountsOf,
    ProblemFigures,
    PromiseFigures,
    PromisesOfCategory,
    PromisesOfUrgency,
    RepairStatistics,
    SatisfactionOfCategory,
    SatisfactionPoint,
    SatisfactionSummary,
    StateCount,
    TechnicianFigures,
    TimeBin,
)
from repairs.stock.queries import rates_of

# Twelve weeks with the one that runs.
USUAL_DAYS: Final = 84
DAYS_MAX: Final = 1_100
_YEARS: Final = range(2000, 2101)
# Without a place asked for, houses are told apart: the second on the way from the root.
_HOUSES: Final = 2
# Nobody outside of all houses stands in the world's first time zone alone: the house's days where no region is asked for.
_HOUSE_ZONE: Final = "Asia/Shanghai"
_NAMELESS: Final = NamedFigures(id=None, name_zh="", name_en="")

Names = Mapping[UUID, NamedFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it was sent; days include the last one."""

    region: str | None = None
    place: str | None = None
    category: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    by: Step = "week"


async def count_repairs(session: AsyncSession, person: Principal, asked: Asked) -> RepairStatistics:
    """The figures, of the regions in which somebody leads the office.

    Raises:
        Forbidden: they lead none, or not the one asked for.
        NotFound: there is no such region, place or category.
        Malformed: days in the wrong order, or too many of them.
    """
    region_ids = await _regions_of(session, person, asked)
    first_day, last_day = _days_of(asked)
    regions = await _open_regions(session, region_ids, first_day, last_day)
    category, kinds = await _kinds_of(session, asked.category)
    place = await _place_of(session, asked.place)
    chosen = Chosen(
        regions=regions,
        categories=kinds,
        place_id=place.id if place is not None else None,
        place_level=len(place.path) + 1 if place is not None else _HOUSES,
        step=asked.by,
        now=clock.now(),
    )
    known = {row.id: _category(row) for row in await orders.list_categories(session, also_retired=True)}
    named = await place_names(session, [region.id for region in regions])
    return RepairStatistics(
        first_day=first_day,
        last_day=last_day,
        by=asked.by,
        counted_at=clock.rfc3339(chosen.now),
        regions=[_named("reg", row.id, row.name_zh, row.name_en) for row in _by_name(named.values())],
        category=_category(category) if category is not None else None,
        place=_named("pla", place.id, place.full_name_zh, place.full_name_en) if place is not None else None,
        **await _counts(session, chosen, known),
        flow=await _flow(session, chosen, first_day, last_day),
        **await _promises(session, chosen, known),
        times=await _times(session, chosen),
        technicians=await _technicians(session, chosen),
        **await _satisfaction(session, chosen, known, first_day, last_day),
        **await _costs(session, chosen, known),
        problems=await _problems(session, chosen, known),
    )


# ---- what is asked for


async def _regions_of(session: AsyncSession, person: Principal, asked: Asked) -> Collection[UUID]:
    if not person.holds(*orders.LEAD_ROLES):
        raise Forbidden(roles=[str(role) for role in orders.LEAD_ROLES])
    if asked.region is not None:
        region_id = parse_public_id("reg", asked.region)
        person.require(*orders.LEAD_ROLES, region_id=region_id)
        # A role reaches downwards, and so do the figures.
        known = await queries.regions_with_orders(session)
        return {region_id, *[below for below in known if region_id in await regions_up(session, below)]}
    cover = person.cover_of(*orders.LEAD_ROLES)
    return cover.regions if cover is not None else await queries.regions_with_orders(session)


def _days_of(asked: Asked) -> tuple[date, date]:
    """Whole weeks until today, where nobody says otherwise."""
    today = clock.now().astimezone(ZoneInfo(_HOUSE_ZONE)).date()
    last = asked.last_day or (max(today, asked.first_day) if asked.first_day is not None else today)
    if last.year not in _YEARS:
        raise Malformed(reason="years are 2000 to 2100", field="to")
    first = asked.first_day or begin_of(last - timedelta(days=USUAL_DAYS - 7), asked.by)
    if first.year not in _YEARS:
        raise Malformed(reason="years are 2000 to 2100", field="from")
    if first > last:
        raise Malformed(reason="the last day lies before the first", field="to")
    if (last - first).days >= DAYS_MAX:
        raise Malformed(reason=f"at most {DAYS_MAX} days", field="from")
    return first, last


async def _open_regions(session: AsyncSession, ids: Collection[UUID], first: date, last: date) -> list[Region]:
    named = await place_names(session, ids)
    regions: list[Region] = []
    for region_id in sorted(named):
        zone = ZoneInfo(named[region_id].timezone)
        regions.append(
            Region(
                id=region_id,
                zone=zone.key,
                since=datetime.combine(first, time(), zone),
                until=datetime.combine(last + timedelta(days=1), time(), zone),
                rates=await rates_of(session, await regions_up(session, region_id)),
            )
        )
    return regions


async def _kinds_of(session: AsyncSession, category: str | None) -> tuple[RepairCategory | None, Sequence[UUID] | None]:
    """A category with all below it."""
    if category is None:
        return None, None
    chosen = await orders.get_category(session, parse_public_id(orders.CATEGORY, category))
    everything = await orders.list_categories(session, also_retired=True)
    kinds = [chosen.id]
    # What is found is looked below in its turn.
    for kind in kinds:
        kinds += [row.id for row in everything if row.parent_id == kind]
    return chosen, kinds


async def _place_of(session: AsyncSession, place: str | None) -> PlaceSummary | None:
    if place is None:
        return None
    place_id = parse_public_id("pla", place)
    found = (await place_summary(session, [place_id])).get(place_id)
    if found is None:
        raise NotFound(what="pla", id=place)
    return found


# ---- names


def _named(prefix: str, identifier: UUID, zh: str, en: str) -> NamedFigures:
    return NamedFigures(id=public_id(prefix, identifier), name_zh=zh, name_en=en or zh)


def _category(row: RepairCategory) -> NamedFigures:
    return _named(orders.CATEGORY, row.id, row.name_zh, row.name_en)


def _by_name(rows: Iterable[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (row.code, row.id))


def _name(names: Names, identifier: UUID | None) -> dict[str, Any]:
    return (names.get(identifier, _NAMELESS) if identifier is not None else _NAMELESS).model_dump()


# ---- the topics


async def _counts(session: AsyncSession, chosen: Chosen, known: Names) -> dict[str, Any]:
    rows = await queries.count_orders(session, chosen)
    spots = [row.spot for row in rows if row.part == queries.OF_SPOT and row.spot is not None]
    found = await place_summary(session, spots)
    places = {spot: _named("pla", spot, row.full_name_zh, row.full_name_en) for spot, row in found.items()}
    in_order = sorted(rows, key=lambda row: (-row.raised, str(row.category_id), str(row.spot)))
    states = {row.state: row.raised for row in rows if row.part == queries.OF_STATE}
    return {
        "totals": OrderCounts(**next(_count(row) for row in rows if row.part == queries.ALL)),
        "by_category": [
            OrderCountsOf(**_name(known, row.category_id), **_count(row))
            for row in in_order
            if row.part == queries.OF_CATEGORY
        ],
        "by_place": [
            OrderCountsOf(**_name(places, row.spot), **_count(row)) for row in in_order if row.part == queries.OF_SPOT
        ],
        "by_state": [
            StateCount(state=state, orders=states[state]) for state in states_of(WORK_ORDER) if state in states
        ],
    }


def _count(row: Row[Any]) -> dict[str, int]:
    return {
        "raised": row.raised,
        "finished": row.finished,
        "open": row.unrepaired,
        "called_off": row.raised - row.finished - row.unrepaired,
        "declined": row.declined,
        "declines": row.declines,
        "reopened": row.reopened,
        "reopenings": row.reopenings,
    }


async def _flow(session: AsyncSession, chosen: Chosen, first: date, last: date) -> list[FlowPoint]:
    counted = {row.begins: row for row in await queries.count_flow(session, chosen)}
    return [
        FlowPoint(
            begins=begins,
            raised=counted[begins].raised if begins in counted else 0,
            finished=counted[begins].finished if begins in counted else 0,
        )
        for begins in steps_of(first, last, chosen.step)
    ]


async def _promises(session: AsyncSession, chosen: Chosen, known: Names) -> dict[str, Any]:
    rows = sorted(await queries.count_promises(session, chosen), key=lambda row: MILESTONES.index(row.milestone))
    of_category = [row for row in rows if row.part == queries.PROMISES_OF_CATEGORY]
    of_category.sort(key=lambda row: str(row.category_id))
    of_urgency = [row for row in rows if row.part == queries.PROMISES_OF_URGENCY]
    of_urgency.sort(key=lambda row: -URGENCIES.index(row.urgency))
    return {
        "promises": [PromiseFigures(**_promise(row)) for row in rows if row.part == queries.PROMISES_OF_ALL],
        "promises_by_category": [
            PromisesOfCategory(**_name(known, row.category_id), **_promise(row)) for row in of_category
        ],
        "promises_by_urgency": [PromisesOfUrgency(urgency=row.urgency, **_promise(row)) for row in of_urgency],
    }


def _promise(row: Row[Any]) -> dict[str, Any]:
    median_s, p90_s = row.took or (None, None)
    return {
        "milestone": row.milestone,
        "kept": row.kept,
        "broken": row.broken,
        "waiting": row.waiting,
        "kept_percent": percent(row.kept, row.kept + row.broken),
        "median_s": median_s,
        "p90_s": p90_s,
        "promise_s": row.target_s,
    }


async def _times(session: AsyncSession, chosen: Chosen) -> list[TimeBin]:
    counted = await queries.count_times(session, chosen)
    return [
        TimeBin(
            up_to_s=up_to_s,
            kept=counted[number].kept if number in counted else 0,
            late=counted[number].late if number in counted else 0,
        )
        for number, up_to_s in enumerate((*TIME_BINS_S, None))
    ]


async def _technicians(session: AsyncSession, chosen: Chosen) -> list[TechnicianFigures]:
    """Everybody who has a profile there, and everybody who has had one of these orders."""
    work = {row.person_id: row for row in await queries.count_work(session, chosen)}
    profiles = {
        row.person_id: row for row in await orders.technicians_in(session, [region.id for region in chosen.regions])
    }
    people = {*work, *(person for person, row in profiles.items() if row.is_active)}
    names, loads = await person_summary(session, list(people)), await orders.loads_of(session, people)
    found = [
        TechnicianFigures(
            id=public_id("per", person),
            name=names[person].name if person in names else "",
            under_way=loads.get(person, 0),
            load_max=profiles[person].load_max if person in profiles else None,
            **_work(work.get(person)),
        )
        for person in people
    ]
    return sorted(found, key=lambda one: (-one.done, -one.under_way, one.id))


def _work(row: Row[Any] | None) -> dict[str, Any]:
    if row is None:
        return {"given": 0, "done": 0, "declined": 0, "minutes": 0, "ratings": 0, "mean_score": None}
    return {
        "given": row.given,
        "done": row.done,
        "declined": row.declined,
        "minutes": row.minutes,
        "ratings": row.ratings,
        "mean_score": mean(int(row.score), int(row.ratings)),
    }


async def _satisfaction(session: AsyncSession, chosen: Chosen, known: Names, first: date, last: date) -> dict[str, Any]:
    rows = await queries.count_ratings(session, chosen)
    total = next(row for row in rows if row.part == queries.SATISFACTION_OF_ALL)
    over_time = {row.begins: row for row in rows if row.part == queries.SATISFACTION_OF_STEP}
    of_category = [row for row in rows if row.part == queries.SATISFACTION_OF_CATEGORY]
    of_category.sort(key=lambda row: (-row.by_person, str(row.category_id)))
    return {
        "satisfaction": SatisfactionSummary(
            **_said(total),
            scores=[getattr(total, f"s{score}") for score in SCORES],
            ratings_after_silence=total.after_silence,
            low=total.low,
            low_answered=total.answered,
            low_waiting=total.low - total.answered,
            second_ratings=total.again,
            second_mean_score=mean(int(total.again_score), int(total.again)),
        ),
        "satisfaction_over_time": [
            SatisfactionPoint(begins=begins, **_said(over_time.get(begins)))
            for begins in steps_of(first, last, chosen.step)
        ],
        "satisfaction_by_category": [
            SatisfactionOfCategory(**_name(known, row.category_id), **_said(row)) for row in of_category
        ],
    }


def _said(row: Row[Any] | None) -> dict[str, Any]:
    by_person, rated = (row.by_person, row.rated) if row is not None else (0, 0)
    ratings, score = (int(row.ratings), int(row.score)) if row is not None else (0, 0)
    return {
        "confirmed_by_person": by_person,
        "confirmed_by_system": row.by_system if row is not None else 0,
        "rated": rated,
        "response_percent": percent(rated, by_person),
        "ratings": ratings,
        "mean_score": mean(score, ratings),
    }


async def _costs(session: AsyncSession, chosen: Chosen, known: Names) -> dict[str, Any]:
    rows = sorted(
        await queries.sum_costs(session, chosen),
        key=lambda row: (-row.labour_fen - row.parts_fen, str(row.unit_id), str(row.category_id)),
    )
    units = await place_names(session, [row.unit_id for row in rows if row.unit_id is not None])
    named = {unit: _named("org", unit, row.name_zh, row.name_en) for unit, row in units.items()}
    return {
        "costs": CostFigures(**next(_cost(row) for row in rows if row.part == queries.COSTS_OF_ALL)),
        "costs_by_unit": [
            CostOf(**_name(named, row.unit_id), **_cost(row)) for row in rows if row.part == queries.COSTS_OF_UNIT
        ],
        "costs_by_category": [
            CostOf(**_name(known, row.category_id), **_cost(row))
            for row in rows
            if row.part == queries.COSTS_OF_CATEGORY
        ],
    }


def _cost(row: Row[Any]) -> dict[str, int]:
    return {
        "minutes": row.minutes,
        "labour_fen": row.labour_fen,
        "parts_fen": row.parts_fen,
        "total_fen": row.labour_fen + row.parts_fen,
    }


async def _problems(session: AsyncSession, chosen: Chosen, known: Names) -> ProblemFigures:
    places = [row.id for row in await places_below(session, chosen.place_id)] if chosen.place_id is not None else []
    counted = await queries.count_problems(session, chosen, places)
    return ProblemFigures(
        opened=counted.opened,
        open=counted.open,
        rows=[_problem(row, known) for row in await queries.open_problems(session, chosen, places)],
    )


def _problem(row: Row[Any], known: Names) -> OpenProblem:
    kind = known.get(row.category_id, _NAMELESS)
    return OpenProblem(
        id=public_id(orders.PROBLEM, row.id),
        category_zh=kind.name_zh,
        category_en=kind.name_en,
        place_text=row.place_text,
        state=row.state,
        orders=row.orders,
        opened_at=clock.rfc3339(row.opened_at),
    )
