"""What a meal costs whom: the price matrix and the limits as plain rows, and the pure look-ups over them.

A ladder is the rows of one (canteen, class, meal, order state) in the order of servings. A canteen's own ladder
replaces the general one as a whole; so does a canteen's own limit. After the last serving comes a refusal or the guest
price, which the unit bears no part of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from canteen.meals import CLASS_NAMES, GUEST_CLASS, MEAL_NAMES, AfterLast, LimitWindow, Meal, OrderState, ordinal
from kernel.ids import public_id
from kernel.money import format_yuan


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of the price matrix. `canteen_id` None: every canteen without a ladder of its own."""

    id: UUID
    canteen_id: UUID | None
    person_class: str
    meal: Meal
    serving: int
    order_state: OrderState
    price_fen: int
    unit_share_fen: int
    after_last: AfterLast
    effective_from: date
    effective_to: date | None


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One limit. None for canteen, class or meal: any. A row without a maximum says that there is no limit."""

    id: UUID
    canteen_id: UUID | None
    person_class: str | None
    meal: Meal | None
    window: LimitWindow
    amount_max_fen: int | None
    count_max: int | None
    effective_from: date
    effective_to: date | None


class Limits(NamedTuple):
    """The limits that count for one class at one meal of one canteen."""

    transaction_max_fen: int | None
    period_max_fen: int | None
    period_count_max: int | None
    day_max_fen: int | None
    day_count_max: int | None

    @property
    def count_over_day(self) -> bool:
        return self.day_max_fen is not None or self.day_count_max is not None


class Step(NamedTuple):
    """One serving's price, with all that a quote repeats for it, made once."""

    price_fen: int
    unit_share_fen: int
    context: dict[str, Any]
    trace: tuple[dict[str, Any], ...]
    trace_when_keyed: tuple[dict[str, Any], ...]


def in_force(row: PriceRow | LimitRow, on: date) -> bool:
    """Whether a row counts on a business date; its end is the first day on which it does not."""
    return row.effective_from <= on and (row.effective_to is None or on < row.effective_to)


def ladder_of(
    own: Iterable[PriceRow], general: Iterable[PriceRow], person_class: str, meal: Meal, on: date
) -> list[PriceRow]:
    """The rows for a class and meal, first serving first; empty where the class is not served."""
    for rows in (own, general):
        found = {
            row.serving: row
            for row in rows
            if row.person_class == person_class
            and row.meal == meal
            and row.order_state == OrderState.WALK_IN
            and in_force(row, on)
        }
        if 1 in found:
            # A ladder ends at its first gap, should there ever be one.
            return [found[n] for n in range(1, len(found) + 1) if all(m in found for m in range(1, n + 1))]
    return []


def limits_of(rows: Sequence[LimitRow], canteen_id: UUID, person_class: str, meal: Meal, on: date) -> Limits:
    """For each window the most specific row: the canteen's before the general, then by class, then by meal."""
    chosen: dict[LimitWindow, LimitRow] = {}
    for row in rows:
        fits = (
            row.canteen_id in (None, canteen_id)
            and row.person_class in (None, person_class)
            and row.meal in (None, meal)
            and in_force(row, on)
        )
        if fits and (row.window not in chosen or _specificity(row) > _specificity(chosen[row.window])):
            chosen[row.window] = row
    transaction, period, day = (chosen.get(window) for window in LimitWindow)
    return Limits(
        transaction.amount_max_fen if transaction else None,
        period.amount_max_fen if period else None,
        period.count_max if period else None,
        day.amount_max_fen if day else None,
        day.count_max if day else None,
    )


def _specificity(row: LimitRow) -> tuple[bool, bool, bool]:
    return row.canteen_id is not None, row.person_class is not None, row.meal is not None


