"""Changes of prices and limits: seen before they are asked for, decided on by a second person, in force from their day on.

What was approved is what was shown: if the prices underneath have changed since, the approval is refused and the change
has to be asked for anew.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from canteen import prices, queries, schemas
from canteen.canteens import refuse_past
from canteen.errors import PricesHaveChanged
from canteen.meals import AfterLast, LimitWindow, Meal, OrderState
from canteen.models import Limit, Price
from canteen.prices import NewLadder, NewLimit
from canteen.queries import CanteenSite
from canteen.views import new_ladder, new_limit, parse_canteen
from identity.api import (
    EVERYWHERE,
    PersonClass,
    Place,
    Principal,
    Role,
    people_by_unit_and_class,
    register_executor,
    request_approval,
    today,
)
from kernel.ids import public_id

KIND: Final = "price_change"
# Whoever decides stands above the canteen whose prices they are.
_DECIDING: Final = (Role.FINANCE, Role.SYSTEM_ADMIN)
_CANTEENS_MAX: Final = 10_000
Census = dict[tuple[UUID | None, str], int]


async def preview(session: AsyncSession, wanted: schemas.PriceChange) -> schemas.PriceChangePreview:
    """What would change for whom: every ladder and limit before and after, and how many people it is for."""
    canteen_id = parse_canteen(wanted.canteen) if wanted.canteen else None
    day = await queries.today_of(session, canteen_id)
    canteens = await _canteens(session, canteen_id)
    census = await people_by_unit_and_class(session, today())
    ladders = [await _ladder(session, canteen_id, canteens, census, new_ladder(each), day) for each in wanted.ladders]
    limits = [await _limit(session, canteen_id, canteens, census, new_limit(each), day) for each in wanted.limits]
    return schemas.PriceChangePreview(
        canteen=public_id("can", canteen_id) if canteen_id else None,
        canteen_name_zh=canteens[0].name_zh if canteen_id else None,
        canteen_name_en=canteens[0].name_en if canteen_id else None,
        ladders=ladders,
        limits=limits,
    )


async def ask_for(session: AsyncSession, actor: Principal, wanted: schemas.PriceChange, *, reason: str) -> UUID:
    """Ask for a change; the id of the approval."""
    shown = await preview(session, wanted)
    canteen_id = parse_canteen(wanted.canteen) if wanted.canteen else None
    return await request_approval(
        session,
        kind=KIND,
        subject=shown.canteen or "all_canteens",
        payload={
            "change": wanted.model_dump(mode="json"),
            "asked_by": actor.actor,
            "preview": shown.model_dump(mode="json"),
        },
        requested_by=actor.person_id,
        deciding_roles=_DECIDING,
        reason=reason,
        place=Place(site_id=canteen_id) if canteen_id else EVERYWHERE,
    )


async def _carry_out(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does: the change takes effect on its day, and what it was compared with must still be so."""
    wanted = schemas.PriceChange.model_validate(payload["change"])
    shown = schemas.PriceChangePreview.model_validate(payload["preview"])
    if _before(await preview(session, wanted)) != _before(shown):
        raise PricesHaveChanged
    canteen_id = parse_canteen(wanted.canteen) if wanted.canteen else None
    if wanted.ladders:
        ladders = [new_ladder(ladder) for ladder in wanted.ladders]
        await prices.set_prices(session, canteen_id, ladders, actor=payload["asked_by"])
    for limit in wanted.limits:
        await prices.set_limit(session, canteen_id, new_limit(limit), actor=payload["asked_by"])


register_executor(KIND, _carry_out)


def _before(shown: schemas.PriceChangePreview) -> list[Any]:
    return [ladder.before for ladder in shown.ladders] + [limit.before for limit in shown.limits]


async def _canteens(session: AsyncSession, canteen_id: UUID | None) -> list[CanteenSite]:
    if canteen_id is not None:
        return [await queries.get_canteen(session, canteen_id)]
    return await queries.list_canteens(session, limit=_CANTEENS_MAX)


