"""The posting rule of the canteens: price, unit share, limits and reasons of one sale, decided in memory.

Posting calls `counter_keys` before it locks the payer and `quote` under the lock, thousands of times a second. Both are
pure: they look things up in the snapshot, and the same arguments and snapshot give the same answer.

Order of refusals: no canteen or closed, class not served, servings used up, dishes not on the menu, limits.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from canteen.errors import ItemsNotOnMenu, NothingToPay
from canteen.meals import LimitWindow
from canteen.snapshot import CanteenState, MenuRow, Opening, Plan, Snapshot
from canteen.tariff import Limits, Step
from kernel.clock import rfc3339
from kernel.ids import public_id
from kernel.money import AMOUNT_FEN_MAX, format_yuan
from payments.api import NO_USAGE, DenyCode, Payer, Quote, Refusal, Sale, SaleItem, Usage

_NO_CANTEEN: Final = Refusal(DenyCode.TERMINAL, {"reason": "no_canteen"})


class CanteenPricing:
    """Implements `payments.posting_rule.PostingRule`; registered in app/wiring.py."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._snapshot = snapshot or Snapshot()

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Learn what changed after a configuration version."""
        await self._snapshot.refresh(connection, since_version)

    def site_label(self, site_id: UUID) -> str:
        """The canteen's Chinese name; empty where the site is no canteen."""
        canteen = self._snapshot.canteen(site_id)
        return canteen.row.name_zh if canteen is not None and canteen.row is not None else ""

    def site_label_en(self, site_id: UUID) -> str:
        """The canteen's English name."""
        canteen = self._snapshot.canteen(site_id)
        return canteen.row.name_en if canteen is not None and canteen.row is not None else ""

    def counter_keys(self, sale: Sale) -> tuple[str, ...]:
        """The meal's counter, and the day's where a limit of this canteen counts over the day."""
        canteen = self._snapshot.canteen(sale.site_id)
        if canteen is None or canteen.row is None:
            return ()
        return self._snapshot.opening_of(canteen, sale.at).counters

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        """The price of one sale, or why there is none."""
        found = self._find_plan(sale, payer)
        if isinstance(found, Refusal):
            return found
        canteen, opening, plan = found
        used = usage.get(opening.meal_counter, NO_USAGE)
        step = plan.ladder.step(used.count + 1)
        if step is None:
            return Refusal(DenyCode.COUNT_LIMIT, {"window": LimitWindow.PERIOD.value, "used": used.count})
        amount_fen, context, trace = _form_amount(sale, opening, step)
        refusal = _check_limits(plan.limits, opening, amount_fen, used, usage)
        if refusal is not None:
            return refusal
        row = canteen.row
        assert row is not None, "a canteen without its row has no plan"
        return Quote(
            amount_fen,
            min(step.unit_share_fen, amount_fen),
            opening.business_date,
            opening.accounting_period,
            row.region_id,
            row.id,
            opening.lot_tags,
            plan.counters,
            context,
            opening.trace + trace,
        )

    def _find_plan(self, sale: Sale, payer: Payer) -> tuple[CanteenState, Opening, Plan] | Refusal:
        canteen = self._snapshot.canteen(sale.site_id)
        if canteen is None or canteen.row is None:
            return _NO_CANTEEN
        row = canteen.row
        if not row.is_open:
            return Refusal(DenyCode.OUT_OF_PERIOD, {"canteen": public_id("can", row.id), "next_opening_at": None})
        opening = self._snapshot.opening_of(canteen, sale.at)
        if opening.meal is None:
            return _closed(row.id, opening)
        if not row.open_to_all and payer.unit_id not in row.unit_ids:
            return Refusal(DenyCode.CLASS, {"canteen": public_id("can", row.id), "reason": "unit"})
        plan = self._snapshot.plan_of(canteen, opening, payer.person_class)
        if plan.ladder.is_empty:
            data = {"canteen": public_id("can", row.id), "reason": "class", "person_class": payer.person_class}
            return Refusal(DenyCode.CLASS, {**data, "meal": opening.meal.value})
        return canteen, opening, plan


