"""The price matrix and the limits: read as ladders, changed from a date on, never rewritten.

Each act raises the configuration version first, which makes changes queue up one after the other: two administrators
who change the same price at once both succeed, in order.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.canteens import refuse_past
from canteen.errors import PricesHaveGaps
from canteen.meals import AfterLast, LimitWindow, Meal, OrderState
from canteen.models import Limit, Price
from kernel import audit_log, clock
from kernel.configuration import bump_configuration
from kernel.ids import public_id, uuid7


@dataclass(frozen=True, slots=True)
class Serving:
    """One serving's price and the most that the unit bears of it."""

    price_fen: int
    unit_share_fen: int = 0


@dataclass(frozen=True, slots=True)
class NewLadder:
    """What a class pays for the first, second, ... serving of a meal. Without servings it is not served any more."""

    person_class: str
    meal: Meal
    servings: Sequence[Serving]
    after_last: AfterLast = AfterLast.GUEST
    order_state: OrderState = OrderState.WALK_IN
    effective_from: date | None = None


async def set_prices(
    session: AsyncSession, canteen_id: UUID | None, ladders: Sequence[NewLadder], *, actor: str
) -> None:
    """Set ladders of one canteen, or (None) of every canteen without its own, each from its date on.

    What is planned for a later date stays planned: the new ladder ends where that one begins.
    """
    version = await bump_configuration(session)
    today = await queries.today_of(session, canteen_id)
    for ladder in ladders:
        refuse_gaps(ladder)
        since = ladder.effective_from or today
        refuse_past(since, today)
        until = await _make_room(session, canteen_id, ladder, since, version)
        await _write_ladder(session, canteen_id, ladder, since, until, version)
        await audit_log.record(
            session,
            actor=actor,
            action="price.set",
            subject=public_id("can", canteen_id) if canteen_id else "all canteens",
            data={
                "class": ladder.person_class,
                "meal": ladder.meal,
                "order_state": ladder.order_state,
                "servings": [[serving.price_fen, serving.unit_share_fen] for serving in ladder.servings],
                "after_last": ladder.after_last,
                "effective_from": since.isoformat(),
            },
        )


def refuse_gaps(ladder: NewLadder) -> None:
    """PricesHaveGaps where the unit bears more than a price, or a part of any serving but the first."""
    for number, serving in enumerate(ladder.servings, start=1):
        if serving.unit_share_fen > (serving.price_fen if number == 1 else 0):
            raise PricesHaveGaps(reason=f"serving {number}", field="servings")


async def _make_room(
    session: AsyncSession, canteen_id: UUID | None, ladder: NewLadder, since: date, version: int
) -> date | None:
    """End the rows that the ladder replaces; returns the date on which the next planned ladder begins."""
    rows = (
        await session.scalars(
            select(Price).where(
                Price.canteen_id.is_(None) if canteen_id is None else Price.canteen_id == canteen_id,
                Price.person_class == ladder.person_class,
                Price.meal == ladder.meal.value,
                Price.order_state == ladder.order_state.value,
                or_(Price.effective_to.is_(None), Price.effective_to > since),
                or_(Price.effective_to.is_(None), Price.effective_to > Price.effective_from),
            )
        )
    ).all()
    for row in rows:
        if row.effective_from <= since:
            row.effective_to = since
            row.configuration_version = version
    await session.flush()
    return min((row.effective_from for row in rows if row.effective_from > since), default=None)


async def _write_ladder(
    session: AsyncSession,
    canteen_id: UUID | None,
    ladder: NewLadder,
    since: date,
    until: date | None,
    version: int,
) -> None:
    if not ladder.servings:
        return
    at = clock.now()
    await session.execute(
        insert(Price),
        [
            {
                "id": uuid7(),
                "canteen_id": canteen_id,
                "person_class": ladder.person_class,
                "meal": ladder.meal.value,
                "serving": number,
                "order_state": ladder.order_state.value,
                "price_fen": serving.price_fen,
                "unit_share_fen": serving.unit_share_fen,
                "after_last": ladder.after_last.value,
                "effective_from": since,
                "effective_to": until,
                "configuration_version": version,
                "recorded_at": at,
            }
            for number, serving in enumerate(ladder.servings, start=1)
        ],
    )


def ladders_of(rows: Sequence[Price]) -> list[list[Price]]:
    """Price rows put together into ladders, in the order of the rows."""
    found: defaultdict[tuple[Any, ...], list[Price]] = defaultdict(list)
    for row in rows:
        key = row.canteen_id, row.person_class, row.meal, row.order_state, row.effective_from, row.effective_to
        found[key].append(row)
    return list(found.values())


# ---- limits


@dataclass(frozen=True, slots=True)
class NewLimit:
    """A limit from a business date on. Without a maximum it says that there is none here."""

    counted_over: LimitWindow
    amount_max_fen: int | None = None
    count_max: int | None = None
    person_class: str | None = None
    meal: Meal | None = None
    effective_from: date | None = None


async def set_limit(session: AsyncSession, canteen_id: UUID | None, limit: NewLimit, *, actor: str) -> UUID:
    """Set a limit of one canteen, or (None) of every canteen that has none of its own for the same window.

    A count over the day begins to count when the limit is set: what was bought before is not looked up again.
    """
    version = await bump_configuration(session)
    today = await queries.today_of(session, canteen_id)
    since = limit.effective_from or today
    refuse_past(since, today)
    await _end_limits(session, canteen_id, limit, since, version)
    row = Limit(
        id=uuid7(),
        canteen_id=canteen_id,
        person_class=limit.person_class,
        meal=limit.meal.value if limit.meal else None,
        counted_over=limit.counted_over.value,
        amount_max_fen=limit.amount_max_fen,
        # A single sale has no count.
        count_max=None if limit.counted_over is LimitWindow.TRANSACTION else limit.count_max,
        effective_from=since,
        effective_to=None,
        configuration_version=version,
        recorded_at=clock.now(),
    )
    session.add(row)
    await session.flush()
    await audit_log.record(
        session,
        actor=actor,
        action="limit.set",
        subject=public_id("can", canteen_id) if canteen_id else "all canteens",
        data={
            "counted_over": row.counted_over,
            "class": row.person_class,
            "meal": row.meal,
            "amount_max_fen": row.amount_max_fen,
            "count_max": row.count_max,
            "effective_from": since.isoformat(),
        },
    )
    return row.id


async def _end_limits(
    session: AsyncSession, canteen_id: UUID | None, limit: NewLimit, since: date, version: int
) -> None:
    rows = await session.scalars(
        select(Limit).where(
            Limit.canteen_id.is_not_distinct_from(canteen_id),
            Limit.person_class.is_not_distinct_from(limit.person_class),
            Limit.meal.is_not_distinct_from(limit.meal.value if limit.meal else None),
            Limit.counted_over == limit.counted_over.value,
            or_(Limit.effective_to.is_(None), Limit.effective_to > since),
        )
    )
    for row in rows:
        row.effective_to = max(since, row.effective_from)
        row.configuration_version = version
    await session.flush()
