"""The closed lists of words of identity: what kinds of people, places, roles and tills there are."""

from enum import StrEnum
from typing import Final


class PersonClass(StrEnum):
    """What a person is to the organisation that they belong to; prices differ by it."""

    STAFF = "staff"
    CONTRACT = "contract"
    RETIRED = "retired"
    FAMILY = "family"
    VISITOR = "visitor"


class OrganisationKind(StrEnum):
    """A `unit` pays for its people, a `department` is part of a unit, an `operator` runs canteens."""

    UNIT = "unit"
    DEPARTMENT = "department"
    OPERATOR = "operator"


class SiteKind(StrEnum):
    """What a place is for; the domain that owns the kind uses the site's id as its own."""

    CANTEEN = "canteen"
    VENUE = "venue"
    WORKSHOP = "workshop"
    OFFICE = "office"


class PlaceKind(StrEnum):
    """What a node of the tree of places is. Each stands below a wider one; an `area` is any spot without walls."""

    CAMPUS = "campus"
    BUILDING = "building"
    STOREY = "storey"
    ROOM = "room"
    AREA = "area"


class Role(StrEnum):
    """What somebody may do. `employee` comes with a membership; all others are granted."""

    EMPLOYEE = "employee"
    CASHIER = "cashier"
    TECHNICIAN = "technician"
    DISPATCHER = "dispatcher"
    DUTY_STAFF = "duty_staff"
    CANTEEN_MANAGER = "canteen_manager"
    FINANCE = "finance"
    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"


ADMINISTRATORS: Final = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN})
GRANTED_ROLES: Final = [role for role in Role if role is not Role.EMPLOYEE]


class TerminalMode(StrEnum):
    """How a till forms the amount: typed in, the meal's price, from the menu, or one portion counted."""

    KEYED = "keyed"
    FIXED = "fixed"
    MENU = "menu"
    COUNT = "count"
