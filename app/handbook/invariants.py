"""docs/invariants.md: what must hold of money, from payments/invariants.py."""

from typing import Final

from app.handbook.markdown import fenced, page, table
from payments.invariants import INVARIANTS

_LEAD: Final = (
    "What must hold of money at every moment. Each is a query that returns what breaks it, and nothing where all is well. "
    "`./guanjia audit` asks them all, the worker does so every night, and each story of tests/payments ends with them."
)


def invariants_page() -> str:
    """The list, and below it the queries."""
    rows = [(invariant.name, invariant.zh, invariant.en) for invariant in INVARIANTS]
    queries = [f"### {invariant.name}\n\n{fenced(invariant.sql.strip(), 'sql')}" for invariant in INVARIANTS]
    return page("Invariants", _LEAD, table(("", "中文", "English"), rows), "## The queries", *queries)