def _closed(canteen_id: UUID, opening: Opening) -> Refusal:
    next_at = rfc3339(opening.until_at) if opening.next_meal else None
    return Refusal(
        DenyCode.OUT_OF_PERIOD,
        {"canteen": public_id("can", canteen_id), "next_opening_at": next_at, "next_meal": opening.next_meal},
    )


def _form_amount(sale: Sale, opening: Opening, step: Step) -> tuple[int, dict[str, Any], tuple[dict[str, Any], ...]]:
    """The total, what is stored with the payment, and the reasons: keyed, by the menu, or the meal's price."""
    if sale.items:
        amount_fen, lines = _sum_items(sale.items, opening.menu)
        return amount_fen, {**step.context, "items": lines}, (_menu_sentence(amount_fen, lines), *step.trace_when_keyed)
    if sale.amount_fen is not None:
        return sale.amount_fen, step.context, (_keyed_amount_sentence(sale.amount_fen), *step.trace_when_keyed)
    return step.price_fen, step.context, step.trace


def _sum_items(items: tuple[SaleItem, ...], menu: MenuRow | None) -> tuple[int, list[dict[str, Any]]]:
    amount_fen, lines, missing = 0, [], []
    for item in items:
        price_fen = menu.prices_fen.get(item.dish_id) if menu else None
        if menu is None or price_fen is None:
            reason = "sold_out" if menu and item.dish_id in menu.prices_fen else "unknown"
            missing.append({"dish": public_id("dsh", item.dish_id), "reason": reason})
            continue
        amount_fen += price_fen * item.quantity
        name_zh, name_en = menu.names[item.dish_id]
        lines.append(
            {
                "dish": public_id("dsh", item.dish_id),
                "name_zh": name_zh,
                "name_en": name_en,
                "quantity": item.quantity,
                "price_fen": price_fen,
            }
        )
    if missing:
        raise ItemsNotOnMenu(reason="items", dishes=missing)
    if amount_fen < 1:
        raise NothingToPay(reason="items")
    return amount_fen, lines


def _menu_sentence(amount_fen: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    zh = "、".join(f"{line['name_zh']} × {line['quantity']}" for line in lines)
    en = ", ".join(f"{line['name_en']} × {line['quantity']}" for line in lines)
    total = format_yuan(amount_fen)
    return {"code": "amount.menu", "zh": f"{zh}，合计 {total} 元", "en": f"{en}: {total} together", "items": lines}


def _keyed_amount_sentence(amount_fen: int) -> dict[str, Any]:
    yuan = format_yuan(amount_fen)
    return {"code": "amount.keyed", "zh": f"收银台输入金额 {yuan} 元", "en": f"{yuan} was keyed in at the till"}


def _check_limits(
    limits: Limits, opening: Opening, amount_fen: int, used: Usage, usage: Mapping[str, Usage]
) -> Refusal | None:
    transaction_max_fen = AMOUNT_FEN_MAX if limits.transaction_max_fen is None else limits.transaction_max_fen
    if amount_fen > transaction_max_fen:
        data = {"window": LimitWindow.TRANSACTION.value, "limit_fen": transaction_max_fen, "amount_fen": amount_fen}
        return Refusal(DenyCode.AMOUNT_LIMIT, data)
    refusal = _check_window(LimitWindow.PERIOD, used, amount_fen, limits.period_max_fen, limits.period_count_max)
    if refusal is None and limits.count_over_day:
        used_today = usage.get(opening.day_counter, NO_USAGE)
        refusal = _check_window(LimitWindow.DAY, used_today, amount_fen, limits.day_max_fen, limits.day_count_max)
    return refusal


def _check_window(
    window: LimitWindow, used: Usage, amount_fen: int, max_fen: int | None, count_max: int | None
) -> Refusal | None:
    if count_max is not None and used.count >= count_max:
        return Refusal(DenyCode.COUNT_LIMIT, {"window": window.value, "limit": count_max, "used": used.count})
    if max_fen is not None and used.amount_fen + amount_fen > max_fen:
        data = {"window": window.value, "limit_fen": max_fen, "used_fen": used.amount_fen, "amount_fen": amount_fen}
        return Refusal(DenyCode.AMOUNT_LIMIT, data)
    return None
