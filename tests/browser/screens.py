"""Every screen of the house, one row each: where it is, whose it is, and what shows that it has come up.

A route of frontend/src/app/router.ts, or a page of the phone, without a row here fails test_screens.py. A state that a screen does not have is named with
its reason in `without`; `signs` says how a screen shows a state where it does not use the common parts of kernel/.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# How the common parts say which state they draw.
STATES: Final = ("loading", "empty", "error", "offline")
FORM: Final = dict.fromkeys(STATES, "a form, which loads nothing that it cannot do without")


@dataclass(frozen=True)
class Screen:
    """One screen, and somebody before it."""

    name: str
    # As the router has it.
    route: str
    # What stands in braces, `places` of test_screens.py finds.
    address: str
    # Whose: a role, `till`, or nobody's in particular.
    role: str | None
    # What is there when it is full.
    sign: str
    signs: Mapping[str, str] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)
    # What the browser keeps beside who is signed in.
    keep: Mapping[str, object] = field(default_factory=dict)

    def sign_of(self, state: str) -> str:
        """What shows a state."""
        return self.signs.get(state, f"[data-state={state}]")


TABLE: Final = "main table tbody tr"
DESKS: Final = dict.fromkeys(STATES, "the desk behind it has drawn them")
SCREENS: Final[tuple[Screen, ...]] = (
    Screen("sign in", "/", "/", None, "input[name=password]", without=FORM),
    Screen(
        "pay code",
        "/",
        "/",
        "employee",
        "[data-testid=pay-qr][data-drawn]",
        without={"empty": "there is always a code, or a reason"},
    ),
    Screen("home", "/", "/?tab=home", "employee", "main .today li"),
    Screen("account", "/", "/?tab=account", "employee", "main li"),
    Screen("me", "/", "/?tab=me", "employee", "main h2", without=dict.fromkeys(STATES, "all of it is on the device")),
    Screen("top up", "/", "/?tab=top_up", "employee", "[data-testid=top-up-form]"),
    Screen("lost", "/", "/?tab=lost", "employee", "[data-testid=report-lost]", without=FORM),
    Screen(
        "card", "/", "/?tab=card", "employee", "main section h2", without={"empty": "it says whether there is a card"}
    ),
    Screen(
        "till PIN",
        "/",
        "/?tab=till_pin",
        "cashier",
        "[data-testid=till-pin-form]",
        without={"empty": "it says whether there is one"},
    ),
    Screen("statements", "/", "/?tab=statements", "employee", "[data-testid=my-statement]"),
    Screen("scan on the phone", "/", "/?tab=scan", "employee", "main .scan", without=FORM),
    Screen(
        "payment",
        "/",
        "/?tab=account&payment={payment}",
        "employee",
        "main .detail",
        without={"empty": "a payment is there, or an error"},
    ),
    Screen(
        "leaving",
        "/",
        "/?tab=withdraw",
        "employee",
        "[data-testid=withdraw] form",
        without={"empty": "what can be sent is there, or the reason why nothing can"},
    ),
    Screen(
        "call for help",
        "/",
        "/?tab=call",
        "employee",
        "[data-kind=medical]",
        without={"empty": "there is always the button", "loading": "the button waits for nothing"},
    ),
    Screen("my repairs", "/", "/?tab=repairs", "employee", "[data-testid=raise-new]"),
    Screen(
        "suggestions", "/", "/?tab=suggestions", "employee", "[data-testid=suggestions], [data-testid=suggestion-new]"
    ),
    Screen(
        "report a fault",
        "/",
        "/?tab=repairs&raise=1",
        "employee",
        "[data-testid=raise] legend",
        without={"empty": "without categories the form says so in their place"},
    ),
    Screen("work of a technician", "/", "/?tab=work", "technician", "main h2"),
    Screen("report without a sign-in", "/repair/:code?", "/repair", None, "[data-testid=ticket-form]", without=FORM),
    Screen("scan", "/pay/:code?", "/pay", "employee", "main section", without=FORM),
    Screen(
        "pay at a wall code",
        "/pay/:code?",
        "/pay/{wall_code}",
        "employee",
        "[data-testid=scan-pay]",
        without={"empty": "a place is there, or an error"},
    ),
    Screen("activate", "/activate/:code?", "/activate", None, "input[name=activation_code]", without=FORM),
    Screen(
        "activate by a link", "/activate/:code?", "/activate/{activation}", None, "[data-testid=username]", without=FORM
    ),
    Screen("pairing", "/terminal", "/terminal", None, "input[name=pairing_code]", without=FORM),
    Screen(
        "till",
        "/terminal",
        "/terminal",
        "till",
        "[data-testid=till-result]",
        without={"empty": "a till without a menu still takes amounts"},
    ),
    Screen("demo", "/demo", "/demo", None, "[data-testid=hold]", without=FORM),
    Screen("sound of the desk", "/desk", "/desk", "duty_staff", "[data-testid=sound-step]", without=DESKS),
    Screen(
        "desk",
        "/desk",
        "/desk",
        "duty_staff",
        "[data-testid=desk-lists]",
        # Nobody is made to listen to a test.
        keep={"guanjia.desk.sound": False},
    ),
    Screen(
        "wall",
        "/desk/wall",
        "/desk/wall",
        "duty_staff",
        "[data-testid=wall] dl",
        without={"empty": "a wall without calls says that all is well"},
    ),
    Screen(
        "repairs board",
        "/desk/repairs",
        "/desk/repairs",
        "dispatcher",
        "main h1",
        without={"empty": "a board without open orders says that nothing is broken"},
    ),
    Screen(
        "repair statistics",
        "/desk/repairs/statistics",
        "/desk/repairs/statistics",
        "dispatcher",
        "[data-testid=repair-figures]",
        without={"empty": "its answer is no list; a time without repairs is seen in test_repair_statistics.py"},
    ),
    Screen("board", "/desk/canteen", "/desk/canteen", "canteen_manager", "[data-testid=board-count]"),
    Screen("shifts", "/desk/shifts", "/desk/shifts", "canteen_manager", TABLE),
    Screen(
        "meals of meetings",
        "/desk/covers",
        "/desk/covers",
        "canteen_manager",
        "[data-testid=covers], main [data-state=empty]",
        without={"empty": "a week without meetings is one; the list is not paged"},
    ),
    Screen("disputes", "/desk/disputes", "/desk/disputes", "canteen_manager", "[data-testid=dispute-list] li"),
    Screen("settlement", "/admin/settlement", "/admin/settlement", "finance", "[data-testid=month]"),
    Screen("vouchers", "/admin/settlement", "/admin/settlement?part=vouchers", "finance", "[data-testid=holes]"),
    Screen(
        "other platforms", "/admin/settlement", "/admin/settlement?part=partners", "finance", "[data-testid=root-key]"
    ),
    Screen("bank accounts", "/admin/settlement", "/admin/settlement?part=accounts", "finance", TABLE),
    Screen("disputes decided", "/admin/disputes", "/admin/disputes", "finance", "[data-testid=dispute-list] li"),
    Screen("differences", "/admin/differences", "/admin/differences", "finance", "[data-testid=difference]"),
    Screen("organisations", "/admin/organisations", "/admin/organisations", "system_admin", TABLE),
    Screen("people", "/admin/people", "/admin/people", "system_admin", TABLE),
    Screen(
        "places",
        "/admin/places",
        "/admin/places",
        "system_admin",
        "[data-testid=places] li",
        without={"empty": "the tree comes whole: its answer has no next page that could be empty"},
    ),
    Screen("approvals", "/admin/approvals", "/admin/approvals", "system_admin", "main h1"),
    Screen(
        "slips",
        "/admin/slips",
        "/admin/slips",
        "system_admin",
        "main form",
        without={"empty": "it asks for whom first, and says so where nobody needs one"},
    ),
    Screen(
        "one slip",
        "/admin/slips",
        "/admin/slips?person={person}",
        "system_admin",
        "[data-testid=slip]",
        without=dict.fromkeys(STATES, "the page of slips has drawn them"),
    ),
    Screen(
        "sign-in security",
        "/admin/security",
        "/admin/security",
        "system_admin",
        "main form",
        without={"empty": "the second factor is on or off"},
    ),
    Screen("terminals", "/admin/terminals", "/admin/terminals", "system_admin", TABLE),
    Screen("canteens", "/admin/canteens", "/admin/canteens", "system_admin", TABLE),
    Screen("setup", "/admin/setup", "/admin/setup", "system_admin", "main ol > li"),
    Screen(
        "prices",
        "/admin/prices",
        "/admin/prices",
        "system_admin",
        TABLE,
        without={"empty": "the matrix of classes and meals is always there, each cell says what is not served"},
    ),
    Screen("menus", "/admin/menus", "/admin/menus", "system_admin", "main article, main section"),
    Screen("developers", "/admin/developers", "/admin/developers", "system_admin", "main section h2"),
    Screen("subsidies", "/admin/subsidies", "/admin/subsidies", "finance", TABLE),
    Screen("subsidy rules", "/admin/subsidies", "/admin/subsidies?part=rules", "finance", "[data-testid=rule]"),
    Screen("attendance", "/admin/subsidies", "/admin/subsidies?part=lists", "finance", TABLE),
    Screen("expiring", "/admin/subsidies", "/admin/subsidies?part=expiring", "finance", "main svg[role=img]"),
    Screen(
        "paying for subsidies",
        "/admin/subsidies",
        "/admin/subsidies?part=terms",
        "finance",
        "[data-testid=terms]",
        without={"empty": "a unit always pays in one way"},
    ),
    Screen("cards", "/admin/cards", "/admin/cards", "finance", "main form", without=FORM),
    Screen(
        "reconciliation",
        "/admin/reconciliation",
        "/admin/reconciliation",
        "finance",
        "[data-testid=level-strip]",
    ),
    Screen("who rings for calls", "/admin/calls", "/admin/calls", "system_admin", "main .preview dd"),
    Screen("duty rota", "/admin/duty", "/admin/duty", "system_admin", "main .changes h2"),
    Screen("duty warnings", "/admin/duty", "/admin/duty?part=coverage", "system_admin", "[data-testid=coverage] li"),
    Screen("duty teams", "/admin/duty", "/admin/duty?part=teams", "system_admin", "[data-testid=duty-teams] li"),
    Screen("ways to reach people", "/admin/duty", "/admin/duty?part=channels", "system_admin", TABLE),
    Screen("wall codes", "/admin/wall-codes", "/admin/wall-codes", "system_admin", TABLE),
    Screen(
        "kinds of repair",
        "/admin/repairs",
        "/admin/repairs",
        "system_admin",
        "[data-testid=category]",
        without={"empty": "the list is not paged"},
    ),
    Screen(
        "technicians",
        "/admin/repairs",
        "/admin/repairs?part=technicians",
        "dispatcher",
        "[data-testid=technician]",
        without={"empty": "the list is not paged"},
    ),
    Screen(
        "promises of repairs", "/admin/repairs", "/admin/repairs?part=promises", "dispatcher", "[data-testid=target]"
    ),
    Screen("parts in stock", "/admin/repairs", "/admin/repairs?part=stock", "dispatcher", "[data-testid=part]"),
    Screen(
        "problems behind repairs",
        "/admin/repairs",
        "/admin/repairs?part=problems",
        "dispatcher",
        "[data-testid=problem]",
    ),
    Screen("booking on the phone", "/", "/?tab=booking", "employee", "main [data-booking]"),
    Screen("booking calendar", "/booking", "/booking", "employee", "[data-testid=day-rows], [data-testid=day-agenda]"),
    Screen("hotel rooms", "/booking", "/booking?kind=hotel_room", "employee", "[data-testid=night-rows]"),
    Screen("my bookings", "/booking/mine", "/booking/mine", "employee", "main [data-booking]"),
    Screen("meetings", "/booking/meetings", "/booking/meetings", "employee", "[data-testid=meetings] li"),
    Screen(
        "new meeting",
        "/booking/meetings/new",
        "/booking/meetings/new",
        "employee",
        "[data-testid=meeting-form]",
        without={"empty": "a form, whether or not there is anything to choose yet"},
    ),
    Screen(
        "one meeting",
        "/booking/meetings/:id",
        "/booking/meetings/{meeting}",
        "employee",
        "[data-testid=meeting-lines] li",
        without={"empty": "a meeting has a line, or there is none"},
    ),
    Screen(
        "costs of a meeting",
        "/booking/meetings/:id",
        "/booking/meetings/{meeting}?part=costs",
        "employee",
        "[data-testid=costs]",
        without={"empty": "a meeting has a line, or there is none"},
    ),
    Screen(
        "guests of a meeting",
        "/booking/meetings/:id",
        "/booking/meetings/{meeting}?part=guests",
        "employee",
        TABLE,
        without={"empty": "the list is not paged; the test of the meeting begins without guests"},
    ),
    Screen(
        "arrivals",
        "/booking/meetings/:id",
        "/booking/meetings/{meeting}?part=arrivals",
        "employee",
        "[data-testid=arrivals]",
        without={"empty": "steps are there before anybody comes"},
    ),
    Screen("check-in", "/checkin", "/checkin", "employee", "[data-testid=check-in-meetings] li"),
    Screen(
        "guide",
        "/guide/:code",
        "/guide/{guide}",
        None,
        "[data-testid=guide] h1",
        without={"empty": "a guide is there, or an error"},
    ),
    Screen(
        "invitation",
        "/invitation/:code",
        "/invitation/{invitation}",
        None,
        "[data-testid=invitation] [data-answer=accepted]",
        without={"empty": "an invitation is there, or an error"},
    ),
    Screen(
        "door", "/door/:token", "/door/{door}", None, "[data-testid=door]", without={"empty": "a door is free or taken"}
    ),
    Screen(
        "booking approvals",
        "/desk/bookings",
        "/desk/bookings",
        "dispatcher",
        "[data-testid=booking-requests] li",
    ),
    Screen(
        "bookable things",
        "/admin/bookings",
        "/admin/bookings",
        "system_admin",
        TABLE,
        without={"empty": "read page by page to its end, as the calendar, which draws it"},
    ),
    Screen("booking quotas", "/admin/bookings", "/admin/bookings?part=quotas", "system_admin", TABLE),
    Screen(
        "rules of meetings",
        "/admin/bookings",
        "/admin/bookings?part=meetings",
        "system_admin",
        "[data-testid=meeting-rules] .panel, [data-testid=meeting-rules]",
        without={"empty": "a region has rules always"},
    ),
    Screen(
        "plans",
        "/admin/bookings",
        "/admin/bookings?part=plans",
        "system_admin",
        "[data-testid=plan]",
        without={"empty": "the list is not paged"},
    ),
    Screen("no such page", "/:path(.*)*", "/nowhere", None, "a[href='/']", without=FORM),
)

# Which sessions of the browser a role signs in to.
SESSION_OF: Final = {
    "employee": "phone",
    "cashier": "phone",
    "canteen_manager": "desk",
    "duty_staff": "desk",
    "dispatcher": "desk admin",
    "technician": "phone",
    "system_admin": "admin",
    "finance": "admin",
}
