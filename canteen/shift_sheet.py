"""The hand-over sheet of a shift: counts and sums, and beside them what the ledger's own lines say. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from canteen.meals import Meal
from payments.api import Returned, TillSale

# In this order on the sheet; a channel's name stands for what guests paid through it.
PURSES: Final = ("subsidy", "cash", "official", "alipay")
_DEBITED: Final = {"alipay": "psp_clearing"}
LineSums = Mapping[tuple[str, str], int]


def make_sheet(
    sales: Sequence[TillSale],
    returns: Sequence[Returned],
    refusals: Mapping[str, int],
    sale_lines: LineSums,
    return_lines: LineSums,
) -> dict[str, Any]:
    """The figures of a shift. `ties` says that what was counted from the payments is what the ledger's lines moved."""
    sold = sum(sale.amount_fen for sale in sales)
    returned = sum(each.amount_fen for each in returns)
    purses = _purses(sales, returns)
    ledger = {
        "sales_fen": _paid_to_canteen(sale_lines),
        "returned_fen": sum(amount for (debit, _), amount in return_lines.items() if debit == "payable"),
    }
    ties = ledger == {"sales_fen": sold, "returned_fen": returned} and all(
        _paid_from(sale_lines, purse) == sums["sales_fen"] for purse, sums in purses.items()
    )
    return {
        "count": len(sales),
        "sales_fen": sold,
        "returned_fen": returned,
        "net_fen": sold - returned,
        "purses": [{"purse": purse, **purses[purse]} for purse in PURSES if purse in purses],
        "meals": _meals([sale for sale in sales if not sale.is_guest]),
        "guests": _sums([sale.amount_fen for sale in sales if sale.is_guest]),
        "voids": _returns_of(returns, "void"),
        "refunds": _returns_of(returns, "refund"),
        "refusals": [{"code": code, "count": count} for code, count in refusals.items()],
        "ledger": ledger,
        "ties": ties,
    }


def _purses(sales: Sequence[TillSale], returns: Sequence[Returned]) -> dict[str, dict[str, int]]:
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sale in sales:
        for purse, amount_fen in sale.legs:
            sums[purse]["sales_fen"] += amount_fen
    for each in returns:
        for purse, amount_fen in each.legs:
            sums[purse]["returned_fen"] += amount_fen
    return {
        purse: {
            "sales_fen": found["sales_fen"],
            "returned_fen": found["returned_fen"],
            "net_fen": found["sales_fen"] - found["returned_fen"],
        }
        for purse, found in sums.items()
    }


def _meals(sales: Sequence[TillSale]) -> list[dict[str, Any]]:
    """By business date, because a shift may go past two in the morning, and by meal in the order of the day."""
    order = list(Meal)
    found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for sale in sales:
        found[sale.business_date, order.index(Meal(sale.context["meal"]))].append(sale.amount_fen)
    return [
        {"business_date": day, "meal": order[meal].value, "count": len(amounts), "amount_fen": sum(amounts)}
        for (day, meal), amounts in sorted(found.items())
    ]


def _returns_of(returns: Sequence[Returned], kind: str) -> dict[str, int]:
    return _sums([each.amount_fen for each in returns if each.kind == kind])


def _sums(amounts_fen: list[int]) -> dict[str, int]:
    return {"count": len(amounts_fen), "amount_fen": sum(amounts_fen)}


def _paid_to_canteen(lines: LineSums) -> int:
    """Between two regions the meal stands in both books; the canteen's own is credited once."""
    return sum(amount for (_, credit), amount in lines.items() if credit == "payable")


def _paid_from(lines: LineSums, purse: str) -> int:
    debited = _DEBITED.get(purse, purse)
    return sum(amount for (debit, _), amount in lines.items() if debit == debited)
