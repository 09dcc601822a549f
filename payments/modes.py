"""Which amounts a till may take: typed in, the meal's price, or from the menu. What it may not take is refused here too,
not only left off its screen. Pure."""

from collections.abc import Set as AbstractSet
from typing import Final

from payments.errors import ModeNotAllowed
from payments.posting_rule import Sale

# A count and a fixed price look the same to us: neither amount nor dishes are sent.
_MEAL_PRICE: Final = frozenset({"fixed", "count"})


def check_mode(modes: AbstractSet[str], sale: Sale) -> None:
    """ModeNotAllowed, where a till of these modes does not sell like this."""
    if sale.items:
        needed = frozenset({"menu"})
    elif sale.amount_fen is not None:
        needed = frozenset({"keyed"})
    else:
        needed = _MEAL_PRICE
    if needed.isdisjoint(modes):
        raise ModeNotAllowed(needed=sorted(needed), modes=sorted(modes))
