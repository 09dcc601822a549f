"""What the canteens tell, and who hears of it: their own tills and boards, on the canteen's channel."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.events import Delivery, Event


class MenuItemChanged(Event, frozen=True, kw_only=True):
    """A dish on a menu has run out, or is there again."""

    type: ClassVar[str] = "menu.item_changed"

    canteen: str
    menu: str
    dish: str
    sold_out: bool

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class ShiftOpened(Event, frozen=True, kw_only=True):
    """A cashier has begun to work at a till."""

    type: ClassVar[str] = "shift.opened"

    canteen: str
    shift: str
    terminal: str
    cashier_name: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class ShiftHandedOver(Event, frozen=True, kw_only=True):
    """A shift has ended; its sheet stands for good."""

    type: ClassVar[str] = "shift.handed_over"

    canteen: str
    shift: str
    terminal: str
    cashier_name: str
    net_fen: int
    ties: bool

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)
