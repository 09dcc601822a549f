"""The front door of the canteens: what the assembly and the command line may call.

For app/wiring.py: `CanteenPricing` (the posting rule), `CanteenCounter` (who signs for returns), `configuration_for_till` (the canteens' part of what a till is
told), `next_meal_of_unit` (for vouchers), `handed_over_totals` (for reconciliation), `MeetingMeals` (meals as a line of a meeting), `CANTEEN_CHANNEL` (who may hear a canteen); and from `jobs.py` the two loops. The rest are the use cases, for demo data.
"""

from canteen.canteens import NewWindow, edit_canteen, open_canteen, set_timetable
from canteen.channels import CANTEEN_CHANNEL
from canteen.counter import CanteenCounter
from canteen.covers.schemas import Capacities
from canteen.covers.service import MeetingMeals, set_capacities
from canteen.lunch_share import unit_share_of_lunch
from canteen.meals import AfterLast, DayType, LimitWindow, Meal, OrderState
from canteen.menus import NewItem, change_menu_state, mark_sold_out, open_dish, open_menu
from canteen.next_meal import next_meal_of_unit
from canteen.pins import set_pin
from canteen.prices import NewLadder, NewLimit, Serving, set_limit, set_prices
from canteen.pricing import CanteenPricing
from canteen.shift_totals import handed_over_totals
from canteen.shifts import hand_over, open_shift
from canteen.till import configuration_for_till

__all__ = [
    "CANTEEN_CHANNEL",
    "AfterLast",
    "CanteenCounter",
    "CanteenPricing",
    "Capacities",
    "DayType",
    "LimitWindow",
    "Meal",
    "MeetingMeals",
    "NewItem",
    "NewLadder",
    "NewLimit",
    "NewWindow",
    "OrderState",
    "Serving",
    "change_menu_state",
    "configuration_for_till",
    "edit_canteen",
    "hand_over",
    "handed_over_totals",
    "mark_sold_out",
    "next_meal_of_unit",
    "open_canteen",
    "open_dish",
    "open_menu",
    "open_shift",
    "set_capacities",
    "set_limit",
    "set_pin",
    "set_prices",
    "set_timetable",
    "unit_share_of_lunch",
]
