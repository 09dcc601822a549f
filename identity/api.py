"""The front door of identity: what its neighbours may call.

Who calls: `CurrentPerson`, `CurrentTerminal`, `CallerDep`, `require_role`, and `Principal.may(role, site_id=...)`.
Who somebody is: `membership_of`, `person_summary`. Tills for posting: `load_terminals`. Two-person approval:
`request_approval`, `register_executor`. What a till is told about prices and its sequence comes from its neighbours:
`register_terminal_configuration`.
"""

from identity.access import (
    SESSION_COOKIE,
    CallerDep,
    CurrentPerson,
    CurrentTerminal,
    KnownTerminal,
    authenticate,
    authenticate_terminal,
    current_caller,
    current_person,
    current_terminal,
    require_role,
    token_of,
)
from identity.kinds import ADMINISTRATORS, PersonClass, Role, SiteKind, TerminalMode
from identity.principal import EVERYWHERE, Cover, Place, Principal, RoleGrant, Terminal
from identity.queries import (
    MembershipView,
    PersonSummary,
    load_terminals,
    mask_name,
    membership_of,
    memberships_of,
    payers_of,
    person_summary,
)
from identity.tokens import hash_token

__all__ = [
    "ADMINISTRATORS",
    "EVERYWHERE",
    "SESSION_COOKIE",
    "CallerDep",
    "Cover",
    "CurrentPerson",
    "CurrentTerminal",
    "KnownTerminal",
    "MembershipView",
    "PersonClass",
    "PersonSummary",
    "Place",
    "Principal",
    "Role",
    "RoleGrant",
    "SiteKind",
    "Terminal",
    "TerminalMode",
    "authenticate",
    "authenticate_terminal",
    "current_caller",
    "current_person",
    "current_terminal",
    "hash_token",
    "load_terminals",
    "mask_name",
    "membership_of",
    "memberships_of",
    "payers_of",
    "person_summary",
    "require_role",
    "token_of",
]
