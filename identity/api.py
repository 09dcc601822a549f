"""The front door of identity: what its neighbours may call.

Who calls: `CurrentPerson`, `CurrentTerminal`, `CallerDep`, `require_role`, and `Principal.may(role, site_id=...)`; a route
whose use case takes `db` asks by `CurrentPersonApart` or `CallerApart` instead, so that no request holds two connections.
Who somebody is: `membership_of`, `person_summary`, `open_person`. Tills for posting: `load_terminals`; their state for
a board: `terminal_health`. Two-person approval: `request_approval`, `register_executor`. What a till is told about
prices and its sequence comes from its neighbours: `register_terminal_configuration`. A table that somebody made in a
spreadsheet: `parse_table`, `build_template`. Where something is: `place_summary`, `find_place_by_code`, `places_below`;
and how to walk there: `find_way`.

`actor` is how the audit log names who acts: `Principal.actor`, `Terminal.actor`, or "system".
"""

from identity.access import (
    SESSION_COOKIE,
    SIGNED_IN,
    CallerApart,
    CallerDep,
    CurrentPerson,
    CurrentPersonApart,
    CurrentTerminal,
    CurrentTerminalApart,
    KnownTerminal,
    authenticate,
    authenticate_caller,
    authenticate_many,
    authenticate_terminal,
    current_caller,
    current_person,
    current_terminal,
    require_role,
    today,
    token_of,
)
from identity.approvals import (
    approve,
    decider_of,
    pending_approvals,
    register_executor,
    reject,
    request_approval,
    withdraw,
)
from identity.attempts import AttemptPolicy, count_attempt, forget_attempts
from identity.contacts import Contact, contacts_of, places_up, regions_up
from identity.csv_table import CellError, Column, ParsedRow, ParsedTable, matching, parse_table, words
from identity.kinds import ADMINISTRATORS, OrganisationKind, PersonClass, Role, SiteKind, TerminalMode
from identity.lists import NamedPerson, find_people_to_name
from identity.names import pinyin_of
from identity.passwords import hash_password, verify_password
from identity.people import NewPerson, change_membership, change_person_status, open_people, open_person
from identity.place_label_sheet import Label, Layout, label_sheet
from identity.place_labels import find_place_by_code, place_code_of
from identity.place_tree import NewPlace, PlaceSummary, open_place, place_summary, places_below
from identity.places import members_below, move_organisation, open_organisation, open_region, open_site, units_below
from identity.plans.errors import NoWay
from identity.plans.service import Leg, Way, find_way, may_read_plan
from identity.principal import EVERYWHERE, Cover, Place, Principal, RoleGrant, Terminal
from identity.queries import (
    MembershipView,
    Payer,
    PersonSummary,
    PlaceName,
    SiteSummary,
    UnitMember,
    find_active_person,
    live_token_hashes,
    load_terminals,
    mask_name,
    members_of_unit,
    membership_of,
    membership_turns,
    memberships_of,
    payers_of,
    people_by_unit_and_class,
    people_of_tokens,
    people_with_roles_at,
    people_with_roles_in,
    person_summary,
    place_names,
    principal_of,
    serving_site,
    site_summary,
    terminal_summary,
)
from identity.role_changes import ask_to_grant
from identity.roles import found_first_administrator, revoke_role
from identity.schemas import BadCell
from identity.sign_in import write_credential
from identity.terminals import (
    PairingCode,
    TerminalConfigurationPart,
    TerminalHealth,
    enrol_terminal,
    note_heartbeat,
    open_terminal,
    register_terminal_configuration,
    terminal_health,
)
from identity.tokens import hash_token
from identity.workbook import TemplateColumn, build_template

__all__ = [
    "ADMINISTRATORS",
    "EVERYWHERE",
    "SESSION_COOKIE",
    "SIGNED_IN",
    "AttemptPolicy",
    "BadCell",
    "CallerApart",
    "CallerDep",
    "CellError",
    "Column",
    "Contact",
    "Cover",
    "CurrentPerson",
    "CurrentPersonApart",
    "CurrentTerminal",
    "CurrentTerminalApart",
    "KnownTerminal",
    "Label",
    "Layout",
    "Leg",
    "MembershipView",
    "NamedPerson",
    "NewPerson",
    "NewPlace",
    "NoWay",
    "OrganisationKind",
    "PairingCode",
    "ParsedRow",
    "ParsedTable",
    "Payer",
    "PersonClass",
    "PersonSummary",
    "Place",
    "PlaceName",
    "PlaceSummary",
    "Principal",
    "Role",
    "RoleGrant",
    "SiteKind",
    "SiteSummary",
    "TemplateColumn",
    "Terminal",
    "TerminalConfigurationPart",
    "TerminalHealth",
    "TerminalMode",
    "UnitMember",
    "Way",
    "approve",
    "ask_to_grant",
    "authenticate",
    "authenticate_caller",
    "authenticate_many",
    "authenticate_terminal",
    "build_template",
    "change_membership",
    "change_person_status",
    "contacts_of",
    "count_attempt",
    "current_caller",
    "current_person",
    "current_terminal",
    "decider_of",
    "enrol_terminal",
    "find_active_person",
    "find_people_to_name",
    "find_place_by_code",
    "find_way",
    "forget_attempts",
    "found_first_administrator",
    "hash_password",
    "hash_token",
    "label_sheet",
    "live_token_hashes",
    "load_terminals",
    "mask_name",
    "matching",
    "may_read_plan",
    "members_below",
    "members_of_unit",
    "membership_of",
    "membership_turns",
    "memberships_of",
    "move_organisation",
    "note_heartbeat",
    "open_organisation",
    "open_people",
    "open_person",
    "open_place",
    "open_region",
    "open_site",
    "open_terminal",
    "parse_table",
    "payers_of",
    "pending_approvals",
    "people_by_unit_and_class",
    "people_of_tokens",
    "people_with_roles_at",
    "people_with_roles_in",
    "person_summary",
    "pinyin_of",
    "place_code_of",
    "place_names",
    "place_summary",
    "places_below",
    "places_up",
    "principal_of",
    "regions_up",
    "register_executor",
    "register_terminal_configuration",
    "reject",
    "request_approval",
    "require_role",
    "revoke_role",
    "serving_site",
    "site_summary",
    "terminal_health",
    "terminal_summary",
    "today",
    "token_of",
    "units_below",
    "verify_password",
    "withdraw",
    "words",
    "write_credential",
]
