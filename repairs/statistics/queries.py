"""How figures are counted: one statement for each topic, which groups in the database. Nothing here reads order by order.

All of them begin with `chosen`: the orders that were raised within the days asked for, by the wall clock of their region, of the
kinds and below the place that are asked for. A group that is null in `GROUPING SETS` is told from a value that is null by `part`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from repairs.orders.rating import LOW
from repairs.orders.states import CONFIRMED, UNREPAIRED
from repairs.statistics.figures import TIME_BINS_S, Step

PROBLEMS_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the figures: its days in its own zone, as instants, and what an hour of work costs there since when."""

    id: UUID
    zone: str
    since: datetime
    until: datetime
    rates: Sequence[tuple[date, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which orders are counted. None: of every kind, at any place."""

    regions: Sequence[Region]
    categories: Sequence[UUID] | None
    place_id: UUID | None
    # How deep the places that are told apart stand on the way from the root: those right below the one asked for.
    place_level: int
    step: Step
    now: datetime

    @property
    def values(self) -> dict[str, Any]:
        """Of the statements' names."""
        return {
            "regions": [region.id for region in self.regions],
            "zones": [region.zone for region in self.regions],
            "since": [region.since for region in self.regions],
            "until": [region.until for region in self.regions],
            "categories": list(self.categories) if self.categories is not None else [],
            "place": self.place_id,
            "level": self.place_level,
            "step": self.step,
            "now": self.now,
            "finished": ["done", *CONFIRMED],
            "confirmed": list(CONFIRMED),
            "unrepaired": list(UNREPAIRED),
            "low": LOW,
        }


_SCOPE: Final = """
    scope AS (
        SELECT * FROM unnest(CAST(:regions AS uuid[]), CAST(:zones AS text[]), CAST(:since AS timestamptz[]),
                             CAST(:until AS timestamptz[])) AS s (region_id, zone, since, until)
    )"""
_COLUMNS: Final = """
    w.id, w.region_id, w.category_id, w.unit_id, w.urgency, w.state, w.assignee_id, w.declines, w.confirmed_by, s.zone,
    coalesce(w.place_path[:level], w.place_path[CAST(:level AS integer) - 1]) AS spot,
    CAST(date_trunc(:step, w.raised_at AT TIME ZONE s.zone) AS date) AS begins
"""
_OF_KINDS: Final = " AND w.category_id = ANY(CAST(:categories AS uuid[]))"
_AT_PLACE: Final = " AND w.place_path @> ARRAY[CAST(:place AS uuid)]"


def _statement(chosen: Chosen, body: str) -> TextClause:
    """What is asked, behind the orders that it is asked of; a condition that nobody has named stands nowhere."""
    where = (_OF_KINDS if chosen.categories is not None else "") + (_AT_PLACE if chosen.place_id is not None else "")
    return text(f"""
        WITH {_SCOPE}, chosen AS (
            SELECT {_COLUMNS}
              FROM scope s JOIN work_orders w ON w.region_id = s.region_id AND w.raised_at >= s.since AND w.raised_at < s.until
             WHERE true{where}
        )
        {body.replace("/*where*/", where).replace("/*here*/", _HERE)}
    """)  # noqa: S608  # constants of this file only; what is asked for goes in as values


async def _rows(session: AsyncSession, chosen: Chosen, body: str, **more: Any) -> Sequence[Row[Any]]:
    return (await session.execute(_statement(chosen, body), {**chosen.values, **more})).all()


# ---- how many

_COUNTS: Final = """
    SELECT grouping(o.category_id, o.spot, o.state) AS part, o.category_id, o.spot, o.state,
           count(*) AS raised,
           count(*) FILTER (WHERE o.state = ANY(CAST(:finished AS text[]))) AS finished,
           count(*) FILTER (WHERE o.state = ANY(CAST(:unrepaired AS text[]))) AS unrepaired,
           count(*) FILTER (WHERE o.declines > 0) AS declined, coalesce(sum(o.declines), 0) AS declines,
           count(*) FILTER (WHERE c.round > 1) AS reopened, coalesce(sum(c.round - 1), 0) AS reopenings
      FROM chosen o LEFT JOIN sla_clocks c ON c.order_id = o.id
     GROUP BY GROUPING SETS ((), (o.category_id), (o.spot), (o.state))
"""
ALL: Final = 7
OF_CATEGORY: Final = 3
OF_SPOT: Final = 5
OF_STATE: Final = 6


async def count_orders(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """Altogether, by category, by place and by state: `part` says which."""
    return await _rows(session, chosen, _COUNTS)


_FLOW: Final = """
    SELECT begins, sum(raised) AS raised, sum(finished) AS finished
      FROM (
        SELECT begins, count(*) AS raised, 0 AS finished FROM chosen GROUP BY begins
        UNION ALL
        SELECT CAST(date_trunc(:step, w.finished_at AT TIME ZONE s.zone) AS date), 0, count(*)
          FROM scope s
          JOIN work_orders w ON w.region_id = s.region_id AND w.finished_at >= s.since AND w.finished_at < s.until
         WHERE w.state = ANY(CAST(:finished AS text[]))/*where*/
         GROUP BY 1
      ) AS both_ways
     GROUP BY begins
"""


async def count_flow(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """Raised and finished by week or month; what is finished may have been raised before."""
    return await _rows(session, chosen, _FLOW)


# ---- promises: what the clocks have written down

# As repairs/sla/views.py says of one: kept or missed once it was reached; late while its clock is open and it is overdue.
_PROMISES: Final = """
    SELECT grouping(o.category_id, o.urgency) AS part, m.milestone, o.category_id, o.urgency,
           count(*) FILTER (WHERE m.reached_at IS NOT NULL AND m.breached_at IS NULL) AS kept,
           count(*) FILTER (WHERE m.breached_at IS NOT NULL AND (m.reached_at IS NOT NULL OR c.state <> 'stopped')
                               OR m.reached_at IS NULL AND m.breached_at IS NULL AND c.state <> 'stopped' AND m.due_at < :now)
               AS broken,
           count(*) FILTER (WHERE m.reached_at IS NULL AND m.breached_at IS NULL AND c.state <> 'stopped'
                              AND (m.due_at IS NULL OR m.due_at >= :now)) AS waiting,
           percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY m.took_s) AS took,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY m.target_s) AS target_s
      FROM chosen o JOIN sla_clocks c ON c.order_id = o.id JOIN sla_milestones m ON m.order_id = o.id
     GROUP BY GROUPING SETS ((m.milestone), (m.milestone, o.category_id), (m.milestone, o.urgency))
"""
PROMISES_OF_ALL: Final = 3
PROMISES_OF_CATEGORY: Final = 1
PROMISES_OF_URGENCY: Final = 2


async def count_promises(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """Each milestone altogether, by category and by urgency."""
    return await _rows(session, chosen, _PROMISES)


_TIMES: Final = """
    SELECT width_bucket(m.took_s - 1, CAST(:bins AS integer[])) AS bin,
           count(*) FILTER (WHERE m.breached_at IS NULL) AS kept, count(*) FILTER (WHERE m.breached_at IS NOT NULL) AS late
      FROM chosen o JOIN sla_milestones m ON m.order_id = o.id AND m.milestone = 'resolution'
     WHERE m.took_s IS NOT NULL
     GROUP BY 1
"""


async def count_times(session: AsyncSession, chosen: Chosen) -> Mapping[int, Row[Any]]:
    """How many took up to so long, by the number of the bin."""
    return {row.bin: row for row in await _rows(session, chosen, _TIMES, bins=list(TIME_BINS_S))}


# ---- people

_TECHNICIANS: Final = """
    SELECT person_id, sum(given) AS given, sum(done) AS done, sum(declined) AS declined, sum(minutes) AS minutes,
           sum(ratings) AS ratings, sum(score) AS score
      FROM (
        SELECT f.person_id, count(DISTINCT f.order_id) AS given,
               count(DISTINCT f.order_id) FILTER (WHERE f.outcome = 'finished') AS done,
               count(*) FILTER (WHERE f.outcome = 'declined') AS declined, 0 AS minutes, 0 AS ratings, 0 AS score
          FROM chosen o JOIN work_order_offers f ON f.order_id = o.id GROUP BY 1
        UNION ALL
        SELECT l.person_id, 0, 0, 0, sum(l.minutes), 0, 0
          FROM chosen o JOIN work_order_labour l ON l.order_id = o.id GROUP BY 1
        UNION ALL
        SELECT o.assignee_id, 0, 0, 0, 0, count(*), sum(r.score)
          FROM chosen o JOIN work_order_ratings r ON r.order_id = o.id AND NOT r.is_second
         WHERE o.confirmed_by = 'person' GROUP BY 1
      ) AS parts
     WHERE person_id IS NOT NULL
     GROUP BY person_id
"""


async def count_work(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """What was given to each, what they have done and declined, their time, and what people thought of it."""
    return await _rows(session, chosen, _TECHNICIANS)


# ---- what those who were served thought

_SATISFACTION: Final = """
    , said AS (
        SELECT r.order_id, count(*) FILTER (WHERE NOT r.is_second) AS ratings,
               sum(r.score) FILTER (WHERE NOT r.is_second) AS score,
               count(*) FILTER (WHERE NOT r.is_second AND r.score = 1) AS s1,
               count(*) FILTER (WHERE NOT r.is_second AND r.score = 2) AS s2,
               count(*) FILTER (WHERE NOT r.is_second AND r.score = 3) AS s3,
               count(*) FILTER (WHERE NOT r.is_second AND r.score = 4) AS s4,
               count(*) FILTER (WHERE NOT r.is_second AND r.score = 5) AS s5,
               count(*) FILTER (WHERE NOT r.is_second AND r.score <= :low) AS low,
               count(*) FILTER (WHERE NOT r.is_second AND r.score <= :low AND r.answered_at IS NOT NULL) AS answered,
               count(*) FILTER (WHERE r.is_second) AS again, sum(r.score) FILTER (WHERE r.is_second) AS again_score
          FROM chosen o JOIN work_order_ratings r ON r.order_id = o.id
         GROUP BY r.order_id
    )
    SELECT grouping(o.category_id, o.begins) AS part, o.category_id, o.begins,
           count(*) FILTER (WHERE o.confirmed_by = 'person') AS by_person,
           count(*) FILTER (WHERE o.confirmed_by = 'system') AS by_system,
           count(*) FILTER (WHERE o.confirmed_by = 'person' AND s.ratings > 0) AS rated,
           coalesce(sum(s.ratings) FILTER (WHERE o.confirmed_by = 'person'), 0) AS ratings,
           coalesce(sum(s.score) FILTER (WHERE o.confirmed_by = 'person'), 0) AS score,
           coalesce(sum(s.s1) FILTER (WHERE o.confirmed_by = 'person'), 0) AS s1,
           coalesce(sum(s.s2) FILTER (WHERE o.confirmed_by = 'person'), 0) AS s2,
           coalesce(sum(s.s3) FILTER (WHERE o.confirmed_by = 'person'), 0) AS s3,
           coalesce(sum(s.s4) FILTER (WHERE o.confirmed_by = 'person'), 0) AS s4,
           coalesce(sum(s.s5) FILTER (WHERE o.confirmed_by = 'person'), 0) AS s5,
           coalesce(sum(s.ratings) FILTER (WHERE o.confirmed_by = 'system'), 0) AS after_silence,
           coalesce(sum(s.low), 0) AS low, coalesce(sum(s.answered), 0) AS answered,
           coalesce(sum(s.again), 0) AS again, coalesce(sum(s.again_score), 0) AS again_score
      FROM chosen o LEFT JOIN said s ON s.order_id = o.id
     WHERE o.state = ANY(CAST(:confirmed AS text[]))
     GROUP BY GROUPING SETS ((), (o.category_id), (o.begins))
"""
SATISFACTION_OF_ALL: Final = 3
SATISFACTION_OF_CATEGORY: Final = 1
SATISFACTION_OF_STEP: Final = 2


async def count_ratings(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """Confirmations and first ratings: altogether, by category, and by week or month of the report."""
    return await _rows(session, chosen, _SATISFACTION)


# ---- money

# An hour's rate of the day on which it was worked, half a fen up: as repairs/stock/costs.py says of one line.
_COSTS: Final = """
    , rates AS (
        SELECT * FROM unnest(CAST(:rate_regions AS uuid[]), CAST(:rate_from AS date[]), CAST(:rate_until AS date[]),
                             CAST(:rate_fen AS bigint[])) AS r (region_id, begins, ends, hour_fen)
    ), spent AS (
        SELECT o.unit_id, o.category_id, l.minutes, (2 * l.minutes * coalesce(r.hour_fen, 0) + 60) / 120 AS labour_fen,
               0 AS parts_fen
          FROM chosen o
          JOIN work_order_labour l ON l.order_id = o.id
          LEFT JOIN rates r ON r.region_id = o.region_id
               AND CAST(l.started_at AT TIME ZONE o.zone AS date) >= r.begins
               AND CAST(l.started_at AT TIME ZONE o.zone AS date) < r.ends
        UNION ALL
        SELECT o.unit_id, o.category_id, 0, 0, -m.quantity * m.unit_cost_fen
          FROM chosen o JOIN part_moves m ON m.order_id = o.id
    )
    SELECT grouping(unit_id, category_id) AS part, unit_id, category_id,
           coalesce(sum(minutes), 0) AS minutes, CAST(coalesce(sum(labour_fen), 0) AS bigint) AS labour_fen,
           CAST(coalesce(sum(parts_fen), 0) AS bigint) AS parts_fen
      FROM spent
     GROUP BY GROUPING SETS ((), (unit_id), (category_id))
"""
COSTS_OF_ALL: Final = 3
COSTS_OF_UNIT: Final = 1
COSTS_OF_CATEGORY: Final = 2


async def sum_costs(session: AsyncSession, chosen: Chosen) -> Sequence[Row[Any]]:
    """Time and parts of the orders: altogether, by the unit that bears it, and by category."""
    spans = [span for region in chosen.regions for span in _rates_of(region)]
    names = ("rate_regions", "rate_from", "rate_until", "rate_fen")
    columns = (
        dict(zip(names, map(list, zip(*spans, strict=True)), strict=True)) if spans else {name: [] for name in names}
    )
    return await _rows(session, chosen, _COSTS, **columns)


def _rates_of(region: Region) -> Iterator[tuple[UUID, date, date, int]]:
    """Each rate until the next one begins."""
    ends = [*(begins for begins, _ in region.rates[1:]), date.max]
    for (begins, hour_fen), until in zip(region.rates, ends, strict=False):
        yield region.id, begins, until, hour_fen


# ---- problems and regions

_HERE: Final = """
    , here AS (
        SELECT p.id, p.category_id, p.place_text, p.state, p.opened_at, p.closed_at,
               p.opened_at >= s.since AND p.opened_at < s.until AS is_new
          FROM scope s JOIN repair_problems p ON p.region_id = s.region_id
         WHERE (NOT :by_kind OR p.category_id = ANY(CAST(:categories AS uuid[])))
           AND (CAST(:place AS uuid) IS NULL OR p.scope_id = ANY(CAST(:places AS uuid[])))
    )"""
_PROBLEMS: Final = """/*here*/
    SELECT h.*, (SELECT count(*) FROM work_orders w WHERE w.problem_id = h.id) AS orders
      FROM here h WHERE h.closed_at IS NULL
     ORDER BY h.opened_at DESC, h.id DESC LIMIT :problems_max
"""
_PROBLEM_COUNTS: Final = """/*here*/
    SELECT count(*) FILTER (WHERE is_new) AS opened, count(*) FILTER (WHERE closed_at IS NULL) AS open FROM here
"""


async def open_problems(session: AsyncSession, chosen: Chosen, places: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Those that nobody has solved yet, whenever they began, newest first."""
    return await _rows(session, chosen, _PROBLEMS, **_problems_at(chosen, places), problems_max=PROBLEMS_MAX)


async def count_problems(session: AsyncSession, chosen: Chosen, places: Sequence[UUID]) -> Row[Any]:
    """How many began within the days, and how many are open now."""
    return (await _rows(session, chosen, _PROBLEM_COUNTS, **_problems_at(chosen, places)))[0]


def _problems_at(chosen: Chosen, places: Sequence[UUID]) -> dict[str, Any]:
    return {"places": list(places), "by_kind": chosen.categories is not None}


# From one region to the next along the index, instead of through all orders.
_REGIONS: Final = text("""
    WITH RECURSIVE known (id) AS (
        (SELECT region_id FROM work_orders ORDER BY region_id LIMIT 1)
        UNION ALL
        SELECT (SELECT w.region_id FROM work_orders w WHERE w.region_id > k.id ORDER BY w.region_id LIMIT 1)
          FROM known k WHERE k.id IS NOT NULL
    )
    SELECT id FROM known WHERE id IS NOT NULL
""")


async def regions_with_orders(session: AsyncSession) -> Sequence[UUID]:
    """Every region in which something was ever raised."""
    return (await session.scalars(_REGIONS)).all()