def step_for(row: PriceRow, serving: int, payer_class: str, context: Mapping[str, Any], *, as_guest: bool) -> Step:
    """A serving's price and the sentences that tell a diner why; `as_guest` for what comes after the last row."""
    share_fen = 0 if as_guest else min(row.unit_share_fen, row.price_fen)
    sentence = _guest_sentence(row, serving) if as_guest else _row_sentence(row, serving, payer_class)
    rule = {"code": "price.guest" if as_guest else "price.row", "rule": public_id("prr", row.id), **sentence}
    fixed = {**rule, "price_fen": row.price_fen, "unit_share_fen": share_fen}
    keyed = {**rule, **_keyed_sentence(row, serving, share_fen), "unit_share_fen": share_fen}
    return Step(
        row.price_fen,
        share_fen,
        {**context, "serving": serving, "rule": public_id("prr", row.id)},
        (fixed,),
        (keyed,),
    )


def _row_sentence(row: PriceRow, serving: int, payer_class: str) -> dict[str, str]:
    meal_zh, meal_en = MEAL_NAMES[row.meal]
    class_zh, class_en = CLASS_NAMES.get(payer_class, (payer_class, payer_class))
    price, share = format_yuan(row.price_fen), format_yuan(row.unit_share_fen)
    zh = f"{class_zh}今日第 {serving} 份{meal_zh}，价格 {price} 元"
    en = f"The {ordinal(serving)} {meal_en} today for {class_en} costs {price}"
    if row.unit_share_fen:
        zh, en = f"{zh}，其中单位最多承担 {share} 元", f"{en}; the unit bears up to {share} of it"
    return {"zh": zh, "en": en}


def _guest_sentence(row: PriceRow, serving: int) -> dict[str, str]:
    meal_zh, meal_en = MEAL_NAMES[row.meal]
    price = format_yuan(row.price_fen)
    return {
        "zh": f"今日第 {serving} 份{meal_zh}，按访客价 {price} 元自付",
        "en": f"The {ordinal(serving)} {meal_en} today is at the guest price of {price}, without the unit's share",
    }


def _keyed_sentence(row: PriceRow, serving: int, share_fen: int) -> dict[str, str]:
    meal_zh, meal_en = MEAL_NAMES[row.meal]
    if not share_fen:
        return {
            "zh": f"今日第 {serving} 份{meal_zh}，自付",
            "en": f"The {ordinal(serving)} {meal_en} today, without the unit's share",
        }
    share = format_yuan(share_fen)
    return {
        "zh": f"今日第 {serving} 份{meal_zh}，其中单位最多承担 {share} 元",
        "en": f"The {ordinal(serving)} {meal_en} today; the unit bears up to {share} of it",
    }


class Ladder:
    """The steps of one class at one meal, made when first asked for and then kept."""

    __slots__ = ("_after_last", "_context", "_guest_row", "_payer_class", "_rows", "_steps")

    def __init__(
        self, rows: Sequence[PriceRow], guest_rows: Sequence[PriceRow], payer_class: str, context: Mapping[str, Any]
    ) -> None:
        self._rows = rows
        self._guest_row = guest_rows[0] if guest_rows else None
        self._after_last = rows[-1].after_last if rows else AfterLast.REFUSE
        self._payer_class = payer_class
        self._context = context
        self._steps: dict[int, Step | None] = {}

    @property
    def is_empty(self) -> bool:
        """This class is not served at this meal."""
        return not self._rows

    def step(self, serving: int) -> Step | None:
        """The price of the nth serving; None where there is none any more."""
        try:
            return self._steps[serving]
        except KeyError:
            made = self._steps[serving] = self._make(serving)
            return made

    def _make(self, serving: int) -> Step | None:
        if serving <= len(self._rows):
            return step_for(self._rows[serving - 1], serving, self._payer_class, self._context, as_guest=False)
        if self._after_last == AfterLast.REFUSE or self._guest_row is None:
            return None
        return step_for(self._guest_row, serving, GUEST_CLASS, self._context, as_guest=True)
