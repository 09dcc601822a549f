"""Subsidies: what units give their people to eat by, from the list that is approved to what comes back unspent.

A batch comes from a file or from a rule's month. One person prepares it, a second one approves it, and only then are the
lots of all its people opened, in one transaction. A lot has a scope and a last day; what is unspent then is carried over
as far as its batch says, and the rest goes back to the account of the unit that it was paid from: what it has paid in
ahead, or what it is billed for.

Invariants: a rule is paid once for a month; a batch is posted and reversed once; what comes out of a unit's account is
what its people spend and what comes back (docs/subsidies.md).

Begin with `entitlement.py`, `carry_over.py` and `forecast.py` (pure), then `grants.py` and `batches.py`.
"""
