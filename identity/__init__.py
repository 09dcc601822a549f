"""People, places, devices: who may do what, where, and with which till.

Owns regions, organisations, sites, people and their memberships, roles, sign-in, terminals and two-person approval.
Invariants: a person has at most one membership on any day; a role is bound to one place and written, never implied,
except `employee`, which comes with a membership; an administrator holds nothing but that one administrator's role;
nobody decides on their own request; a token is known by its hash only; every change of a terminal raises the
configuration version in its own transaction, so that it counts everywhere at the next payment.

A canteen's id is its site's id, so roles and terminals never point upward. Neighbours use `identity.api`, `.events`
and `.errors`; identity knows none of them.
"""