def _people(census: Census, canteens: Iterable[CanteenSite], classes: Iterable[str]) -> int:
    """How many of these classes may eat in any of these canteens."""
    served = list(canteens)
    to_all = any(canteen.open_to_all for canteen in served)
    units = {unit_id for canteen in served for unit_id in canteen.unit_ids}
    wanted = set(classes)
    return sum(count for (unit, kind), count in census.items() if kind in wanted and (to_all or unit in units))


# ---- one ladder


async def _ladder(
    session: AsyncSession,
    canteen_id: UUID | None,
    canteens: list[CanteenSite],
    census: Census,
    ladder: NewLadder,
    day: date,
) -> schemas.LadderChange:
    since = ladder.effective_from or day
    refuse_past(since, day)
    prices.refuse_gaps(ladder)
    own = await _rows(session, canteen_id, ladder, since)
    general = await _rows(session, None, ladder, since) if canteen_id and not own else []
    touched = (
        canteens if canteen_id else [each for each in canteens if not await _rows(session, each.id, ladder, since)]
    )
    return schemas.LadderChange(
        person_class=PersonClass(ladder.person_class),
        meal=ladder.meal,
        order_state=ladder.order_state,
        effective_from=ladder.effective_from,
        people=_people(census, touched, [ladder.person_class]),
        canteens=len(touched),
        before=_prices(own or general),
        is_inherited=not own and bool(general),
        after=schemas.LadderPrices(
            servings=[
                schemas.ServingPrice(price_fen=each.price_fen, unit_share_fen=each.unit_share_fen)
                for each in ladder.servings
            ],
            after_last=ladder.after_last,
        )
        if ladder.servings
        else None,
    )


async def _rows(session: AsyncSession, canteen_id: UUID | None, ladder: NewLadder, on: date) -> list[Price]:
    rows = await queries.prices_of(session, canteen_id, on)
    wanted = ladder.person_class, ladder.meal, ladder.order_state
    return [row for row in rows if (row.person_class, Meal(row.meal), OrderState(row.order_state)) == wanted]


def _prices(rows: list[Price]) -> schemas.LadderPrices | None:
    if not rows:
        return None
    return schemas.LadderPrices(
        servings=[
            schemas.ServingPrice(price_fen=row.price_fen, unit_share_fen=row.unit_share_fen)
            for row in sorted(rows, key=lambda row: row.serving)
        ],
        after_last=AfterLast(rows[-1].after_last),
    )


# ---- one limit


async def _limit(
    session: AsyncSession,
    canteen_id: UUID | None,
    canteens: list[CanteenSite],
    census: Census,
    limit: NewLimit,
    day: date,
) -> schemas.LimitChange:
    since = limit.effective_from or day
    refuse_past(since, day)
    before = await _same_limit(session, canteen_id, limit, since)
    classes = [limit.person_class] if limit.person_class else list(PersonClass)
    return schemas.LimitChange(
        counted_over=limit.counted_over,
        person_class=PersonClass(limit.person_class) if limit.person_class else None,
        meal=limit.meal,
        effective_from=limit.effective_from,
        people=_people(census, canteens, classes),
        before=schemas.LimitAmounts(amount_max_fen=before.amount_max_fen, count_max=before.count_max)
        if before
        else None,
        after=schemas.LimitAmounts(amount_max_fen=limit.amount_max_fen, count_max=limit.count_max),
    )


async def _same_limit(session: AsyncSession, canteen_id: UUID | None, limit: NewLimit, on: date) -> Limit | None:
    """The limit that this one would replace."""
    wanted = limit.counted_over, limit.person_class, limit.meal
    for row in await queries.limits_of(session, canteen_id, on):
        if (LimitWindow(row.counted_over), row.person_class, Meal(row.meal) if row.meal else None) == wanted:
            return row
    return None
